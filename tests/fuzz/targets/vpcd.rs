//! What vpcd sends.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vschsm_testing::fuzzing::run("vpcd", data));
