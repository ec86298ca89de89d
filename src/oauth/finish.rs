//! The second half of a login: what came back becomes an account, or is refused.

use std::sync::Arc;

use thiserror::Error;

use super::book::{Account, Book, Pending};
use super::call;
use super::exchange::{self, Granted, Refused};
use super::mint::Core;
use super::redirect::{self, Returned};
use super::store::{Store, StoreError};
use crate::config::OAuthProfile;
use crate::types::Secret;

/// The account of a login whose server tells no address and whose operator gave none.
const UNNAMED: &str = "default";
/// Longest name of an account, bytes.
const MAX_EMAIL: usize = 254;

/// What a login came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// At whose server.
    pub profile: String,
    /// Who.
    pub email: String,
    /// When the token ends, in seconds since 1970, where that was told.
    pub ends: Option<u64>,
    /// What was granted.
    pub scopes: Vec<String>,
}

/// Why a login came to nothing. Fit for the person and the log: quotes no secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LoginError {
    /// There is no code.
    #[error("Missing authorization code")]
    NoCode,
    /// A redirect without its state.
    #[error("Missing state")]
    NoState,
    /// The state is none of ours, or was used, or is too old.
    #[error("the state is unknown, was used already or has expired; begin the login anew")]
    UnknownState,
    /// A code without a state, and no login or several that it may belong to.
    #[error(
        "the code names no login, and {0} are under way; paste it with its state (`code#state`), or the whole address"
    )]
    Unclear(usize),
    /// The person, or the server, said no.
    #[error("the authorization server said no: {0}")]
    Denied(String),
    /// Another server has redirected here (RFC 9207).
    #[error(
        "the redirect does not come from the server that the login went to; look at `issuer` of the profile"
    )]
    Issuer,
    /// Somebody else has signed in.
    #[error("{got} has signed in, but {wanted} was expected; nothing was kept")]
    OtherAccount {
        /// Who has.
        got: String,
        /// Who should have.
        wanted: String,
    },
    /// A name that cannot be one.
    #[error("account_email is too long, or holds a space or a control character")]
    BadEmail,
    /// The profile is no longer in the configuration.
    #[error("the profile {0} is not in the configuration any more")]
    NoProfile(String),
    /// The code could not be exchanged.
    #[error("Failed to exchange authorization code")]
    Exchange(String),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random numbers.
    #[error("the system has no randomness")]
    NoRandomness,
}

/// The address of an account: lower case, without what no address holds.
pub(super) fn checked(email: &str) -> Result<String, LoginError> {
    let email = email.trim().to_lowercase();
    let bad = |it: char| it.is_control() || it.is_whitespace() || it == '#';
    if email.is_empty() || MAX_EMAIL < email.len() || email.chars().any(bad) {
        return Err(LoginError::BadEmail);
    }
    Ok(email)
}

/// The second half of a login.
pub(super) struct Finish {
    pub core: Arc<Core>,
    pub store: Arc<Store>,
    pub profiles: Vec<OAuthProfile>,
}

impl Finish {
    pub async fn run(
        &self,
        returned: Returned,
        email: Option<String>,
    ) -> Result<SignedIn, LoginError> {
        let email = email.as_deref().map(checked).transpose()?;
        let pending = self.pending(&returned, email.as_deref())?;
        // From here on the login is spent, whatever comes of it.
        let profile = self.profiles.iter().find(|it| it.name == pending.profile);
        let profile = profile.ok_or_else(|| LoginError::NoProfile(pending.profile.clone()))?;
        if !redirect::is_issuer(profile, &returned) {
            return Err(LoginError::Issuer);
        }
        if let Some(why) = returned.error {
            return Err(LoginError::Denied(why));
        }
        let code = returned.code.ok_or(LoginError::NoCode)?;
        let granted = self.exchanged(profile, &code, &pending).await?;
        let wanted = email.or_else(|| pending.email.clone());
        self.kept(profile, granted, wanted).await
    }

    /// Takes the login that this is the end of.
    fn pending(&self, returned: &Returned, email: Option<&str>) -> Result<Pending, LoginError> {
        let now = self.core.seconds();
        if returned.code.is_none() && returned.error.is_none() {
            return Err(LoginError::NoCode);
        }
        let Some(state) = &returned.state else {
            if returned.is_redirect {
                return Err(LoginError::NoState);
            }
            let found = self.store.update(|book| book.take_only(email, now))?;
            return found.map_err(LoginError::Unclear);
        };
        // Anybody may send a state: the disk is only asked about one that is known.
        let known = |book: &Book| book.logins.iter().any(|it| it.state == *state);
        if !self.store.with(known) {
            self.store.look();
            if !self.store.with(known) {
                return Err(LoginError::UnknownState);
            }
        }
        let found = self.store.update(|book| book.take(state, now))?;
        found.ok_or(LoginError::UnknownState)
    }

    async fn exchanged(
        &self,
        profile: &OAuthProfile,
        code: &Secret,
        pending: &Pending,
    ) -> Result<Granted, LoginError> {
        let request = exchange::for_code(profile, code, &pending.verifier, &pending.state);
        let shown = [
            Some(code),
            Some(&pending.verifier),
            Some(&pending.state),
            profile.client_secret.as_ref(),
        ];
        let shown: Vec<&Secret> = shown.into_iter().flatten().collect();
        let granted = call::token(&self.core.client, profile, request, &shown).await;
        granted.map_err(|refused| {
            let why = match refused {
                Refused::Grant(why) => why,
                Refused::Other(error) => error.to_string(),
            };
            log::warn!(
                "OAuth profile {}: no tokens for a code: {why}",
                profile.name
            );
            LoginError::Exchange(why)
        })
    }

    /// Finds out who it was, and writes it down.
    async fn kept(
        &self,
        profile: &OAuthProfile,
        granted: Granted,
        wanted: Option<String>,
    ) -> Result<SignedIn, LoginError> {
        let mut who = granted.who.clone();
        if let Some(more) = call::who(&self.core.client, profile, &granted.access).await {
            who.email = who.email.or(more.email);
            who.id = who.id.or(more.id);
            who.name = who.name.or(more.name);
        }
        let told = who.email.and_then(|it| checked(&it).ok());
        if let (Some(got), Some(wanted)) = (&told, &wanted)
            && got != wanted
        {
            return Err(LoginError::OtherAccount {
                got: got.clone(),
                wanted: wanted.clone(),
            });
        }
        let now = self.core.seconds();
        let account = Account {
            profile: profile.name.clone(),
            email: told.or(wanted).unwrap_or_else(|| UNNAMED.to_owned()),
            login: fastrand::u64(..),
            access: granted.access,
            refresh: granted.refresh,
            issued: now,
            ends: granted.lives.map(|lives| now + lives),
            scopes: granted.scopes.unwrap_or_else(|| profile.scopes.clone()),
            id: who.id,
            name: who.name,
            created: now,
            refreshed: None,
            needs_login: None,
            lease: None,
        };
        let signed_in = SignedIn {
            profile: account.profile.clone(),
            email: account.email.clone(),
            ends: account.ends,
            scopes: account.scopes.clone(),
        };
        self.store.update(|book| book.keep(account))?;
        log::info!(
            "OAuth profile {}: {} has signed in",
            profile.name,
            signed_in.email
        );
        Ok(signed_in)
    }
}
