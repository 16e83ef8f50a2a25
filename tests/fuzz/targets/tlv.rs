//! Data objects.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vschsm_testing::fuzzing::run("tlv", data));
