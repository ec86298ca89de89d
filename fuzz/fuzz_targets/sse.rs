//! Server-sent events, cut anywhere.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman_fuzz::frames;

fuzz_target!(|data: &[u8]| frames(data));
