use super::*;
use crate::protocol::anthropic::translate_error;
use crate::protocol::upstream_error::ErrorKind;

const NO_NUMBERS: ErrorKind = ErrorKind::ContextTooLong {
    tokens: None,
    maximum: None,
};

/// Status, body after a recorded one, what it means, and the text.
const BODIES: &[(u16, &str, ErrorKind, &str)] = &[
    (
        401,
        r#"{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        ErrorKind::Auth,
        "Incorrect API key provided",
    ),
    (
        400,
        r#"{"error":{"message":"Your input exceeds the context window of this model.","type":"invalid_request_error","param":"input","code":"context_length_exceeded"}}"#,
        NO_NUMBERS,
        "Your input exceeds the context window of this model.",
    ),
    (
        429,
        r#"{"error":{"message":"You exceeded your current quota, please check your plan.","type":"insufficient_quota","code":"insufficient_quota"}}"#,
        ErrorKind::Credit,
        "You exceeded your current quota, please check your plan.",
    ),
    (
        429,
        r#"{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}"#,
        ErrorKind::RateLimited,
        "Rate limit reached",
    ),
    (
        429,
        r#"[{"error":{"code":429,"message":"You exceeded your current quota. Please retry in 48.9s.","status":"RESOURCE_EXHAUSTED"}}]"#,
        ErrorKind::RateLimited,
        "You exceeded your current quota. Please retry in 48.9s.",
    ),
    (
        401,
        r#"{"error":{"code":"401","message":"Access denied"}}"#,
        ErrorKind::Auth,
        "Access denied",
    ),
    (
        404,
        r#"{"error":{"code":"DeploymentNotFound","message":"no such deployment"}}"#,
        ErrorKind::ModelNotFound,
        "no such deployment",
    ),
    (
        502,
        r#"{"error":{"message":"Provider returned error","code":502,"metadata":{"provider_name":"X","raw":"{\"error\":\"Overloaded\"}"}},"user_id":"u"}"#,
        ErrorKind::Overloaded,
        "Provider returned error",
    ),
    (
        402,
        r#"{"error":{"message":"This request requires more credits","code":402}}"#,
        ErrorKind::Credit,
        "This request requires more credits",
    ),
    (
        402,
        r#"{"error":{"message":"Insufficient Balance","type":"unknown_error"}}"#,
        ErrorKind::Credit,
        "Insufficient Balance",
    ),
    (
        400,
        r#"{"error":{"message":"The total length of all messages is too long.","type":"too_many_prompt_tokens","code":400}}"#,
        NO_NUMBERS,
        "The total length of all messages is too long.",
    ),
    (
        401,
        r#"{"detail":"Invalid API Key"}"#,
        ErrorKind::Auth,
        "Invalid API Key",
    ),
    (
        422,
        r#"{"detail":[{"loc":["body","top_k"],"msg":"extra fields not permitted","type":"value_error"}]}"#,
        ErrorKind::InvalidRequest,
        "body.top_k: extra fields not permitted",
    ),
    (
        400,
        r#"{"object":"error","message":"bad role","type":"invalid_request","code":null}"#,
        ErrorKind::InvalidRequest,
        "bad role",
    ),
    (
        400,
        r#"{"code":"invalid-argument","error":"Incorrect API key provided: xa***"}"#,
        ErrorKind::Auth,
        "Incorrect API key provided: xa***",
    ),
    (
        400,
        r#"{"error":{"code":"tool_use_failed","failed_generation":"…","message":"Failed to call a function","type":"invalid_request_error"}}"#,
        ErrorKind::InvalidRequest,
        "Failed to call a function",
    ),
    (
        503,
        r#"{"error":{"message":"The server is busy","type":"service_unavailable"}}"#,
        ErrorKind::Overloaded,
        "The server is busy",
    ),
    (
        500,
        "Internal Server Error",
        ErrorKind::Server,
        "Internal Server Error",
    ),
    (
        504,
        "<html>gateway timeout</html>",
        ErrorKind::Timeout,
        "<html>gateway timeout</html>",
    ),
    (500, "", ErrorKind::Server, "the provider gave no reason"),
];

#[test]
fn every_vendors_error_is_understood() {
    for (status, body, kind, message) in BODIES.iter().copied() {
        let error = parse_error(Some(status), body.as_bytes());
        assert_eq!(
            (error.kind, error.message.as_str(), error.status),
            (kind, message, Some(status)),
            "{body}"
        );
    }
}

#[test]
fn an_error_inside_a_stream_tells_its_own_status() {
    let groq = br#"{"error":{"message":"failed","type":"invalid_request_error","code":"tool_use_failed","status_code":400}}"#;
    let error = parse_error(None, groq);
    assert_eq!(
        (error.status, error.kind),
        (Some(400), ErrorKind::InvalidRequest)
    );
    let router = br#"{"error":{"message":"Rate limited","code":429}}"#;
    let error = parse_error(None, router);
    assert_eq!(
        (error.status, error.kind),
        (Some(429), ErrorKind::RateLimited)
    );
    let vllm = br#"{"object":"error","message":"model is overloaded","type":"x","code":"503"}"#;
    let error = parse_error(None, vllm);
    assert_eq!(
        (error.status, error.kind),
        (Some(503), ErrorKind::Overloaded)
    );
    let bare = br#"{"error":"boom"}"#;
    assert_eq!(parse_error(None, bare).kind, ErrorKind::Server);
    assert_eq!(parse_error(None, bare).http_status(), 500);
}

#[test]
fn googles_retry_info_is_read() {
    let body =
        br#"{"error":{"code":429,"message":"m","details":[{"@type":"x"},{"retryDelay":"48s"}]}}"#;
    let error = parse_error(Some(429), body);
    assert_eq!(error.after, Some(std::time::Duration::from_secs(48)));
}

/// Every vendor's words for a prompt that is too long become the ones on which Claude Code compacts.
#[test]
fn too_long_a_prompt_is_said_in_claude_codes_words() {
    let known =
        |tokens, maximum| format!("prompt is too long: {tokens} tokens > {maximum} maximum");
    for (text, expected) in [
        ("This endpoint's maximum context length is 200000 tokens. However, you requested about 2500021 tokens (2500021 of text input).", known(2_500_021, 200_000)),
        ("This model's maximum context length is 1048565 tokens. However, you requested 1250025 tokens (1250025 in the messages, 0 in the completion).", known(1_250_025, 1_048_565)),
        ("This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.", known(130_000, 128_000)),
        ("The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).", known(1_250_074, 1_048_576)),
        ("This model's maximum prompt length is 131072 but the request contains 1,000,005 tokens.", known(1_000_005, 131_072)),
        ("prompt is too long: 3333404 tokens > 200000 maximum", known(3_333_404, 200_000)),
        ("prompt is too long", "prompt is too long".to_owned()),
        ("prompt too long; exceeded max context length by 1119046 tokens", "capability_rejected: prompt_too_long (prompt too long; exceeded max context length by 1119046 tokens)".to_owned()),
        ("Input is too long for requested model.", "capability_rejected: prompt_too_long (Input is too long for requested model.)".to_owned()),
    ] {
        let body = serde_json::json!({"error": {"message": text, "type": "invalid_request_error"}});
        let error = parse_error(Some(400), body.to_string().as_bytes());
        assert_eq!(translate_error(&error), (400, "invalid_request_error", expected), "{text}");
    }
    let other = parse_error(
        Some(400),
        br#"{"error":{"message":"max_tokens is too large"}}"#,
    );
    assert_eq!(other.kind, ErrorKind::InvalidRequest);
}

#[test]
fn every_fault_has_its_status_type_and_code() {
    use FaultKind::*;
    let bad = "invalid_request_error";
    for (kind, status, error_type, code) in [
        (InvalidRequest, 400, bad, None),
        (Unauthenticated, 401, bad, Some("invalid_api_key")),
        (Forbidden, 403, "insufficient_permissions", None),
        (ModelNotFound, 404, bad, Some("model_not_found")),
        (MethodNotAllowed("POST"), 405, bad, None),
        (TooLarge, 413, "request_too_large", None),
        (Overloaded, 503, "server_error", None),
        (NoEndpoint, 503, "server_error", None),
        (CredentialsDead, 502, "server_error", None),
        (UpstreamRejected { status: 422 }, 422, bad, None),
        (
            UpstreamCredit { status: 402 },
            429,
            "insufficient_quota",
            Some("insufficient_quota"),
        ),
        (
            UpstreamLimited { after: None },
            429,
            "rate_limit_exceeded",
            Some("rate_limit_exceeded"),
        ),
        (
            UpstreamContextTooLong,
            400,
            bad,
            Some("context_length_exceeded"),
        ),
        (UpstreamBadAnswer, 502, "server_error", None),
        (Internal, 500, "server_error", None),
    ] {
        assert_eq!(
            status_and_type(&kind),
            (status, error_type, code),
            "{}",
            kind.label()
        );
    }
}

#[test]
fn our_own_errors_have_openais_shape() {
    let (status, error_type, code) = status_and_type(&FaultKind::Unauthenticated);
    assert_eq!(status, 401);
    assert_eq!(
        String::from_utf8(error_body(error_type, "no", None, code)).unwrap(),
        r#"{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#
    );
    let mut event = Vec::new();
    error_event("server_error", "cut", None, &mut event);
    assert_eq!(
        event,
        b"data: {\"error\":{\"message\":\"cut\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n"
    );
}

#[test]
fn every_meaning_has_its_status_type_and_code() {
    let bad = "invalid_request_error";
    for (status, body, expected) in [
        (
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            (503, "server_error", Some("server_is_overloaded")),
        ),
        (
            503,
            r#"{"error":{"message":"The model is overloaded","code":503}}"#,
            (503, "server_error", Some("server_is_overloaded")),
        ),
        (
            429,
            r#"{"error":{"message":"Rate limit reached"}}"#,
            (429, "rate_limit_exceeded", Some("rate_limit_exceeded")),
        ),
        (
            402,
            r#"{"error":{"message":"Insufficient Balance"}}"#,
            (429, "insufficient_quota", Some("insufficient_quota")),
        ),
        (
            429,
            r#"{"error":{"message":"x","code":"insufficient_quota"}}"#,
            (429, "insufficient_quota", Some("insufficient_quota")),
        ),
        (
            401,
            r#"{"error":{"message":"bad key"}}"#,
            (502, "server_error", None),
        ),
        (
            403,
            r#"{"error":{"message":"not allowed"}}"#,
            (502, "server_error", None),
        ),
        (
            404,
            r#"{"error":{"message":"no such model","code":"model_not_found"}}"#,
            (404, bad, Some("model_not_found")),
        ),
        (
            413,
            r#"{"error":{"message":"too large"}}"#,
            (413, "request_too_large", None),
        ),
        (
            504,
            r#"{"error":{"message":"timeout"}}"#,
            (504, "server_error", None),
        ),
        (
            400,
            r#"{"error":{"message":"bad field"}}"#,
            (400, bad, None),
        ),
        (
            422,
            r#"{"detail":[{"loc":["body"],"msg":"bad field"}]}"#,
            (422, bad, None),
        ),
        (
            500,
            r#"{"error":{"message":"oops"}}"#,
            (500, "server_error", None),
        ),
        (502, "<html>bad gateway</html>", (502, "server_error", None)),
    ] {
        let error = parse_any(status, body);
        let (status, error_type, code, message) = super::translate_error(&error);
        assert_eq!((status, error_type, code), expected, "{body}");
        assert_eq!(message, error.message);
    }
}

/// Clients of OpenAI compact on its wording, or on the code.
#[test]
fn a_prompt_that_is_too_long_is_told_in_openais_words() {
    for (body, expected) in [
        (
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 200913 tokens > 200000 maximum"}}"#,
            "this model's maximum context length is 200000 tokens, and the messages have 200913 tokens; shorten the messages",
        ),
        (
            r#"{"error":{"message":"This model's maximum context length is 4097 tokens. However, you requested 5000 tokens."}}"#,
            "This model's maximum context length is 4097 tokens. However, you requested 5000 tokens.",
        ),
        (
            r#"{"error":{"message":"Input is too long for requested model."}}"#,
            "the messages exceed the model's maximum context length: Input is too long for requested model.",
        ),
    ] {
        let error = parse_any(400, body);
        let (status, _, code, message) = super::translate_error(&error);
        assert_eq!(
            (status, code),
            (400, Some("context_length_exceeded")),
            "{body}"
        );
        assert_eq!(message, expected);
    }
}

/// Reads a body as the dialect that it is of.
fn parse_any(status: u16, body: &str) -> UpstreamError {
    if body.starts_with(r#"{"type":"error""#) {
        crate::protocol::anthropic::parse_error(Some(status), body.as_bytes())
    } else {
        parse_error(Some(status), body.as_bytes())
    }
}
