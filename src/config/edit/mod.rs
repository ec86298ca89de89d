//! Edits of a configuration that a person wrote. Only the place concerned is touched: comments, order, quoting and line
//! ends of all others stay byte for byte. Every result is read again and compared with what was asked for, so that a way
//! of writing that is not understood ends in a refusal and never in a broken file.
//!
//! `spans.rs` tells where values stand; `splice.rs` turns a change (`change.rs`) into pieces of text (`value.rs`) for
//! lines (`lines.rs`) or brackets (`brackets.rs`); `document.rs` is what `pointsman config` asks for.

#[cfg(test)]
mod any_text_tests;
mod brackets;
mod change;
mod document;
#[cfg(test)]
mod document_tests;
mod lines;
mod named_keys;
mod our_routes;
mod ours;
mod spans;
mod splice;
#[cfg(test)]
mod splice_tests;
mod value;
mod worker;

use thiserror::Error;

pub use document::{Document, DocumentKind, Edited, NewUpstream, Update, Upstream};
pub use named_keys::{add_key, remove_key, revoke_key};

/// Why a file is not changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EditError {
    /// It is broken.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// There is a key of that name.
    #[error("there is a key \"{0}\" already; take another name")]
    Exists(String),
    /// There is none.
    #[error("there is no key \"{0}\"")]
    Missing(String),
    /// What is to be changed stands under an anchor that other places use.
    #[error(
        "the place is shared: it stands under the anchor `&{0}`, which is used elsewhere as well; change it by hand"
    )]
    Shared(String),
    /// What is to be changed comes from an anchor.
    #[error("`{0}` is not written there: it comes with `<<` from an anchor; change it by hand")]
    Inherited(String),
    /// No upstream has that name or place.
    #[error("there is no upstream \"{asked}\"{}", known_ones(.known))]
    NoUpstream {
        /// The name or place.
        asked: String,
        /// What would have been right.
        known: Vec<String>,
    },
    /// Several upstreams share a name.
    #[error(
        "several upstreams are called \"{0}\"; write NAME#ACCOUNT, or its index as `config show` has it"
    )]
    Ambiguous(String),
    /// An upstream has that name.
    #[error(
        "there is an upstream \"{0}\" already; take another name, or change that one with `config update`"
    )]
    NameTaken(String),
    /// It does not sign in with keys.
    #[error("it signs in with `{0}` and takes no keys; change `auth_type` by hand")]
    OtherSignIn(String),
    /// The change would have changed something else.
    #[error("the file is written in a way that is not understood here; change it by hand")]
    Unsure,
}

fn known_ones(known: &[String]) -> String {
    if known.is_empty() {
        return "; there are none yet, add one with `pointsman config add`".to_owned();
    }
    let all: Vec<String> = (0..)
        .zip(known)
        .map(|(i, name)| format!("{i} ({name})"))
        .collect();
    format!("; there are {}", all.join(", "))
}
