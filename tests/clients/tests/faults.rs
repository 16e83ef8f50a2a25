//! Faults on purpose, as OpenSC meets them: the scripts of `docs/faults.md`, and what stands there.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::time::{Duration, Instant};

use clients::{Answering, CardProcess, Finished, Pcscd, Terminal, User};

const LOGIN: [&str; 3] = ["pkcs11-tool", "--login", "--pin=648219"];
/// Signs the file `hash` with the key 10.
const SIGN: &str = "pkcs11-tool --login --pin 648219 --sign --mechanism ECDSA --id 10 \
    --input-file hash --signature-format openssl --output-file signature";
/// Makes another key.
const GENERATE: &str =
    "pkcs11-tool --login --pin 648219 --keypairgen --key-type EC:secp256r1 --id 30";
const OPTIONS: [&str; 3] = ["--initialize", "--key", "ec:secp256r1,id=10,uses=10"];

/// A kind of fault in the documentation, and somebody who tries it.
struct Example {
    section: &'static str,
    user: User,
}

impl Example {
    fn of(kind: &str) -> Self {
        Self::under(&format!("### `{kind}`"))
    }

    /// The example under that heading.
    fn under(heading: &str) -> Self {
        let all = include_str!("../../../docs/faults.md");
        let (_, section) = all.split_once(&format!("\n{heading}\n")).unwrap();
        let section = section.split("\n##").next().unwrap();
        let user = User::new();
        user.write("hash", [0x5A; 32]);
        let example = Self { section, user };
        example.set(example.script());
        example
    }

    fn script(&self) -> &'static str {
        let (_, script) = self.section.split_once("```toml\n").unwrap();
        script.split("```").next().unwrap()
    }

    /// Another script.
    fn set(&self, script: &str) {
        self.user.write("faults.toml", script);
    }

    /// Runs a script of the shell with a new card.
    fn run(&self, script: &str) -> Finished {
        let faults = ["--faults", "./faults.toml", "--trace=./trace"];
        self.user.exec(&[&OPTIONS[..], &faults].concat(), &["sh", "-c", script]).run()
    }

    /// The same, which must say what stands in the documentation.
    fn shows(&self, script: &str, what: &str) {
        assert!(self.section.contains(what), "{what} is not documented");
        self.run(script).says(what);
    }

    /// How many commands a fault has struck, by the trace.
    fn struck(&self) -> usize {
        let trace = String::from_utf8(self.user.read("trace")).unwrap();
        trace.lines().filter(|line| line.contains(", fault 1: ")).count()
    }
}

#[test]
fn answer_makes_opensc_try_four_times_and_report_an_error() {
    let example = Example::of("answer");
    example.shows(SIGN, "CKR_GENERAL_ERROR");
    assert_eq!(example.struck(), 4);

    example.set(&example.script().replace("\"SIGN\"", "\"SIGN\", count = \"1-3\""));
    example.run(SIGN).succeeded();

    for (status, code) in [("6982", "CKR_USER_NOT_LOGGED_IN"), ("6A84", "CKR_DEVICE_MEMORY")] {
        example.set(&example.script().replace("6F00", status));
        example.run(SIGN).failed().says(code);
    }
}

#[test]
fn answer_after_costs_the_uses_of_signatures_that_nobody_sees() {
    let example = Example::of("answer-after");
    let user = &example.user;
    for (script, left) in
        [(example.script().replace("-after", ""), 10), (example.script().into(), 6)]
    {
        user.vschsm(&[&["new", "./a.card"], &OPTIONS[..]].concat()).run().succeeded();
        example.set(&script);
        let options = ["--card", "./a.card", "--faults", "./faults.toml"];
        user.exec(&options, &["sh", "-c", SIGN]).run().failed().says("CKR_GENERAL_ERROR");
        let shown = user.vschsm(&["show", "--json", "./a.card"]).run();
        shown.says(&format!("\"uses_left\": {left},\n"));
        std::fs::remove_file(user.home().join("a.card")).unwrap();
    }
}

#[test]
fn delay_is_waited_for() {
    let example = Example::of("delay");
    let begun = Instant::now();
    example.run(SIGN).succeeded();
    assert!(begun.elapsed() >= Duration::from_millis(1500));
}

#[test]
fn mute_once_is_overcome_and_for_ever_is_an_error() {
    let example = Example::of("mute");
    let begun = Instant::now();
    example.run(SIGN).succeeded();
    assert!(begun.elapsed() >= Duration::from_millis(1500));
    assert_eq!(example.struck(), 1);

    example.set(&example.script().replace(", count = 1", "").replace("1.5", "0.1"));
    example.shows(SIGN, "CKR_GENERAL_ERROR");
}

#[test]
fn mute_through_pcscd_is_a_card_that_goes_and_comes() {
    let example = Example::of("mute");
    let (pcscd, user) = (Pcscd::started(1), User::who_runs_the_tests());
    user.write("hash", [0x5A; 32]);
    user.write("faults.toml", example.script());
    user.vschsm(&[&["new", "./a.card"], &OPTIONS[..]].concat()).run().succeeded();
    let [card, faults] = ["a.card", "faults.toml"].map(|name| user.home().join(name));
    let options = [card.to_str().unwrap(), "--faults", faults.to_str().unwrap()];
    let card = CardProcess::spawn(Answering::Vschsm, &pcscd.address(0), &options);
    card.wait_until_ready();
    let mut terminal = Terminal::at(&pcscd, 0);
    terminal.wait_for_card();
    let sign = || {
        let tool = user.tool("sh", &["-c", SIGN]).env("PCSCLITE_CSOCK_NAME", pcscd.socket());
        tool.run()
    };

    sign().failed().says("PKCS11 function C_SignFinal failed");
    terminal.wait_for_card();
    sign().succeeded();
}

#[test]
fn remove_leaves_an_empty_reader() {
    let example = Example::of("remove");
    example.shows(SIGN, "CKR_DEVICE_REMOVED");
    example.shows(&format!("{SIGN}; opensc-tool --list-readers"), "0    No ");
}

#[test]
fn disconnect_ends_a_session_and_the_next_one_succeeds() {
    let example = Example::of("disconnect");
    example.shows(SIGN, "CKR_DEVICE_REMOVED");
    example.run(&format!("! {SIGN} && {SIGN}")).succeeded();
}

#[test]
fn truncate_is_noticed_in_a_signature_and_made_up_for_elsewhere() {
    let example = Example::of("truncate");
    example.shows(SIGN, "CKR_DATA_INVALID");

    for command in ["READ BINARY", "GET CHALLENGE"] {
        example.set(&example.script().replace("SIGN", command));
        let random = "pkcs11-tool --generate-random 100 --output-file random && wc -c <random";
        example.run(random).succeeded().says("100");
        example.run("pkcs11-tool --list-objects").succeeded().says("label:      ec:secp256r1");
        assert!(example.struck() > 3, "{command}");
    }
}

#[test]
fn repeat_makes_half_of_the_random_numbers_the_other_half() {
    let example = Example::of("repeat");
    example.run("pkcs11-tool --generate-random 2048 --output-file random").succeeded();
    let random = example.user.read("random");
    let (first, second) = random.split_at(1024);
    assert_eq!(first, second);

    example.set("");
    example.run("pkcs11-tool --generate-random 2048 --output-file random").succeeded();
    let random = example.user.read("random");
    let (first, second) = random.split_at(1024);
    assert_ne!(first, second);
}

#[test]
fn atr_is_told_and_opensc_finds_the_applet_nevertheless() {
    let example = Example::of("atr");
    example.shows("opensc-tool --atr", "3b:00\n");
    example.shows("opensc-tool --name", "SmartCard-HSM Applet for JCOP version 3.4");
}

#[test]
fn disk_full_takes_the_card_out_and_the_key_is_there_all_the_same() {
    let example = Example::of("disk-full");
    let user = &example.user;
    user.vschsm(&[&["new", "./a.card"], &OPTIONS[..]].concat()).run().succeeded();
    let shown = || user.vschsm(&["show", "./a.card"]).run().succeeded().stdout;
    let before = shown();
    let options = ["--card", "./a.card", "--faults", "./faults.toml"];
    let pin = [&LOGIN[..], &["--list-objects"]].concat();
    user.exec(&options, &pin).run().succeeded();
    let logged_in = shown();

    let script = format!("{GENERATE}; true");
    let end = user.exec(&options, &["sh", "-c", &script]).run().succeeded();

    end.says("CKR_DEVICE_REMOVED").says("a.card: No space left on device (os error 28)");
    assert_eq!(before, logged_in, "a right PIN leaves what there was");
    assert_ne!(shown(), logged_in, "saved when there was room again");
    user.vschsm(&["keys", "./a.card"]).run().succeeded().says("2 ");
}

#[test]
fn memory_full_is_reported_and_may_leave_a_key_that_opensc_does_not_show() {
    let example = Example::of("memory-full");
    example.shows(GENERATE, "CKR_DEVICE_MEMORY");

    example.set("[[fault]]\nwhen = { command = \"UPDATE BINARY\" }\ndo = \"memory-full\"");
    let show = format!("{} ctl show --json", example.user.program().display());
    let script = format!("{GENERATE}; pkcs11-tool --list-objects --type privkey; {show}");
    let end = example.run(&script);
    end.says("C_GenerateKeyPair failed").never_says("ID:         30").says("\"id\": 2");
}

#[test]
fn weak_signature_is_passed_on_and_does_not_verify() {
    let example = Example::of("weak-signature");
    let verify = "pkcs11-tool --read-object --type pubkey --id 10 --output-file public.der &&
        openssl pkeyutl -verify -pubin -keyform DER -inkey public.der -in hash -sigfile signature";
    example.shows(&format!("{SIGN} && {verify}"), "Signature Verification Failure");
    assert_eq!(example.struck(), 1);

    example.set("");
    example.run(&format!("{SIGN} && {verify}")).succeeded();
}

#[test]
fn stuck_random_is_passed_on() {
    let example = Example::of("stuck-random");
    let script = "pkcs11-tool --generate-random 16 --output-file one &&
        pkcs11-tool --generate-random 16 --output-file other && cmp one other";
    example.run(script).succeeded();
    example.set("");
    example.run(script).failed();
}

#[test]
fn the_defective_device_has_a_short_atr_every_other_time_and_dies_after_242_commands() {
    let example = Example::under("## The defective batch of 2025");
    let cycle = format!("{} ctl power-cycle", example.user.program().display());
    let atr = "opensc-tool --atr";
    let shown = example.run(&format!("{atr} && {cycle} && {atr} && {cycle} && {atr}")).succeeded();
    let whole = "3b:de:96:ff:81:91:fe:1f:c3:80:31:81:54:48:53:4d:31:73:80:21:40:81:07:92";
    assert!(example.section.contains(whole));
    let text = shown.text();
    let atrs: Vec<_> = text.lines().filter(|line| line.starts_with("3b:de:96")).collect();
    assert_eq!(atrs, [whole, "3b:de:96", whole]);

    let example = Example::under("## The defective batch of 2025");
    let ask = "opensc-tool --send-apdu 00:84:00:00:08";
    let until_it_dies = format!("for n in $(seq 242); do {ask} || break; done; ! {ask}");
    example.run(&format!("{until_it_dies} && {cycle} && {ask}")).succeeded();
    let trace = String::from_utf8(example.user.read("trace")).unwrap();
    let commands = trace.lines().filter(|line| line.contains(" -> "));
    assert_eq!(commands.take_while(|line| !line.contains(", fault ")).count(), 242);
}

#[test]
fn the_same_seed_lets_the_same_commands_fail() {
    let example = Example::of("disconnect");
    let tries = format!("for n in 1 2 3 4 5 6; do {SIGN}; echo \"ended with $?\"; done");
    let ends = |seed: &str| {
        let fault = "[[fault]]\nwhen = { probability = 0.02 }\ndo = { disconnect = \"before\" }";
        example.set(&format!("seed = \"{seed}\"\n{fault}"));
        let text = example.run(&tries).text();
        text.lines().filter(|line| line.starts_with("ended")).map(str::to_owned).collect::<Vec<_>>()
    };
    let all: Vec<_> = ["one", "two", "three"].map(ends).into();
    assert_eq!(all, ["one", "two", "three"].map(ends));
    assert!(all.iter().flatten().any(|end| end.ends_with('0')), "{all:?}");
    assert!(all.iter().flatten().any(|end| end.ends_with('1')), "{all:?}");
}

#[test]
fn faults_come_and_go_while_opensc_is_there() {
    let example = Example::of("answer");
    example.set("");
    example.user.write("more.toml", example.script());
    let ctl = format!("{} ctl", example.user.program().display());
    let script = format!(
        "{SIGN} && {ctl} set-faults ./more.toml && ! {SIGN} && {ctl} list &&
        {ctl} clear-faults && {SIGN}"
    );
    example.run(&script).succeeded().says("CKR_GENERAL_ERROR").says(", 1 fault\n");
}
