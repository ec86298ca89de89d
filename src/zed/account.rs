//! From an account to a token: the account's number and its access token, shown to the service, bring the token that
//! calls of models are signed in with. It lasts until it is refused, or as long as it says itself.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;

use super::calls::{Answer, Ask, Calls};
use crate::config::{Generation, Zed, ZedAccount};
use crate::credential::{Mint, MintError, Minted};
use crate::types::{Clock, Secret};

/// How long a token is used that does not say how long it is good; others do the same.
const UNTOLD_LIFE: Duration = Duration::from_secs(50 * 60);
/// Characters of the service's own words that are kept.
const MAX_WORDS: usize = 200;
/// The machine that signs in.
const SYSTEM: &str = "x-zed-system-id";

/// Fetches the tokens of one account.
pub struct AccountMint {
    account: ZedAccount,
    terms: Zed,
    /// What stands before all paths.
    root: String,
    calls: Arc<dyn Calls>,
    clock: Clock,
    /// Who pays, once it is known.
    organization: Mutex<Option<String>>,
}

impl AccountMint {
    /// For `account`, with paths behind `root`.
    pub fn new(
        account: ZedAccount,
        terms: Zed,
        root: String,
        calls: Arc<dyn Calls>,
        clock: Clock,
    ) -> Self {
        AccountMint {
            organization: Mutex::new(terms.organization_id.clone()),
            account,
            terms,
            root,
            calls,
            clock,
        }
    }

    async fn ask(&self, path: &str, body: Option<String>) -> Result<Answer, MintError> {
        let token = self.account.access_token.expose();
        let signed = Secret::new(format!("{} {token}", self.account.user_id));
        let mut headers = vec![
            ("authorization", signed),
            ("content-type", Secret::new("application/json".to_owned())),
        ];
        if let Some(system) = &self.terms.system_id {
            headers.push((SYSTEM, Secret::new(system.clone())));
        }
        let path = format!("{}{path}", self.root);
        let ask = Ask {
            path,
            headers,
            body,
        };
        let answered = self.calls.call(ask).await;
        let answer = answered.map_err(|why| MintError::Unreachable { why })?;
        match answer.status {
            200..=299 => Ok(answer),
            status @ (408 | 429 | 500..) => Err(MintError::Unavailable { status }),
            status => Err(MintError::Refused {
                status,
                why: self.words(&answer.body),
            }),
        }
    }

    /// What the service says about its refusal, on one line and without our own credential.
    fn words(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        let text = text.replace(self.account.access_token.expose(), "***");
        let plain = |it: char| if it.is_control() { ' ' } else { it };
        let text: String = text.chars().map(plain).take(MAX_WORDS).collect();
        match text.trim() {
            "" => "no reason given".to_owned(),
            text => text.to_owned(),
        }
    }

    /// An organisation that was found may be gone: the next time it is looked for again.
    fn reconsider(&self, error: &MintError) {
        if matches!(error, MintError::Refused { .. }) {
            self.organization
                .lock()
                .clone_from(&self.terms.organization_id);
        }
    }

    /// Who pays; services that know of no organisations are not told of one.
    async fn organization(&self) -> Result<Option<String>, MintError> {
        let known = self.organization.lock().clone();
        if known.is_some() || self.terms.generation == Generation::Of2025 {
            return Ok(known);
        }
        let answer = match self.ask("/client/users/me", None).await {
            Ok(answer) => answer,
            Err(MintError::Refused { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let me: Me = serde_json::from_slice(&answer.body)
            .map_err(|_| MintError::Malformed("something other than JSON"))?;
        let found = me.organization();
        self.organization.lock().clone_from(&found);
        Ok(found)
    }
}

#[async_trait]
impl Mint for AccountMint {
    async fn mint(&self) -> Result<Minted, MintError> {
        let body = match self.organization().await? {
            Some(id) => json!({"organization_id": id}),
            None => json!({}),
        };
        let answer = self
            .ask("/client/llm_tokens", Some(body.to_string()))
            .await
            .inspect_err(|error| self.reconsider(error))?;
        let granted: Granted = serde_json::from_slice(&answer.body)
            .map_err(|_| MintError::Malformed("something other than JSON"))?;
        let token = Secret::new(granted.token.ok_or(MintError::Malformed("no token"))?);
        let text = token.expose();
        if text.is_empty() || !text.bytes().all(|it| it.is_ascii_graphic()) {
            return Err(MintError::Malformed("a token that fits no header"));
        }
        let now = self
            .clock
            .wall()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let lives = match ends(text) {
            Some(end) => end.saturating_sub(now),
            None => UNTOLD_LIFE,
        };
        if lives.is_zero() {
            return Err(MintError::Malformed("a token that has ended already"));
        }
        Ok(Minted { token, lives })
    }
}

/// When a token ends by its own word: `exp` of a JWT, in time since 1970. Not checked by us: it is not for us.
fn ends(token: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Claims {
        exp: u64,
    }
    let claims = token.split('.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD
        .decode(claims.trim_end_matches('='))
        .ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Some(Duration::from_secs(claims.exp))
}

#[derive(Deserialize)]
struct Granted {
    token: Option<String>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Me {
    organizations: Vec<Organization>,
    default_organization_id: Option<String>,
}

#[derive(Deserialize)]
struct Organization {
    id: String,
    #[serde(default)]
    is_personal: bool,
}

impl Me {
    fn organization(self) -> Option<String> {
        let default = self.default_organization_id;
        let personal = self.organizations.iter().find(|it| it.is_personal);
        let other = personal.or(self.organizations.first());
        default.or_else(|| other.map(|it| it.id.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Gives one answer after the other, and remembers what was asked.
    struct Desk {
        answers: Mutex<VecDeque<(u16, String)>>,
        asked: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Calls for Desk {
        async fn call(&self, ask: Ask) -> Result<Answer, String> {
            let signed = ask
                .headers
                .iter()
                .find(|it| it.0 == "authorization")
                .unwrap();
            let body = ask.body.unwrap_or_else(|| "GET".to_owned());
            let line = format!("{} {} {body}", ask.path, signed.1.expose());
            self.asked.lock().push(line);
            let (status, body) = self.answers.lock().pop_front().ok_or("nobody there")?;
            Ok(Answer {
                status,
                body: Bytes::from(body),
            })
        }
    }

    use bytes::Bytes;

    async fn minted(
        terms: Zed,
        answers: &[(u16, &str)],
    ) -> (Result<Minted, MintError>, Vec<String>) {
        let answers = answers
            .iter()
            .map(|(status, body)| (*status, (*body).to_owned()));
        let desk = Arc::new(Desk {
            answers: Mutex::new(answers.collect()),
            asked: Mutex::default(),
        });
        let account = ZedAccount {
            user_id: 7,
            access_token: Secret::new("zat-canary".to_owned()),
        };
        let clock = Clock::by_hand(UNIX_EPOCH + Duration::from_secs(1000));
        let calls: Arc<dyn Calls> = desk.clone();
        let mint = AccountMint::new(account, terms, "/root".to_owned(), calls, clock);
        let minted = mint.mint().await;
        let asked = desk.asked.lock().clone();
        (minted, asked)
    }

    fn of_2025() -> Zed {
        Zed {
            generation: Generation::Of2025,
            ..Zed::default()
        }
    }

    #[tokio::test]
    async fn an_account_brings_a_token_for_who_pays() {
        let me = r#"{"user":{},"organizations":[{"id":"o1","name":"x","is_personal":false},{"id":"o2","name":"y","is_personal":true}]}"#;
        let (minted, asked) =
            minted(Zed::default(), &[(200, me), (200, r#"{"token":"llm-1"}"#)]).await;
        let minted = minted.unwrap();
        assert_eq!(minted.token.expose(), "llm-1");
        assert_eq!(minted.lives, UNTOLD_LIFE);
        assert_eq!(
            asked,
            [
                "/root/client/users/me 7 zat-canary GET",
                r#"/root/client/llm_tokens 7 zat-canary {"organization_id":"o2"}"#,
            ]
        );
    }

    #[tokio::test]
    async fn who_pays_need_not_be_asked_for() {
        let token = (200, r#"{"token":"llm-1"}"#);
        let (minted_2025, asked) = minted(of_2025(), &[token]).await;
        assert!(minted_2025.is_ok());
        assert_eq!(asked, ["/root/client/llm_tokens 7 zat-canary {}"]);
        let named = Zed {
            organization_id: Some("o9".to_owned()),
            ..Zed::default()
        };
        let (_, asked) = minted(named, &[token]).await;
        assert!(
            asked[0].ends_with(r#"{"organization_id":"o9"}"#),
            "{asked:?}"
        );
        let (minted_404, asked) = minted(Zed::default(), &[(404, "no"), token]).await;
        assert!(minted_404.is_ok() && asked[1].ends_with("{}"), "{asked:?}");
    }

    #[tokio::test]
    async fn a_token_lives_as_long_as_it_says() {
        let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"exp":1300}"#);
        let body = format!(r#"{{"token":"h.{claims}.s"}}"#);
        let (minted_jwt, _) = minted(of_2025(), &[(200, &body)]).await;
        assert_eq!(minted_jwt.unwrap().lives, Duration::from_secs(300));
        let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"exp":900}"#);
        let body = format!(r#"{{"token":"h.{claims}.s"}}"#);
        let (ended, _) = minted(of_2025(), &[(200, &body)]).await;
        assert!(ended.is_err());
    }

    #[tokio::test]
    async fn refusals_are_told_without_the_credential() {
        for (answer, expected) in [
            ((401, "bad credential 7 zat-canary"), "status 401"),
            ((500, "zat-canary"), "status 500"),
            ((200, "<html>"), "other than JSON"),
            ((200, "{}"), "no token"),
            ((200, r#"{"token":"a b"}"#), "fits no header"),
        ] {
            let (refused, _) = minted(of_2025(), &[answer]).await;
            let text = refused.unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
    }
}
