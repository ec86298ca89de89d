//! Requests made up by hand, against recorded snapshots, and by chance, against the rules.

mod random;
mod requests;
