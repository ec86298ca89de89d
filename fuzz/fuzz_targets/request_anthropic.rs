//! Requests of a client of anthropic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::types::Dialect;
use pointsman_fuzz::request;

fuzz_target!(|data: &[u8]| request(Dialect::Anthropic, data));
