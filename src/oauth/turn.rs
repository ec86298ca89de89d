//! What is to be done for who wants a token of an account. No I/O: a decision over the book, taken under its lock.

use std::time::Duration;

use super::book::{Account, Book};
use crate::types::Secret;

/// How long a token is taken for good whose end was not told.
const UNTOLD_LIFE: u64 = 3600;
/// Longest time that one refresh may take before another process tries.
pub(super) const LEASE_SECONDS: u64 = 45;

/// Why somebody comes.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// A token that a provider has refused.
    pub refused: Option<Secret>,
    /// What was given last: whoever comes has it still, if it is good.
    pub given: Option<Secret>,
    /// An operator wants a new one, however good the old one is.
    pub anyhow: bool,
}

impl Wish {
    /// Whether this token is at hand already, or no good.
    pub fn knows(&self, token: &Secret) -> bool {
        self.refused.as_ref() == Some(token) || self.given.as_ref() == Some(token)
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// This token is good for so many seconds.
    Give(Secret, u64),
    /// A new one is to be fetched with this; the turn is ours for [`LEASE_SECONDS`].
    Refresh(Ticket),
    /// Somebody fetches one already.
    Wait,
    /// Only a person can help.
    Dead(String),
}

/// What a refresh began with; what comes of it counts only while that is still so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub refresh: Secret,
    pub login: u64,
}

/// What is to be done for the account; notes who has the turn.
pub(super) fn step(
    book: &mut Book,
    (profile, email): (&str, &str),
    wish: &Wish,
    lead: Duration,
    now: u64,
) -> Step {
    let Some(account) = book.account_mut(profile, email) else {
        return Step::Dead(absent(email));
    };
    if let Some(why) = &account.needs_login {
        return Step::Dead(why.clone());
    }
    let left = left(account, now);
    let is_refused = wish.refused.as_ref() == Some(&account.access);
    if !is_refused && !wish.anyhow && lead_of(account, lead) < left {
        return Step::Give(account.access.clone(), left);
    }
    let Some(refresh) = account.refresh.clone() else {
        if 0 < left && !is_refused {
            return Step::Give(account.access.clone(), left);
        }
        let what = if is_refused {
            "was refused"
        } else {
            "has ended"
        };
        let why = format!("its token {what}, and it has none to refresh it with; sign in again");
        account.needs_login = Some(why.clone());
        return Step::Dead(why);
    };
    // One that ends later than any lease does was written by another clock.
    let is_taken = |until: u64| now < until && until <= now + LEASE_SECONDS;
    if account.lease.is_some_and(is_taken) {
        return Step::Wait;
    }
    account.lease = Some(now + LEASE_SECONDS);
    Step::Refresh(Ticket {
        refresh,
        login: account.login,
    })
}

/// Why there is no token of an account that is not there; without an address, of any.
pub(super) fn absent(email: &str) -> String {
    match email {
        "" => "no account has signed in; run `pointsman login`".to_owned(),
        email => format!("account {email} has not signed in; run `pointsman login`"),
    }
}

/// The account that a ticket was given for, if nothing has come between.
pub(super) fn held<'b>(
    book: &'b mut Book,
    (profile, email): (&str, &str),
    ticket: &Ticket,
) -> Option<&'b mut Account> {
    let account = book.account_mut(profile, email)?;
    let same = account.login == ticket.login && account.refresh.as_ref() == Some(&ticket.refresh);
    same.then_some(account)
}

/// Seconds for which the token of an account is good.
pub(super) fn left(account: &Account, now: u64) -> u64 {
    match account.ends {
        Some(ends) => ends.saturating_sub(now),
        None => UNTOLD_LIFE,
    }
}

/// A short life is not refreshed before its half.
fn lead_of(account: &Account, lead: Duration) -> u64 {
    let life = account
        .ends
        .map_or(UNTOLD_LIFE, |it| it.saturating_sub(account.issued));
    lead.as_secs().min(life / 2)
}

#[cfg(test)]
pub(super) mod sample;
#[cfg(test)]
mod tests;
