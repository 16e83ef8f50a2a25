//! `vschsm exec` and `vschsm run --pcsc-socket`, without libpcsclite.

use crate::pcsc::{
    EXCLUSIVE, NOT_TRANSACTED, OK, PcscClient, REMOVED_CARD, RESET_CARD, SHARED, SHARING_VIOLATION,
    WAIT, exec, message,
};
use crate::vschsm::{Home, INITIALIZE, LOGIN, TRIES, WRONG_PIN, load, text};
use std::fs;
use std::path::Path;

#[test]
fn a_command_has_a_card_in_a_reader_as_real_ones_are_called() {
    let home = Home::new();
    let (_running, socket) = exec(&home, &["--serial", "ZZVS0000001"]);
    let mut client = PcscClient::at(&socket);

    let names = client.names();
    assert_eq!(names, ["Nitrokey Nitrokey HSM (ZZVS00000010000         ) 00 00"]);
    let handle = client.connect(&names[0], SHARED).unwrap();
    let select = client.ask(handle, "00A4040C0BE82B0601040181C31F0201");
    assert_eq!(select.as_deref(), Ok("9000"));
    assert_eq!(client.call(0x06, &[handle, 0, 0])[2], OK);
}

#[test]
fn the_socket_is_gone_in_the_end() {
    let home = Home::new();
    let (mut running, socket) = exec(&home, &[]);
    let folder = Path::new(&socket).parent().unwrap();
    assert!(folder.exists());

    running.end_input();

    assert_eq!(running.wait().code(), Some(0));
    assert!(!folder.exists());
}

#[test]
fn the_exit_code_is_the_command_s_or_tells_the_signal_that_ended_it() {
    let home = Home::new();
    for (script, code) in [("exit 0", 0), ("exit 77", 77), ("kill -9 $$", 137)] {
        assert_eq!(home.run(&["exec", "sh", "-c", script]).code, Some(code), "{script}");
    }
    assert_eq!(home.run(&["exec", "--", "no-such-command"]).code, Some(127));
    assert_eq!(home.run(&["exec", "--", "/"]).code, Some(126));
    assert_eq!(home.run(&["exec"]).code, Some(2));
}

#[test]
fn stored_cards_have_a_reader_each_and_keep_what_they_have_answered() {
    let home = Home::new();
    let (alice, bob) = (home.card("alice.card"), home.card("bob.card"));
    let (mut running, socket) = exec(&home, &["--card", text(&alice), "--card", text(&bob)]);
    let mut client = PcscClient::at(&socket);
    let names = client.names();
    assert!(names[0].ends_with(" 00 00") && names[1].ends_with(" 01 00"), "{names:?}");
    let handle = client.connect(&names[1], SHARED).unwrap();
    client.select(handle);

    assert_eq!(client.ask(handle, WRONG_PIN).as_deref(), Ok("63C9"));

    running.signal_kill();
    assert_eq!(load(&bob).transmit(&[0x00, 0x20, 0x00, 0x81]).response, [0x63, 0xC9]);
    assert_eq!(load(&alice).transmit(&[0x00, 0x20, 0x00, 0x81]).response, [0x63, 0xCA]);
}

#[test]
fn a_card_that_cannot_keep_its_answer_gives_none_and_is_gone() {
    let home = Home::new();
    let card = home.card("a.card");
    let (mut running, socket) = exec(&home, &["--card", text(&card)]);
    let mut client = PcscClient::at(&socket);
    let handle = client.connected();
    fs::remove_file(&card).unwrap();

    assert_eq!(client.ask(handle, WRONG_PIN), Err(NOT_TRANSACTED));

    assert_eq!(client.ask(handle, TRIES), Err(REMOVED_CARD));
    running.end_input();
    assert_eq!(running.wait().code(), Some(1), "the command has not noticed");
    let why = running.complaints();
    assert!(why.contains("was removed while in use"), "{why}");
}

#[test]
fn a_card_that_another_program_has_is_refused_in_a_sentence() {
    let home = Home::new();
    let card = home.card("a.card");
    let (_running, _) = exec(&home, &["--card", text(&card)]);

    let why = home.run(&["exec", "--card", text(&card), "--", "true"]).failed();

    assert!(why.contains("in use by another process"), "{why}");
}

#[test]
fn a_client_that_dies_leaves_a_reset_card_and_no_transaction() {
    let home = Home::new();
    let (_running, socket) = exec(&home, &[]);
    let (mut first, mut second) = (PcscClient::at(&socket), PcscClient::at(&socket));
    let (one, two) = (first.connected(), second.connected());
    first.ask(one, INITIALIZE).unwrap();
    assert_eq!(first.begin(one), OK);
    assert_eq!(first.ask(one, LOGIN).as_deref(), Ok("9000"));
    assert_eq!(second.begin(two), SHARING_VIOLATION);

    first.die();

    // The server learns of it in its own time, and until then has others wait.
    let told = std::iter::repeat_with(|| second.begin(two)).find(|code| *code != SHARING_VIOLATION);
    assert_eq!(told, Some(RESET_CARD));
    assert_eq!(second.call(0x05, &[two, SHARED, 2, 0, 0, 0])[4..], [2, OK]);
    assert_eq!(second.begin(two), OK);
    assert_eq!(second.ask(two, TRIES).as_deref(), Ok("6D00"));
    second.select(two);
    assert_eq!(second.ask(two, TRIES).as_deref(), Ok("63CA"));
}

#[test]
fn a_client_whose_card_is_taken_waits_for_the_end_of_the_transaction() {
    let home = Home::new();
    let (_running, socket) = exec(&home, &[]);
    let (mut first, mut second) = (PcscClient::at(&socket), PcscClient::at(&socket));
    let one = first.connected();
    assert_eq!(first.begin(one), OK);

    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| second.connected());
        assert_eq!(first.ask(one, TRIES).as_deref(), Ok("6A88"));
        assert_eq!(first.call(0x08, &[one, 0, 0])[2], OK);
        assert!(waiting.join().unwrap() > 0);
    });
}

#[test]
fn a_login_ends_with_the_power_when_all_clients_have_gone() {
    let home = Home::new();
    let (_running, socket) = exec(&home, &["--power-off-after", "0", "--trace=trace"]);
    let mut client = PcscClient::at(&socket);
    let handle = client.connected();
    client.ask(handle, INITIALIZE).unwrap();
    assert_eq!(client.ask(handle, LOGIN).as_deref(), Ok("9000"));

    assert_eq!(client.call(0x06, &[handle, 0, 0])[2], OK);

    let trace = || fs::read_to_string(home.path("trace")).unwrap();
    while !trace().contains("power off") {
        std::thread::yield_now();
    }
    let handle = client.connected();
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63CA"));
}

#[test]
fn a_malformed_message_costs_its_client_the_connection_and_nobody_else() {
    let home = Home::new();
    let (_running, socket) = exec(&home, &[]);
    let mut bystander = PcscClient::at(&socket);
    let handle = bystander.connected();
    for bytes in [
        vec![0xFF; 8],
        message(0x03, &[]),
        message(0x18, &[]),
        message(0x04, &[1, 2, 3]),
        message(0x09, &[handle, 2, 16, u32::MAX, 2, 16, 10, 0]),
    ] {
        let mut client = PcscClient::at(&socket);
        client.send(&bytes);
        assert!(client.is_hung_up(), "{bytes:02X?}");
    }
    let mut cut = PcscClient::at(&socket);
    cut.send(&message(0x09, &[handle, 2])[..9]);
    cut.die();

    assert_eq!(bystander.ask(handle, TRIES).as_deref(), Ok("6A88"));
    assert_eq!(bystander.connect("no such reader", EXCLUSIVE), Err(0x8010_0009));
}

#[test]
fn a_waiting_client_is_told_of_others_and_can_be_called_off() {
    let home = Home::new();
    let (_running, socket) = exec(&home, &[]);
    let (mut waiting, mut other) = (PcscClient::at(&socket), PcscClient::at(&socket));
    let wait = |client: &mut PcscClient| {
        client.send(&message(0x13, &[]));
        client.receive(16 * 46);
    };

    wait(&mut waiting);
    other.connected();
    assert_eq!(waiting.receive(2), [0, OK]);

    wait(&mut waiting);
    // Until the server has taken note of the wait there is nothing to call off.
    let context = waiting.context;
    assert_eq!(PcscClient::at(&socket).call(0x0D, &[context, 0]), [context, OK]);
    assert_eq!(waiting.receive(2), [0, 0x8010_0002]);
}

#[test]
fn the_folder_goes_where_temporary_files_belong_and_the_path_is_short_enough() {
    let home = Home::new();
    let long = home.path(&"x".repeat(90));
    fs::create_dir(&long).unwrap();
    let print = ["exec", "sh", "-c", "echo $PCSCLITE_CSOCK_NAME"];
    let socket = |variable: &str, value: &Path| {
        let vschsm = env!("CARGO_BIN_EXE_vschsm");
        home.run_program(
            "env",
            &[&[&format!("{variable}={}", text(value)), vschsm], &print[..]].concat(),
        )
        .ok()
    };

    assert!(socket("TMPDIR", &home.path("")).starts_with(text(&home.path(""))));
    for unusable in [long, home.path("no folder")] {
        let path = socket("TMPDIR", &unusable);
        assert!(path.ends_with("/pcscd\n") && path.len() < 108, "{path}");
        assert!(!path.starts_with(text(&unusable)), "{path}");
    }
}

#[test]
fn a_server_for_many_commands_says_when_it_is_ready_and_takes_its_socket_away() {
    let home = Home::new();
    let (socket, card) = (home.path("socket"), home.card("a.card"));
    let arguments = ["run", text(&card), "--pcsc-socket", text(&socket)];
    let mut server = home.start(&arguments);
    assert_eq!(server.line(), "ready");
    let mut client = PcscClient::at(&socket);
    let handle = client.connected();
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63CA"));
    let other = home.card("other.card");
    let why = home.run(&["run", text(&other), "--pcsc-socket", text(&socket)]).failed();
    assert!(why.contains("another process serves"), "{why}");

    server.signal_kill();
    assert!(socket.exists());
    let mut server = home.start(&arguments);
    assert_eq!(server.line(), "ready");
    assert_eq!(PcscClient::at(&socket).names().len(), 1);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_file_that_is_no_socket_is_not_replaced() {
    let home = Home::new();
    let file = home.path("precious");
    fs::write(&file, "kept").unwrap();

    let end = home.run(&["run", "--ephemeral", "--pcsc-socket", text(&file)]);

    assert_eq!(end.code, Some(2), "{end:?}");
    assert_eq!(fs::read_to_string(file).unwrap(), "kept");
    let long = "x".repeat(108);
    let end = home.run(&["run", "--ephemeral", "--pcsc-socket", &long]);
    assert!(end.err.contains("107 bytes"), "{end:?}");
}

#[test]
fn readers_can_be_called_otherwise_and_there_is_room_for_sixteen() {
    let home = Home::new();
    let (_running, socket) = exec(&home, &["--reader-name", "My Reader"]);
    assert_eq!(PcscClient::at(&socket).names(), ["My Reader 00 00"]);
    let long = "x".repeat(122);
    let end = home.run(&[&["exec", "--reader-name", &long], &WAIT[..]].concat());
    assert_eq!(end.code, Some(2), "{end:?}");
}

#[test]
fn readers_say_that_they_take_extended_apdus_unless_told_otherwise() {
    let home = Home::new();
    for (options, longest) in [(&[][..], 0x1_0000_u32), (&["--short-apdus"], 0)] {
        let (_running, socket) = exec(&home, options);
        let mut client = PcscClient::at(&socket);
        let handle = client.connected();

        let properties = client.call(0x0A, &[handle, 0x4233_0012, 0, 256, 0, 0]);

        assert_eq!(properties[4..], [24, OK], "{options:?}");
        // The last of them is dwMaxAPDUDataSize, with the low byte first.
        assert_eq!(client.receive(6)[5].to_ne_bytes(), longest.to_le_bytes(), "{options:?}");
    }
}
