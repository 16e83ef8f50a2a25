//! A card as its documents describe it, naive and slow to think: files, PINs, keys and what they
//! may be used for, domains, login. It shares no code with the card but TLV and [`Command`].
//!
//! It is shown every command and the response to it. A success must be one that nothing stands
//! against, and a refusal must have a reason that applies: where several do, any of them will do,
//! so that the order of a card's checks is not in here. Where data follows from what is known, it
//! is compared.

mod card_manager;
mod custodians;
mod domains;
mod files;
pub(crate) mod firmware;
mod generation;
mod initialisation;
mod key_use;
mod memory;
mod pins;
mod quotas;
mod session;
mod trust;
mod wrapping;

pub(crate) use card_manager::{APPLET, CARD_MANAGER, IssuerKeys, MODULE, Manager, PACKAGE};
pub(crate) use quotas::Quota;
pub(crate) use session::{Buffer, Session};

use crate::known::{Identity, Kek, Kind, Known, same};
use firmware::Firmware;
use std::collections::BTreeMap;
use vschsm_card::state::{Fid, State};
use vschsm_protocol::apdu::Command;

/// What a card is expected to be.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) firmware: Firmware,
    pub(crate) device: Device,
    pub(crate) user: Option<Pin>,
    pub(crate) code: Option<Pin>,
    pub(crate) options: u16,
    pub(crate) custodians: Option<Custodians>,
    pub(crate) domains: Vec<Option<Domain>>,
    /// In the order in which they were created; without the device's certificates.
    pub(crate) files: Vec<(u16, Vec<u8>)>,
    pub(crate) keys: BTreeMap<u8, Key>,
    pub(crate) issuer: IssuerKeys,
    pub(crate) session: Session,
}

/// The device key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) name: Vec<u8>,
    pub(crate) point: Vec<u8>,
    pub(crate) certificates: Vec<u8>,
}

/// User PIN or SO-PIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) value: Vec<u8>,
    pub(crate) limit: u8,
    pub(crate) tries: u8,
}

/// Keys that open the card: so many of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Custodians {
    pub(crate) required: u8,
    pub(crate) slots: Vec<Option<Custodian>>,
}

/// A registered key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Custodian {
    pub(crate) name: Vec<u8>,
    pub(crate) key: Identity,
    /// How many bytes it takes.
    pub(crate) size: usize,
}

/// A key domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Domain {
    pub(crate) scheme: Scheme,
    /// The key, once it is complete; the sum of shares so far before that.
    pub(crate) kek: Option<Kek>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Shares { number: u8, missing: u8 },
    Exchange { group: Vec<u8> },
}

/// A key and its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) identity: Identity,
    pub(crate) limits: Limits,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) uses: Option<u32>,
    /// The same for a key and all that were derived from it, which are counted together.
    pub(crate) family: Option<u32>,
    pub(crate) algorithms: Vec<u8>,
    pub(crate) domain: Option<u8>,
    /// The key that is to wrap it.
    pub(crate) wrapping_key: Option<u8>,
    pub(crate) quota: Option<Quota>,
}

/// A card's response, unprotected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) data: Vec<u8>,
    pub(crate) status: u16,
}

/// What the card has been sent, as the model sees it.
#[derive(Debug)]
pub(crate) enum Sent<'a> {
    Plain(&'a [u8]),
    /// In the channel that is open, well-formed.
    Protected(Command),
    /// In the channel that is open, and damaged on the way.
    Tampered,
}

/// A command and its response.
pub(crate) struct Exchange<'a> {
    pub(crate) command: &'a Command,
    pub(crate) response: &'a Response,
    pub(crate) known: &'a mut Known,
    /// Whether it came in the channel that is open.
    pub(crate) is_sealed: bool,
    /// The card, where the model learns what nobody can foresee.
    pub(crate) card: &'a State,
}

/// Why a response is not one that the card should have given.
pub(crate) type Judgement = Result<(), String>;

impl Response {
    pub(crate) fn parse(response: &[u8]) -> Option<Self> {
        let (data, status) = response.split_last_chunk()?;
        Some(Self { data: data.to_vec(), status: u16::from_be_bytes(*status) })
    }

    /// Whether the command was done.
    pub(crate) fn is_success(&self) -> bool {
        matches!(self.status, 0x9000 | 0x9001 | 0x6282)
    }

    /// That this is the success that nothing stands against, or a refusal for one of these reasons.
    pub(crate) fn explained(&self, reasons: &[u16]) -> Result<bool, String> {
        match reasons {
            [] if self.status == 0x9000 => Ok(true),
            [] => Err(format!("it is refused with {:04X}, and there is no reason", self.status)),
            _ => self.refused(reasons).map(|()| false),
        }
    }

    /// That this is a refusal, and one for one of these reasons.
    pub(crate) fn refused(&self, reasons: &[u16]) -> Judgement {
        if !reasons.contains(&self.status) {
            return Err(format!("it is {:04X}, and not one of {reasons:04X?}", self.status));
        }
        same("the data of a refusal", &[], &self.data)
    }

    /// That this is a success with such data.
    pub(crate) fn has(&self, data: &[u8]) -> Judgement {
        same("the data", data, &self.data)
    }
}

impl Model {
    /// A card as delivered.
    pub(crate) fn delivered(firmware: Firmware, card: &State) -> Self {
        let device = Device::of(card);
        Self {
            issuer: IssuerKeys::of_delivery(&device.name),
            firmware,
            device,
            user: None,
            code: None,
            options: 0,
            custodians: None,
            domains: Vec::new(),
            files: Vec::new(),
            keys: BTreeMap::new(),
            session: Session::in_card_manager(),
        }
    }

    /// Reset, power on, power off.
    pub(crate) fn reset(&mut self) {
        self.session = Session::in_card_manager();
    }

    /// Judges a response, and applies the effects of the command.
    pub(crate) fn judge(
        &mut self,
        sent: &Sent<'_>,
        response: &Response,
        known: &mut Known,
        card: &State,
    ) -> Judgement {
        let bytes = match sent {
            Sent::Protected(command) => {
                let x = &mut Exchange { command, response, known, is_sealed: true, card };
                return self.dispatch(x);
            }
            Sent::Tampered => {
                match &mut self.session.manager {
                    Some(manager) => **manager = Manager::default(),
                    None => self.end_channel(),
                }
                return response.refused(&[0x6988]);
            }
            Sent::Plain(bytes) => *bytes,
        };
        let was_open = self.session.channel;
        if self.session.manager.is_none() {
            self.end_channel();
        }
        let parsed = Command::parse(bytes);
        let Some(command) = parsed.ok().filter(|_| bytes.len() <= self.firmware.longest_command())
        else {
            return response.refused(&[0x6700]);
        };
        let x = &mut Exchange { command: &command, response, known, is_sealed: false, card };
        match command.cla {
            _ if self.session.manager.is_some() => self.dispatch(x),
            0x00 | 0x80 => self.dispatch(x),
            0x0C | 0x8C if was_open => response.refused(&[0x6987, 0x6988]),
            0x0C | 0x8C => response.refused(&[0x6882]),
            _ => response.refused(&[0x6E00]),
        }
    }

    fn dispatch(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let command = x.command;
        let selects = (command.cla, command.ins, command.p1) == (0x00, 0xA4, 0x04);
        if self.session.manager.is_some() && !selects {
            return self.card_manager(x);
        }
        if !self.firmware.has(command.ins) {
            return x.response.refused(&[0x6D00]);
        }
        if command.cla == 0x00 && self.firmware.wants_class_80(command.ins) {
            return x.response.refused(&[0x6E00]);
        }
        match command.ins {
            0x20 => self.verify(x),
            0x22 => self.manage_security_environment(x),
            0x24 => self.change_reference_data(x),
            0x2A => self.verify_certificate(x),
            0x2C => self.reset_retry_counter(x),
            0x3E => self.refill_quota(x),
            0x46 => self.generate_pair(x),
            0x48 => self.generate_symmetric(x),
            0x50 => self.initialize(x),
            0x52 => self.manage_key_domain(x),
            0x54 => self.manage_custodians(x),
            0x58 => self.enumerate(x),
            0x5A => self.generate_session_pin(x),
            0x62 if command.p2 == 0x84 => self.derive_xkek(x),
            0x62 => self.decipher(x),
            0x68 => self.sign(x),
            0x72 => self.wrap(x),
            0x74 => self.unwrap(x),
            0x76 => self.derive_ec(x),
            0x78 => self.cipher(x),
            0x82 => self.external_authenticate(x),
            0x84 => self.get_challenge(x),
            0x86 => self.general_authenticate(x),
            0xA4 => self.select(x),
            0xB1 => self.read_binary(x),
            0xD7 => self.update_binary(x),
            0xE4 => self.delete_file(x),
            other => Err(format!("the model does not know instruction {other:02X}")),
        }
    }

    /// `6982` without login.
    fn without_login(&self) -> Option<u16> {
        (!self.session.logged_in).then_some(0x6982)
    }

    /// Whether the card is what it is expected to be, as far as it can be looked at.
    pub(crate) fn audit(&self, card: &State) -> Judgement {
        let tries =
            |pin: Option<&vschsm_card::state::Pin>| pin.map(|pin| (pin.limit(), pin.tries()));
        let pins = card.pins();
        let expected = |pin: &Option<Pin>| pin.as_ref().map(|pin| (pin.limit, pin.tries));
        equal("the user PIN's tries", &expected(&self.user), &tries(pins.user()))?;
        equal("the code's tries", &expected(&self.code), &tries(pins.so_pin()))?;
        equal("the options", &self.options, &card.configuration().options.0)?;
        self.audit_files(card)?;
        self.audit_keys(card)?;
        self.audit_domains(card)?;
        self.audit_custodians(card)?;
        let found = (card.issuer_key_version(), card.issuer_key_sequence());
        equal("the issuer's keys", &self.issuer.count(), &found)
    }

    fn audit_keys(&self, card: &State) -> Judgement {
        let mut keys = self.keys.iter();
        for (id, key) in card.keys() {
            let Some((expected, model)) = keys.next() else {
                return Err(format!("key {} is one too many", id.number()));
            };
            equal("the next key", expected, &id.number())?;
            let limits = &model.limits;
            equal("what the key may do", limits.algorithms.as_slice(), key.algorithms())?;
            equal("the uses that are left", &self.uses_left(*expected), &card.uses_left(key))?;
            self.audit_quota(*expected, key)?;
            equal("the key's domain", &limits.domain, &key.domain())?;
            let kind = match model.kind {
                Kind::Rsa(_) => "RSA",
                Kind::Ec(_) => "EC",
                Kind::Aes(_) => "AES",
            };
            equal("the type of the key", kind, key.key_type().name())?;
        }
        keys.next().map_or(Ok(()), |(id, _)| Err(format!("there is no key {id}")))
    }
}

impl Device {
    /// Of a card as it is.
    pub(crate) fn of(card: &State) -> Self {
        let certificates = card.files().content(Fid(0x2F02)).unwrap_or_default().to_vec();
        let point = vschsm_protocol::tlv::at(&certificates, &[0x7F21, 0x7F4E, 0x7F49, 0x86]);
        Self {
            name: card.device().reference().to_vec(),
            point: point.unwrap_or_default().to_vec(),
            certificates,
        }
    }
}

/// That what the card has is what it should have.
fn equal<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, model: &T, card: &T) -> Judgement {
    if model == card { Ok(()) } else { Err(format!("{what}: {model:?}, and on the card {card:?}")) }
}
