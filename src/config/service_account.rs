//! A Google service account, as the key file that the Cloud console gives out describes it.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::config::access::is_loopback;
use crate::config::model::Target;
use crate::config::url::Address;

/// What a private key begins and ends with in the one form that is taken, PKCS#8.
const PEM: (&str, &str) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
/// What to do about a file that cannot be used.
const AGAIN: &str =
    "create a JSON key for the service account in the Cloud console and use that file as it is";

/// Who we are at Google. Its private key signs and does nothing else: no text of it is kept.
#[derive(Clone)]
pub struct ServiceAccount {
    /// Its name, which looks like an address.
    pub email: String,
    /// The project it belongs to.
    pub project: Option<String>,
    /// Which of its keys this is.
    pub key_id: Option<String>,
    /// Where it gets its tokens, as written: assertions name it.
    pub token_uri: String,
    /// The same, to be called.
    pub token_target: Target,
    key: Arc<KeyPair>,
}

impl ServiceAccount {
    /// Signs `text`: RSASSA-PKCS1-v1_5 with SHA-256, the `RS256` of RFC 7518. `None` where the machine has no
    /// randomness to blind the key with.
    pub fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.key.public().modulus_len()];
        let random = SystemRandom::new();
        let signed = self
            .key
            .sign(&RSA_PKCS1_SHA256, &random, text, &mut signature);
        signed.ok().map(|()| signature)
    }

    /// What its signatures are checked with: an RSA public key, PKCS#1 in DER.
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }
}

impl PartialEq for ServiceAccount {
    fn eq(&self, other: &Self) -> bool {
        let facts = |it: &Self| (it.email.clone(), it.key_id.clone(), it.token_uri.clone());
        facts(self) == facts(other) && self.public_key() == other.public_key()
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("email", &self.email)
            .field("token_uri", &self.token_uri)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct File {
    r#type: Option<String>,
    project_id: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<String>,
    client_email: Option<String>,
    token_uri: Option<String>,
}

/// Reads a key file; the error is a remedy and quotes nothing of it but the names of fields.
pub(super) fn parse(text: &str) -> Result<ServiceAccount, String> {
    let mut file: File = serde_json::from_str(text).map_err(|_| {
        format!("is not the JSON of a service account's key file; {AGAIN}, or give its path as `credentials_file`")
    })?;
    // Whatever else is wrong with the file, this is wiped.
    let pem = Zeroizing::new(file.private_key.take().unwrap_or_default());
    if let Some(other) = file.r#type.filter(|it| it != "service_account") {
        let other: String = other.chars().filter(char::is_ascii_graphic).collect();
        let other = other.get(..40).unwrap_or(&other);
        return Err(format!(
            "is a credential of type {other}; only service_account is taken: {AGAIN}"
        ));
    }
    let email = filled(file.client_email, "client_email")?;
    let token_uri = filled(file.token_uri, "token_uri")?;
    if pem.trim().is_empty() {
        return Err(format!("has no `private_key`; {AGAIN}"));
    }
    let address = Address::parse_endpoint(&token_uri)
        .map_err(|remedy| format!("has a `token_uri` that cannot be called: it {remedy}"))?;
    if !address.tls() && !is_loopback(&address.host) {
        return Err(
            "has a `token_uri` without TLS; whoever reads what is sent there can sign in as us"
                .to_owned(),
        );
    }
    Ok(ServiceAccount {
        email,
        project: file.project_id.filter(|it| !it.is_empty()),
        key_id: file.private_key_id.filter(|it| !it.is_empty()),
        token_uri,
        token_target: address.whole_target(),
        key: Arc::new(key(&pem)?),
    })
}

fn filled(value: Option<String>, name: &str) -> Result<String, String> {
    value
        .filter(|it| !it.trim().is_empty())
        .ok_or_else(|| format!("has no `{name}`; {AGAIN}"))
}

fn key(pem: &str) -> Result<KeyPair, String> {
    // Files that went through a shell or an environment often have their line breaks escaped twice.
    let pem = Zeroizing::new(pem.replace("\\n", "\n"));
    let inside = pem
        .split_once(PEM.0)
        .and_then(|(_, rest)| rest.split_once(PEM.1))
        .map(|(inside, _)| inside);
    let Some(inside) = inside else {
        return Err(if pem.contains("RSA PRIVATE KEY") {
            "has a `private_key` in PKCS#1; convert it with `openssl pkcs8 -topk8 -nocrypt`"
                .to_owned()
        } else if pem.contains("ENCRYPTED PRIVATE KEY") {
            "has a `private_key` with a passphrase; remove it with `openssl pkcs8 -topk8 -nocrypt`"
                .to_owned()
        } else {
            format!("has a `private_key` that is no PKCS#8 PEM; {AGAIN}")
        });
    };
    let mut plain = Zeroizing::new(String::with_capacity(inside.len()));
    plain.extend(inside.split_ascii_whitespace());
    let der = BASE64_STANDARD
        .decode(plain.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| format!("has a `private_key` that was cut or changed; {AGAIN}"))?;
    KeyPair::from_pkcs8(&der).map_err(|why| {
        format!("has a `private_key` that is no RSA key of 2048 bits or more ({why}); {AGAIN}")
    })
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::{Value, json};

    use super::*;

    const KEY: &str = include_str!("../../tests/fixtures/credential/throw-away-test-key.pem");

    fn file() -> Value {
        json!({
            "type": "service_account",
            "project_id": "signal-box",
            "private_key_id": "k1",
            "private_key": KEY,
            "client_email": "points@signal-box.iam.gserviceaccount.com",
            "token_uri": "https://oauth2.googleapis.com/token",
        })
    }

    fn with(key: &str, value: Value) -> Result<ServiceAccount, String> {
        let mut file = file();
        file[key] = value;
        parse(&file.to_string())
    }

    #[test]
    fn what_it_signs_its_public_key_confirms() {
        let account = parse(&file().to_string()).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, account.public_key());
        let signature = account.sign(b"all clear").unwrap();
        public.verify(b"all clear", &signature).unwrap();
        assert!(public.verify(b"all clear?", &signature).is_err());
    }

    #[test]
    fn nothing_of_the_key_is_ever_printed() {
        let shown = format!("{:#?}", parse(&file().to_string()).unwrap());
        assert!(shown.contains("points@signal-box"), "{shown}");
        let line = KEY.lines().nth(3).unwrap();
        assert!(
            !shown.contains(line) && !shown.contains("PRIVATE"),
            "{shown}"
        );
    }

    #[test]
    fn line_breaks_escaped_twice_are_taken() {
        assert!(with("private_key", KEY.replace('\n', "\\n").into()).is_ok());
    }

    #[test]
    fn the_same_file_is_the_same_account() {
        let (one, two) = (parse(&file().to_string()), parse(&file().to_string()));
        assert!(one == two);
        assert!(one != with("client_email", "other@signal-box".into()));
    }

    #[test]
    fn each_fault_has_its_remedy_and_quotes_no_secret() {
        let cut: String = KEY.replacen("MII", "", 1);
        let table = [
            (with("client_email", Value::Null), "has no `client_email`"),
            (with("private_key", "".into()), "has no `private_key`"),
            (with("token_uri", Value::Null), "has no `token_uri`"),
            (with("token_uri", "ftp://a.b".into()), "cannot be called"),
            (with("token_uri", "http://a.b/token".into()), "without TLS"),
            (
                with("type", "authorized_user".into()),
                "type authorized_user",
            ),
            (
                with("private_key", KEY.replace("PRIVATE", "RSA PRIVATE").into()),
                "in PKCS#1",
            ),
            (
                with(
                    "private_key",
                    KEY.replace("PRIVATE", "ENCRYPTED PRIVATE").into(),
                ),
                "with a passphrase",
            ),
            (with("private_key", "hunter2".into()), "no PKCS#8 PEM"),
            (with("private_key", cut.into()), "private_key"),
            (parse("/etc/key.json"), "is not the JSON"),
            (parse("[1]"), "is not the JSON"),
        ];
        for (result, expected) in table {
            let remedy = result.err().unwrap();
            assert!(remedy.contains(expected), "{remedy}");
            assert!(!remedy.contains("hunter2") && !remedy.contains(KEY.lines().nth(3).unwrap()));
        }
    }
}
