//! Certificates and requests.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vschsm_testing::fuzzing::run("certificate", data));
