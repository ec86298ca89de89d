//! What people type and read. The only place that prints.

pub mod check;
pub mod output;
pub mod schema;
