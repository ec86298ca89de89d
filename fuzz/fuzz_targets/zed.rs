//! Lines of Zed's service, cut anywhere.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman_fuzz::zed;

fuzz_target!(|data: &[u8]| zed(data));
