//! libFuzzer over `firn_api::fuzzing::request`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| firn_api::fuzzing::request(data));
