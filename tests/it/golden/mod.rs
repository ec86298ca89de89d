//! Hand-written fixtures against recorded snapshots; made-up requests against the rules.

mod answers;
mod gemini;
mod random;
mod requests;
