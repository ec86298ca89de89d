//! The certificate that a client has shown, and that was found good.

use std::fmt;
use std::sync::Arc;

/// Longest subject that is kept, characters.
const MAX_SUBJECT: usize = 200;

/// Who the client is, in the words of an authority that the operator trusts. Cheap to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    subject: Arc<str>,
    fingerprint: Arc<str>,
}

impl ClientCertificate {
    /// A certificate with this subject and SHA-256. What would break a line of a log is replaced.
    pub fn new(subject: &str, fingerprint: &str) -> Self {
        let plain = |it: char| if it.is_control() { '\u{fffd}' } else { it };
        let subject: String = subject.chars().take(MAX_SUBJECT).map(plain).collect();
        ClientCertificate {
            subject: subject.into(),
            fingerprint: fingerprint.into(),
        }
    }

    /// Its subject: `CN=alice, O=Signal Box`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Its SHA-256 in hexadecimal, which nobody else's has.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl fmt::Display for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_line_of_bounded_length() {
        let long = format!("CN=a\n{}", "x".repeat(500));
        let certificate = ClientCertificate::new(&long, "00");
        assert!(certificate.subject().starts_with("CN=a\u{fffd}x"));
        assert_eq!(certificate.to_string().chars().count(), MAX_SUBJECT);
    }
}
