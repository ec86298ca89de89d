//! What a failure inside a stream is called. Codex acts on the code alone: it compacts on `context_length_exceeded`,
//! gives up on `insufficient_quota`, `invalid_prompt` and `server_is_overloaded`, waits on `rate_limit_exceeded`, and
//! repeats on anything else. An overloaded provider is worth a repeat here: it may be served by another.

use std::borrow::Cow;
use std::time::Duration;

use crate::error::{Fault, FaultKind};
use crate::protocol::openai_chat;

/// Longest wait that is left to a client inside a stream: Codex sleeps it out without a word.
const MAX_WAIT: Duration = Duration::from_secs(120);

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

/// The text of a fault of ours inside a stream. Codex waits as long as it says "try again in", and in no other words.
pub fn text_for(fault: &Fault) -> Cow<'_, str> {
    let text = openai_chat::words_for(fault);
    let FaultKind::UpstreamLimited { after: Some(after) } = fault.kind else {
        return text;
    };
    if text.to_ascii_lowercase().contains("try again in ") {
        return text;
    }
    // Rounded up: who comes back a moment too early is refused once more.
    let seconds = after.as_secs() + u64::from(0 < after.subsec_nanos());
    Cow::Owned(format!("{text} (try again in {seconds}s)"))
}

/// Whether a client that asked for a stream is told of a fault in one, although nothing has been said yet. A prompt that
/// is too long always is, as OpenAI does it: Codex knows no other way to learn of it, and ends its turn on a plain 400.
/// A limit is told so to whom `repeats_streams` only: Codex takes a plain 429 for the end, all others for a reason to
/// repeat, as they do not with a stream.
pub fn opens_a_stream(kind: &FaultKind, repeats_streams: bool) -> bool {
    match kind {
        FaultKind::UpstreamContextTooLong => true,
        FaultKind::UpstreamLimited { after } => {
            repeats_streams && after.is_none_or(|after| after <= MAX_WAIT)
        }
        FaultKind::UpstreamCredit { .. } => repeats_streams,
        _ => false,
    }
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
    fn codex_hears_of_what_it_can_act_on_in_a_stream() {
        let limited = |seconds: Option<u64>| FaultKind::UpstreamLimited {
            after: seconds.map(Duration::from_secs),
        };
        for (kind, to_codex, to_others) in [
            (FaultKind::UpstreamContextTooLong, true, true),
            (limited(None), true, false),
            (limited(Some(120)), true, false),
            (limited(Some(121)), false, false),
            (FaultKind::UpstreamCredit { status: 402 }, true, false),
            (FaultKind::UpstreamRejected { status: 400 }, false, false),
            (FaultKind::NoEndpoint, false, false),
        ] {
            assert_eq!(opens_a_stream(&kind, true), to_codex, "{kind:?}");
            assert_eq!(opens_a_stream(&kind, false), to_others, "{kind:?}");
        }
    }

    #[test]
    fn a_wait_is_told_in_the_words_that_codex_reads() {
        let text = |text: &str, millis: Option<u64>| {
            let after = millis.map(Duration::from_millis);
            let fault = Fault::new(FaultKind::UpstreamLimited { after }, text);
            text_for(&fault).into_owned()
        };
        assert_eq!(text("slow down", None), "slow down");
        assert_eq!(text("slow down", Some(6001)), "slow down (try again in 7s)");
        assert_eq!(
            text("Please retry in 1.5s.", Some(1500)),
            "Please retry in 1.5s. (try again in 2s)"
        );
        let own = "Please try again in 11.054s. Visit our site";
        assert_eq!(text(own, Some(11_054)), own);
        let other = Fault::new(FaultKind::UpstreamBadAnswer, "it broke");
        assert_eq!(text_for(&other), "it broke");
    }

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
