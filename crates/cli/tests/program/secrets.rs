//! Nothing that the program writes has a secret in it: a session with known PINs, keys and key-
//! encryption keys, in which every command and every kind of error has its turn.
//!
//! What is to hold secrets is left out, and shows that the search finds them: a card's file and a
//! snapshot, and what is asked for with `--reveal`.

use crate::leaks::Wanted;
use crate::reader::{Reader, Slot};
use crate::vschsm::{End, Home, Running, digits, hex, text};
use std::fs;
use std::path::PathBuf;
use vschsm_testing::secure_host::{HostOpening, HostProtocol, SecureHost};

/// Vectors with PINs in them.
const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/verify");

const PIN: &str = "Pa55w0rd";
const NEW_PIN: &str = "Gehe1mni";
const WRONG_PIN: &str = "Fa1schX!";
const SO_PIN: &str = "A1B2C3D4E5F60718";
const NEW_SO_PIN: &str = "0F1E2D3C4B5A6978";
const SHARE: &str = "C3A5E1F20B7D4986A8B9CADBECFD0E1F2031425364758697F0E1D2C3B4A59687";
const OTHER_SHARE: &str = "123456789ABCDEF00FEDCBA987654321DEADBEEFCAFEBABE0123456776543210";
const ISSUER_KEY: &str = "7F6E5D4C3B2A19081726354453627180";
const PASSWORD: &str = "open sesame, share";
const PASSPHRASE: &str = "staple horse battery";
const PASSWORD_SHARE: &str = "1:3A5C7E9F1B2D4F60";
const MESSAGE: &[u8] = b"attack at dawn!!";
const FILE_SECRET: &[u8] = b"Zwetschgenkuchen, 3 kg";

/// What the program has written so far, with what was asked of it.
struct Outputs {
    home: Home,
    written: Vec<(String, Vec<u8>)>,
}

impl Outputs {
    fn run(&mut self, arguments: &[&str]) -> End {
        let end = self.home.run(arguments);
        self.note(&arguments.join(" "), &end);
        end
    }

    fn run_with(&mut self, arguments: &[&str], input: &str) -> End {
        let end = self.home.run_with(arguments, input);
        self.note(&arguments.join(" "), &end);
        end
    }

    fn note(&mut self, what: &str, End { out, err, .. }: &End) {
        self.written.push((what.into(), [out.as_bytes(), err.as_bytes()].concat()));
    }

    fn refused(&mut self, arguments: &[&str]) {
        let end = self.run(arguments);
        assert!(matches!(end.code, Some(1 | 2)) && !end.err.is_empty(), "{arguments:?}: {end:?}");
    }
}

fn verify(pin: &str) -> String {
    format!("00200081 {:02X} {}", pin.len(), digits(pin.as_bytes()))
}

/// A card that somebody uses in a reader: PINs changed and wrong, keys made, exported and
/// imported, and secure messaging.
fn use_card(slot: &mut Slot) -> Wanted {
    let mut wanted = Wanted::new();
    for (command, answer) in [
        (verify(WRONG_PIN), "63C9"),
        (verify(PIN), "9000"),
        (format!("00240081 10 {}{}", digits(PIN.as_bytes()), digits(NEW_PIN.as_bytes())), "9000"),
        (format!("00240088 10 {SO_PIN}{NEW_SO_PIN}"), "9000"),
        (format!("002C0181 08 {SO_PIN}"), "63CE"),
        (format!("00200088 08 {NEW_SO_PIN}"), "9000"),
        (format!("80520000 20 {OTHER_SHARE}"), "6985"),
        // Malformed: the length is not that of the PIN.
        (format!("00200081 06 {}", digits(NEW_PIN.as_bytes())), "6700"),
        (format!("00200099 08 {}", digits(NEW_PIN.as_bytes())), "6A86"),
        (format!("A0200081 08 {}", digits(NEW_PIN.as_bytes())), "6E00"),
    ] {
        assert_eq!(slot.ask(&command), answer, "{command}");
    }
    assert_eq!(slot.ask(&verify(NEW_PIN)), "9000");
    let file = [&[0x54, 0x02, 0x00, 0x00, 0x53, FILE_SECRET.len() as u8], FILE_SECRET].concat();
    slot.ask(&format!("00D7CD01 {:02X} {}", file.len(), digits(&file)));
    wanted.add("content of a protected file", FILE_SECRET);
    let read = slot.ask("00B1CD01 04 54020000 00");
    assert!(read.starts_with(&digits(FILE_SECRET)), "{read}");

    let blob = slot.ask("80720192 000000");
    let blob = blob.strip_suffix("9000").unwrap();
    assert_eq!(slot.ask(&format!("80740993 00{:04X} {blob} 0000", blob.len() / 2)), "9000");
    // What is decrypted is the client's, and nobody else's.
    let (cryptogram, message) =
        (slot.ask(&format!("80780310 10 {} 00", digits(MESSAGE))), MESSAGE.len());
    let plain = format!("80780311 10 {} 00", &cryptogram[..2 * message]);
    assert_eq!(slot.ask(&plain), format!("{}9000", digits(MESSAGE)));
    wanted.add("decrypted message", MESSAGE);

    let host = secure(slot);
    for (name, key) in ["session key", "session key for MACs"].iter().zip(host.keys()) {
        wanted.add(name, &key);
    }
    wanted
}

/// Logs in and asks for a file in a channel.
fn secure(slot: &mut Slot) -> SecureHost {
    let opening = HostOpening::new(HostProtocol::Aes);
    let certificates = hex(&slot.ask("00B12F02 000004 54020000 0000"));
    let mut ask = |apdu: &[u8]| hex(&slot.ask(&digits(apdu)));
    assert_eq!(ask(&opening.choice()), [0x90, 0x00]);
    let proof = ask(&opening.request());
    let mut host =
        opening.finish(proof.strip_suffix(&[0x90, 0x00]).unwrap(), &certificates).unwrap();
    for command in [verify(NEW_PIN), "00B1CD01 04 54020000 00".into(), verify(WRONG_PIN)] {
        let response = ask(&host.protect(&hex(&command)));
        host.unprotect(&response).unwrap();
    }
    host
}

/// Makes the card that everything is tried with.
fn make(outputs: &mut Outputs) -> PathBuf {
    let home = &outputs.home;
    for (name, content) in [
        ("share", SHARE.to_owned()),
        ("blob", String::new()),
        ("passphrase", PASSPHRASE.to_owned()),
        ("number.toml", "pin = 64821900\n".into()),
        ("syntax.toml", format!("pin = {PIN}\n")),
        ("so.toml", format!("so-pin = \"{PIN}{PIN}\"\n")),
        ("unknown.toml", format!("pin = \"{PIN}\"\npasword = \"{PASSWORD}\"\n")),
    ] {
        fs::write(home.path(name), content).unwrap();
    }
    let options = ["--initialize", "--pin", PIN, "--so-pin", SO_PIN, "--tries", "10"];
    let keys = ["--key", "ec:secp256r1,id=10", "--key", "rsa:1024,id=20", "--key", "aes:256"];
    let share = ["--dkek-share", "share", "--label", "tested"];
    outputs.run(&[&["new", "./a.card"], &options[..], &keys, &share].concat()).ok();
    outputs.home.path("a.card")
}

/// All that looks at a card, or at what belongs to it.
fn look(outputs: &mut Outputs) {
    for command in [
        &["show", "./a.card"][..],
        &["show", "./a.card", "--json"],
        &["keys", "./a.card"],
        &["keys", "./a.card", "1", "--csr"],
        &["keys", "./a.card", "2", "--public"],
        &["verify", "./a.card"],
        &["verify", "./a.card", "--json"],
        &["dkek", "create", "s.pbe", "--share", SHARE, "--password", PASSWORD, "--iterations", "9"],
        &["dkek", "show", "s.pbe", "--password", PASSWORD, "--iterations", "9"],
        &["check", "--firmware", "3.4", VECTORS],
        &["check", "--firmware", "3.4", "--json", VECTORS],
        &["check", "import-bug", "--firmware", "3.4"],
    ] {
        outputs.run(command).ok();
    }
    let blob = outputs.home.run(&[
        "apdu",
        "--select",
        "--card",
        "./a.card",
        &verify(NEW_PIN),
        "80720392 000000",
    ]);
    let blob = blob.ok();
    let blob = blob.lines().nth(1).and_then(|line| line.strip_suffix("9000")).unwrap();
    fs::write(outputs.home.path("blob"), blob).unwrap();
    outputs.run(&["blob", "blob", "--dkek", SHARE]).ok();
    outputs.run(&["blob", "blob"]).ok();
    outputs.run(&["doctor", "--", "true"]);
    let commands = [verify(WRONG_PIN), verify(NEW_PIN), "8078031110".into()].join("\n");
    outputs.run_with(&["apdu", "--select", "--card", "./a.card", "--trace", "-"], &commands).ok();
}

/// Errors, with a secret in what was given.
fn fail(outputs: &mut Outputs) {
    let pin_in_hex = digits(NEW_PIN.as_bytes());
    for command in [
        &["apdu", "--select", &format!("00200081 08 {pin_in_hex}x")][..],
        &["apdu", "--select", &format!("00200081 08 {pin_in_hex}0")],
        &["new", "./b.card", "--initialize", "--so-pin", NEW_PIN],
        &["new", "./b.card", "--initialize", "--so-pin", OTHER_SHARE],
        &["new", "./b.card", "--initialize", "--pin", PASSWORD],
        &["new", "./b.card", "--provision", "number.toml"],
        &["new", "./b.card", "--provision", "syntax.toml"],
        &["new", "./b.card", "--provision", "so.toml"],
        &["new", "./b.card", "--provision", "unknown.toml"],
        &["new", "./b.card", "--pin", PIN],
        &["new", "./b.card", "--device-key", "share", "--chain", "share"],
        &["blob", "blob", "--dkek", OTHER_SHARE],
        &["blob", "blob", "--dkek", &format!("{SHARE}00")],
        &["blob", "blob", "--dkek", &format!("{SHARE}y")],
        &["blob", "share", "--dkek", SHARE],
        &["verify", "share"],
        &["show", "./share"],
        &["dkek", "create", "t.pbe", "--share", &format!("{OTHER_SHARE}00")],
        &["dkek", "show", "s.pbe", "--password", NEW_PIN, "--iterations", "9"],
        &[
            "dkek",
            "show",
            "s.pbe",
            "--prime",
            "FFFFFFFFFFFFFA43",
            "--password-share",
            "3A5C7E9F1B2D4F60",
        ],
        &[
            "dkek",
            "show",
            "s.pbe",
            "--prime",
            "3A5C7E9F1B2D4F60Z",
            "--password-share",
            PASSWORD_SHARE,
        ],
        &[
            "dkek",
            "import",
            "s.pbe",
            "--card",
            "./a.card",
            "--password",
            PASSWORD,
            "--iterations",
            "9",
        ],
        &["update", "./a.card", "--to", "3.6", "--keys", ISSUER_KEY],
        &["update", "./a.card", "--to", "3.6", "--keys", &format!("{ISSUER_KEY}00")],
        &["seal", "./a.card", "--passphrase-file", "nowhere"],
        &["check", "import-bug", "--pin", NEW_PIN],
        &["check", "--reader", "none", "--destructive", "--so-pin", &format!("{NEW_SO_PIN}00")],
        &["pka", "authenticate", "--reader", "none", "--custodian", "none:1", "--pin", NEW_PIN],
    ] {
        outputs.refused(command);
    }
}

/// All that a running program is asked from outside.
fn control(outputs: &mut Outputs, socket: &str) {
    let insert = |field: &str| format!("{{\"command\": \"insert\", {field}}}");
    let requests = [
        "{\"command\": \"list\"}".to_owned(),
        "{\"command\": \"show\"}".into(),
        "{\"command\": \"set-tries\", \"user-pin\": 99}".into(),
        insert(&format!("\"file\": \"./none\", \"seed\": \"{PASSWORD}\"")),
        insert(&format!("\"file\": \"./none\", \"passphrase\": [\"{PASSPHRASE}\"]")),
        insert(&format!("\"image\": \"vschsm-card 5 {SHARE}\"")),
        insert(&format!("\"image\": {{\"key\": \"{SHARE}\"}}")),
        insert("\"image\": 64821900"),
        insert("\"seed\": 64821900, \"file\": \"x\""),
        format!("{{\"command\": \"restore\", \"image\": \"{SHARE}\"}}"),
        format!("{{\"command\": \"restore\", \"image\": \"{SHARE}"),
    ];
    let ctl = ["ctl", "--socket", socket];
    for order in [&["list"][..], &["list", "--json"], &["show"], &["show", "--json"]] {
        outputs.run(&[&ctl[..], order].concat()).ok();
    }
    for request in &requests {
        outputs.run(&[&ctl[..], &["request", request]].concat());
    }
    outputs.run(&[&ctl[..], &["power-cycle"]].concat()).ok();
    outputs.run(&[&ctl[..], &["snapshot", "./snapshot.card"]].concat()).ok();
    outputs.run(&[&ctl[..], &["restore", "./snapshot.card"]].concat()).ok();
}

#[test]
fn no_output_has_a_secret_in_it() {
    let mut outputs = Outputs { home: Home::new(), written: Vec::new() };
    let (card, reader) = (make(&mut outputs), Reader::new());
    let socket = outputs.home.path("control");
    let address = reader.address();
    let run = ["run", text(&card), "--vpcd", &address, "--control", text(&socket)];
    let mut running: Running = outputs.home.start(&[&run[..], &["--trace=trace"]].concat());
    let mut wanted = use_card(&mut reader.accept());
    control(&mut outputs, text(&socket));
    running.signal("TERM");
    running.wait();
    outputs.written.push(("run".into(), running.complaints().into()));
    let trace = fs::read(outputs.home.path("trace")).unwrap();
    assert!(String::from_utf8_lossy(&trace).contains("VERIFY user PIN (8 bytes, redacted)"));
    outputs.written.push(("--trace".into(), trace));
    look(&mut outputs);
    fail(&mut outputs);
    seal(&mut outputs);

    let image = fs::read_to_string(&card).unwrap();
    let of_image = Wanted::of_image(&image);
    // The device key, two PINs, the DKEK, an EC, two RSA and two AES secrets at least.
    assert!(of_image.len() >= 9, "only {} secrets in the image", of_image.len());
    for (name, secret) in [
        ("PIN", PIN.as_bytes()),
        ("new PIN", NEW_PIN.as_bytes()),
        ("wrong PIN", WRONG_PIN.as_bytes()),
        ("SO-PIN", &hex(SO_PIN)),
        ("new SO-PIN", &hex(NEW_SO_PIN)),
        ("PIN in a file", b"64821900"),
        ("share", &hex(SHARE)),
        ("other share", &hex(OTHER_SHARE)),
        ("issuer's key", &hex(ISSUER_KEY)),
        ("password", PASSWORD.as_bytes()),
        ("passphrase", PASSPHRASE.as_bytes()),
        ("share of a password", &hex("3A5C7E9F1B2D4F60")),
    ] {
        wanted.add(name, secret);
    }
    assert!(outputs.written.len() > 60, "only {} outputs", outputs.written.len());
    for (what, output) in &outputs.written {
        for wanted in [&wanted, &of_image] {
            let found = wanted.found_in(output);
            assert_eq!(found, [""; 0], "{what}: {}", String::from_utf8_lossy(output));
        }
    }
    // What holds secrets on purpose is found out: the search is not blind.
    let snapshot = fs::read(outputs.home.path("snapshot.card")).unwrap();
    let reveal = ["dkek", "show", "s.pbe", "--password", PASSWORD, "--iterations", "9", "--reveal"];
    let revealed = outputs.home.run(&reveal).ok();
    assert!(of_image.found_in(image.as_bytes()).len() >= of_image.len());
    assert!(!of_image.found_in(&snapshot).is_empty());
    assert_eq!(wanted.found_in(revealed.as_bytes()), ["share in hexadecimal"]);
}

/// A passphrase given, taken from elsewhere, wrong, and not known.
fn seal(outputs: &mut Outputs) {
    outputs.run(&["new", "./sealed.card", "--passphrase-file", "passphrase"]).ok();
    outputs.run(&["show", "./sealed.card", "--passphrase-file", "passphrase"]).ok();
    outputs.refused(&["show", "./sealed.card", "--passphrase-file", "share"]);
    outputs.refused(&["show", "./sealed.card"]);
    let seal = ["--passphrase-file", "passphrase", "--new-passphrase-file", "share"];
    outputs.run(&[&["seal", "./sealed.card"], &seal[..]].concat()).ok();
    outputs.run(&["unseal", "./sealed.card", "--passphrase-file", "share"]).ok();
}
