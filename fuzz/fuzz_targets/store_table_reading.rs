//! libFuzzer over `firn_store::fuzzing::table_reading`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| firn_store::fuzzing::table_reading(data));
