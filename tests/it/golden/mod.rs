//! Hand-written fixtures against recorded snapshots; made-up requests against the rules.

mod answers;
mod anthropic_upstream;
mod random;
mod requests;
