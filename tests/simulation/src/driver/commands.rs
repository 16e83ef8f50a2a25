//! Commands of the applet, one at a time.

use super::{Draw, Writes};
use crate::known::Kind;
use crate::model::{Buffer, Pin};
use crate::pool;
use crate::step::{Apdu, Part};
use vschsm_protocol::tlv::encode;
use vschsm_testing::secure_host::HostOpening;
use vschsm_testing::test_card::domain;

/// What draws a command of a kind.
type Drawing = fn(&mut Draw<'_>) -> Apdu;

/// How often which command is sent, of a thousand or so.
const WEIGHTS: [(usize, Drawing); 27] = [
    (170, |draw| draw.read()),
    (70, |draw| draw.update()),
    (90, |draw| draw.select_file()),
    (60, |draw| draw.select_applet()),
    (3, |draw| draw.select_manager()),
    (90, |draw| draw.ask_for_pin()),
    (24, |draw| draw.verify()),
    (8, |draw| draw.change()),
    (6, |draw| draw.unblock()),
    (60, |draw| draw.enumerate()),
    (80, |draw| draw.challenge()),
    (20, |draw| draw.delete()),
    (90, |draw| draw.cipher()),
    (14, |draw| draw.generate_aes()),
    (2, |draw| draw.generate_pair()),
    (5, |draw| draw.sign()),
    (3, |draw| draw.decipher()),
    (2, |draw| draw.derive()),
    (8, |draw| draw.wrap()),
    (5, |draw| draw.unwrap()),
    (60, |draw| draw.ask_for_domain()),
    (10, |draw| draw.change_domain()),
    (40, |draw| draw.ask_for_memory()),
    (40, |draw| draw.choose()),
    (30, |draw| draw.custodians()),
    (6, |draw| draw.session_pin()),
    (10, |draw| draw.anything()),
];

/// Files that clients use.
const FILES: [u16; 10] =
    [0x2F02, 0x2F03, 0x2F10, 0xC401, 0xC801, 0xC901, 0xCD01, 0xCE01, 0xCF01, 0xCF02];

/// Algorithms of AES keys.
const AES: [u8; 4] = [0x10, 0x11, 0x18, 0x99];

impl Draw<'_> {
    /// A command that may well be one of a client's.
    pub(super) fn command(&mut self) -> Apdu {
        if self.model.session.manager.is_some() {
            return self.manager_command();
        }
        self.applet_command()
    }

    /// One of a client of the applet.
    pub(super) fn applet_command(&mut self) -> Apdu {
        if !self.model.session.logged_in && self.random.once_in(3) {
            return self.log_in();
        }
        let total = WEIGHTS.iter().map(|(weight, _)| weight).sum();
        let mut place = self.random.below(total);
        for (weight, draw) in WEIGHTS {
            if place < weight {
                return draw(self);
            }
            place -= weight;
        }
        self.anything()
    }

    fn log_in(&mut self) -> Apdu {
        let Some(pin) = &self.model.user else { return self.ask_for_pin() };
        if pin.tries == 0 {
            return self.unblock();
        }
        let pin = pin.value.clone();
        let p1 = u8::from(self.random.once_in(8));
        if self.model.options & 0x02 != 0 {
            let new = self.digits(pin.len());
            return Apdu::new([0x00, 0x24, 0x00, 0x81], &[pin, new].concat(), &[]);
        }
        Apdu::new([0x00, 0x20, p1, 0x81], &pin, &[])
    }

    pub(super) fn select_applet(&mut self) -> Apdu {
        let p2 = self.random.pick(&[0x00, 0x00, 0x04, 0x0C]);
        let length = if self.random.once_in(16) { self.random.below(12) } else { 11 };
        // It drops the login, so most often it only looks whether the card is there.
        let name = &crate::model::APPLET[..length];
        if self.random.once_in(4) {
            Apdu::new([0x00, 0xA4, 0x04, p2], name, &[0x00])
        } else {
            self.select_file()
        }
    }

    fn select_manager(&mut self) -> Apdu {
        Apdu::new([0x00, 0xA4, 0x04, 0x00], &crate::model::CARD_MANAGER, &[0x00])
    }

    /// A file that is there, or one that might be, or a key.
    fn fid(&mut self) -> [u8; 2] {
        let files = &self.model.files;
        match self.random.below(6) {
            0 => [0xCC, self.some_id()],
            1 => self.random.pick(&FILES).to_be_bytes(),
            _ if files.is_empty() => self.random.pick(&FILES).to_be_bytes(),
            _ => files[self.random.below(files.len())].0.to_be_bytes(),
        }
    }

    fn select_file(&mut self) -> Apdu {
        let (fid, p2) = (self.fid(), self.random.pick(&[0x00, 0x04, 0x0C]));
        let p1 = self.random.pick(&[0x00, 0x00, 0x02]);
        Apdu::new([0x00, 0xA4, p1, p2], &fid, &[0x00])
    }

    fn read(&mut self) -> Apdu {
        let [high, low] = if self.random.once_in(5) { [0, 0] } else { self.fid() };
        let offset = if self.random.once_in(2) { 0 } else { self.random.below(300) };
        let [.., offset_high, offset_low] = offset.to_be_bytes();
        let data = encode(0x54, &[offset_high, offset_low]);
        let le = self.le();
        Apdu::new([0x00, 0xB1, high, low], &data, &le)
    }

    fn update(&mut self) -> Apdu {
        let [high, low] = if self.random.once_in(8) { [0, 0] } else { self.fid() };
        let length = self.random.below(if self.writes == Writes::Long { 800 } else { 60 });
        let offset = match (self.writes, self.random.below(8)) {
            (Writes::Long, 0..3) => self.random.below(0x1_0000),
            (_, 3) => self.random.below(200),
            _ => 0,
        };
        let [.., offset_high, offset_low] = offset.to_be_bytes();
        let offset = encode(0x54, &[offset_high, offset_low]);
        let data = [offset, encode(0x53, &self.random.bytes(length))].concat();
        Apdu::new([0x00, 0xD7, high, low], &data, &[])
    }

    fn delete(&mut self) -> Apdu {
        let (fid, p2) = (self.fid(), self.random.pick(&[0x00, 0x80]));
        Apdu::new([0x00, 0xE4, 0x02, p2], &fid, &[])
    }

    fn enumerate(&mut self) -> Apdu {
        Apdu::new([0x80, 0x58, 0x00, 0x00], &[], &[0x00, 0x00])
    }

    fn challenge(&mut self) -> Apdu {
        let le = match self.random.below(4) {
            0 => self.le(),
            1 => vec![0x04, self.random.pick(&[0x00, 0x01])],
            _ => vec![0x08],
        };
        Apdu::new([0x00, 0x84, 0x00, 0x00], &[], &le)
    }

    fn ask_for_pin(&mut self) -> Apdu {
        let p2 = self.random.pick(&[0x81, 0x81, 0x81, 0x88, 0x88, 0x85]);
        Apdu::new([0x00, 0x20, 0x00, p2], &[], &[])
    }

    /// So many characters that a PIN may have.
    pub(super) fn digits(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| b'0' + self.random.byte() % 10).collect()
    }

    /// A PIN's value, or now and then a wrong one of a likely length.
    fn value_of(&mut self, pin: Option<&Pin>) -> Vec<u8> {
        let (value, tries) = match pin {
            Some(pin) => (pin.value.clone(), pin.tries),
            None => (b"123456".to_vec(), 0),
        };
        // The last try is spent rarely, or cards would all be blocked.
        match self.random.below(if tries < 2 { 60 } else { 6 }) {
            0 => self.digits(value.len()),
            1 => {
                let length = self.random.below(18);
                self.digits(length)
            }
            _ => value,
        }
    }

    fn code(&mut self) -> Vec<u8> {
        let model = self.model;
        if self.random.once_in(3) {
            self.value_of(model.code.as_ref())
        } else {
            model.code.as_ref().map_or_else(|| vec![0x35; 8], |code| code.value.clone())
        }
    }

    fn verify(&mut self) -> Apdu {
        let model = self.model;
        let mut of_card = self.session_pins.iter().filter(|(card, _)| *card == self.place);
        if let Some((_, step)) = of_card.next_back().copied()
            && self.random.once_in(2)
        {
            return Apdu::of_parts([0x00, 0x20, 0x00, 0x81], vec![Part::Response(step)], &[]);
        }
        if self.random.once_in(4) {
            return Apdu::new([0x00, 0x20, 0x00, 0x88], &self.code(), &[]);
        }
        let p1 = u8::from(self.random.once_in(4));
        Apdu::new([0x00, 0x20, p1, 0x81], &self.value_of(model.user.as_ref()), &[])
    }

    fn change(&mut self) -> Apdu {
        let model = self.model;
        if self.random.once_in(4) {
            let data = [self.code(), self.digits(8)].concat();
            return Apdu::new([0x00, 0x24, 0x00, 0x88], &data, &[]);
        }
        let old = self.value_of(model.user.as_ref());
        let length = if self.random.once_in(4) { self.random.below(18) } else { old.len() };
        Apdu::new([0x00, 0x24, 0x00, 0x81], &[old, self.digits(length)].concat(), &[])
    }

    fn unblock(&mut self) -> Apdu {
        let code = self.code();
        if self.random.once_in(2) {
            return Apdu::new([0x00, 0x2C, 0x01, 0x81], &code, &[]);
        }
        let length = self.random.pick(&[6, 8, 8, 10]);
        Apdu::new([0x00, 0x2C, 0x00, 0x81], &[code, self.digits(length)].concat(), &[])
    }

    fn cipher(&mut self) -> Apdu {
        let id = self.key(|key| matches!(key.kind, Kind::Aes(_)));
        let algorithm = self.random.pick(&AES);
        let length = match algorithm {
            0x10 | 0x11 if !self.random.once_in(10) => 16 * (1 + self.random.below(3)),
            _ => self.random.below(40),
        };
        // Few different ones, so that the same comes again.
        let input = vec![self.random.pick(&[0x00, 0x5A]); length];
        Apdu::new([0x80, 0x78, id, algorithm], &input, &[0x00])
    }

    fn sign(&mut self) -> Apdu {
        let id = self.key(|key| !matches!(key.kind, Kind::Aes(_)));
        let kind = self.model.keys.get(&id).map(|key| key.kind);
        let rsa = [0x20, 0x30, 0x31, 0x33, 0x34, 0x35, 0x40, 0x41, 0x43, 0x44, 0x45];
        let algorithm = match kind {
            Some(Kind::Rsa(_)) => self.random.pick(&rsa),
            _ => self.random.pick(&[0x70, 0x71, 0x72, 0x73, 0x73, 0x74, 0x75]),
        };
        let length = match (kind, algorithm) {
            (Some(Kind::Rsa(bits)), 0x20) => bits / 8,
            _ => self.random.pick(&[0, 1, 20, 32, 32, 48, 64, 67]),
        };
        let mut input = vec![self.random.byte() & 0x3F; length];
        input.iter_mut().take(1).for_each(|first| *first = 0);
        Apdu::new([0x80, 0x68, id, algorithm], &input, &[0x00, 0x00])
    }

    fn decipher(&mut self) -> Apdu {
        let id = self.key(|key| !matches!(key.kind, Kind::Aes(_)));
        let key = self.model.keys.get(&id);
        match key.map(|key| key.kind) {
            Some(Kind::Rsa(bits)) => {
                let pooled = self.random.pick(&[0, 1, 2]);
                let cryptogram = &pool::keys()[pooled].cryptogram;
                let length = bits / 8;
                let suits = cryptogram.len() == length && !self.random.once_in(4);
                let other = vec![self.random.byte(); length];
                let data = if suits { cryptogram } else { &other };
                Apdu::new(
                    [0x80, 0x62, id, self.random.pick(&[0x21, 0x22, 0x22, 0x23])],
                    data,
                    &[0x00],
                )
            }
            Some(Kind::Ec(_)) => {
                let others = self.model.keys.values().filter(|other| Some(*other) != key);
                let points: Vec<_> = others.chain(key).map(|key| key.identity.to_vec()).collect();
                Apdu::new([0x80, 0x62, id, 0x80], &self.random.pick(&points), &[0x00])
            }
            _ => Apdu::new([0x80, 0x62, id, 0x80], &domain("secp256r1").g, &[0x00]),
        }
    }

    fn derive(&mut self) -> Apdu {
        let id = self.key(|key| key.limits.algorithms.contains(&0x98));
        let length = self.random.pick(&[0, 1, 4, 24, 32, 32, 33]);
        let offset = vec![self.random.pick(&[0x00, 0x01, 0x02]); length];
        let new = self.some_id();
        Apdu::new([0x80, 0x76, id, new], &[&[0x98], offset.as_slice()].concat(), &[])
    }

    /// Attributes of a new key, often none.
    fn limits(&mut self) -> Vec<u8> {
        let mut limits = Vec::new();
        if self.random.once_in(4) {
            let uses = self.random.pick(&[0, 1, 2, 3, 40]);
            limits.extend(encode(0x90, &u32::to_be_bytes(uses)));
        }
        if self.random.once_in(3) {
            let all = [0x10, 0x11, 0x18, 0x99, 0x73, 0x80, 0x92, 0x94, 0x98, 0x83];
            let length = self.random.pick(&[1, 3, 6, 6, 16, 17]);
            let list: Vec<_> = (0..length).map(|_| self.random.pick(&all)).collect();
            limits.extend(encode(0x91, &list));
        }
        if self.random.once_in(3) {
            let domain = self.random.pick(&[0, 0, 0, 1, 2, 9]);
            limits.extend(encode(0x92, &[domain]));
        }
        if self.random.once_in(20) {
            let number = self.some_id();
            let number = if self.random.once_in(8) { &[][..] } else { &[number] };
            limits.extend(encode(0x93, number));
        }
        limits
    }

    fn generate_aes(&mut self) -> Apdu {
        let (id, limits) = (self.some_id(), self.limits());
        let size =
            if self.random.once_in(30) { 0xB3 } else { self.random.pick(&[0xB0, 0xB1, 0xB2]) };
        Apdu::new([0x00, 0x48, id, size], &limits, &[])
    }

    fn generate_pair(&mut self) -> Apdu {
        let (id, limits) = (self.some_id(), self.limits());
        let signer = if self.random.once_in(8) { self.some_id() } else { 0 };
        let le = if self.random.once_in(3) { &[][..] } else { &[0x00, 0x00] };
        let data = if self.random.once_in(6) {
            vschsm_testing::test_card::rsa_template(self.random.pick(&[512, 1025, 8192]), &limits)
        } else {
            let curves = ["secp256r1", "secp256r1", "secp192r1", "brainpoolP256r1"];
            let curve =
                if self.random.once_in(12) { "brainpoolP384r1" } else { self.random.pick(&curves) };
            vschsm_testing::test_card::ec_template(&domain(curve), &limits)
        };
        let data = match self.random.below(12) {
            // Without tag 42, which is the first object but one; without the last object.
            0 => [&data[..4], &data[15..]].concat(),
            1 => [&data[..], &encode(0x45, b"ZZVS0000000SOMEB")].concat(),
            _ => data,
        };
        Apdu::new([0x00, 0x46, id, signer], &data, le)
    }

    fn wrap(&mut self) -> Apdu {
        let id = self.key(|key| key.limits.uses.is_none());
        self.wraps.push(self.number);
        Apdu::new([0x80, 0x72, id, 0x92], &[], &[0x00, 0x00])
    }

    fn unwrap(&mut self) -> Apdu {
        let id = self.some_id();
        let header = [0x80, 0x74, id, 0x93];
        let part = match self.random.below(8) {
            0 => return Apdu::new(header, &[], &[]),
            1 => Part::Bytes(self.random.bytes(40)),
            2 if self.random.once_in(3) => Part::Pooled(self.random.pick(&[0, 0, 1, 1, 2])),
            _ if self.wraps.is_empty() => return self.wrap(),
            _ => Part::Response(self.random.pick(self.wraps)),
        };
        if self.random.once_in(6) {
            let data = vec![Part::Bytes(encode(0x54, &[0, 0])), Part::Object(0x53, vec![part])];
            return Apdu::of_parts([0x00, 0xD7, 0x2F, 0x10], data, &[]);
        }
        Apdu::of_parts(header, vec![part], &[])
    }

    fn ask_for_domain(&mut self) -> Apdu {
        let domain = self.random.pick(&[0, 0, 0, 1, 2, 3]);
        Apdu::new([0x80, 0x52, 0x00, domain], &[], &[0x00])
    }

    fn change_domain(&mut self) -> Apdu {
        let (p1, domain) =
            (self.random.pick(&[0, 0, 1, 1, 3, 4, 5]), self.random.pick(&[0, 1, 1, 2, 3]));
        let data = match p1 {
            0 if self.random.once_in(8) => vec![0x44; 31],
            0 => self.random.pick(&[pool::SHARE, [0x55; 32]]).to_vec(),
            1 if self.random.once_in(12) => vec![],
            1 => vec![self.random.pick(&[0, 1, 1, 2])],
            _ => vec![],
        };
        Apdu::new([0x80, 0x52, p1, domain], &data, &[0x00])
    }

    fn ask_for_memory(&mut self) -> Apdu {
        Apdu::new([0x80, 0x50, 0x00, 0x00], &[], &[0x00])
    }

    /// MANAGE SECURITY ENVIRONMENT, and what comes after it without it.
    fn choose(&mut self) -> Apdu {
        let names: [&[u8]; 4] =
            [b"ZZSRCAVS100001", b"ZZDIVS0100001", b"DESRCACC100001", b"ZZVS000000000000"];
        match self.random.below(12) {
            0..4 => {
                let name = encode(0x83, self.random.pick(&names));
                Apdu::new([0x00, 0x22, 0x81, 0xB6], &name, &[])
            }
            4..7 => {
                let mut opening =
                    HostOpening::new(self.random.pick(&super::scenes::PROTOCOLS)).choice();
                let data = opening.split_off(5);
                Apdu::new([0x00, 0x22, 0x41, 0xA4], &data, &[])
            }
            7 if self.random.once_in(40) => {
                Apdu::of_parts([0x00, 0x2A, 0x00, 0xBE], vec![Part::Authority(0)], &[])
            }
            8 if self.random.once_in(4) => {
                let data = encode(0x7C, &encode(0x80, &self.random.bytes(65)));
                Apdu::new([0x00, 0x86, 0x00, 0x00], &data, &[0x00])
            }
            _ => Apdu::new([0x00, 0x22, 0x81, 0xA4], &encode(0x83, b"ZZVS000000100001"), &[]),
        }
    }

    fn custodians(&mut self) -> Apdu {
        let number = self.random.pick(&[0, 0, 1, 2]);
        match self.random.below(8) {
            // What is in the work buffer would be registered.
            0..3 if self.model.session.buffer == Buffer::None => {
                Apdu::new([0x80, 0x54, 0x00, 0x00], &[], &[0x00])
            }
            6 => Apdu::new([0x80, 0x54, 0x00, 0x00], &self.random.bytes(30), &[0x00]),
            7 => {
                let signature = self.random.bytes(64);
                Apdu::new([0x00, 0x82, 0x00, 0x00], &signature, &[])
            }
            _ => Apdu::new([0x80, 0x54, 0x02, number], &[], &[0x00]),
        }
    }

    fn session_pin(&mut self) -> Apdu {
        self.session_pins.push((self.place, self.number));
        Apdu::new([0x80, 0x5A, 0x01, 0x81], &[], &[0x00])
    }

    /// Any command with any data.
    fn anything(&mut self) -> Apdu {
        let cla = self.random.pick(&[0x00, 0x80, 0x80, 0x0C, 0x84]);
        let header = [cla, self.random.byte(), self.random.byte(), self.random.byte()];
        let length = self.random.below(40);
        let data = self.random.bytes(length);
        // It would be a wrong PIN, of which there are enough.
        let header =
            if matches!(header[1], 0x20 | 0x24 | 0x2C | 0x50) { [0x42; 4] } else { header };
        Apdu::new(header, &data, &[0x00])
    }
}
