//! Chaos: every fault that a provider can have, at every point of its answer, in each shape, protocol and dialect, with
//! the healthy provider in each position. A row of a table is a fault (`fault.rs`) with what has to come of it; `case.rs` says
//! how that is seen. Every row has a proxy of its own, so that no circuit and no budget is shared.

mod after_content;
mod before_content;
mod before_the_head;
mod case;
mod fault;
mod play;
mod providers;
mod standing;
mod statuses;
mod suite;
mod words;
