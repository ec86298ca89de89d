//! Hand-written fixtures against recorded snapshots.

mod answers;
