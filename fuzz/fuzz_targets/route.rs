//! Route patterns.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman_fuzz::route;

fuzz_target!(|data: &[u8]| route(data));
