//! Configuration files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman_fuzz::config;

fuzz_target!(|data: &[u8]| config(data));
