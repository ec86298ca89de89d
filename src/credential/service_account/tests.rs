//! The assertion as Google reads it, and every answer to it.

use std::path::Path;

use parking_lot::Mutex;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

use super::*;
use crate::config::{Env, LoadOptions, from_text};

const KEY: &str = include_str!("../../../tests/fixtures/credential/throw-away-test-key.pem");

fn account() -> ServiceAccount {
    let file = json!({
        "type": "service_account", "project_id": "signal-box", "private_key_id": "k1", "private_key": KEY,
        "client_email": "points@signal-box.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    let provider = json!({"name": "v", "type": "vertex", "location": "global", "service_account": file.to_string()});
    let text = json!({ "providers": [provider] }).to_string();
    let options = LoadOptions::new(Env::default());
    let config = from_text("c.yaml", &text, Path::new("."), &options).unwrap();
    config.providers[0].service_account.clone().unwrap()
}

fn decoded(part: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()
}

#[test]
fn an_assertion_says_who_we_are_and_its_signature_holds() {
    let account = account();
    let text = assertion(&account, UNIX_EPOCH + Duration::from_secs(1_800_000_000)).unwrap();
    let parts: Vec<&str> = text.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("{} parts", parts.len());
    };
    let header: Value = serde_json::from_slice(&decoded(header)).unwrap();
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    let claims: Value = serde_json::from_slice(&decoded(claims)).unwrap();
    let expected = json!({
        "iss": "points@signal-box.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": 1_800_000_000_u64,
        "exp": 1_800_003_600_u64,
    });
    assert_eq!(claims, expected);
    let (signed, _) = text.rsplit_once('.').unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, account.public_key());
    public
        .verify(signed.as_bytes(), &decoded(signature))
        .unwrap();
}

/// A token endpoint that remembers the form and gives one answer.
struct Desk {
    answer: Result<(u16, &'static str), &'static str>,
    form: Mutex<String>,
}

#[async_trait]
impl PostForm for Desk {
    async fn post_form(&self, to: &Target, form: Zeroizing<String>) -> Result<Answer, String> {
        assert_eq!(to.authority, "oauth2.googleapis.com");
        assert_eq!(to.inference.of("", false), "/token");
        form.as_str().clone_into(&mut self.form.lock());
        let (status, body) = self.answer.map_err(str::to_owned)?;
        let assertion = form.rsplit('=').next().unwrap_or_default();
        let body = Bytes::from(body.replace("ASSERTION", assertion));
        Ok(Answer { status, body })
    }
}

async fn minted(answer: Result<(u16, &'static str), &'static str>) -> Result<Minted, MintError> {
    let form = Mutex::default();
    let desk = Arc::new(Desk { answer, form });
    let way: Arc<dyn PostForm> = desk.clone();
    let minted = ServiceAccountMint::new(account(), way, Clock::system())
        .mint()
        .await;
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ";
    assert!(desk.form.lock().starts_with(grant));
    minted
}

#[tokio::test]
async fn a_token_is_taken_with_its_life() {
    for (body, lives) in [
        (
            r#"{"access_token":"ya29.c.x....","expires_in":3599,"token_type":"Bearer"}"#,
            3599,
        ),
        (
            r#"{"access_token":"ya29.c.x....","token_type":"bearer","scope":"x"}"#,
            300,
        ),
    ] {
        let minted = minted(Ok((200, body))).await.unwrap();
        assert_eq!(minted.token.expose(), "ya29.c.x....");
        assert_eq!(minted.lives.as_secs(), lives);
    }
}

#[tokio::test]
async fn every_other_answer_is_an_error_that_quotes_no_secret() {
    let refused = |status, why: &str| MintError::Refused {
        status,
        why: why.to_owned(),
    };
    for (answer, expected) in [
        (
            Ok((
                400,
                r#"{"error":"invalid_grant","error_description":"Invalid JWT\nSignature."}"#,
            )),
            refused(400, "invalid_grant: Invalid JWT Signature."),
        ),
        (
            Ok((
                401,
                r#"{"error":"invalid_client","error_description":"bad ASSERTION"}"#,
            )),
            refused(401, "invalid_client: bad ***"),
        ),
        (Ok((302, "")), refused(302, "no reason given")),
        (Ok((404, "<html>")), refused(404, "no reason given")),
        (Ok((429, "{}")), MintError::Unavailable { status: 429 }),
        (Ok((503, "")), MintError::Unavailable { status: 503 }),
        (
            Ok((200, "<html>")),
            MintError::Malformed("something other than JSON"),
        ),
        (
            Ok((200, r#"{"id_token":"x"}"#)),
            MintError::Malformed("no access_token"),
        ),
        (
            Ok((200, r#"{"access_token":"a\r\nb"}"#)),
            MintError::Malformed("an access_token that fits no header"),
        ),
        (
            Ok((200, r#"{"access_token":"a","token_type":"mac"}"#)),
            MintError::Malformed("a token of another type than Bearer"),
        ),
        (
            Ok((200, r#"{"access_token":"a","expires_in":0}"#)),
            MintError::Malformed("a token that has ended already"),
        ),
        (
            Err("connection refused"),
            MintError::Unreachable {
                why: "connection refused".to_owned(),
            },
        ),
    ] {
        let error = minted(answer).await.unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.to_string().contains("eyJ"), "{error}");
    }
}
