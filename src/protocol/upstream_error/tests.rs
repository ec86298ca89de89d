use super::*;

fn error(status: Option<u16>, kind: ErrorKind) -> UpstreamError {
    UpstreamError {
        status,
        kind,
        message: "m".to_owned(),
        error_type: None,
        code: None,
        param: None,
        after: None,
    }
}

#[test]
fn every_kind_leads_to_its_fault() {
    let too_long = ErrorKind::ContextTooLong {
        tokens: None,
        maximum: None,
    };
    let after = Some(Duration::from_secs(7));
    for (kind, fault) in [
        (
            ErrorKind::Overloaded,
            FaultKind::UpstreamOverloaded { after },
        ),
        (ErrorKind::RateLimited, FaultKind::UpstreamLimited { after }),
        (ErrorKind::Credit, FaultKind::UpstreamCredit { status: 402 }),
        (ErrorKind::Auth, FaultKind::UpstreamAuth { status: 401 }),
        (
            ErrorKind::Permission,
            FaultKind::UpstreamAuth { status: 403 },
        ),
        (too_long, FaultKind::UpstreamContextTooLong),
        (ErrorKind::ModelNotFound, FaultKind::UpstreamModelNotFound),
        (
            ErrorKind::TooLarge,
            FaultKind::UpstreamRejected { status: 413 },
        ),
        (
            ErrorKind::Timeout,
            FaultKind::UpstreamStatus { status: 504 },
        ),
        (
            ErrorKind::InvalidRequest,
            FaultKind::UpstreamRejected { status: 400 },
        ),
        (ErrorKind::Server, FaultKind::UpstreamStatus { status: 500 }),
    ] {
        assert_eq!(error(None, kind).fault_kind(after), fault);
    }
    let as_sent = error(Some(429), ErrorKind::Credit).fault_kind(None);
    assert_eq!(as_sent, FaultKind::UpstreamCredit { status: 429 });
}

#[test]
fn a_wait_is_read_out_of_the_text() {
    let ms = Duration::from_millis;
    for (text, wait) in [
        (
            "Rate limit reached. Please try again in 1.3s.",
            Some(ms(1300)),
        ),
        ("Please try again in 250ms. Visit", Some(ms(250))),
        ("Please retry in 48.9s.", Some(ms(48_900))),
        ("try again in 6m0s", Some(ms(360_000))),
        ("Retry after 2 seconds", Some(ms(2000))),
        ("try again in 99999999999h", Some(ms(86_400_000))),
        ("try again in a while", None),
        ("try again in 5 parsecs", None),
        ("try again", None),
    ] {
        assert_eq!(wait_in_text(text), wait, "{text}");
    }
    let body = UpstreamError {
        after: Some(ms(5)),
        ..error(None, ErrorKind::RateLimited)
    };
    let fault = |after| FaultKind::UpstreamLimited { after };
    assert_eq!(body.fault_kind(None), fault(Some(ms(5))));
    assert_eq!(body.fault_kind(Some(ms(9))), fault(Some(ms(9))));
}

#[test]
fn a_broken_stream_is_a_bad_answer_and_an_error_inside_what_it_says() {
    for broken in [
        StreamError::Frame(FrameTooLarge),
        StreamError::Malformed("x"),
        StreamError::Truncated,
        StreamError::TooMuch("x"),
    ] {
        assert_eq!(broken.fault_kind(), FaultKind::UpstreamBadAnswer);
        assert_eq!(broken.upstream(), None);
    }
    let inside = StreamError::from(Box::new(error(None, ErrorKind::Overloaded)));
    assert_eq!(
        inside.fault_kind(),
        FaultKind::UpstreamOverloaded { after: None }
    );
    assert!(inside.upstream().is_some());
}

#[test]
fn a_meaning_is_found_in_words_before_statuses() {
    let kind = |status, message: &str, error_type: &str| {
        let parts = ErrorParts {
            status,
            message: Some(message.to_owned()),
            error_type: Some(error_type.to_owned()),
            ..ErrorParts::default()
        };
        parts.into_error().kind
    };
    assert_eq!(
        kind(Some(503), "x", "overloaded_error"),
        ErrorKind::Overloaded
    );
    assert_eq!(
        kind(Some(429), "insufficient credits", "rate_limit_error"),
        ErrorKind::Credit
    );
    assert_eq!(kind(Some(429), "slow down", ""), ErrorKind::RateLimited);
    assert_eq!(kind(Some(529), "x", ""), ErrorKind::Overloaded);
    assert_eq!(
        kind(Some(400), "the image is overloaded with text", ""),
        ErrorKind::InvalidRequest
    );
    assert_eq!(
        kind(Some(400), "the model `x` does not exist", ""),
        ErrorKind::ModelNotFound
    );
    assert_eq!(kind(Some(500), "x", "api_error"), ErrorKind::Server);
    assert_eq!(
        kind(None, "x", "invalid_request_error"),
        ErrorKind::InvalidRequest
    );
    assert_eq!(
        kind(None, "rate limit exceeded", ""),
        ErrorKind::RateLimited
    );
    assert_eq!(kind(None, "x", ""), ErrorKind::Server);
    // A server that fails while it talks about tokens is not a prompt that is too long.
    assert_eq!(kind(Some(503), "prompt is too long", ""), ErrorKind::Server);
}
