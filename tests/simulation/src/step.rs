//! Steps of a session as data: what is printed can be read, and played again without any
//! randomness.

mod text;

use vschsm_testing::global_platform_host::ChannelLevel;
use vschsm_testing::secure_host::HostProtocol;

/// Something that happens to one card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number in the session, by which later ones refer to its response.
    pub(crate) number: u32,
    /// Which card.
    pub(crate) card: usize,
    pub(crate) act: Act,
    pub(crate) disk: Disk,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// A command is sent.
    Send { apdu: Apdu, envelope: Envelope },
    /// The reader resets the card.
    Reset,
    /// The power goes, and the card comes back from its disk.
    Restart,
    /// The host opens a channel for secure messaging.
    Channel(HostProtocol),
    /// The issuer opens a channel of that level to the card manager.
    Issuer(ChannelLevel),
    /// In that channel the issuer puts other keys, each of them 16 times the byte, under a version.
    Keys { version: u8, byte: u8 },
    /// The issuer replaces the firmware, and is interrupted after so many commands.
    Update { firmware: String, commands: usize },
}

/// How a command is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Envelope {
    Plain,
    /// In the channel, if one is open.
    Protected,
    /// The same, and a bit of header or MAC, by its number, is another one on the way.
    Tampered(usize),
}

/// What becomes of the image, if the command changes the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    /// It is saved.
    Works,
    /// It is not, and the old one stays; nobody sees the response.
    Full,
    /// It is, and then the power goes before anybody sees the response.
    Torn,
}

/// A command APDU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Apdu {
    /// Any bytes.
    Raw(Vec<u8>),
    /// A well-formed one; a bit of the data, by its number, may be flipped.
    Formed { header: [u8; 4], data: Vec<Part>, le: Vec<u8>, flip: Option<usize> },
}

/// A part of a command's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Bytes(Vec<u8>),
    /// The data of the response to the step of that number, if there was one.
    Response(u32),
    /// The content of the object in that response.
    Content(u32),
    /// r ‖ s of the signature in that response.
    Signature(u32),
    /// The content of a card's device certificate.
    Device(usize),
    /// The content of the certificate of the issuer of that.
    Authority(usize),
    /// The x coordinate of a card's device key.
    X(usize),
    /// The refill token that gives that key of the card so many uses, as it waits for it by then.
    RefillToken {
        card: usize,
        key: u8,
        uses: u32,
    },
    /// A key of the pool, wrapped.
    Pooled(usize),
    /// A data object of such parts.
    Object(u16, Vec<Part>),
}

impl Apdu {
    /// A command whose data is known.
    pub(crate) fn new(header: [u8; 4], data: &[u8], le: &[u8]) -> Self {
        let data = if data.is_empty() { vec![] } else { vec![Part::Bytes(data.to_vec())] };
        Self::of_parts(header, data, le)
    }

    pub(crate) fn of_parts(header: [u8; 4], data: Vec<Part>, le: &[u8]) -> Self {
        Self::Formed { header, data, le: le.to_vec(), flip: None }
    }

    /// The bytes, in short form if they fit; `resolve` knows what a part stands for.
    pub(crate) fn bytes(&self, resolve: &dyn Fn(&Part) -> Vec<u8>) -> Vec<u8> {
        let (header, data, le, flip) = match self {
            Self::Raw(bytes) => return bytes.clone(),
            Self::Formed { header, data, le, flip } => (header, data, le, flip),
        };
        let mut data = joined(data, resolve);
        if let Some(bit) = flip.filter(|_| !data.is_empty()) {
            let place = bit / 8 % data.len();
            data[place] ^= 1 << (bit % 8);
        }
        let [.., high, low] = data.len().to_be_bytes();
        let mut bytes = header.to_vec();
        match (data.len(), le.len()) {
            (0, 0 | 1) => {}
            (0, _) => bytes.push(0),
            (..=0xFF, 0 | 1) => bytes.push(low),
            _ => bytes.extend([0, high, low]),
        }
        bytes.extend(&data);
        // An extended command has an Le of two bytes.
        if data.len() > 0xFF && le.len() == 1 {
            bytes.push(0);
        }
        bytes.extend(le);
        bytes
    }
}

impl Part {
    /// The bytes of an object, where `resolve` knows those of what is in it.
    pub(crate) fn wrapped(tag: u16, parts: &[Self], resolve: &dyn Fn(&Self) -> Vec<u8>) -> Vec<u8> {
        let content = joined(parts, resolve);
        if content.len() > 0xFFFF { content } else { vschsm_protocol::tlv::encode(tag, &content) }
    }
}

fn joined(parts: &[Part], resolve: &dyn Fn(&Part) -> Vec<u8>) -> Vec<u8> {
    parts.iter().flat_map(resolve).collect()
}
