//! libFuzzer over `firn_subject::fuzzing::patterns`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| firn_subject::fuzzing::patterns(data));
