//! libFuzzer over `firn_config::fuzzing::configuration`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| firn_config::fuzzing::configuration(data));
