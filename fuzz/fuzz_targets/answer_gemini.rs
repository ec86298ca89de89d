//! Answers of a provider of gemini.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::types::Dialect;
use pointsman_fuzz::answer;

fuzz_target!(|data: &[u8]| answer(Dialect::Gemini, data));
