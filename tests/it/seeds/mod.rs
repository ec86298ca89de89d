//! What the documents of the two systems before this one promise, as their users would try it.

mod balancer;
mod balancer_calls;
mod calls;
mod documents;
mod promises;
mod worker;
mod worker_env;
