//! libFuzzer over `firn_session::fuzzing::session`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| firn_session::fuzzing::session(data));
