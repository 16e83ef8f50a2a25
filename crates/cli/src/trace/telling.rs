//! Commands in words.

use super::openness::Application::{self, Applet, CardManager};
use super::{Current, is_protected, redacted, shown};
use crate::text::words;
use card::apdu::Command;
use card::tlv::{self, Object, find};
use card::{card_manager, commands};

/// A command in words, and whether its answer may be told.
pub(super) struct Told {
    pub(super) words: String,
    pub(super) secret_answer: bool,
}

/// Tells of a command; `current` is what is selected.
pub(super) fn tell(command: &Command, current: Current) -> Told {
    if current == Current::CardManager
        && let Some(name) = card_manager::name(command.ins)
    {
        let words = format!("{name} {}", of_issuer(command));
        return Told { words, secret_answer: !CardManager.responds_openly(command) };
    }
    let name = match (commands::name(command.ins, command.p2), command.cla) {
        (Some(name), 0x00 | 0x80 | 0x0C | 0x8C) => name.to_owned(),
        (Some(name), cla) => format!("{name} (class {cla:02X})"),
        (None, cla) => format!("instruction {cla:02X} {:02X}", command.ins),
    };
    if is_sealed(command) {
        let words = format!("{name} {}, sealed ({})", parameters(command), secret(&command.data));
        return Told { words, secret_answer: true };
    }
    let parameters = match command.ins {
        0x20 | 0x24 => reference_data(command),
        0x22 => security_environment(command),
        0x2A => certificate(command),
        0x2C => reset_retry_counter(command),
        0x3E if command.p2 == 0 => refill(command),
        0x46 => generate(format!("key {}", command.p1), &command.data),
        0x48 => generate(format!("key {}, {}", command.p1, aes(command.p2)), &command.data),
        0x50 => initialize(command),
        0x52 => key_domain(command),
        0x54 => public_key_authentication(command),
        0x62 | 0x68 => with_key(command),
        0x72 | 0x74 => blob(command),
        0x76 => derive_ec_key(command),
        0x78 => with_key(command),
        0x82 | 0x86 if command.p1p2() == 0 => Applet.with_data("", command),
        0x84 => words::count(command.ne.unwrap_or(0), "byte"),
        0xA4 => select(command),
        0xB1 | 0xD7 => binary(command, current),
        0xE4 if command.p1 == 0x02 => file(command),
        _ if commands::name(command.ins, command.p2).is_none() => unknown(command),
        _ => others(command),
    };
    let is_protected = command.ins == 0xB1 && is_secret(command, current);
    let secret_answer = is_protected || !Applet.responds_openly(command);
    let words = if parameters.is_empty() { name } else { format!("{name} {parameters}") };
    Told { words, secret_answer }
}

/// A command of the card's issuer.
fn of_issuer(command: &Command) -> String {
    let what = match (command.ins, command.p1) {
        (0x50, version) => return format!("with keys of version {version}"),
        (0xE6, 0x02) => "for load".into(),
        (0xE6, 0x0C) => "for install".into(),
        (0xE8, 0x80) => format!("block {}, the last", command.p2),
        (0xE8, _) => format!("block {}", command.p2),
        (0xD8, version) => format!("version {version}"),
        _ => return others_of(CardManager, command),
    };
    CardManager.with_data(&what, command)
}

/// Whether data and answer are under secure messaging, or are meant to be.
pub(super) fn is_sealed(command: &Command) -> bool {
    matches!(command.cla, 0x0C | 0x8C)
}

fn parameters(command: &Command) -> String {
    format!("P1 {:02X}, P2 {:02X}", command.p1, command.p2)
}

/// What the card does not know may be meant as anything, a PIN included.
fn unknown(command: &Command) -> String {
    if command.data.is_empty() {
        return parameters(command);
    }
    format!("{} ({})", parameters(command), secret(&command.data))
}

fn others(command: &Command) -> String {
    others_of(Applet, command)
}

fn others_of(application: Application, command: &Command) -> String {
    match (command.p1p2(), command.data.is_empty()) {
        (0, true) => String::new(),
        _ => application.with_data(&parameters(command), command),
    }
}

fn reference_data(command: &Command) -> String {
    let which = match command.p2 {
        0x81 => "user PIN".into(),
        0x88 => "SO-PIN".into(),
        reference => format!("reference {reference:02X}"),
    };
    let p1 = if command.p1 == 0 { String::new() } else { format!(", P1 {:02X}", command.p1) };
    if command.data.is_empty() {
        return format!("{which}{p1}, state");
    }
    format!("{which}{p1} ({})", secret(&command.data))
}

fn security_environment(command: &Command) -> String {
    let objects = tlv::parse(&command.data).unwrap_or_default();
    match (command.p1p2(), find(&objects, 0x83), find(&objects, 0x80)) {
        (0x81B6, Some(holder), _) => {
            format!("for certificates by {}", holder.escape_ascii())
        }
        (0x81A4, Some(holder), _) => {
            format!("for the signature of {}", holder.escape_ascii())
        }
        (0x41A4, _, Some(protocol)) => match words::protocol(protocol) {
            Some(name) => format!("for secure messaging with {name}"),
            None => others(command),
        },
        _ => others(command),
    }
}

fn public_key_authentication(command: &Command) -> String {
    let what = match (command.p1, command.p2) {
        (0x00, 0x00) if command.data.is_empty() => "state".into(),
        (0x00, 0x00) => "registration".into(),
        (0x01, number) => format!("replacement of key {number}"),
        (0x02, number) => format!("name of key {number}"),
        _ => return others(command),
    };
    Applet.with_data(&what, command)
}

fn certificate(command: &Command) -> String {
    let body = tlv::parse(&command.data).ok();
    let name = body.and_then(|objects| {
        let body = tlv::parse(find(&objects, 0x7F4E)?).ok()?;
        let name = |tag| find(&body, tag).map(<[u8]>::escape_ascii);
        Some(format!("of {} by {}", name(0x5F20)?, name(0x42)?))
    });
    name.unwrap_or_else(|| others(command))
}

fn reset_retry_counter(command: &Command) -> String {
    let what = match command.p1 {
        0x00 => "with a new PIN".into(),
        0x01 => "alone".into(),
        p1 => format!("P1 {p1:02X}"),
    };
    format!("{what} ({})", secret(&command.data))
}

fn key_domain(command: &Command) -> String {
    let domain = command.p2;
    match (command.p1, command.data.as_slice()) {
        (0x00, []) => format!("{domain}, state"),
        (0x00, share) => format!("{domain}, import of a DKEK share ({})", secret(share)),
        (0x01, &[shares]) => {
            let shares = words::count(usize::from(shares), "DKEK share");
            format!("{domain}, creation with {shares}")
        }
        // Anything else may be a share that was sent with a wrong P1.
        (0x02, request @ [0x7F, 0x21, ..]) => {
            format!("{domain}, creation for key exchange, {}", shown(request))
        }
        (0x03, []) => format!("{domain}, deletion"),
        (0x04, []) => format!("{domain}, clearing of the key-encryption key"),
        (_, []) => parameters(command),
        (_, data) => format!("{} ({})", parameters(command), secret(data)),
    }
}

/// WRAP and UNWRAP KEY, of which P2 says nothing that their names do not.
fn blob(command: &Command) -> String {
    match (command.ins, command.p2, command.data.as_slice()) {
        (0x72, 0x92, []) => format!("key {}", command.p1),
        (0x74, 0x93, []) => format!("key {} from 2F10", command.p1),
        (0x74, 0x93, blob) => format!("key {} from {}", command.p1, shown(blob)),
        _ => with_key(command),
    }
}

fn with_key(command: &Command) -> String {
    let algorithm = match words::algorithm(command.p2) {
        Some(name) => name.into(),
        None => format!("algorithm {:02X}", command.p2),
    };
    Applet.with_data(&format!("key {} with {algorithm}", command.p1), command)
}

/// With the offset, who knows one of the two private keys knows the other.
fn derive_ec_key(command: &Command) -> String {
    format!("key {} from key {} ({})", command.p2, command.p1, secret(&command.data))
}

fn select(command: &Command) -> String {
    match (command.p1, command.data.as_slice()) {
        (0x04, [0xE8, 0x2B, ..]) => "SmartCard-HSM".into(),
        (0x04, aid) if card_manager::is_named_by(aid) => "card manager".into(),
        (0x04, aid) => format!("applet, {}", shown(aid)),
        (0x00 | 0x02, &[high @ 0xCC, low]) => format!("key {high:02X}{low:02X}"),
        (0x00 | 0x02, &[high, low]) => format!("EF {high:02X}{low:02X}"),
        _ => others(command),
    }
}

fn file(command: &Command) -> String {
    match command.data.as_slice() {
        [high, low] => format!("{high:02X}{low:02X}"),
        _ => others(command),
    }
}

fn is_secret(command: &Command, current: Current) -> bool {
    match (command.p1p2(), current) {
        (0, Current::Unknown | Current::CardManager) => true,
        (0, Current::File(fid)) | (fid, _) => is_protected(fid),
    }
}

fn binary(command: &Command, current: Current) -> String {
    let file = match (command.p1p2(), current) {
        (0, Current::Unknown | Current::CardManager) => "current EF".into(),
        (0, Current::File(fid)) => format!("current EF {fid:04X}"),
        (fid, _) => format!("{fid:04X}"),
    };
    let objects = tlv::parse(&command.data).unwrap_or_default();
    let Some(&[high, low]) = find(&objects, 0x54) else {
        return format!("{file}, malformed data ({})", secret(&command.data));
    };
    let place = format!("{file} at {}", u16::from_be_bytes([high, low]));
    match find(&objects, 0x53).filter(|_| command.ins == 0xD7) {
        Some(data) if is_secret(command, current) => format!("{place}, {}", redacted(data)),
        Some([]) => format!("{place}, nothing"),
        Some(data) => format!("{place}, {}", shown(data)),
        None => match command.ne {
            Some(ne @ ..0x1_0000) => format!("{place}, {}", words::count(ne, "byte")),
            _ => format!("{place} to the end"),
        },
    }
}

fn initialize(command: &Command) -> String {
    if command.data.is_empty() {
        return "state".into();
    }
    let Ok(objects) = tlv::parse(&command.data) else {
        return format!("malformed data ({})", secret(&command.data));
    };
    let object = |&Object { tag, value, .. }: &Object<'_>| match (tag, value) {
        (0x80, &[high, low]) => format!("options {high:02X}{low:02X}"),
        (0x81, pin) => format!("user PIN ({})", secret(pin)),
        (0x82, code) => format!("SO-PIN ({})", secret(code)),
        (0x91, &[tries]) => words::count(usize::from(tries), "try"),
        (0x92, &[shares]) => words::count(usize::from(shares), "DKEK share"),
        (0x93, &[keys, needed]) => {
            format!("{}, {needed} needed", words::count(usize::from(keys), "public key"))
        }
        (0x97, &[domains]) => words::count(usize::from(domains), "key domain"),
        _ => format!("tag {tag:02X} ({})", secret(value)),
    };
    objects.iter().map(object).collect::<Vec<_>>().join(", ")
}

/// What the statement says; anything else may be a secret that was sent by mistake.
fn refill(command: &Command) -> String {
    let number = |tag| {
        let number = tlv::at(&command.data, &[0xB4, tag])?.try_into().ok()?;
        Some(u32::from_be_bytes(number))
    };
    match (number(0x90), number(0x81)) {
        (Some(uses), Some(refills)) => {
            let [uses, refills] = [(uses, "use"), (refills, "refill")]
                .map(|(n, noun)| words::count(n as usize, noun));
            format!("key {} with {uses} after {refills}", command.p1)
        }
        _ => format!("key {} ({})", command.p1, secret(&command.data)),
    }
}

/// What key is made, and what limits it.
fn generate(key: String, data: &[u8]) -> String {
    let Ok(objects) = tlv::parse(data) else {
        return format!("{key}, malformed data ({})", secret(data));
    };
    let object = |&Object { tag, value, .. }: &Object<'_>| match (tag, value) {
        (0x7F49, template) => Some(pair(template)),
        (0x90, uses) if uses.len() == 4 => {
            let uses = uses.iter().fold(0, |uses, byte| uses << 8 | usize::from(*byte));
            Some(words::count(uses, "use"))
        }
        (0x91, algorithms) => Some(algorithms.iter().map(|&id| named(id)).collect::<Vec<_>>())
            .map(|names| format!("for {}", names.join(" and "))),
        (0x92, [domain]) => Some(format!("domain {domain}")),
        (0xB4, request) => {
            let holder = tlv::at(request, &[0x7F21, 0x7F4E, 0x5F20]).unwrap_or_default();
            Some(format!("to be refilled by {}", holder.escape_ascii()))
        }
        (0x93, [id]) => Some(format!("to be wrapped by key {id}")),
        (0x8A, private) => Some(format!("private key ({})", secret(private))),
        // Profile identifier and names, which are the host's to choose.
        (0x5F29 | 0x42 | 0x5F20 | 0x45, _) => None,
        _ => Some(format!("tag {tag:02X} ({})", secret(value))),
    };
    let parts = objects.iter().filter_map(object);
    [key].into_iter().chain(parts).collect::<Vec<_>>().join(", ")
}

fn named(algorithm: u8) -> String {
    words::algorithm(algorithm).map_or_else(|| format!("{algorithm:02X}"), str::to_owned)
}

/// The size of AES key that P2 asks for.
fn aes(p2: u8) -> String {
    match p2 {
        0xB0 => "AES 128 bits".into(),
        0xB1 => "AES 192 bits".into(),
        0xB2 => "AES 256 bits".into(),
        _ => format!("unknown size {p2:02X}"),
    }
}

/// The kind of key pair that a public key template asks for.
fn pair(template: &[u8]) -> String {
    let objects = tlv::parse(template).unwrap_or_default();
    match (find(&objects, 0x02), find(&objects, 0x81)) {
        (Some(&[high, low]), _) => format!("RSA {} bits", u16::from_be_bytes([high, low])),
        (_, Some(prime)) => {
            let zeros = prime.iter().take_while(|byte| **byte == 0).count();
            let top = prime.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize);
            format!("EC {} bits", (prime.len() - zeros) * 8 - top)
        }
        _ => format!("unknown kind ({})", secret(template)),
    }
}

/// The length of data that is not shown, for use in parentheses.
fn secret(data: &[u8]) -> String {
    format!("{}, redacted", words::count(data.len(), "byte"))
}
