//! How `vschsm exec` ends, and what is left of its command, its sockets and its children.

use crate::vschsm::{Home, Running, text};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Starts a shell script that says where its socket is, and then goes on as `rest` says.
fn start(home: &Home, before: &str, rest: &str) -> (Running, PathBuf) {
    let script = format!("{before}\necho $PCSCLITE_CSOCK_NAME\n{rest}");
    let mut running = home.start_with_input(&["exec", "sh", "-c", &script]);
    let socket = running.line();
    (running, socket.into())
}

#[test]
fn whatever_signal_would_end_it_goes_to_the_command_and_the_folder_goes() {
    let home = Home::new();
    for signal in ["ALRM", "HUP", "INT", "IO", "PROF", "QUIT", "TERM", "USR1", "USR2", "VTALRM"] {
        let (mut running, socket) =
            start(&home, &format!("trap 'exit 15' {signal}"), "while :; do read x; done");

        running.signal(signal);

        // The shell runs its trap when `read` has ended.
        running.end_input();
        assert_eq!(running.wait().code(), Some(15), "{signal}");
        assert!(!socket.parent().unwrap().exists(), "{signal}");
    }
}

#[test]
fn a_command_that_dies_of_the_signal_tells_so() {
    let home = Home::new();
    // Nothing that reads its input: that ends when its end is waited for.
    let (mut running, socket) = start(&home, "", "exec sleep 60");
    running.signal("HUP");
    assert_eq!(running.wait().code(), Some(128 + 1));
    assert!(!socket.parent().unwrap().exists());
}

#[test]
fn a_server_ends_by_them_as_it_should_and_leaves_no_file() {
    let home = Home::new();
    let (socket, ready) = (home.path("socket"), home.path("ready"));
    for signal in ["HUP", "INT", "TERM", "USR1"] {
        let files = ["--pcsc-socket", text(&socket), "--ready-file", text(&ready)];
        let mut server = home.start(&[&["run", "--ephemeral"], &files[..]].concat());
        assert_eq!(server.line(), "ready");

        server.signal(signal);

        assert_eq!(server.wait().code(), Some(0), "{signal}");
        assert!(!socket.exists() && !ready.exists(), "{signal}");
    }
}

/// As `nohup` has it: the command goes on, and with it what it was started by.
#[test]
fn a_hang_up_that_is_ignored_is_ignored_by_both() {
    let home = Home::new();
    let vschsm = env!("CARGO_BIN_EXE_vschsm");
    let script = format!(
        "trap '' HUP; {vschsm} exec sh -c 'kill -HUP $PPID; kill -HUP $$; test -S \
         $PCSCLITE_CSOCK_NAME && exit 7'"
    );
    assert_eq!(home.run_program("sh", &["-c", &script]).code, Some(7));
}

#[test]
fn a_command_does_not_outlive_a_program_that_is_killed_and_the_next_clears_up() {
    let home = Home::new();
    let (mut running, socket) = start(&home, "trap '' TERM HUP", "read x; echo survived");
    let (living, living_socket) = start(&home, "", "read x");
    let folder = socket.parent().unwrap();

    // Who waits for a child closes its input first.
    let input = running.child.stdin.take();

    running.signal_kill();

    drop(input);
    assert_eq!(running.line(), "");
    assert!(folder.join("pcscd").exists() && folder.join("control").exists());
    home.run(&["exec", "true"]).ok();
    assert!(!folder.exists());
    assert!(living_socket.exists());
    drop(living);
}

/// What only looks like a folder that a killed program has left.
#[test]
fn nothing_but_dead_folders_of_its_own_is_cleared_up() {
    let home = Home::new();
    let folder = |digit: &str| home.path(&format!("vschsm-{}", digit.repeat(16)));
    let (full, linked, other) = (folder("0"), folder("1"), home.path("vschsm-0123"));
    for path in [&full, &other] {
        fs::create_dir(path).unwrap();
    }
    fs::write(full.join("pcscd"), "precious").unwrap();
    let target = home.path("target");
    fs::create_dir(&target).unwrap();
    std::os::unix::fs::symlink(&target, &linked).unwrap();
    // A program that has no lock, as one of an older version.
    let served = folder("2");
    fs::create_dir(&served).unwrap();
    let _server = UnixListener::bind(served.join("pcscd")).unwrap();
    // One that has just made its folder, and no socket in it yet.
    let locked = folder("3");
    fs::create_dir(&locked).unwrap();
    let lock = fs::File::open(&locked).unwrap();
    lock.lock().unwrap();
    let dead = folder("4");
    fs::create_dir(&dead).unwrap();
    drop(UnixListener::bind(dead.join("pcscd")).unwrap());

    home.run(&["exec", "true"]).ok();

    for kept in [&full.join("pcscd"), &linked, &target, &other, &served.join("pcscd"), &locked] {
        assert!(kept.exists(), "{}", kept.display());
    }
    assert!(!dead.exists());
}

#[test]
fn a_script_that_names_no_interpreter_is_the_shell_s() {
    let home = Home::new();
    let script = home.path("script");
    fs::write(&script, "echo \"$1 $#\"; exit 7\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    for name in [text(&script), "./script"] {
        let end = home.run(&["exec", "--", name, "-x", "two words"]);
        assert_eq!((end.code, end.out.as_str()), (Some(7), "-x 2\n"), "{}", end.err);
    }
    let path = format!("PATH={}:/usr/bin:/bin", text(&home.path("")));
    let vschsm = env!("CARGO_BIN_EXE_vschsm");
    let end = home.run_program("env", &[&path, vschsm, "exec", "script", "-x"]);
    assert_eq!((end.code, end.out.as_str()), (Some(7), "-x 1\n"), "{}", end.err);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).unwrap();
    let end = home.run(&["exec", "./script"]);
    assert_eq!(end.code, Some(126));
    assert_eq!(end.err, "vschsm: cannot run ./script: Permission denied (os error 13)\n");
}

#[test]
fn the_command_is_a_child_of_the_program_and_named_like_itself() {
    let home = Home::new();
    let (mut running, _) = start(&home, "", "echo $PPID; tr '\\0' ' ' </proc/$$/cmdline; echo");
    assert_eq!(running.line(), running.child.id().to_string());
    assert!(running.line().starts_with("sh -c"));
    assert!(Path::new("/proc").exists());
}
