use super::*;
use crate::error::Timer;

#[test]
fn every_fault_has_its_status_and_type() {
    use FaultKind::*;
    for (kind, status, error_type) in [
        (InvalidRequest, 400, "invalid_request_error"),
        (Unauthenticated, 401, "authentication_error"),
        (Forbidden, 403, "permission_error"),
        (UnknownPath, 404, "not_found_error"),
        (ModelNotFound, 404, "not_found_error"),
        (MethodNotAllowed("POST"), 405, "invalid_request_error"),
        (TooLarge, 413, "request_too_large"),
        (Overloaded, 503, "api_error"),
        (NoEndpoint, 503, "api_error"),
        (CredentialsDead, 502, "api_error"),
        (UpstreamAuth { status: 401 }, 502, "api_error"),
        (UpstreamCredit { status: 429 }, 402, "billing_error"),
        (UpstreamLimited { after: None }, 429, "rate_limit_error"),
        (UpstreamOverloaded { after: None }, 529, "overloaded_error"),
        (UpstreamRejected { status: 409 }, 409, "conflict_error"),
        (
            UpstreamRejected { status: 422 },
            422,
            "invalid_request_error",
        ),
        (UpstreamStatus { status: 503 }, 503, "api_error"),
        (UpstreamContextTooLong, 400, "invalid_request_error"),
        (UpstreamTimeout(Timer::Idle), 504, "timeout_error"),
        (UpstreamBadAnswer, 502, "api_error"),
        (Internal, 500, "api_error"),
    ] {
        assert_eq!(
            status_and_type(&kind),
            (status, error_type),
            "{}",
            kind.label()
        );
    }
}

#[test]
fn an_error_of_ours_is_read_back_as_it_was_meant() {
    let body = error_body("overloaded_error", "say \"when\"\n", Some("req_1"));
    assert_eq!(
        String::from_utf8(body.clone()).unwrap(),
        r#"{"type":"error","error":{"type":"overloaded_error","message":"say \"when\"\n"},"request_id":"req_1"}"#
    );
    let error = parse_error(None, &body);
    assert_eq!(
        (error.kind, error.status),
        (ErrorKind::Overloaded, Some(529))
    );
    let mut event = Vec::new();
    error_event("api_error", "cut", None, &mut event);
    assert_eq!(
        event,
        b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"cut\"}}\n\n"
    );
}

#[test]
fn a_code_of_ours_stands_where_clients_look_for_it() {
    let code = "thread_unsupported_request";
    let body = coded_error_body("invalid_request_error", "m", Some("req_1"), code);
    assert_eq!(
        String::from_utf8(body.clone()).unwrap(),
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"m","details":{"error_code":"thread_unsupported_request"}},"request_id":"req_1"}"#
    );
    assert_eq!(parse_error(Some(400), &body).code.as_deref(), Some(code));
}

#[test]
fn the_vendors_error_code_is_kept() {
    let body = br#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
    let error = parse_error(Some(429), body);
    assert_eq!(error.kind, ErrorKind::Credit);
    assert_eq!(error.code.as_deref(), Some("enforced_spend_limit_reached"));
}

#[test]
fn googles_errors_keep_their_meaning_and_their_wait() {
    let error = |fields: &str| format!(r#"{{"error":{{"message":"m",{fields}}}}}"#);
    let limited = error(
        r#""code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"7s"}]"#,
    );
    for body in [limited.clone(), format!("[{limited}]")] {
        let error = parse_error(Some(429), body.as_bytes());
        assert_eq!(error.kind, ErrorKind::RateLimited);
        assert_eq!(error.after, Some(std::time::Duration::from_secs(7)));
    }
    let busy = error(r#""code":503,"status":"UNAVAILABLE""#);
    let error = parse_error(Some(503), busy.as_bytes());
    assert_eq!(
        (error.kind, error.status),
        (ErrorKind::Overloaded, Some(503))
    );
}
