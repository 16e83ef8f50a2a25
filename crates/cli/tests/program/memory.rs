//! The program's memory: who may look into it.

use crate::vschsm::{Home, text};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

/// A user without rights.
const NOBODY: u32 = 65_534;

/// Starts a copy of the program as a user without rights, if the test may do that; it has begun
/// when it has written its first answer.
fn start(home: &Home, variable: Option<&str>) -> Child {
    let program = home.path("vschsm");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_vschsm"), &program).unwrap();
        fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(program);
    command
        .args(["apdu", "--select", "00200081", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command.env_remove("VSCHSM_DUMPABLE").current_dir("/");
    command.envs(variable.map(|value| ("VSCHSM_DUMPABLE", value)));
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child = loop {
        match command.spawn() {
            // Another test has started a process while the copy was open for writing.
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => thread::yield_now(),
            child => break child.unwrap(),
        }
    };
    let mut first = [0];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    child
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The owner of a process's files in /proc: its user, unless nobody may look.
fn owner(child: &Child) -> u32 {
    fs::metadata(format!("/proc/{}/mem", child.id())).unwrap().uid()
}

fn core_limit(child: &Child) -> String {
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    line.split_whitespace().nth(4).unwrap().into()
}

#[test]
fn nobody_but_root_may_look_into_the_memory_and_it_is_never_dumped() {
    let home = Home::new();
    let child = start(&home, None);
    assert_eq!((owner(&child), core_limit(&child).as_str()), (0, "0"));
    end(child);
}

#[test]
fn developers_may_look_if_they_say_so() {
    let home = Home::new();
    let child = start(&home, Some("1"));
    let user = fs::metadata("/proc/self").unwrap().uid();
    assert_eq!(owner(&child), if user == 0 { NOBODY } else { user });
    end(child);
    let child = start(&home, Some("0"));
    assert_eq!(owner(&child), 0);
    end(child);
}

#[test]
fn a_command_of_exec_may_dump_its_core_as_without_it() {
    let home = Home::new();
    let limit = home.run_program("sh", &["-c", "ulimit -c"]).ok();
    assert_eq!(home.run(&["exec", "sh", "-c", "ulimit -c"]).ok(), limit);
}

#[test]
fn the_doctor_says_what_of_the_memory_may_come_to_a_disk() {
    let home = Home::new();
    let vschsm = env!("CARGO_BIN_EXE_vschsm");
    let doctor = |variable| home.run_program("env", &[variable, vschsm, "doctor", "--", "true"]);
    let said = doctor("VSCHSM_DUMPABLE=0").out;
    assert!(said.contains("\nMemory    closed to core dumps and debuggers\n"), "{said}");
    let said = doctor("VSCHSM_DUMPABLE=1").out;
    assert!(
        said.contains("\nMemory    open to core dumps and debuggers, as VSCHSM_DUMPABLE says\n")
    );
    let [locked, not] =
        ["Memory    locked", "Memory    not locked"].map(|line| said.contains(line));
    assert!(locked != not, "{said}");
    assert!(Path::new(text(&home.path(""))).exists());
}

/// A limit on locked memory is no reason to fail: then nothing is locked.
#[test]
fn a_program_that_may_lock_little_memory_works() {
    let home = Home::new();
    let vschsm = env!("CARGO_BIN_EXE_vschsm");
    let script = format!("ulimit -l 64 && exec {vschsm} apdu --select --firmware 2.6 00200081");
    assert_eq!(home.run_program("sh", &["-c", &script]).ok(), "6A88\n");
}
