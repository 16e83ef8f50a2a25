//! Images of cards, with the right checksum.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vschsm_testing::fuzzing::run("image", data));
