//! What every request has used, one row each, in an embedded SQLite file: for reports, and so that budgets outlive a
//! restart.
//!
//! A request hands its row over and goes on ([`Ledger::record`]); a background service writes what has come together.
//! A disk that is full or read-only disturbs nobody: rows wait, the oldest are dropped when there are too many, and it is
//! said. Nothing in a row is of a prompt or an answer, and no key is in it: endpoints' keys are masked, sessions and
//! agents are digests.

mod book;
mod question;
mod report;
mod row;
mod schema;
mod store;

pub use book::{Ledger, Trouble};
pub use question::{By, Question, QuestionError, Words};
pub use report::{Line, Report};
pub use row::{Row, Source, digest_of};
pub use store::{Spending, StoreError, ask, spending};
