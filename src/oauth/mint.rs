//! Tokens of one account: the one that is kept while it is good, else a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::book::Account;
use super::call;
use super::exchange::{self, Granted, Refused};
use super::store::{Store, StoreError};
use super::turn::{self, LEASE_SECONDS, Step, Ticket, Wish};
use crate::config::OAuthProfile;
use crate::credential::{Mint, MintError, Minted};
use crate::net::Client;
use crate::types::{Clock, Secret};

/// How often is looked whether another process has finished.
const LOOK: Duration = Duration::from_millis(200);
/// A token this close to its end is not worth giving when no new one can be had.
const TOO_SHORT: u64 = 10;

/// What all accounts share.
pub(super) struct Core {
    pub client: Arc<Client>,
    pub clock: Clock,
    /// Calls under way that must not be cut.
    pub busy: AtomicUsize,
}

impl Core {
    /// Seconds since 1970.
    pub fn seconds(&self) -> u64 {
        seconds(self.clock.wall())
    }

    /// Runs `work` to its end, even if nobody waits for it any more: on a thread for work that blocks, as the store does.
    pub async fn whole<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (core, runtime) = (Arc::clone(self), Handle::current());
        core.busy.fetch_add(1, Ordering::Relaxed);
        let done = tokio::task::spawn_blocking(move || {
            let _busy = Busy(core);
            runtime.block_on(work)
        });
        done.await.ok()
    }
}

struct Busy(Arc<Core>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// Fetches the tokens of one account.
#[derive(Clone)]
pub(super) struct AccountMint {
    core: Arc<Core>,
    store: Arc<Store>,
    profile: OAuthProfile,
    email: String,
    wish: Arc<Mutex<Wish>>,
}

impl AccountMint {
    pub fn new(
        core: &Arc<Core>,
        store: &Arc<Store>,
        profile: &OAuthProfile,
        email: &str,
        wish: &Arc<Mutex<Wish>>,
    ) -> Self {
        AccountMint {
            core: Arc::clone(core),
            store: Arc::clone(store),
            profile: profile.clone(),
            email: email.to_owned(),
            wish: Arc::clone(wish),
        }
    }

    fn who(&self) -> (&str, &str) {
        (&self.profile.name, &self.email)
    }

    async fn work(self) -> Result<Minted, MintError> {
        let wish = self.wish.lock().clone();
        let mut waited = Duration::ZERO;
        loop {
            let now = self.core.seconds();
            let lead = self.profile.refresh_lead;
            let step = self
                .store
                .update(|book| turn::step(book, self.who(), &wish, lead, now));
            match step.map_err(|it| unkept(&it))? {
                Step::Give(token, left) => return Ok(minted(token, left)),
                Step::Dead(why) => return Err(MintError::NeedsLogin { why }),
                Step::Wait if waited.as_secs() < LEASE_SECONDS => {
                    tokio::time::sleep(LOOK).await;
                    waited += LOOK;
                }
                Step::Wait => {
                    let why = "another process has not finished its refresh".to_owned();
                    return Err(MintError::Unreachable { why });
                }
                Step::Refresh(ticket) => {
                    self.wish.lock().anyhow = false;
                    return self.refresh(&ticket, &wish).await;
                }
            }
        }
    }

    async fn refresh(&self, ticket: &Ticket, wish: &Wish) -> Result<Minted, MintError> {
        let request = exchange::for_refresh(&self.profile, &ticket.refresh);
        let shown = [Some(&ticket.refresh), self.profile.client_secret.as_ref()];
        let shown: Vec<&Secret> = shown.into_iter().flatten().collect();
        let granted = call::token(&self.core.client, &self.profile, request, &shown).await;
        let now = self.core.seconds();
        let what = match granted {
            Ok(granted) => return self.kept(ticket, &granted, now),
            Err(what) => what,
        };
        let why = |words: &str| {
            format!(
                "account {} must sign in again (`pointsman login`): {words}",
                self.email
            )
        };
        let update = self.store.update(|book| {
            let account = turn::held(book, self.who(), ticket)?;
            account.lease = None;
            if let Refused::Grant(words) = &what {
                account.needs_login = Some(why(words));
            }
            Some((account.access.clone(), turn::left(account, now)))
        });
        match (what, update.map_err(|it| unkept(&it))?) {
            // Another process, or a new login, was faster.
            (Refused::Grant(_), None) => self.as_it_stands(now),
            (Refused::Grant(words), Some(_)) => Err(MintError::NeedsLogin { why: why(&words) }),
            (Refused::Other(error), Some((token, left)))
                if TOO_SHORT < left && !wish.anyhow && !wish.knows(&token) =>
            {
                // After a restart: better than nothing.
                log::warn!("account {}: {error}", self.email);
                Ok(minted(token, left))
            }
            (Refused::Other(error), _) => Err(error),
        }
    }

    /// Writes down what was granted, and only then gives it out.
    fn kept(&self, ticket: &Ticket, granted: &Granted, now: u64) -> Result<Minted, MintError> {
        let kept = self.store.update(|book| {
            let account = turn::held(book, self.who(), ticket)?;
            take_over(account, granted, now);
            Some(minted(account.access.clone(), turn::left(account, now)))
        });
        match kept.map_err(|it| unkept(&it))? {
            Some(minted) => Ok(minted),
            None => self.as_it_stands(now),
        }
    }

    /// What the book says after somebody else has changed it.
    fn as_it_stands(&self, now: u64) -> Result<Minted, MintError> {
        let (profile, email) = self.who();
        let found = self.store.with(|book| {
            let account = book.account(profile, email)?;
            let good = account.needs_login.is_none() && 0 < turn::left(account, now);
            good.then(|| minted(account.access.clone(), turn::left(account, now)))
        });
        found.ok_or_else(|| MintError::NeedsLogin {
            why: turn::absent(email),
        })
    }
}

/// The account after a refresh: what the answer does not tell stays.
fn take_over(account: &mut Account, granted: &Granted, now: u64) {
    account.access = granted.access.clone();
    if let Some(refresh) = &granted.refresh {
        account.refresh = Some(refresh.clone());
    }
    if let Some(scopes) = &granted.scopes {
        account.scopes.clone_from(scopes);
    }
    account.issued = now;
    account.ends = granted.lives.map(|lives| now + lives);
    account.refreshed = Some(now);
    (account.needs_login, account.lease) = (None, None);
}

fn minted(token: Secret, left: u64) -> Minted {
    Minted {
        token,
        lives: Duration::from_secs(left),
    }
}

fn unkept(error: &StoreError) -> MintError {
    MintError::NoStore(error.to_string())
}

#[async_trait]
impl Mint for AccountMint {
    async fn mint(&self) -> Result<Minted, MintError> {
        let done = self.core.whole(self.clone().work()).await;
        let minted = done.unwrap_or(Err(MintError::Internal("the refresh was lost")))?;
        self.wish.lock().given = Some(minted.token.clone());
        Ok(minted)
    }

    fn refused(&self, token: &Secret) {
        self.wish.lock().refused = Some(token.clone());
    }

    fn dead(&self) -> Option<String> {
        let (profile, email) = self.who();
        let why = self.store.with(|book| match book.account(profile, email) {
            Some(account) => account.needs_login.clone(),
            None => Some(turn::absent(email)),
        })?;
        Some(match self.store.trouble() {
            Some(trouble) => trouble.to_string(),
            None => why,
        })
    }
}
