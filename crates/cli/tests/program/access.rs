//! Who may connect to the readers of `vschsm exec` and `vschsm run --pcsc-socket`. What becomes of
//! other users is in `tests/clients`.

use crate::pcsc::exec;
use crate::vschsm::{Home, text};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// The permissions of the folder, the server's socket and the control's.
fn modes(home: &Home, options: &[&str]) -> [u32; 3] {
    let (_running, socket) = exec(home, options);
    let socket = Path::new(&socket);
    let folder = socket.parent().unwrap();
    [folder, socket, &folder.join("control")].map(mode)
}

#[test]
fn others_can_open_the_server_s_socket_where_they_are_told_apart_and_never_the_control_s() {
    let home = Home::new();
    let user = fs::metadata("/proc/self").unwrap();
    let open = [0o711, 0o666, 0o600];
    assert_eq!(modes(&home, &[]), if user.uid() == 0 { open } else { [0o700, 0o600, 0o600] });
    // So that others can get there at all.
    fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    for option in ["--socket-user", "--socket-group"] {
        assert_eq!(modes(&home, &[option, "100032"]), open, "{option}");
        assert_eq!(modes(&home, &[option, "root", option, "0"]), open, "{option}");
    }
}

#[test]
fn a_name_that_nobody_has_is_refused() {
    let home = Home::new();
    for option in ["--socket-user", "--socket-group"] {
        let end = home.run(&["exec", option, "no such name", "true"]);
        assert_eq!(end.code, Some(2), "{}", end.err);
        assert!(end.err.contains("there is no such"), "{}", end.err);
    }
    let end = home.run(&["run", "--ephemeral", "--socket-user", "root"]);
    assert!(end.code == Some(2) && end.err.contains("--pcsc-socket"), "{}", end.err);
}

/// The folder of the tests is closed to others.
#[test]
fn the_folder_for_the_socket_is_where_others_can_go() {
    let home = Home::new();
    fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o700)).unwrap();
    let (_running, socket) = exec(&home, &["--socket-user", "100032"]);
    assert!(!socket.starts_with(text(&home.path(""))), "{socket}");
    let path = home.path("socket");
    let options = ["run", "--ephemeral", "--socket-user", "100032", "--pcsc-socket", text(&path)];
    let mut server = home.start(&options);
    let warning = server.complaint();
    let expected = format!("{} is closed to them", text(&home.path("")).trim_end_matches('/'));
    assert!(warning.ends_with(&expected), "{warning}");
    assert_eq!((server.line().as_str(), mode(&path)), ("ready", 0o666));
}

/// Asks the doctor of the socket that the environment names.
fn doctor(home: &Home, socket: &Path) -> (Option<i32>, String) {
    let (variable, vschsm) =
        (format!("PCSCLITE_CSOCK_NAME={}", socket.display()), env!("CARGO_BIN_EXE_vschsm"));
    let end = home.run_program("env", &[&variable, vschsm, "doctor", "--", "true"]);
    (end.code, end.out + &end.err)
}

#[test]
fn the_doctor_tries_the_socket_that_the_environment_names() {
    let home = Home::new();
    let (mut running, socket) = exec(&home, &[]);
    let (_, said) = doctor(&home, socket.as_ref());
    assert!(said.contains(&format!("Named     {socket}, whose server accepts user ")), "{said}");

    running.end_input();
    running.wait();
    let (code, said) = doctor(&home, socket.as_ref());
    assert_eq!(code, Some(1));
    assert!(said.contains("no server listens at ") && said.contains("No such file"), "{said}");
    let silent = home.path("silent");
    let listener = std::os::unix::net::UnixListener::bind(&silent).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| drop(listener.accept().unwrap()));
        let (code, said) = doctor(&home, &silent);
        assert!(code == Some(1) && said.contains("refuses user "), "{said}");
    });
}
