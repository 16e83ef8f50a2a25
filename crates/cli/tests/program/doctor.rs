//! `vschsm doctor`, with this test for a client.

use crate::pcsc::{Client, message};
use crate::vschsm::{End, Home};
use std::fs;
use std::io::Read;

/// Says where the socket is, and waits for leave to end.
const SCRIPT: &str = "echo $PCSCLITE_CSOCK_NAME > at.new; mv at.new at
    while [ ! -e done ]; do :; done";

/// What the doctor says of a client that does this.
fn examine(home: &Home, client: impl FnOnce(&str)) -> End {
    std::thread::scope(|scope| {
        let doctor = scope.spawn(|| home.run(&["doctor", "--", "sh", "-c", SCRIPT]));
        let at = home.path("at");
        while !at.exists() {
            std::thread::yield_now();
        }
        client(fs::read_to_string(at).unwrap().trim());
        fs::write(home.path("done"), "").unwrap();
        doctor.join().unwrap()
    })
}

#[test]
fn a_client_of_a_usual_library_is_well() {
    let said = examine(&Home::new(), |socket| {
        let mut client = Client::at(socket);
        assert_eq!(client.names(), [""; 0]);
        assert_eq!(client.names(), [""; 0]);
    });

    let said = said.ok();
    assert!(said.contains("4:4") && said.contains("Readers   16"), "{said}");
}

#[test]
fn a_client_of_a_library_for_more_readers_is_told_what_to_do() {
    let said = examine(&Home::new(), |socket| {
        let mut client = Client::at(socket);
        client.send(&message(0x12, &[]));
        client.stream.read_exact(&mut [0; 48 * 184]).unwrap();
        client.names();
    });

    let sentence = said.failed();
    assert!(sentence.contains("--reader-entries 48"), "{sentence}");
}

#[test]
fn a_client_of_another_version_or_none_is_told_so() {
    let said = examine(&Home::new(), |socket| {
        let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
        std::io::Write::write_all(&mut stream, &message(0x11, &[4, 3, 0])).unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
    });
    assert!(said.failed().contains("another version"));

    let said = examine(&Home::new(), |_| {});
    assert!(said.failed().contains("has not come to the socket"));
}
