//! Error bodies of providers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman_fuzz::errors;

fuzz_target!(|data: &[u8]| errors(data));
