//! What is kept: accounts that have signed in, and logins under way. The only place where secrets become text, for the
//! encrypted file and nothing else.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::types::Secret;

/// Logins that may be under way; the oldest makes room for the next.
pub(super) const MAX_LOGINS: usize = 32;
/// How long a person has for a login, in seconds.
pub(super) const LOGIN_SECONDS: u64 = 600;

/// All of it. Times are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Book {
    /// In the order of their first login.
    pub accounts: Vec<Account>,
    /// Oldest first.
    pub logins: Vec<Pending>,
}

/// An account at a profile's server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Account {
    pub profile: String,
    /// Lower case.
    pub email: String,
    /// Which login it comes from: another one makes another account of it.
    pub login: u64,
    #[serde(with = "text")]
    pub access: Secret,
    #[serde(with = "maybe_text", default)]
    pub refresh: Option<Secret>,
    /// When the access token was given.
    pub issued: u64,
    /// When it ends, where that was told.
    pub ends: Option<u64>,
    pub scopes: Vec<String>,
    pub id: Option<String>,
    pub name: Option<String>,
    pub created: u64,
    pub refreshed: Option<u64>,
    /// Why only a new login helps.
    pub needs_login: Option<String>,
    /// Somebody refreshes it, until then at most.
    pub lease: Option<u64>,
}

/// A login that has begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    #[serde(with = "text")]
    pub state: Secret,
    #[serde(with = "text")]
    pub verifier: Secret,
    pub profile: String,
    /// Who is expected.
    pub email: Option<String>,
    pub until: u64,
}

impl Book {
    /// The account of that address, in lower case.
    pub fn account(&self, profile: &str, email: &str) -> Option<&Account> {
        let is = |it: &&Account| it.profile == profile && it.email == email;
        self.accounts.iter().find(is)
    }

    /// The same, to be changed.
    pub fn account_mut(&mut self, profile: &str, email: &str) -> Option<&mut Account> {
        let is = |it: &&mut Account| it.profile == profile && it.email == email;
        self.accounts.iter_mut().find(is)
    }

    /// Keeps what a login came to, in the place of the same account if there is one.
    pub fn keep(&mut self, account: Account) {
        match self.account_mut(&account.profile, &account.email) {
            Some(old) => {
                *old = Account {
                    created: old.created,
                    ..account
                }
            }
            None => self.accounts.push(account),
        }
    }

    /// Begins a login.
    pub fn begin(&mut self, login: Pending, now: u64) {
        self.logins.retain(|it| now < it.until);
        while MAX_LOGINS <= self.logins.len() {
            self.logins.remove(0);
        }
        self.logins.push(login);
    }

    /// Takes the login of a state, once. Every state is looked at, and each in the same time.
    pub fn take(&mut self, state: &Secret, now: u64) -> Option<Pending> {
        self.logins.retain(|it| now < it.until);
        let mut found = None;
        for (place, login) in self.logins.iter().enumerate() {
            if login.state == *state {
                found = Some(place);
            }
        }
        found.map(|place| self.logins.remove(place))
    }

    /// Takes the only login that a code without a state can belong to: of all, or of those for this account.
    pub fn take_only(&mut self, email: Option<&str>, now: u64) -> Result<Pending, usize> {
        self.logins.retain(|it| now < it.until);
        let is_meant = |it: &Pending| email.is_some() && it.email.as_deref() == email;
        let meant: Vec<usize> = places(&self.logins, is_meant);
        let meant = if meant.is_empty() {
            places(&self.logins, |it| email.is_none() || it.email.is_none())
        } else {
            meant
        };
        match meant.as_slice() {
            [only] => Ok(self.logins.remove(*only)),
            several => Err(several.len()),
        }
    }
}

fn places(logins: &[Pending], which: impl Fn(&Pending) -> bool) -> Vec<usize> {
    let all = logins.iter().enumerate();
    all.filter(|(_, it)| which(it))
        .map(|(place, _)| place)
        .collect()
}

mod text {
    use super::{Deserialize, Deserializer, Secret, Serializer};

    pub fn serialize<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(secret.expose())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        String::deserialize(from).map(Secret::new)
    }
}

mod maybe_text {
    use super::{Deserialize, Deserializer, Secret, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde calls")]
    pub fn serialize<S: Serializer>(secret: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::expose).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(Secret::new))
    }
}

#[cfg(test)]
mod tests;
