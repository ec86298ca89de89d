//! Signing in by OAuth 2.0: authorization codes with PKCE (RFC 6749, 7636), refresh, and the accounts that come of it.
//!
//! Whose server it is, who we are there and what is asked for stands in the configuration; nothing of any vendor is
//! written here.
//!
//! - `pkce`: verifiers, challenges and states;
//! - `redirect`: the address where a person signs in, and what comes back;
//! - `exchange`: token requests and their answers, as pure functions; `call`: how they are sent;
//! - `book`: accounts and logins under way; `seal`, `store`: the encrypted file they are kept in;
//! - `turn`: what is to be done about a token: given, refreshed, waited for, given up;
//! - `mint`: refreshing, one at a time among all processes that share a store;
//! - `choice`: which profile a login is meant for;
//! - `finish`: from what came back to an account;
//! - `accounts`: what the rest of the program asks.
//!
//! Two rules hold throughout. What a server has given is written down before it is used, because a refresh token is
//! good once. And a refresh that has begun is finished, whoever leaves meanwhile.

mod accounts;
mod book;
mod call;
mod choice;
mod exchange;
mod finish;
mod mint;
mod pkce;
mod redirect;
mod seal;
mod store;
mod turn;

pub use accounts::{Accounts, Login, Seen};
pub use choice::{Wanted, choose};
pub use finish::{LoginError, SignedIn};
pub use redirect::{Returned, read_pasted, read_query};
pub use store::StoreError;
