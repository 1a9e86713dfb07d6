//! libFuzzer over `firn_jetstream::consumer::fuzzing::consumer_log`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| firn_jetstream::consumer::fuzzing::consumer_log(data));
