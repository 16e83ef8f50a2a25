//! Commands in secure messaging, with the right MAC.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vschsm_testing::fuzzing::run("protected", data));
