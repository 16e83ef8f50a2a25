//! Descriptions of commands.

use super::{Current, is_protected, redacted, shown};
use crate::text::names;
use vschsm_card::card_manager;
use vschsm_protocol::algorithm;
use vschsm_protocol::apdu::Command;
use vschsm_protocol::instruction::{self, APPLET, CARD_MANAGER, DataClass, Instruction};
use vschsm_protocol::tlv::{self, Object, find};

/// The description of a command, and whether its response is secret.
pub(super) struct Description {
    pub(super) text: String,
    pub(super) secret_response: bool,
}

/// A command, and what of its data may be shown.
struct Subject<'a> {
    command: &'a Command,
    data: DataClass,
}

/// Describes a command; `current` is what is selected.
pub(super) fn describe(command: &Command, current: Current) -> Description {
    if current == Current::CardManager
        && let Some(row) = instruction::find(CARD_MANAGER, command.ins, command.p2)
    {
        let text = format!("{} {}", row.name, of_issuer(row, &Subject { command, data: row.data }));
        return Description { text, secret_response: !row.response.is_open(command.p2) };
    }
    let row = instruction::find(APPLET, command.ins, command.p2);
    let name = match (row, command.cla) {
        (Some(row), 0x00 | 0x80 | 0x0C | 0x8C) => row.name.to_owned(),
        (Some(row), cla) => format!("{} (class {cla:02X})", row.name),
        (None, cla) => format!("instruction {cla:02X} {:02X}", command.ins),
    };
    if has_secure_messaging(command) {
        let text = format!("{name} {}, protected ({})", parameters(command), secret(&command.data));
        return Description { text, secret_response: true };
    }
    let parameters = match row {
        Some(row) => of_applet(row, command, current),
        None => unknown(command),
    };
    let secret_response = row.is_none_or(|row| match row.response {
        DataClass::OfFile => is_secret(command, current),
        class => !class.is_open(command.p2),
    });
    let text = if parameters.is_empty() { name } else { format!("{name} {parameters}") };
    Description { text, secret_response }
}

/// The parameters of a command of the applet. A command without a description here shows P1 and P2,
/// and its data if that is declared open.
fn of_applet(row: &Instruction, command: &Command, current: Current) -> String {
    let subject = &Subject { command, data: row.data };
    match row.name {
        "VERIFY" | "CHANGE REFERENCE DATA" => reference_data(command),
        "MANAGE SECURITY ENVIRONMENT" => security_environment(subject),
        "VERIFY CERTIFICATE" => certificate(subject),
        "RESET RETRY COUNTER" => reset_retry_counter(command),
        "REFILL QUOTA" if command.p2 == 0 => refill(subject),
        "GENERATE ASYMMETRIC KEY PAIR" => generate(format!("key {}", command.p1), subject),
        "GENERATE SYMMETRIC KEY" => {
            generate(format!("key {}, {}", command.p1, aes(command.p2)), subject)
        }
        "INITIALIZE DEVICE" => initialize(subject),
        "MANAGE KEY DOMAIN" => key_domain(subject),
        "MANAGE PUBLIC KEY AUTHENTICATION" => public_key_authentication(subject),
        "DERIVE XKEK" | "DECIPHER" | "SIGN" | "CIPHER" => with_key(subject),
        "WRAP KEY" | "UNWRAP KEY" => blob(subject),
        "DERIVE EC KEY" => derive_ec_key(command),
        "EXTERNAL AUTHENTICATE" | "GENERAL AUTHENTICATE" if command.p1p2() == 0 => {
            subject.with_data("")
        }
        "GET CHALLENGE" => names::count(command.ne.unwrap_or(0), "byte"),
        "SELECT" => select(subject),
        "READ BINARY" | "UPDATE BINARY" => binary(command, current),
        "DELETE FILE" if command.p1 == 0x02 => file(subject),
        _ => others(subject),
    }
}

/// The parameters of a command of the card's issuer.
fn of_issuer(row: &Instruction, subject: &Subject<'_>) -> String {
    let what = match (row.name, subject.command.p1) {
        ("INITIALIZE UPDATE", version) => return format!("with keys of version {version}"),
        ("INSTALL", 0x02) => "for load".into(),
        ("INSTALL", 0x0C) => "for install".into(),
        ("LOAD", 0x80) => format!("block {}, the last", subject.command.p2),
        ("LOAD", _) => format!("block {}", subject.command.p2),
        ("PUT KEY", version) => format!("version {version}"),
        _ => return others(subject),
    };
    subject.with_data(&what)
}

impl Subject<'_> {
    /// The data, where all of it is open; nothing otherwise.
    fn open_data(&self) -> &[u8] {
        if self.data.is_open(self.command.p2) { &self.command.data } else { &[] }
    }

    /// The objects in the data, and whether each may be shown, if the data is TLV.
    fn objects(&self) -> Option<Vec<(Object<'_>, bool)>> {
        let objects = tlv::parse(&self.command.data).ok()?.into_iter();
        Some(objects.map(|object| (object, self.data.shows_object(object.tag))).collect())
    }

    /// The description of the command, and its data, if it has any.
    fn with_data(&self, what: &str) -> String {
        let is_open = self.data.is_open(self.command.p2);
        match (what, self.command.data.as_slice()) {
            (_, []) => what.into(),
            ("", data) if is_open => shown(data),
            ("", data) => redacted(data),
            (_, data) if is_open => format!("{what}, {}", shown(data)),
            (_, data) => format!("{what} ({})", secret(data)),
        }
    }
}

/// Whether the class asks for secure messaging, for data and response.
pub(super) fn has_secure_messaging(command: &Command) -> bool {
    matches!(command.cla, 0x0C | 0x8C)
}

fn parameters(command: &Command) -> String {
    format!("P1 {:02X}, P2 {:02X}", command.p1, command.p2)
}

/// An unknown command may have any meaning, and a PIN as its data.
fn unknown(command: &Command) -> String {
    if command.data.is_empty() {
        return parameters(command);
    }
    format!("{} ({})", parameters(command), secret(&command.data))
}

fn others(subject: &Subject<'_>) -> String {
    match (subject.command.p1p2(), subject.command.data.is_empty()) {
        (0, true) => String::new(),
        _ => subject.with_data(&parameters(subject.command)),
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

fn security_environment(subject: &Subject<'_>) -> String {
    let objects = tlv::parse(subject.open_data()).unwrap_or_default();
    match (subject.command.p1p2(), find(&objects, 0x83), find(&objects, 0x80)) {
        (0x81B6, Some(holder), _) => {
            format!("for certificates by {}", holder.escape_ascii())
        }
        (0x81A4, Some(holder), _) => {
            format!("for the signature of {}", holder.escape_ascii())
        }
        (0x41A4, _, Some(protocol)) => match names::protocol(protocol) {
            Some(name) => format!("for secure messaging with {name}"),
            None => others(subject),
        },
        _ => others(subject),
    }
}

fn public_key_authentication(subject: &Subject<'_>) -> String {
    let command = subject.command;
    let what = match (command.p1, command.p2) {
        (0x00, 0x00) if command.data.is_empty() => "state".into(),
        (0x00, 0x00) => "registration".into(),
        (0x01, number) => format!("replacement of key {number}"),
        (0x02, number) => format!("name of key {number}"),
        _ => return others(subject),
    };
    subject.with_data(&what)
}

fn certificate(subject: &Subject<'_>) -> String {
    let body = tlv::parse(subject.open_data()).ok();
    let name = body.and_then(|objects| {
        let body = tlv::parse(find(&objects, 0x7F4E)?).ok()?;
        let name = |tag| find(&body, tag).map(<[u8]>::escape_ascii);
        Some(format!("of {} by {}", name(0x5F20)?, name(0x42)?))
    });
    name.unwrap_or_else(|| others(subject))
}

fn reset_retry_counter(command: &Command) -> String {
    let what = match command.p1 {
        0x00 => "with a new PIN".into(),
        0x01 => "alone".into(),
        p1 => format!("P1 {p1:02X}"),
    };
    format!("{what} ({})", secret(&command.data))
}

fn key_domain(subject: &Subject<'_>) -> String {
    let command = subject.command;
    let domain = command.p2;
    match (command.p1, command.data.as_slice()) {
        (0x00, []) => format!("{domain}, state"),
        (0x00, share) => format!("{domain}, import of a DKEK share ({})", secret(share)),
        (0x01, &[shares]) => {
            let shares = names::count(usize::from(shares), "DKEK share");
            format!("{domain}, creation with {shares}")
        }
        // Anything else may be a share that was sent with a wrong P1.
        (0x02, request @ [0x7F, 0x21, ..]) if subject.data.shows_object(0x7F21) => {
            format!("{domain}, creation for key exchange, {}", shown(request))
        }
        (0x03, []) => format!("{domain}, deletion"),
        (0x04, []) => format!("{domain}, clearing of the key-encryption key"),
        (_, []) => parameters(command),
        (_, data) => format!("{} ({})", parameters(command), secret(data)),
    }
}

/// WRAP and UNWRAP KEY, whose usual P2 is not shown.
fn blob(subject: &Subject<'_>) -> String {
    let command = subject.command;
    match (command.ins, command.p2, command.data.as_slice()) {
        (0x72, 0x92, []) => format!("key {}", command.p1),
        (0x74, 0x93, []) => format!("key {} from 2F10", command.p1),
        (0x74, 0x93, blob) if subject.data.is_open(command.p2) => {
            format!("key {} from {}", command.p1, shown(blob))
        }
        _ => with_key(subject),
    }
}

fn with_key(subject: &Subject<'_>) -> String {
    let command = subject.command;
    let algorithm = match algorithm::name(command.p2) {
        Some(name) => name.into(),
        None => format!("algorithm {:02X}", command.p2),
    };
    subject.with_data(&format!("key {} with {algorithm}", command.p1))
}

/// DERIVE EC KEY, whose data is secret: the offset and one of the two private keys give the other.
fn derive_ec_key(command: &Command) -> String {
    format!("key {} from key {} ({})", command.p2, command.p1, secret(&command.data))
}

fn select(subject: &Subject<'_>) -> String {
    match (subject.command.p1, subject.open_data()) {
        (0x04, [0xE8, 0x2B, ..]) => "SmartCard-HSM".into(),
        (0x04, aid) if card_manager::is_named_by(aid) => "card manager".into(),
        (0x04, aid) => format!("applet, {}", shown(aid)),
        (0x00 | 0x02, &[high @ 0xCC, low]) => format!("key {high:02X}{low:02X}"),
        (0x00 | 0x02, &[high, low]) => format!("EF {high:02X}{low:02X}"),
        _ => others(subject),
    }
}

fn file(subject: &Subject<'_>) -> String {
    match subject.open_data() {
        [high, low] => format!("{high:02X}{low:02X}"),
        _ => others(subject),
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
            Some(ne @ ..0x1_0000) => format!("{place}, {}", names::count(ne, "byte")),
            _ => format!("{place} to the end"),
        },
    }
}

fn initialize(subject: &Subject<'_>) -> String {
    let command = subject.command;
    if command.data.is_empty() {
        return "state".into();
    }
    let Some(objects) = subject.objects() else {
        return format!("malformed data ({})", secret(&command.data));
    };
    let object = |&(Object { tag, value, .. }, is_open): &(Object<'_>, bool)| match (tag, value) {
        (0x81, pin) => format!("user PIN ({})", secret(pin)),
        (0x82, code) => format!("SO-PIN ({})", secret(code)),
        _ if !is_open => format!("tag {tag:02X} ({})", secret(value)),
        (0x80, &[high, low]) => format!("options {high:02X}{low:02X}"),
        (0x91, &[tries]) => names::count(usize::from(tries), "try"),
        (0x92, &[shares]) => names::count(usize::from(shares), "DKEK share"),
        (0x93, &[keys, needed]) => {
            format!("{}, {needed} needed", names::count(usize::from(keys), "public key"))
        }
        (0x97, &[domains]) => names::count(usize::from(domains), "key domain"),
        _ => format!("tag {tag:02X} ({})", secret(value)),
    };
    objects.iter().map(object).collect::<Vec<_>>().join(", ")
}

/// The content of the refill token; anything else may be a secret that was sent by mistake.
fn refill(subject: &Subject<'_>) -> String {
    let command = subject.command;
    let number = |tag| {
        let token = Some(&command.data).filter(|_| subject.data.shows_object(0xB4))?;
        let number = tlv::at(token, &[0xB4, tag])?.try_into().ok()?;
        Some(u32::from_be_bytes(number))
    };
    match (number(0x90), number(0x81)) {
        (Some(uses), Some(refills)) => {
            let [uses, refills] = [(uses, "use"), (refills, "refill")]
                .map(|(n, noun)| names::count(n as usize, noun));
            format!("key {} with {uses} after {refills}", command.p1)
        }
        _ => format!("key {} ({})", command.p1, secret(&command.data)),
    }
}

/// The key that is generated, and its attributes.
fn generate(key: String, subject: &Subject<'_>) -> String {
    let Some(objects) = subject.objects() else {
        return format!("{key}, malformed data ({})", secret(&subject.command.data));
    };
    let object = |&(Object { tag, value, .. }, is_open): &(Object<'_>, bool)| match (tag, value) {
        (0x8A, private) => Some(format!("private key ({})", secret(private))),
        _ if !is_open => Some(format!("tag {tag:02X} ({})", secret(value))),
        (0x7F49, template) => Some(pair(template)),
        (0x90, uses) if uses.len() == 4 => {
            let uses = uses.iter().fold(0, |uses, byte| uses << 8 | usize::from(*byte));
            Some(names::count(uses, "use"))
        }
        (0x91, algorithms) => Some(algorithms.iter().map(|&id| named(id)).collect::<Vec<_>>())
            .map(|names| format!("for {}", names.join(" and "))),
        (0x92, [domain]) => Some(format!("domain {domain}")),
        (0xB4, request) => {
            let holder = tlv::at(request, &[0x7F21, 0x7F4E, 0x5F20]).unwrap_or_default();
            Some(format!("to be refilled by {}", holder.escape_ascii()))
        }
        (0x93, [id]) => Some(format!("to be wrapped by key {id}")),
        // Profile identifier and names, which are the host's to choose.
        (0x5F29 | 0x42 | 0x5F20 | 0x45, _) => None,
        _ => Some(format!("tag {tag:02X} ({})", secret(value))),
    };
    let parts = objects.iter().filter_map(object);
    [key].into_iter().chain(parts).collect::<Vec<_>>().join(", ")
}

fn named(algorithm: u8) -> String {
    algorithm::name(algorithm).map_or_else(|| format!("{algorithm:02X}"), str::to_owned)
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
    format!("{}, redacted", names::count(data.len(), "byte"))
}
