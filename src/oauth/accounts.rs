//! What the rest of the program asks: who has signed in, tokens of theirs, logins, sign-outs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::book::{Account, LOGIN_SECONDS, Pending};
use super::finish::{Finish, LoginError, SignedIn, checked};
use super::mint::{AccountMint, Core};
use super::pkce;
use super::redirect::{self, Returned};
use super::store::{Store, StoreError};
use super::turn::Wish;
use crate::config::{OAuthProfile, OAuthSettings, OAuthStore};
use crate::credential::{MintError, TokenSource, TokenView};
use crate::net::Client;
use crate::types::{Clock, Secret};

/// All accounts.
pub struct Accounts {
    core: Arc<Core>,
    held: Mutex<Held>,
}

struct Held {
    settings: OAuthStore,
    store: Arc<Store>,
    sources: Vec<Source>,
}

/// Tokens of one account; several endpoints may share it.
struct Source {
    email: String,
    profile: OAuthProfile,
    wish: Arc<Mutex<Wish>>,
    tokens: Arc<TokenSource>,
}

/// A login that has begun.
#[derive(Clone, Debug)]
pub struct Login {
    /// Where the person signs in.
    pub url: String,
    /// What the code must come back with.
    pub state: Secret,
    /// How long the person has, in seconds.
    pub seconds: u64,
}

/// An account as it may be shown.
#[derive(Clone, Debug)]
pub struct Seen {
    /// At whose server.
    pub profile: String,
    /// Who.
    pub email: String,
    /// Their id there.
    pub id: Option<String>,
    /// Their organization, or their name.
    pub name: Option<String>,
    /// When they signed in first, in seconds since 1970.
    pub created: u64,
    /// When their token was refreshed last.
    pub refreshed: Option<u64>,
    /// When their token ends, where that is known.
    pub ends: Option<u64>,
    /// What was granted.
    pub scopes: Vec<String>,
    /// Their token, masked.
    pub access: String,
    /// What it is refreshed with, masked.
    pub refresh: Option<String>,
    /// Why only a new login helps.
    pub needs_login: Option<String>,
    /// How their tokens fare in this process, if anybody uses them.
    pub tokens: Option<TokenView>,
}

impl Accounts {
    /// None, until a configuration is put in force with [`Accounts::settle`].
    pub fn new(client: Arc<Client>, clock: Clock) -> Self {
        let nowhere = OAuthStore::default();
        Accounts {
            core: Arc::new(Core {
                client,
                clock,
                busy: AtomicUsize::new(0),
            }),
            held: Mutex::new(Held {
                store: Arc::new(Store::open(&nowhere)),
                settings: nowhere,
                sources: Vec::new(),
            }),
        }
    }

    /// Goes by these settings from now on. Blocks on the disk where the store is another one. Without a profile nothing
    /// is read or written.
    pub fn settle(&self, settings: &OAuthSettings) {
        let wanted = match settings.profiles.as_slice() {
            [] => OAuthStore::default(),
            _ => settings.store.clone(),
        };
        let mut held = self.held.lock();
        if held.settings == wanted {
            return;
        }
        let store = Store::open(&wanted);
        if let Some(trouble) = store.trouble() {
            log::error!("{trouble}");
        }
        if !settings.profiles.is_empty() && !store.is_lasting() {
            log::warn!("OAuth accounts are kept in memory only: they are gone with the process");
        }
        *held = Held {
            store: Arc::new(store),
            settings: wanted,
            sources: Vec::new(),
        };
    }

    /// Who has signed in, by profile.
    pub fn signed_in(&self) -> Vec<(String, String)> {
        let of = |it: &Account| (it.profile.clone(), it.email.clone());
        self.store()
            .with(|book| book.accounts.iter().map(of).collect())
    }

    /// Tokens of an account; without one, tokens that are never there.
    pub fn source(&self, profile: &OAuthProfile, email: Option<&str>) -> Arc<TokenSource> {
        let email = email.unwrap_or_default();
        let mut held = self.held.lock();
        let is = |it: &&Source| it.email == email && it.profile == *profile;
        if let Some(found) = held.sources.iter().find(is) {
            return Arc::clone(&found.tokens);
        }
        held.sources
            .retain(|it| it.email != email || it.profile.name != profile.name);
        let wish = Arc::default();
        let mint = AccountMint::new(&self.core, &held.store, profile, email, &wish);
        let name = match email {
            "" => profile.name.clone(),
            email => format!("{} ({email})", profile.name),
        };
        let tokens = TokenSource::new(Box::new(mint), name, self.core.clock.clone(), fastrand::f64);
        let tokens = Arc::new(tokens.with_lead(profile.refresh_lead));
        held.sources.push(Source {
            email: email.to_owned(),
            profile: profile.clone(),
            wish,
            tokens: Arc::clone(&tokens),
        });
        tokens
    }

    /// Looks whether another process has changed the store. Blocks on the disk.
    pub fn look(&self) {
        let store = self.store();
        let before = store.version();
        store.look();
        if store.version() != before {
            self.wake();
        }
    }

    /// How many calls are under way that must not be cut.
    pub fn under_way(&self) -> usize {
        self.core.busy.load(Ordering::Relaxed)
    }

    /// What is wrong with the store, if anything is.
    pub fn trouble(&self) -> Option<StoreError> {
        self.store().trouble()
    }

    /// Begins a login at the profile's server, by whoever `email` names if it names anybody. Blocks on the disk.
    pub fn begin(&self, profile: &OAuthProfile, email: Option<&str>) -> Result<Login, LoginError> {
        let email = email.map(checked).transpose()?;
        let state = pkce::random_word().ok_or(LoginError::NoRandomness)?;
        let verifier = pkce::random_word().ok_or(LoginError::NoRandomness)?;
        let (url, now) = (
            redirect::authorize_url(profile, &state, &verifier),
            self.core.seconds(),
        );
        let pending = Pending {
            state: state.clone(),
            verifier,
            profile: profile.name.clone(),
            email,
            until: now + LOGIN_SECONDS,
        };
        self.store().update(|book| book.begin(pending, now))?;
        Ok(Login {
            url,
            state,
            seconds: LOGIN_SECONDS,
        })
    }

    /// Whether a login still waits for its code, as far as is known here.
    pub fn is_pending(&self, login: &Login) -> bool {
        let is = |it: &Pending| it.state == login.state;
        self.store().with(|book| book.logins.iter().any(is))
    }

    /// Finishes a login with what came back; `email` is who is expected. Goes on when nobody waits any more: the code is
    /// good once.
    pub async fn finish(
        &self,
        settings: &OAuthSettings,
        returned: Returned,
        email: Option<String>,
    ) -> Result<SignedIn, LoginError> {
        let work = Finish {
            core: Arc::clone(&self.core),
            store: self.store(),
            profiles: settings.profiles.clone(),
        };
        let done = self
            .core
            .whole(async move { work.run(returned, email).await });
        let signed_in = done
            .await
            .unwrap_or_else(|| Err(LoginError::Exchange("the login was lost".to_owned())))?;
        self.wake_one(&signed_in.profile, &signed_in.email);
        Ok(signed_in)
    }

    /// Fetches a new token for each account of that address, now. `None` where there is no such account.
    pub async fn refresh(
        &self,
        settings: &OAuthSettings,
        email: &str,
    ) -> Option<Result<Seen, MintError>> {
        let email = email.trim().to_lowercase();
        let seen = |it: &Seen| it.email == email;
        let mut result = None;
        for found in self.seen().into_iter().filter(seen) {
            let Some(profile) = settings.profile(&found.profile) else {
                continue;
            };
            let tokens = self.source(profile, Some(&email));
            if let Some(wish) = self.wish(&found.profile, &email) {
                wish.lock().anyhow = true;
            }
            if let Err(error) = tokens.fetch().await {
                return Some(Err(error));
            }
            let mut all = self.seen().into_iter();
            let again = all.find(|it| it.profile == found.profile && it.email == email);
            result = again.map(Ok).or(result);
        }
        result
    }

    /// Forgets accounts: of this address, or all. Who they were. Blocks on the disk.
    pub fn remove(&self, email: Option<&str>) -> Result<Vec<String>, StoreError> {
        let email = email.map(|it| it.trim().to_lowercase());
        let is = |it: &Account| email.as_ref().is_none_or(|email| it.email == *email);
        let removed: Vec<String> = self.store().update(|book| {
            let removed = book.accounts.iter().filter(|it| is(it));
            let removed = removed.map(|it| it.email.clone()).collect();
            book.accounts.retain(|it| !is(it));
            if email.is_none() {
                book.logins.clear();
            }
            removed
        })?;
        self.wake();
        Ok(removed)
    }

    /// All accounts, as they may be shown.
    pub fn seen(&self) -> Vec<Seen> {
        let held = self.held.lock();
        let view = |account: &Account| {
            let is = |it: &&Source| it.email == account.email && it.profile.name == account.profile;
            held.sources.iter().find(is).map(|it| it.tokens.view())
        };
        let accounts = held.store.with(|book| book.accounts.clone());
        accounts.iter().map(|it| seen(it, view(it))).collect()
    }

    /// Now, in seconds since 1970.
    pub fn now(&self) -> u64 {
        self.core.seconds()
    }

    fn store(&self) -> Arc<Store> {
        Arc::clone(&self.held.lock().store)
    }

    fn wish(&self, profile: &str, email: &str) -> Option<Arc<Mutex<Wish>>> {
        let held = self.held.lock();
        let is = |it: &&Source| it.email == email && it.profile.name == profile;
        held.sources.iter().find(is).map(|it| Arc::clone(&it.wish))
    }

    /// Tokens at hand that are no longer those of the book go.
    fn wake(&self) {
        let held = self.held.lock();
        for source in &held.sources {
            let kept = held.store.with(|book| {
                let account = book.account(&source.profile.name, &source.email);
                account.map(|it| it.access.clone())
            });
            let at_hand = source.tokens.at_hand().map(|it| it.secret);
            if at_hand.is_none() || at_hand != kept {
                source.tokens.forget();
            }
        }
    }

    fn wake_one(&self, profile: &str, email: &str) {
        let held = self.held.lock();
        let is = |it: &&Source| it.email == email && it.profile.name == profile;
        held.sources
            .iter()
            .filter(is)
            .for_each(|it| it.tokens.forget());
    }
}

fn seen(account: &Account, tokens: Option<TokenView>) -> Seen {
    Seen {
        profile: account.profile.clone(),
        email: account.email.clone(),
        id: account.id.clone(),
        name: account.name.clone(),
        created: account.created,
        refreshed: account.refreshed,
        ends: account.ends,
        scopes: account.scopes.clone(),
        access: account.access.masked(),
        refresh: account.refresh.as_ref().map(Secret::masked),
        needs_login: account.needs_login.clone(),
        tokens,
    }
}
