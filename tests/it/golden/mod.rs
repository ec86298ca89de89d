//! Hand-written fixtures against recorded snapshots; made-up requests against the rules.

mod answers;
mod chat_clients;
mod random;
mod requests;
mod responses;
mod responses_client;
mod responses_requests;
