//! What fuzzing begins with: inputs made of the tree's own vectors, images and firmwares, and words
//! that stand in them. The program `tests/fuzz/seed` writes them.

use super::cards::{self, AS_DELIVERED, DKEK};
use super::certificate::OWN_KEY;
use super::script::SessionScript;
use super::{Step, Watched};
use crate::global_platform_host::command::{self as manager, LARGEST_BLOCK};
use crate::global_platform_host::{HostPackage, PACKAGE};
use crate::hex;
use crate::off_card::opened;
use crate::pcsc_client::message;
use crate::secure_host::{HostOpening, HostProtocol};
use crate::test_card::{TestCard, tlv};
use std::fs;
use std::path::{Path, PathBuf};
use vschsm_card::profile::{BUILT_IN, EXTENSIONS};
use vschsm_host::{Transport, TransportError};
use vschsm_protocol::tlv::at;
use vschsm_vectors::Vector;

/// The longest seed, in bytes: what is longer is slower to mutate, and no better.
const LONGEST: usize = 4000;

/// An input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuzzSeed {
    /// The target that it is for.
    pub target: &'static str,
    /// What it is called, and where it comes from.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// All seeds, the same at every call.
#[must_use]
pub fn all() -> Vec<FuzzSeed> {
    let kinds = [sessions(), managed(), objects(), certificates(), blobs(), files(), streams()];
    let seeds = kinds.into_iter().flatten().chain(clients());
    seeds
        .filter(|seed| {
            seed.bytes.len() <= LONGEST || ["image", "card_manager"].contains(&seed.target)
        })
        .collect()
}

fn seed(target: &'static str, name: impl Into<String>, bytes: Vec<u8>) -> FuzzSeed {
    FuzzSeed { target, name: name.into().replace(['/', '.', ' '], "-"), bytes }
}

fn script(head: &[u8], steps: &[Step<'_>]) -> Vec<u8> {
    let mut script = head.to_vec();
    steps.iter().for_each(|step| step.write(&mut script));
    script
}

/// A card, and the steps that bring another one there.
struct CommandRecorder {
    card: Watched,
    script: Vec<u8>,
}

impl CommandRecorder {
    fn new(choice: u8) -> Self {
        Self { card: cards::card(choice), script: Vec::new() }
    }
}

impl Transport for CommandRecorder {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        Step::Send(command).write(&mut self.script);
        Transport::transmit(&mut self.card, command)
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        Step::Reset.write(&mut self.script);
        Transport::reset(&mut self.card)
    }
}

/// Every vector on one of its firmwares, in plain and in a channel.
fn sessions() -> Vec<FuzzSeed> {
    let mut seeds = Vec::new();
    for (number, (name, text)) in vschsm_vectors::BUILT_IN.iter().enumerate() {
        let vector = Vector::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let firmware = vector.firmwares[number % vector.firmwares.len()];
        let choice = AS_DELIVERED | cards::choice(firmware);
        let mut recorder = CommandRecorder::new(choice);
        // What it does not play to the end is a session as well.
        let whole = vector.card.prepare(&mut recorder).is_ok();
        drop(vector.run(firmware, &mut recorder));
        let script = recorder.script;
        // A card with something to lose, where the vector does not need another one.
        let choice = if whole { choice } else { cards::choice(firmware) };
        seeds.push(seed("apdus", *name, [&[choice], script.as_slice()].concat()));
        if number % 2 == 0 {
            let protocol = u8::from(number % 4 == 0);
            seeds.push(seed("protected", *name, [&[choice, protocol], script.as_slice()].concat()));
        }
    }
    seeds.extend(provisioned());
    seeds
}

/// Sessions of cards with something to lose, in plain and in a channel.
fn provisioned() -> Vec<FuzzSeed> {
    let apdus = [
        "00A404000BE82B0601040181C31F020100",
        "80580000000000",
        "00B1CD010454020000 00",
        "8068017303616263 00",
        "80680333 03616263 00",
        "8078041010 00112233445566778899AABBCCDDEEFF 00",
        "80720192000000",
        "80720292000000",
        "00D7CF01 0B 54020002 5305 0102030405",
        "00E40200 02CC01",
        "0048057000 00",
    ]
    .map(hex);
    let mut seeds = Vec::new();
    for firmware in ["1.2", "2.6", "3.4", "4.1", "3.4+quota"] {
        let sends = apdus.iter().map(|apdu| Step::Send(apdu));
        let steps: Vec<_> = [Step::LogIn].into_iter().chain(sends).collect();
        let end = [Step::Restart, Step::LogIn, Step::Send(&apdus[1]), Step::Plain(&apdus[1])];
        let steps = [steps, end.to_vec()].concat();
        let card = cards::choice(firmware);
        seeds.push(seed("apdus", format!("provisioned {firmware}"), script(&[card], &steps)));
        for (number, protocol) in
            [HostProtocol::TripleDes, HostProtocol::Aes].into_iter().enumerate()
        {
            // The objects of VERIFY without data, and of what nobody sends.
            let objects =
                ["0020008197 0100", "80580000 8709 01 1122334455667788 97020000"].map(hex);
            let contents = objects.iter().map(|objects| Step::Content(objects));
            let again = [Step::Open(protocol), Step::LogIn];
            let steps: Vec<_> = steps.iter().copied().chain(again).chain(contents).collect();
            let head = [card, u8::from(number == 1)];
            let name = format!("provisioned {firmware} {protocol:?}");
            seeds.push(seed("protected", name, script(&head, &steps)));
        }
    }
    seeds
}

/// The commands of an issuer.
pub(super) fn managed() -> Vec<FuzzSeed> {
    let update = manager::update(&HostPackage::of("3.5"), LARGEST_BLOCK);
    let mut commands: Vec<Vec<u8>> = [0x0066, 0x9F7F, 0x00CF, 0x0042].map(manager::get_data).into();
    commands.extend([0x80, 0x40, 0x20, 0x10].map(manager::get_status));
    commands.extend([manager::delete(&PACKAGE), manager::install()]);
    commands.extend(update.into_iter().take(3));
    // A step has neither Lc nor Le.
    let bare = |apdu: &Vec<u8>| match &apdu[..] {
        [a, b, c, d, _, data @ .., _] => [&[*a, *b, *c, *d], data].concat(),
        _ => apdu.clone(),
    };
    let commands: Vec<_> = commands.iter().map(bare).collect();
    let mut steps: Vec<_> = commands.iter().map(|command| Step::Send(command)).collect();
    // Other keys, and a channel with them.
    steps.extend([Step::LogIn, Step::Reset, steps[4]]);
    let mut seeds = Vec::new();
    for (number, firmware) in ["2.0", "2.6", "3.4", "3.5", "4.1"].into_iter().enumerate() {
        // A card that has keys is not to be replaced.
        let level = u8::try_from(number % 3).expect("it is below 3");
        let card = if number % 2 == 0 { AS_DELIVERED } else { 0 };
        let head = [card | cards::choice(firmware), level];
        seeds.push(seed(
            "card_manager",
            format!("commands {firmware} {level}"),
            script(&head, &steps),
        ));
    }
    for (old, new) in [("2.0", "2.5"), ("3.1", "3.4"), ("4.0", "4.1"), ("3.1", "2.6")] {
        let package = HostPackage::of(new);
        // The component with the digest is made again.
        let (components, _) = package.load_file().split_last_chunk::<35>().expect("a digest");
        let steps = [Step::Content(components), Step::Reset, Step::Send(&commands[4])];
        let head = [AS_DELIVERED | cards::choice(old), 1];
        seeds.push(seed("card_manager", format!("update {old} {new}"), script(&head, &steps)));
    }
    seeds
}

/// What real cards have published, of the file `vectors/published/NAME.hex`.
fn published() -> impl Iterator<Item = (String, Vec<u8>)> {
    sorted(PUBLISHED, "hex").map(|(name, text)| {
        let digits = String::from_utf8(text).expect("hexadecimal");
        (name, hex(&digits))
    })
}

fn objects() -> Vec<FuzzSeed> {
    let mut seeds: Vec<_> = published().map(|(name, bytes)| seed("tlv", name, bytes)).collect();
    for (name, bytes) in [
        ("short", "530142"),
        ("one byte of length", "5381800102"),
        ("two bytes of length", "7F4982000106"),
        ("too long a tag", "7F818100"),
        ("two of the same", "5F2001415F200142"),
        ("nested", "7F2108 7F4E05 7F4902 0600"),
    ] {
        seeds.push(seed("tlv", name, hex(bytes)));
    }
    seeds
}

/// Certificates and requests; bodies that get signatures are cut out of them.
pub(super) fn certificates() -> Vec<FuzzSeed> {
    let mut seeds = Vec::new();
    let root = vschsm_card::personalisation::root_certificate();
    let mut card = TestCard::initialised("3.4");
    let chain = crate::group::certificates(&mut card);
    let known = [("root".into(), root.clone()), ("chain".into(), chain.clone())];
    for (name, bytes) in published().chain(known) {
        seeds.push(seed("certificate", name, [&[0], bytes.as_slice()].concat()));
    }
    let objects = vschsm_protocol::tlv::parse(&chain).expect("two certificates");
    let issuer = objects.last().expect("the issuer's").encoded;
    for (name, certificate) in [("root signed", root.as_slice()), ("issuer signed", issuer)] {
        let body = at(certificate, &[0x7F21, 0x7F4E]).expect("a certificate");
        seeds.push(seed("certificate", name, [&[1], body].concat()));
    }
    for curve in ["brainpoolP256r1", "secp256r1", "secp521r1"] {
        let request = card.generate_ec(1, curve, &[]);
        let mut body = at(&request, &[0x67, 0x7F21, 0x7F4E]).expect("a request").to_vec();
        let own = HostOpening::point();
        assert_eq!(OWN_KEY, [0x11; 32], "the key whose public one this is");
        let place = body.windows(3).rposition(|window| window == [0x86, 0x41, 0x04]);
        if let (Some(place), "brainpoolP256r1") = (place, curve) {
            body[place + 2..place + 2 + own.len()].copy_from_slice(&own);
        }
        seeds.push(seed("certificate", format!("request {curve}"), [&[2], &body[..]].concat()));
    }
    let request = card.generate_rsa(2, 1024, &[]);
    let body = at(&request, &[0x67, 0x7F21, 0x7F4E]).expect("a request");
    seeds.push(seed("certificate", "request RSA", [&[2], body].concat()));
    seeds
}

/// The parts of blobs that a card has made.
pub(super) fn blobs() -> Vec<FuzzSeed> {
    let mut card = TestCard::with_dkek("3.4", DKEK);
    let list = tlv(0x91, &[0x73, 0x92]);
    card.generate_ec(1, "secp256r1", &[]);
    card.generate_ec(2, "brainpoolP320r1", &list);
    card.generate_ec(3, "secp521r1", &[]);
    card.generate_rsa(4, 1024, &[]);
    card.generate_rsa(5, 3072, &[]);
    card.generate_aes(6, 128, &tlv(0x91, &[0x10, 0x92]));
    card.generate_aes(7, 256, &tlv(0x91, &[0x10, 0x18, 0x92]));
    let mut seeds = Vec::new();
    for id in 1..=7 {
        let response = card.wrap_key(id);
        if response.status != 0x9000 {
            continue;
        }
        let (blob, record) = (&response.data, opened(&response.data, &DKEK));
        let (kind, mut rest) = (blob[8], &blob[9..]);
        let mut parts = vec![kind];
        let mut fields = Vec::new();
        for _ in 0..4 {
            let [0, length, after @ ..] = rest else { panic!("a long field") };
            let (field, after) = after.split_at((*length).into());
            parts.push(*length);
            fields.extend(field);
            rest = after;
        }
        parts.extend([fields, record].concat());
        for firmware in ["2.0", "3.4"] {
            let input = [&[cards::choice(firmware)], parts.as_slice()].concat();
            seeds.push(seed("blob", format!("key {id} {firmware}"), input));
        }
    }
    seeds
}

/// Images and firmwares.
fn files() -> Vec<FuzzSeed> {
    let mut seeds = Vec::new();
    let provisioned = ("provisioned".into(), cards::card(cards::choice("3.4")).card().image());
    let images =
        sorted("tests/images", "card").chain(sorted("vectors", "card")).chain([provisioned]);
    for (name, image) in images {
        let (header, content) =
            image.split_at(image.iter().position(|byte| *byte == b'\n').unwrap());
        let version = header.split(|byte| *byte == b' ').nth(1).expect("a version");
        let version = str::from_utf8(version).ok().and_then(|version| version.parse().ok());
        let content = content.trim_ascii();
        let input = [&[version.unwrap_or(0)], content].concat();
        seeds.push(seed("image", format!("content {name}"), input));
        seeds.push(seed("image", format!("whole {name}"), [&[0xFF], image.as_slice()].concat()));
    }
    for (name, text) in BUILT_IN.iter().chain(EXTENSIONS) {
        // Comments are of no use here.
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        seeds.push(seed("profile", *name, text.into_bytes()));
    }
    seeds
}

/// What a reader sends by vpcd: power, ATR, and the commands of some vectors.
fn streams() -> Vec<FuzzSeed> {
    let frame = |payload: &[u8]| {
        let length = u16::try_from(payload.len()).expect("a message fits");
        [&length.to_be_bytes(), payload].concat()
    };
    let mut seeds = vec![seed("vpcd", "nothing", vec![0, 0, 0, 1, 4])];
    for session in sessions().iter().filter(|seed| seed.target == "apdus").step_by(20) {
        let mut stream = [&[0x01][..], &[0x04], &[0x02]].map(frame).concat();
        for step in SessionScript::new(&session.bytes[1..]) {
            stream.extend(match step {
                Step::Send(apdu) => frame(apdu),
                _ => [&[0x00][..], &[0x01]].map(frame).concat(),
            });
        }
        seeds.push(seed("vpcd", session.name.clone(), stream));
    }
    seeds
}

/// Clients: what a real one has said to pcscd, and two that want the same card.
fn clients() -> Vec<FuzzSeed> {
    let golden = fs::read_to_string(root().join("crates/reader/tests/pcsc/golden.txt"));
    let golden = golden.expect("a transcript");
    let mut said = Vec::new();
    for line in golden.lines() {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["idle"] => said.push(0xF8),
            [connection, "C>S", _, bytes] => {
                said.push(connection.parse::<u8>().unwrap_or_default() & 3);
                said.extend(unpacked(bytes));
            }
            [connection, _, "EOF"] => said.push(0xC0 | connection.parse::<u8>().unwrap_or(0) & 3),
            _ => {}
        }
    }
    let mut seeds = vec![seed("pcsc", "golden", said)];
    for (name, share, later) in [("shared", 2, 0x00), ("exclusive", 1, 0x10), ("direct", 3, 0x10)] {
        let mut said = Vec::new();
        for (client, context, handle) in [(0, 1, 3), (1, 2, 4)] {
            said.extend([&[client][..], &message(0x11, &[4, 4 + context, 0])].concat());
            said.extend([&[client][..], &message(0x01, &[2, 0, 0])].concat());
            let reader: Vec<u8> = b"Virtual PCD 00 00".iter().copied().chain([0; 111]).collect();
            let reader = reader.as_chunks().0.iter().map(|word| u32::from_ne_bytes(*word));
            let connect = [context].into_iter().chain(reader).chain([share, 3, 0, 0, 0]);
            said.extend([&[client][..], &message(0x04, &connect.collect::<Vec<_>>())].concat());
            said.extend([&[client][..], &message(0x07, &[handle, 0])].concat());
            let transmit = message(0x09, &[handle, 2, 16, 4, 3, 16, 300, 0]);
            said.extend([&[client | later][..], &transmit, &[0x00, 0x84, 0x00, 0x00]].concat());
            said.extend([&[client][..], &message(0x13, &[])].concat());
            said.extend([&[client][..], &message(0x14, &[])].concat());
        }
        for (command, words) in
            [(0x08, &[3, 1, 0][..]), (0x05, &[4, 2, 3, 1, 0, 0]), (0x0B, &[3, 0])]
        {
            said.extend([&[u8::from(words[0] == 4)][..], &message(command, words)].concat());
        }
        said.extend([0xD0, 0xE0, 0xF1, 0xE0, 0xC0, 0xF8]);
        said.extend([&[1][..], &message(0x06, &[4, 2, 0])].concat());
        said.extend([&[1][..], &message(0x02, &[2, 0])].concat());
        seeds.push(seed("pcsc", name, said));
    }
    seeds
}

/// The bytes of a transcript, where `{00*n}` are n zeros; context and handle are the numbers that
/// they get here.
fn unpacked(text: &str) -> Vec<u8> {
    let text = text.replace("d630876f", "01000000").replace("2a652163", "02000000");
    let mut bytes = Vec::new();
    for part in text.split_inclusive('}') {
        let (digits, zeros) = part.split_once("{00*").unwrap_or((part, "0}"));
        bytes.extend(hex(digits));
        let zeros: usize = zeros.trim_end_matches('}').parse().expect("a number of zeros");
        bytes.resize(bytes.len() + zeros, 0);
    }
    bytes
}

/// A link to `vectors/published`, whose files a package has in its place.
const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/published");

/// The root of the tree.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files of a folder that have this extension, names and contents; `folder` is a path from the
/// root of the tree, or an absolute one.
fn sorted(folder: &str, extension: &str) -> impl Iterator<Item = (String, Vec<u8>)> + use<> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder of the tree");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    paths.into_iter().map(|path| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, fs::read(&path).expect("a file of the tree"))
    })
}
