//! Answers of token endpoints.

use super::*;

fn read_of(status: u16, body: &str) -> Result<Granted, Refused> {
    read(
        status,
        body.as_bytes(),
        &[&Secret::new("shown-1".to_owned())],
    )
}

#[test]
fn what_is_optional_may_be_absent() {
    let granted = read_of(200, r#"{"access_token":"at","token_type":"bearer"}"#).unwrap();
    assert_eq!(granted.access.expose(), "at");
    assert_eq!(
        (granted.refresh, granted.lives, granted.scopes),
        (None, None, None)
    );
    assert_eq!(granted.who, Who::default());
}

#[test]
fn what_is_told_is_read_however_it_is_written() {
    for (body, lives, scopes) in [
        (
            r#""expires_in":3600,"scope":"a b""#,
            Some(3600),
            vec!["a", "b"],
        ),
        (
            r#""expires_in":"3600","scope":["a","b"]"#,
            Some(3600),
            vec!["a", "b"],
        ),
        (r#""expires_in":3599.9,"scope":"""#, Some(3599), vec![]),
        (r#""expires_in":-1,"scope":null"#, None, vec![]),
    ] {
        let granted = read_of(200, &format!(r#"{{"access_token":"at",{body}}}"#)).unwrap();
        assert_eq!(granted.lives, lives, "{body}");
        assert_eq!(granted.scopes.unwrap_or_default(), scopes, "{body}");
    }
    for body in [
        r#"{"account":{"uuid":"1","email_address":"A@B.C"}}"#,
        r#"{"account":{"uuid":"1","email":"A@B.C"}}"#,
        r#"{"sub":"1","email":"A@B.C"}"#,
    ] {
        let who = who(&serde_json::from_str(body).unwrap());
        assert_eq!(
            (who.email.as_deref(), who.id.as_deref()),
            (Some("a@b.c"), Some("1"))
        );
    }
}

#[test]
fn what_makes_no_sense_is_no_token() {
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"access_token":""}"#,
        r#"{"access_token":"a b"}"#,
        r#"{"access_token":"a\r\nx: y"}"#,
        r#"{"access_token":"a","token_type":"mac"}"#,
        r#"{"access_token":"a","expires_in":0}"#,
    ] {
        let refused = read_of(200, body).unwrap_err();
        assert!(
            matches!(refused, Refused::Other(MintError::Malformed(_))),
            "{body}"
        );
    }
}

#[test]
fn only_an_invalid_grant_needs_a_login() {
    let said = r#"{"error":"invalid_grant","error_description":"shown-1 is\nold"}"#;
    assert_eq!(
        read_of(400, said),
        Err(Refused::Grant("invalid_grant: *** is old".to_owned()))
    );
    let nested = r#"{"type":"error","error":{"type":"invalid_grant","message":"gone"}}"#;
    assert_eq!(
        read_of(400, nested),
        Err(Refused::Grant("invalid_grant: gone".to_owned()))
    );
    for (status, body) in [
        (400, r#"{"error":"invalid_client"}"#),
        (401, "{}"),
        (404, "<html>invalid_grant</html>"),
        (302, ""),
    ] {
        let refused = read_of(status, body).unwrap_err();
        assert!(
            matches!(refused, Refused::Other(MintError::Refused { .. })),
            "{body}"
        );
    }
    for status in [408, 429, 500, 503, 529] {
        // Even if a server says so while it is down.
        let refused = read_of(status, said).unwrap_err();
        assert_eq!(refused, Refused::Other(MintError::Unavailable { status }));
    }
}
