//! The virtual SmartCard-HSM.
