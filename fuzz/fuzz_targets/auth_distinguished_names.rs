//! libFuzzer over `firn_auth::fuzzing::distinguished_names`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| firn_auth::fuzzing::distinguished_names(data));
