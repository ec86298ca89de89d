//! What a failure inside a stream is called. Codex acts on the code alone: it compacts on `context_length_exceeded`,
//! gives up on `insufficient_quota`, `invalid_prompt` and `server_is_overloaded`, waits on `rate_limit_exceeded`, and
//! repeats on anything else. An overloaded provider is worth a repeat here: it may be served by another.

use crate::error::{Fault, FaultKind};
use crate::protocol::openai_chat;

/// The type and the code of a fault of ours.
pub fn words_for(fault: &Fault) -> (&'static str, &'static str) {
    let (_, error_type, code) = openai_chat::status_and_type(&fault.kind);
    let code = match (&fault.kind, code) {
        (FaultKind::UpstreamOverloaded { .. }, _) => "server_error",
        (_, Some(code)) => code,
        (
            FaultKind::UpstreamRejected { .. }
            | FaultKind::InvalidRequest
            | FaultKind::Untranslatable,
            None,
        ) => "invalid_prompt",
        (_, None) => "server_error",
    };
    (error_type, code)
}

/// The code of an error that is told in a plain answer. Codex repeats a 503 of any other code, and shows what an
/// overloaded one of OpenAI's ends with: "Selected model is at capacity. Please try a different model." (its
/// `map_api_error`, 2026).
pub fn plain_code(code: Option<&'static str>) -> Option<&'static str> {
    match code {
        Some("server_is_overloaded") => Some("server_error"),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_repeat_would_not_mend_is_not_called_a_server_error() {
        let words = |kind| words_for(&Fault::new(kind, "")).1;
        assert_eq!(words(FaultKind::UpstreamBadAnswer), "server_error");
        let overloaded = FaultKind::UpstreamOverloaded { after: None };
        assert_eq!(words(overloaded), "server_error");
        assert_eq!(
            words(FaultKind::UpstreamRejected { status: 400 }),
            "invalid_prompt"
        );
        assert_eq!(
            words(FaultKind::UpstreamContextTooLong),
            "context_length_exceeded"
        );
        assert_eq!(
            words(FaultKind::UpstreamLimited { after: None }),
            "rate_limit_exceeded"
        );
        assert_eq!(
            words(FaultKind::UpstreamCredit { status: 402 }),
            "insufficient_quota"
        );
    }
}
