//! libFuzzer over `firn_wire::fuzzing::headers`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| firn_wire::fuzzing::headers(data));
