//! The program `vschsm`.
fn main() {}
