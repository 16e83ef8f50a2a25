//! Commands in a channel of the card's issuer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vschsm_testing::fuzzing::run("card_manager", data));
