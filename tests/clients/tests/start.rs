//! The README's first command.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use clients::{PROFILE, Pcscd, Tool, unshared, vschsm};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

/// In a namespace as empty as a fresh machine: no pcscd, no service manager, and nothing outlives
/// it.
const FRESH: &str = "
    mount -t tmpfs tmpfs /run && mount --bind \"$1\" /etc/reader.conf.d || exit
    shift
    ../start --ephemeral \"$@\" >\"$TMPDIR/said\" && cat \"$TMPDIR/said\" &&
    pkcs11-tool --list-slots &&
    kill $(sed -n 's/^ *kill //p' \"$TMPDIR/said\") &&
    while ls -d \"$TMPDIR\"/vschsm* >/dev/null 2>&1; do sleep 0.1; done";

#[test]
fn the_first_command_ends_with_opensc_naming_the_card() {
    // The script builds it too, but within the time limit of a client.
    vschsm();
    let pcscd = Pcscd::planned(1);
    let unshare = unshared();
    let folder = TempDir::new().unwrap();

    let started = Tool::program(unshare.get_program().as_ref(), unshare.get_args())
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .args(["sh", "-c", FRESH, "sh"])
        .args([pcscd.configuration()])
        .args(["--serial", "ABCDEF00001", "--vpcd", &pcscd.address(0)])
        .env("VSCHSM_PROFILE", PROFILE)
        .env("TMPDIR", folder.path())
        .directory(env!("CARGO_MANIFEST_DIR").as_ref())
        .run()
        .succeeded();

    started.says("SmartCard-HSM").says("version 3.4").says("ABCDEF00001");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "more than what was said is left");
}

#[test]
fn a_rust_that_is_too_old_is_named_before_anything_is_installed() {
    let folder = TempDir::new().unwrap();
    let rustc = folder.path().join("rustc");
    fs::write(&rustc, "#!/bin/sh\necho 'rustc 1.84.1 (e71f9a9a9 2025-01-27)'\n").unwrap();
    fs::set_permissions(&rustc, Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    for script in ["start", "install"] {
        let script = format!("{}/../{script}", env!("CARGO_MANIFEST_DIR"));
        let refused = Tool::new("sh", [&script]).env("PATH", &path).run().ended_with(1);
        refused.says("Rust 1.84.1 is too old, 1.95 is needed").never_says("Installing");
    }
}

#[test]
fn the_readme_s_lines_for_ci_work() {
    let readme = include_str!("../../../README.md");
    let (_, lines) = readme.split_once("In CI, where `exec` is not\nenough:\n").unwrap();
    let (_, lines) = lines.split_once("```sh\n").unwrap();
    let (lines, _) = lines.split_once("\n```").unwrap();
    let pcscd = Pcscd::planned(1);
    let unshare = unshared();
    let folder = TempDir::new().unwrap();
    let program = format!("{} run --vpcd {}", vschsm().display(), pcscd.address(0));
    let lines = lines
        .lines()
        .filter(|line| !line.contains("apt-get"))
        .map(|line| line.trim().replace("vschsm run", &program))
        .collect::<Vec<_>>()
        .join("\n");
    let fresh = "mount -t tmpfs tmpfs /run && mount --bind \"$1\" /etc/reader.conf.d || exit";

    Tool::program(unshare.get_program().as_ref(), unshare.get_args())
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .args(["sh", "-e", "-c", &format!("{fresh}\n{lines}\nwait"), "sh"])
        .args([pcscd.configuration()])
        .directory(folder.path())
        .run()
        .succeeded()
        .says("ready");
}
