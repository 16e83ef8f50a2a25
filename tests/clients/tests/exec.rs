//! `vschsm exec`: real clients of an ordinary user, with no daemon at all.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use clients::{Crowd, Tool, User, Visitor, library, unshared};

/// Initialises the card.
const INITIALIZE: &str = "sc-hsm-tool --initialize --so-pin 3537363231383830 --pin 648219";

/// The reader of a card with the serial number ZZVS0000001.
const READER: &str = "Nitrokey Nitrokey HSM (ZZVS00000010000         ) 00 00";

#[test]
fn opensc_tool_lists_the_reader() {
    let list = User::new().exec(&["--serial", "ZZVS0000001"], &["opensc-tool", "-l"]).run();

    list.succeeded().says(READER).says("Yes");
}

#[test]
fn sc_hsm_tool_initialises_the_card() {
    let user = User::new();
    let script = format!("{INITIALIZE} && sc-hsm-tool");

    let status = user.exec(&[], &["sh", "-c", &script]).run().succeeded();

    status.says("User PIN tries left  : 3").says("Version              : 3.4");
}

#[test]
fn a_card_may_have_its_keys_before_the_command_begins() {
    let card =
        ["--initialize", "--label", "CI", "--key", "ec:secp256r1,id=10", "--cert", "10=CN=CI"];
    let user = User::new();

    let objects = user.exec(&card, &["pkcs11-tool", "--list-objects"]).run().succeeded();

    objects.says("label:      ec:secp256r1").says("subject:    DN: CN=CI");
    let stored = user.exec(&["--card", "mine", "--initialize"], &["true"]).run().ended_with(2);
    stored.says("cannot be used with");
}

#[test]
fn pkcs11_tool_makes_a_key_and_ssh_keygen_and_p11tool_find_it() {
    for client in ["p11tool", "pkcs11-tool", "ssh-keygen"] {
        clients::installed(client);
    }
    let user = User::new();
    let module = library("opensc-pkcs11.so");
    let script = format!(
        "{INITIALIZE} &&
        pkcs11-tool -L &&
        pkcs11-tool -l --pin 648219 -k --key-type EC:secp256r1 --id 01 --label mine &&
        ssh-keygen -D {module} &&
        p11tool --provider {module} --list-tokens",
        module = module.display()
    );

    let all = user.exec(&["--serial", "ZZVS0000001"], &["sh", "-c", &script]).run().succeeded();

    all.says(READER)
        .says("token initialized")
        .says("ecdsa-sha2-nistp256")
        .says("serial=ZZVS0000001");
}

#[test]
fn pyscard_can_call_every_function_of_winscard() {
    let script = include_str!("pyscard.py");

    let done = User::new().exec(&[], &["/usr/bin/python3", "-c", script]).run();

    done.succeeded().says("all is well");
}

/// As the first process of a container, where those come to it whose parents have ended.
#[test]
fn no_zombie_is_left_where_it_is_the_first_process() {
    let unshare = unshared();
    let script = "
        test $PPID = 1 || exit 1
        for orphan in 1 2 3 4 5 6 7 8; do (sh -c 'exec true' &); done
        states() { sed 's/.*) //' /proc/[0-9]*/stat 2>/dev/null; }
        while states | grep -q '^Z 1 '; do :; done
        exit 7";
    let program = User::who_runs_the_tests().program().display().to_string();

    Tool::program(unshare.get_program().as_ref(), unshare.get_args())
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .args([&program, "exec", "--", "sh", "-c", script])
        .run()
        .ended_with(7);
}

/// As on a machine where nobody has installed it.
#[test]
fn the_program_runs_where_there_is_no_libpcsclite() {
    let script = "
        mount --bind /dev/null \"$1\" || exit 9
        shift
        \"$@\" --version && \"$@\" exec -- true && \"$@\" verify --reader Nitrokey";
    let (unshare, library) = (unshared(), library("libpcsclite.so.1"));
    let program = User::who_runs_the_tests().program().to_owned();

    let done = Tool::program(unshare.get_program().as_ref(), unshare.get_args())
        .args(["sh", "-c", script, "sh"])
        .args([&library, &program])
        .run()
        .ended_with(1);

    done.says("vschsm 0").says("no reader can be asked for without libpcsclite.so.1");
}

#[test]
fn a_hundred_commands_run_side_by_side() {
    let user = User::new();
    thread::scope(|scope| {
        for number in 0..100 {
            let user = &user;
            scope.spawn(move || {
                let serial = format!("ZZVS{number:07}");
                let list = user.exec(&["--serial", &serial], &["pkcs11-tool", "-L"]).run();
                list.succeeded().says(&format!("({serial}0000         ) 00 00"));
            });
        }
    });
}

/// Eight processes of four threads each: four go on for the whole time, and there is always one of
/// the others about to be killed and replaced.
#[test]
fn a_minute_of_clients_that_are_killed_leaves_a_card_that_is_free_and_well() {
    let crowd = Crowd::new();
    let end = Instant::now() + Duration::from_secs(60);
    let arrive = |seed| crowd.visitor(end.saturating_duration_since(Instant::now()), seed);
    let survivors: Vec<_> = (0..4).map(arrive).collect();
    let mut victims: VecDeque<_> = (4..8).map(arrive).collect();
    let mut killed = 0;
    while Instant::now() < end {
        let mut victim = victims.pop_front().unwrap();
        // In the middle of something, whatever that is.
        if (0..killed % 17).all(|_| victim.goes_on()) {
            victim.kill();
            killed += 1;
            victims.push_back(arrive(8 + killed));
        } else {
            // The time was over.
            victim.succeeded();
        }
    }

    survivors.into_iter().chain(victims).for_each(Visitor::succeeded);
    assert!(killed > 30, "only {killed} were killed");
    crowd.alone();
    let status = crowd.station().run("sc-hsm-tool", &[]).succeeded();
    status.says("User PIN tries left  : 3");
}
