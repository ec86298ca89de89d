//! The shell: what strangers may throw at the front, as bytes on a raw socket. A row of a table is one case with what has
//! to come of it; `case.rs` says how that is seen. After each case a good request on another connection is served, and
//! the provider has seen nothing that it should not have.

mod bodies;
mod case;
mod frames;
mod framing;
mod heads;
mod neighbours;
mod pages;
mod slow;
mod targets;
