//! Questions at a terminal.

use crate::vschsm::Home;
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

/// A terminal, and a program that is its session.
struct Terminal {
    /// Where the keyboard and the screen are.
    outside: File,
    child: Child,
}

impl Terminal {
    /// Starts the program with a terminal, and waits until it has asked and shows nothing more.
    fn asked(home: &Home, before: &str, arguments: &str) -> Self {
        let outside = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&outside).unwrap();
        unlockpt(&outside).unwrap();
        let name = ptsname(&outside, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let inside = rustix::fs::open(&name, flags, rustix::fs::Mode::empty()).unwrap();
        let mut outside = File::from(outside);
        let script = format!("{before} exec {} {arguments}", env!("CARGO_BIN_EXE_vschsm"));
        let mut command = Command::new("setsid");
        command.args(["--ctty", "sh", "-c", &script]).current_dir(home.path(""));
        command.env_remove("VSCHSM_PASSPHRASE").env("TMPDIR", home.path(""));
        let [input, output, errors] = [(); 3].map(|()| inside.try_clone().unwrap());
        command.stdin(Stdio::from(input)).stdout(Stdio::from(output)).stderr(Stdio::from(errors));
        let child = command.spawn().unwrap();
        drop(command);
        drop(inside);
        let mut screen = Vec::new();
        while !screen.ends_with(b"card: ") {
            let mut byte = [0];
            outside.read_exact(&mut byte).unwrap();
            screen.extend(byte);
        }
        let terminal = Self { outside, child };
        while terminal.echoes() {
            std::thread::yield_now();
        }
        terminal
    }

    /// Whether it shows what is typed, and takes ^C for an interrupt.
    fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.outside).unwrap().local_modes;
        let usual = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        modes.contains(usual)
    }

    fn types(&mut self, keys: &str) {
        self.outside.write_all(keys.as_bytes()).unwrap();
    }

    /// The signal that has ended the program, and its exit code.
    fn end(&mut self) -> (Option<i32>, Option<i32>) {
        let status = self.child.wait().unwrap();
        (status.signal(), status.code())
    }
}

/// A folder with a card whose passphrase is `correct horse`.
fn home() -> Home {
    let home = Home::new();
    std::fs::write(home.path("right"), "correct horse").unwrap();
    home.run(&["new", "./a.card", "--seed", "x", "--passphrase-file", "right"]).ok();
    home
}

#[test]
fn the_answer_is_read_without_being_shown() {
    let home = home();
    let mut terminal = Terminal::asked(&home, "", "show ./a.card");
    terminal.types("correct horse\n");
    let mut shown = Vec::new();
    // The other end is closed when the program ends, which Linux calls an error.
    terminal.outside.read_to_end(&mut shown).ok();
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains("Serial number") && !shown.contains("horse"), "{shown}");
    assert_eq!(terminal.end(), (None, Some(0)));
}

#[test]
fn an_interrupt_leaves_the_terminal_as_it_was() {
    let home = home();
    for arguments in ["show ./a.card", "exec --card ./a.card true", "seal ./a.card"] {
        let mut terminal = Terminal::asked(&home, "", arguments);
        terminal.types("half of it\x03");
        assert_eq!(terminal.end(), (Some(2), None), "{arguments}");
        assert!(terminal.echoes(), "{arguments}");
    }
}

#[test]
fn so_does_any_signal_that_ends_the_program() {
    let home = home();
    for (name, signal) in [("TERM", 15), ("HUP", 1), ("QUIT", 3), ("USR1", 10), ("ALRM", 14)] {
        let mut terminal = Terminal::asked(&home, "", "show ./a.card");
        let kill = format!("kill -{name} {}", terminal.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert_eq!(terminal.end().0, Some(signal), "{name}");
        assert!(terminal.echoes(), "{name}");
    }
}

/// Under `nohup`, say.
#[test]
fn a_signal_that_is_ignored_changes_nothing() {
    let home = home();
    let mut terminal = Terminal::asked(&home, "trap '' HUP;", "show ./a.card");
    let kill = format!("kill -HUP {}", terminal.child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert!(!terminal.echoes());
    terminal.types("correct horse\n");
    let mut shown = Vec::new();
    terminal.outside.read_to_end(&mut shown).ok();
    assert_eq!(terminal.end(), (None, Some(0)), "{}", String::from_utf8_lossy(&shown));
}
