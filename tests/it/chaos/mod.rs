//! Chaos: every fault that a provider can have, at every point of its answer, in each shape, protocol and dialect, with
//! the healthy provider in each position. The tables are in `before_the_head`, …; `case` says what has to come of it.

mod after_content;
mod before_content;
mod before_the_head;
mod case;
mod fault;
mod play;
mod statuses;
mod suite;
mod words;
