//! Zed's service besides its wire: who signs in there, which models it hosts, the threads that it keeps, and what they
//! cost.
//!
//! - `calls`: the way to it, which others bring;
//! - `account`: from an account to a token;
//! - `hosting`: the list of its models, fetched and kept;
//! - `thread`: one thread, and when it has to give way to another;
//! - `threads`: those of all conversations, and what was counted of them.

mod account;
mod calls;
mod hosting;
mod thread;
mod threads;

pub use account::AccountMint;
pub use calls::{Answer, Ask, Calls};
pub use hosting::{HostedModel, Hosting};
pub use thread::{Asking, Rotation, Turn};
pub use threads::{Answered, Speaker, Spent, ThreadView, Threads};
