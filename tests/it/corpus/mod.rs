//! Recorded traffic. It is not part of the repository; `POINTSMAN_CORPUS` names its directory.

pub mod order;
mod requests;
mod answers;
mod recordings;
