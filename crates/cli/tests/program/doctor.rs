//! `vschsm doctor`, with this test for a client.

use crate::pcsc::{PcscClient, message};
use crate::vschsm::{End, Home};
use std::fs;
use std::io::Read;
use vschsm_reader::server::ReaderLimits;

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
        let mut client = PcscClient::at(socket);
        assert_eq!(client.names(), [""; 0]);
        assert_eq!(client.names(), [""; 0]);
    });

    let said = said.ok();
    assert!(said.contains("4:4") && said.contains("Readers   16"), "{said}");
}

#[test]
fn a_client_of_a_library_for_more_readers_is_told_what_to_do() {
    for entries in [17, 24] {
        let said = examine(&Home::new(), |socket| {
            let mut client = PcscClient::at(socket);
            for _ in 0..2 {
                client.send(&message(0x12, &[]));
                client.stream.read_exact(&mut vec![0; entries * 184]).unwrap();
            }
        });

        let sentence = said.failed();
        assert!(sentence.contains(&format!("--reader-entries {entries}\n")), "{sentence}");
    }
}

#[test]
fn a_client_that_asks_how_many_readers_there_are_is_told_how_many_there_may_be() {
    let said = examine(&Home::new(), |socket| {
        let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
        for (request, reply) in
            [(message(0x11, &[4, 6, 0]), 12), (message(0x16, &[]), 4), (message(0x17, &[]), 184)]
        {
            std::io::Write::write_all(&mut stream, &request).unwrap();
            stream.read_exact(&mut vec![0; reply]).unwrap();
        }
    });

    let said = said.ok();
    let ReaderLimits { max_readers_contexts, max_readers } = ReaderLimits::installed();
    let readers = if max_readers > max_readers_contexts {
        "Readers   any number\n".to_owned()
    } else {
        format!("Readers   any number: here up to {max_readers}; --reader-entries raises the limit")
    };
    assert!(said.contains("4:6") && said.contains(&readers), "{said}");
}

#[test]
fn without_any_client_to_be_tried_nothing_is_said_to_be_well() {
    let home = Home::new();
    let nothing = format!("PATH={}", home.path("").display());
    let end = home.run_program("env", &[&nothing, env!("CARGO_BIN_EXE_vschsm"), "doctor"]);
    assert_eq!(end.code, Some(1), "{end:?}");
    let is_told = |word| end.err.contains(word);
    assert!(is_told("vschsm doctor -- COMMAND") || is_told("no libpcsclite"), "{}", end.err);
}

#[test]
fn a_client_of_another_version_or_none_is_told_so() {
    let said = examine(&Home::new(), |socket| {
        let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
        std::io::Write::write_all(&mut stream, &message(0x11, &[4, 3, 0])).unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
    });
    assert!(said.failed().contains("a version of pcscd's protocol other than"));

    let said = examine(&Home::new(), |_| {});
    assert!(said.failed().contains("did not connect to the socket"));
}
