//! Steps as lines: `12 0 send 80680173:616263:00`, where 12 is the number and 0 the card.
//!
//! Data is hexadecimal digits and names such as `response(7)`, joined by `+`; `53[…]` is a data
//! object.
//! `~N` flips bit N of the data, `!full` and `!torn` say what the disk does.

use super::{Act, Apdu, Disk, Envelope, Part, Step};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use vschsm_testing::digits;
use vschsm_testing::global_platform_host::ChannelLevel;
use vschsm_testing::secure_host::HostProtocol;

/// A line that is no step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl Display for Malformed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is no step of a session", self.0)
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.number, self.card, self.act)?;
        f.write_str(match self.disk {
            Disk::Works => "",
            Disk::Full => " !full",
            Disk::Torn => " !torn",
        })
    }
}

impl Display for Act {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send { apdu, envelope: Envelope::Plain } => write!(f, "send {apdu}"),
            Self::Send { apdu, envelope: Envelope::Protected } => write!(f, "protect {apdu}"),
            Self::Send { apdu, envelope: Envelope::Tampered(bit) } => {
                write!(f, "tamper {bit} {apdu}")
            }
            Self::Reset => f.write_str("reset"),
            Self::Restart => f.write_str("restart"),
            Self::Channel(HostProtocol::Aes) => f.write_str("channel AES"),
            Self::Channel(HostProtocol::TripleDes) => f.write_str("channel 3DES"),
            Self::Issuer(level) => write!(f, "issuer {}", *level as u8),
            Self::Keys { version, byte } => write!(f, "keys {version} {byte}"),
            Self::Update { firmware, commands } => write!(f, "update {firmware} {commands}"),
        }
    }
}

impl Display for Apdu {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw(bytes) => write!(f, "={}", digits(bytes)),
            Self::Formed { header, data, le, flip } => {
                write!(f, "{}:{}:{}", digits(header), Parts(data), digits(le))?;
                flip.map_or(Ok(()), |bit| write!(f, " ~{bit}"))
            }
        }
    }
}

/// Parts, joined.
struct Parts<'a>(&'a [Part]);

impl Display for Parts<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (place, part) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("+")?;
            }
            match part {
                Part::Bytes(bytes) => f.write_str(&digits(bytes))?,
                Part::Response(step) => write!(f, "response({step})")?,
                Part::Content(step) => write!(f, "content({step})")?,
                Part::Signature(step) => write!(f, "signature({step})")?,
                Part::Device(card) => write!(f, "device({card})")?,
                Part::Authority(card) => write!(f, "authority({card})")?,
                Part::X(card) => write!(f, "x({card})")?,
                Part::RefillToken { card, key, uses } => {
                    write!(f, "refill-token({card}/{key}/{uses})")?;
                }
                Part::Pooled(key) => write!(f, "pooled({key})")?,
                Part::Object(tag, parts) => write!(f, "{tag:X}[{}]", Parts(parts))?,
            }
        }
        Ok(())
    }
}

impl FromStr for Step {
    type Err = Malformed;

    fn from_str(line: &str) -> Result<Self, Malformed> {
        step(line).ok_or_else(|| Malformed(line.into()))
    }
}

fn step(line: &str) -> Option<Step> {
    let mut words: Vec<_> = line.split_whitespace().collect();
    let disk = match *words.last()? {
        "!full" => Disk::Full,
        "!torn" => Disk::Torn,
        _ => Disk::Works,
    };
    words.truncate(words.len() - usize::from(disk != Disk::Works));
    let [number, card, act @ ..] = words.as_slice() else { return None };
    let act = match act {
        ["send", apdu @ ..] => Act::Send { apdu: command(apdu)?, envelope: Envelope::Plain },
        ["protect", apdu @ ..] => Act::Send { apdu: command(apdu)?, envelope: Envelope::Protected },
        ["tamper", bit, apdu @ ..] => {
            Act::Send { apdu: command(apdu)?, envelope: Envelope::Tampered(bit.parse().ok()?) }
        }
        ["reset"] => Act::Reset,
        ["restart"] => Act::Restart,
        ["channel", "AES"] => Act::Channel(HostProtocol::Aes),
        ["channel", "3DES"] => Act::Channel(HostProtocol::TripleDes),
        ["issuer", level] => {
            let level: u8 = level.parse().ok()?;
            Act::Issuer(ChannelLevel::ALL.into_iter().find(|known| *known as u8 == level)?)
        }
        ["keys", version, byte] => {
            Act::Keys { version: version.parse().ok()?, byte: byte.parse().ok()? }
        }
        ["update", firmware, commands] => {
            Act::Update { firmware: (*firmware).into(), commands: commands.parse().ok()? }
        }
        _ => return None,
    };
    Some(Step { number: number.parse().ok()?, card: card.parse().ok()?, act, disk })
}

fn command(words: &[&str]) -> Option<Apdu> {
    let (apdu, flip) = match words {
        [apdu] => (apdu, None),
        [apdu, flip] => (apdu, Some(flip.strip_prefix('~')?.parse().ok()?)),
        _ => return None,
    };
    if let Some(raw) = apdu.strip_prefix('=') {
        return Some(Apdu::Raw(bytes(raw)?));
    }
    let (header, rest) = apdu.split_once(':')?;
    let (data, le) = rest.rsplit_once(':')?;
    let header = bytes(header)?.try_into().ok()?;
    Some(Apdu::Formed { header, data: parts(data)?, le: bytes(le)?, flip })
}

fn parts(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        // An object ends with its bracket; it has no other object in it.
        let end = match (rest.find('['), rest.find('+')) {
            (Some(open), Some(plus)) if open < plus => rest.find(']')? + 1,
            (Some(_), None) => rest.find(']')? + 1,
            (_, plus) => plus.unwrap_or(rest.len()),
        };
        let (first, after) = rest.split_at(end);
        parts.push(part(first)?);
        rest = after.strip_prefix('+').unwrap_or(after);
    }
    Some(parts)
}

fn part(text: &str) -> Option<Part> {
    if let Some((tag, content)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        return Some(Part::Object(u16::from_str_radix(tag, 16).ok()?, parts(content)?));
    }
    let Some((name, number)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) else {
        return Some(Part::Bytes(bytes(text)?));
    };
    if let ("refill-token", [card, key, uses]) =
        (name, number.split('/').collect::<Vec<_>>().as_slice())
    {
        let (card, key, uses) = (card.parse().ok()?, key.parse().ok()?, uses.parse().ok()?);
        return Some(Part::RefillToken { card, key, uses });
    }
    let number: u32 = number.parse().ok()?;
    let place = usize::try_from(number).ok()?;
    Some(match name {
        "response" => Part::Response(number),
        "content" => Part::Content(number),
        "signature" => Part::Signature(number),
        "device" => Part::Device(place),
        "authority" => Part::Authority(place),
        "x" => Part::X(place),
        "pooled" => Part::Pooled(place),
        _ => return None,
    })
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| vschsm_testing::hex(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_again() {
        for line in [
            "1 0 send 00A40400:E82B0601040181C31F0201:00",
            "2 1 protect 80680173:6162+response(7):0000 ~12 !torn",
            "3 0 tamper 77 00D72F10:54020000+53[content(2)+x(1)]:",
            "4 0 send 80520201:content(1)+54[signature(3)]:0000",
            "5 0 send 80740193:pooled(0): !full",
            "6 0 send =00A4",
            "7 0 send 803E0100:refill-token(0/1/5)+5F37[signature(6)]:",
            "7 2 send 002A00BE:device(1)+authority(0):",
            "8 0 reset",
            "9 0 restart",
            "10 0 channel AES",
            "11 0 channel 3DES",
            "12 0 issuer 3",
            "13 0 keys 5 170",
            "14 0 update 3.4 12",
        ] {
            assert_eq!(line.parse::<Step>().map(|step| step.to_string()), Ok(line.to_owned()));
        }
    }

    #[test]
    fn what_is_no_step_is_refused() {
        for line in ["", "1", "1 0", "x 0 reset", "1 0 jump", "1 0 send 00A4:00:", "1 0 send =0"] {
            assert!(line.parse::<Step>().is_err(), "{line}");
        }
    }
}
