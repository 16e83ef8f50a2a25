//! The README's first command.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use clients::{PROFILE, Pcscd, Tool, unshared, vschsm};
use tempfile::TempDir;

/// In a namespace as empty as a fresh machine: no pcscd, no service manager, and nothing outlives
/// it.
const FRESH: &str = "
    mount -t tmpfs tmpfs /run && mount --bind \"$1\" /etc/reader.conf.d || exit
    shift
    ../start --ephemeral \"$@\" && pkcs11-tool --list-slots";

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
}
