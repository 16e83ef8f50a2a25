//! Cards on file systems that are full, may not be written, or hold nothing but the card.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use clients::{Finished, Tool, unshared, vschsm};
use tempfile::TempDir;

/// Runs a script in a folder that is a file system of its own, of 256 kB; `$1` is the program.
fn run(script: &str) -> Finished {
    let folder = TempDir::new().unwrap();
    let unshare = unshared();
    let mounted = format!("mount -t tmpfs -o size=256k tmpfs . && cd \"$PWD\"\n{script}");
    Tool::program(unshare.get_program().as_ref(), unshare.get_args())
        .args(["--fork", "--kill-child", "sh", "-e", "-c", &mounted, "sh"])
        .args([vschsm()])
        .env("TMPDIR", "/tmp")
        .directory(folder.path())
        .run()
}

#[test]
fn a_disk_that_is_full_for_a_while_costs_an_answer_and_no_card() {
    let script = "
        \"$1\" new ./a.card --initialize
        vschsm=$1; export vschsm
        \"$1\" exec --card ./a.card -- sh -e -c '
            pkcs11-tool --login --pin 648219 --list-objects
            # Longer than what is left of the last block of the file.
            head -c 6000 /dev/zero >data
            if head -c 1M /dev/zero >filler; then exit 7; fi
            if pkcs11-tool --login --pin 648219 --write-object data --type data; then exit 8; fi
            \"$vschsm\" ctl list | grep \"removed until it can be saved\"
            rm filler
            tried=0
            until opensc-tool --list-readers | grep -q Yes; do
                tried=$((tried + 1))
                [ $tried -lt 200 ]
                sleep 0.1
            done
            pkcs11-tool --login --pin 648219 --write-object data --type data'
        \"$1\" show ./a.card";
    run(script)
        .succeeded()
        .says("a.card: No space left on device")
        .says("a.card is saved, and the card is back in its reader");
}

#[test]
fn a_file_system_that_may_not_be_written_is_no_obstacle_to_what_changes_nothing() {
    let script = "
        \"$1\" new ./a.card --initialize --serial ABCDEF00001
        mount -o remount,ro .
        \"$1\" apdu --select --card ./a.card 00200081
        \"$1\" show ./a.card
        if \"$1\" apdu --select --card ./a.card 0020008106363438323139; then exit 7; fi
        if \"$1\" apdu --select --card ./a.card --seed x 00200081; then exit 8; fi
        \"$1\" exec --card-template ./a.card -- pkcs11-tool --login --pin 648219 --list-objects";
    run(script)
        .succeeded()
        .says("63C3\n")
        .says("ABCDEF00001")
        .says("a.card: Read-only file system")
        .says("commands that change nothing work");
}

#[test]
fn a_card_that_is_mounted_alone_is_told_from_one_that_can_be_saved() {
    let script = "
        initialize=805000001980020001810636343832313982083537363231383830910103
        \"$1\" new ./a.card --initialize
        touch single.card && mount --bind a.card single.card
        \"$1\" apdu --select --card ./single.card 0020008106363438323139
        if \"$1\" apdu --select --card ./single.card $initialize; then exit 7; fi
        \"$1\" apdu --select --card-template ./single.card 0020008106363438323139
        \"$1\" apdu --select --card ./a.card 0020008106363438323139";
    run(script)
        .succeeded()
        .says("single.card: it is a mount point")
        .says("an initialisation or an update removes the card")
        .says("9000\n9000\n9000\n");
}
