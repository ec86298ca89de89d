//! Journeys: what a client, the providers and an operator see of one request or a few.

mod admin;
mod answering;
mod bodies;
mod caps;
mod circuit;
mod commit;
mod connections;
mod conversations;
mod counting;
mod dialects;
mod egress;
mod headers;
mod hostile;
mod keys;
mod leaving;
mod pass_through;
mod pings;
mod probes;
mod refusal;
mod reshape;
mod secrets;
mod stale;
mod strategies;
mod translation;
mod untrusted;
mod vertex;
