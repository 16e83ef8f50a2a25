//! The virtual SmartCard-HSM.
#![no_std]
extern crate alloc;
