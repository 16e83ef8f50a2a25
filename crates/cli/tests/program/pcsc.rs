//! Clients of the built-in PC/SC server, and the program that they come to.

use crate::vschsm::{Home, Running};

pub(crate) use vschsm_testing::pcsc_client::{
    EXCLUSIVE, NO_SMARTCARD, NOT_TRANSACTED, OK, PcscClient, REMOVED_CARD, RESET_CARD, SHARED,
    SHARING_VIOLATION, message,
};

/// Prints where the socket is, and then waits for the end of its standard input.
pub(crate) const WAIT: [&str; 4] = ["--", "sh", "-c", "echo $PCSCLITE_CSOCK_NAME; cat"];

/// Starts `vschsm exec` with `options`; a client can connect to what it says.
pub(crate) fn exec(home: &Home, options: &[&str]) -> (Running, String) {
    let mut running = home.start_with_input(&[&["exec"], options, &WAIT].concat());
    let socket = running.line();
    (running, socket)
}
