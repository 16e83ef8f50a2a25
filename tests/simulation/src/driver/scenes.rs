//! What takes several steps, and often several cards.

use super::Driver;
use crate::bench::Bench;
use crate::model::firmware::Firmware;
use crate::pool;
use crate::step::{Act, Apdu, Envelope, Part};
use vschsm_host::command::{ec_public_key, template};
use vschsm_protocol::tlv::encode;
use vschsm_testing::global_platform_host::ChannelLevel;
use vschsm_testing::secure_host::HostProtocol;
use vschsm_testing::test_card::domain;

pub(super) const PROTOCOLS: [HostProtocol; 2] = [HostProtocol::Aes, HostProtocol::TripleDes];

/// The first option of a card, and how likely it is among others: PINs may be unblocked.
const OPTIONS: [u16; 8] = [0x0001, 0x0001, 0x0005, 0x0007, 0x0009, 0x001D, 0x0021, 0x0000];

/// The curve of keys that cards exchange.
const CURVE: &str = "brainpoolP256r1";

impl Driver {
    pub(super) fn scene(&mut self, benches: &[Bench]) {
        let (one, other) = (self.random.below(benches.len()), self.random.below(benches.len()));
        match self.random.below(17) {
            0..2 => self.initialise(benches, one),
            2..5 => self.move_key(benches, one, other),
            5..7 => self.introduce(one, other),
            7 => self.found_group(benches, one, other),
            8..10 => self.open_by_key(benches, one, other),
            10..13 => self.manage(one),
            13 if self.random.once_in(2) => self.update(benches, one),
            14 if self.random.once_in(2) => self.fill(benches, one),
            15.. if benches[one].model.firmware.has_quotas() || self.random.once_in(8) => {
                self.refill(benches, one, other);
            }
            _ => self.talk_in_secret(one),
        }
    }

    fn value(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| b'0' + self.random.byte() % 10).collect()
    }

    fn log_in(&mut self, benches: &[Bench], card: usize) {
        let model = &benches[card].model;
        if let Some(pin) = model.user.as_ref().filter(|pin| pin.tries > 0) {
            self.enqueue_command(card, Apdu::new([0x00, 0x20, 0x00, 0x81], &pin.value, &[]));
        }
    }

    /// Initialises a card, most often with the DKEK of the pool or slots for domains.
    pub(super) fn initialise(&mut self, benches: &[Bench], card: usize) {
        let some = [[1, 1], [2, 1], [2, 2], [0, 1]];
        let custodians = self.random.once_in(4).then(|| self.random.pick(&some));
        self.initialise_for(benches, card, custodians);
    }

    /// The same for as many custodians, of which so many are required.
    fn initialise_for(&mut self, benches: &[Bench], card: usize, custodians: Option<[u8; 2]>) {
        let model = &benches[card].model;
        let length = self.random.pick(&[6, 6, 7, 8, 8, 16]);
        let tries = match length {
            6 => self.random.pick(&[1, 3, 3, 4]),
            _ => self.random.pick(&[3, 5, 5, 10]),
        };
        let pin = self.value(length);
        let code = match &model.code {
            Some(code) if code.tries < 3 || !self.random.once_in(12) => code.value.clone(),
            _ => self.value(8),
        };
        let options = self.random.pick(&OPTIONS);
        let mut data =
            [encode(0x80, &options.to_be_bytes()), encode(0x82, &code), encode(0x91, &[tries])]
                .concat();
        if !(custodians.is_some() && self.random.once_in(3)) {
            data.extend(encode(0x81, &pin));
        }
        data.extend(custodians.map(|numbers| encode(0x93, &numbers)).unwrap_or_default());
        let domains = self.random.below(8);
        match domains {
            0 => {}
            1 => data.extend(encode(0x92, &[self.random.pick(&[0, 2])])),
            2..5 => data.extend(encode(0x92, &[1])),
            _ if model.firmware.is_from_3() => data.extend(encode(0x97, &[3])),
            _ => data.extend(encode(0x92, &[1])),
        }
        self.enqueue_command(card, Apdu::new([0x80, 0x50, 0x00, 0x00], &data, &[]));
        if domains > 4 && model.firmware.is_from_3() {
            self.enqueue_command(card, Apdu::new([0x80, 0x52, 0x01, 0x00], &[1], &[0x00]));
        }
        if domains > 1 {
            self.enqueue_command(card, Apdu::new([0x80, 0x52, 0x00, 0x00], &pool::SHARE, &[0x00]));
        }
    }

    /// Wraps a new key on one card and unwraps it on the other, through the work buffer at times.
    fn move_key(&mut self, benches: &[Bench], from: usize, to: usize) {
        self.log_in(benches, from);
        self.log_in(benches, to);
        let id = self.random.pick(&[1, 2, 3]);
        let lists: [&[u8]; 3] = [&[], &[0x10, 0x18, 0x92], &[0x73, 0x80, 0x92, 0x94, 0x98]];
        let list = self.random.pick(&lists);
        let limits = if list.is_empty() { vec![] } else { encode(0x91, list) };
        if benches[from].model.firmware.is_from_3() && self.random.once_in(2) {
            self.enqueue_command(from, Apdu::new([0x00, 0x48, id, 0xB0], &limits, &[]));
        } else {
            self.generate(from, id, "secp256r1", &limits);
        }
        let wrap = Apdu::new([0x80, 0x72, id, 0x92], &[], &[0x00, 0x00]);
        let blob = Part::Response(self.enqueue_command(from, wrap));
        let header = [0x80, 0x74, id + 4, 0x93];
        let data = self.through_buffer(to, blob);
        self.enqueue_command(to, Apdu::of_parts(header, data, &[]));
        let point = domain("secp256r1").g;
        for (card, id) in [(from, id), (to, id + 4)] {
            self.enqueue_command(card, Apdu::new([0x80, 0x62, id, 0x80], &point, &[0x00]));
            self.enqueue_command(card, Apdu::new([0x80, 0x78, id, 0x10], &[0x07; 16], &[0x00]));
        }
    }

    /// Data of a command: as it is, or put into the work buffer before.
    fn through_buffer(&mut self, card: usize, part: Part) -> Vec<Part> {
        if !self.random.once_in(3) {
            return vec![part];
        }
        let data = vec![Part::Bytes(encode(0x54, &[0, 0])), Part::Object(0x53, vec![part])];
        self.enqueue_command(card, Apdu::of_parts([0x00, 0xD7, 0x2F, 0x10], data, &[]));
        vec![]
    }

    /// Makes a key pair, named after card and number; the step whose response is its request.
    fn generate(&mut self, card: usize, id: u8, curve: &str, limits: &[u8]) -> u32 {
        let name = format!("ZZVS{card:07}{id:05}");
        let data = template(&ec_public_key(&domain(curve)), name.as_bytes(), limits);
        self.enqueue_command(card, Apdu::new([0x00, 0x46, id, 0x00], &data, &[0x00, 0x00]))
    }

    fn sign(&mut self, card: usize, id: u8, message: Vec<Part>) -> u32 {
        let header = [0x80, 0x68, id, 0x73];
        self.enqueue_command(card, Apdu::of_parts(header, message, &[0x00, 0x00]))
    }

    /// Lets a card verify the certificates of another one.
    fn introduce(&mut self, card: usize, to: usize) {
        for (issuer, certificate) in [
            (&b"ZZSRCAVS100001"[..], Part::Authority(card)),
            (&b"ZZDIVS0100001"[..], Part::Device(card)),
        ] {
            let name = encode(0x83, issuer);
            self.enqueue_command(to, Apdu::new([0x00, 0x22, 0x81, 0xB6], &name, &[]));
            let verify = Apdu::of_parts([0x00, 0x2A, 0x00, 0xBE], vec![certificate], &[]);
            self.enqueue_command(to, verify);
        }
    }

    /// Two cards in a domain for key exchange, and what they agree on.
    fn found_group(&mut self, benches: &[Bench], one: usize, other: usize) {
        let domain = self.random.pick(&[1, 2]);
        [one, other].into_iter().for_each(|card| self.log_in(benches, card));
        let signer = self.generate(one, 1, CURVE, &encode(0x91, &[0x73]));
        let mut exchange = Vec::new();
        for card in [one, other] {
            let message = vec![Part::Bytes(vec![0x54]), Part::X(card)];
            let membership = Part::Signature(self.sign(one, 1, message));
            self.introduce(one, card);
            let data = vec![Part::Content(signer), Part::Object(0x54, vec![membership])];
            self.enqueue_command(card, Apdu::of_parts([0x80, 0x52, 0x02, domain], data, &[0x00]));
            let limits = [encode(0x91, &[0x84]), encode(0x92, &[domain])].concat();
            exchange.push(self.generate(card, 2, CURVE, &limits));
            // Not the same key: whoever may use that otherwise can compute what it agrees on.
            self.generate(card, 3, CURVE, &encode(0x91, &[0x83]));
        }
        self.introduce(other, one);
        for (card, peer) in [(one, exchange[1]), (other, exchange[0])] {
            for (id, algorithm) in [(2, 0x84), (3, 0x83)] {
                let data = self.through_buffer(card, Part::Content(peer));
                let apdu = Apdu::of_parts([0x80, 0x62, id, algorithm], data, &[0x00]);
                self.enqueue_command(card, apdu);
            }
            self.enqueue_command(card, Apdu::new([0x80, 0x52, 0x00, domain], &[], &[0x00]));
        }
    }

    /// A key of another card is registered for authentication, and signs.
    fn open_by_key(&mut self, benches: &[Bench], card: usize, custodian: usize) {
        let model = &benches[card].model;
        if model.custodians.is_none() && model.firmware.is_from_2() {
            let custodians = self.random.pick(&[[1, 1], [1, 1], [2, 1]]);
            self.initialise_for(benches, card, Some(custodians));
        }
        self.log_in(benches, custodian);
        let id = self.random.pick(&[1, 2, 3]);
        let curve = self.random.pick(&["secp256r1", CURVE]);
        let request = self.generate(custodian, id, curve, &[]);
        self.introduce(custodian, card);
        let data = self.through_buffer(card, Part::Content(request));
        let [p1, number] = self.random.pick(&[[0, 0], [0, 0], [1, 0]]);
        self.enqueue_command(card, Apdu::of_parts([0x80, 0x54, p1, number], data, &[0x00]));
        if self.random.once_in(2) {
            self.enqueue(card, Act::Reset);
            self.select(card);
        }
        let name = encode(0x83, format!("ZZVS{custodian:07}{id:05}").as_bytes());
        self.enqueue_command(card, Apdu::new([0x00, 0x22, 0x81, 0xA4], &name, &[]));
        let challenge = Apdu::new([0x00, 0x84, 0x00, 0x00], &[], &[0x08]);
        let challenge = self.enqueue_command(card, challenge);
        let message =
            vec![Part::Bytes(benches[card].model.device.name.clone()), Part::Response(challenge)];
        let signature = self.sign(custodian, id, message);
        let der = self.random.once_in(2);
        let part = if der { Part::Response(signature) } else { Part::Signature(signature) };
        self.enqueue_command(card, Apdu::of_parts([0x00, 0x82, 0x00, 0x00], vec![part], &[]));
        self.enqueue_command(card, Apdu::new([0x80, 0x54, 0x02, number], &[], &[0x00]));
    }

    /// Keys of a card whose quotas the key of another one refills; without quotas, they are keys
    /// that nobody refills.
    fn refill(&mut self, benches: &[Bench], card: usize, holder: usize) {
        [card, holder].into_iter().for_each(|card| self.log_in(benches, card));
        let refill_key = self.generate(holder, 1, CURVE, &[]);
        self.introduce(holder, card);
        let (ec, aes) = (self.random.pick(&[2, 3]), 4);
        let [few, more] = [[0, 0, 0, 2], [0, 0, 0, 9]];
        let limits = [encode(0x90, &few), encode(0x91, &[0x73, 0x80, 0x92, 0x98])].concat();
        let pair = template(&ec_public_key(&domain(CURVE)), b"ZZVS000000000QUO", &limits);
        for (header, data, le) in [
            ([0x00, 0x46, ec, 0x00], pair, &[0x00, 0x00][..]),
            ([0x00, 0x48, aes, 0xB0], encode(0x90, &more), &[]),
        ] {
            let quota = Part::Object(0xB4, vec![Part::Content(refill_key)]);
            let data = vec![Part::Bytes(data), quota];
            self.enqueue_command(card, Apdu::of_parts(header, data, le));
        }
        // The derived key shares what its master has left.
        let next = self.random.pick(&[6, 6, ec]);
        for (id, new) in [(ec, 5), (5, next)] {
            self.enqueue_command(card, Apdu::new([0x80, 0x76, id, new], &[0x98, 0x01], &[]));
        }
        for _ in 0..2 {
            let id = self.random.pick(&[ec, 5, 6]);
            self.sign(card, id, vec![Part::Bytes(vec![0x5A])]);
            let of = self.random.pick(&[ec, ec, aes]);
            let token =
                Part::RefillToken { card, key: of, uses: self.random.pick(&[0, 1, 1, 3, 3, 3]) };
            let signed = if self.random.once_in(8) { vec![] } else { vec![token.clone()] };
            let signed = self.sign(holder, 1, signed);
            let signature = Part::Object(0x5F37, vec![Part::Signature(signed)]);
            let id = if self.random.once_in(6) { self.random.pick(&[ec, aes, 5]) } else { of };
            let refill = Apdu::of_parts([0x80, 0x3E, id, 0x00], vec![token, signature], &[]);
            self.enqueue_command(card, refill);
            self.enqueue_command(card, Apdu::new([0x00, 0xA4, 0x00, 0x00], &[0xCC, id], &[0x00]));
        }
        self.enqueue_command(card, Apdu::new([0x80, 0x72, 5, 0x92], &[], &[0x00, 0x00]));
    }

    /// The issuer looks at the card, and may change its keys.
    fn manage(&mut self, card: usize) {
        let level = self.random.pick(&ChannelLevel::ALL);
        self.enqueue(card, Act::Issuer(level));
        for _ in 0..2 + self.random.below(6) {
            let apdu = match self.random.below(3) {
                0 => Apdu::new([0x80, 0xF2, 0x40, 0x02], &[0x4F, 0x00], &[0x00]),
                1 => Apdu::new([0x80, 0xCA, 0x00, 0xC1], &[], &[0x00]),
                _ => Apdu::new([0x80, 0xCA, 0x00, 0xE0], &[], &[0x00]),
            };
            let tampered = self.random.once_in(10);
            let envelope = if tampered {
                Envelope::Tampered(self.random.below(80))
            } else {
                Envelope::Protected
            };
            self.enqueue(card, Act::Send { apdu, envelope });
        }
        if self.random.once_in(4) {
            let version = self.random.pick(&[1, 2, 0x7F, 0x80]);
            let byte = self.random.byte();
            self.enqueue(card, Act::Keys { version, byte });
        }
    }

    /// An update, now and then interrupted, and most often of a card that is empty.
    fn update(&mut self, benches: &[Bench], card: usize) {
        let all: Vec<_> = Firmware::all().map(|firmware| firmware.name).collect();
        let same = |name: &&str| {
            let firmware = Firmware::named(name);
            firmware.is_some_and(|new| new.hardware() == benches[card].model.firmware.hardware())
        };
        let similar: Vec<_> = all.iter().copied().filter(|name| same(name)).collect();
        let some = if self.random.once_in(4) { &all } else { &similar };
        let firmware = self.random.pick(some);
        if !self.random.once_in(4) {
            self.initialise(benches, card);
        }
        let commands = if self.random.once_in(3) { self.random.below(40) } else { 1000 };
        self.enqueue(card, Act::Update { firmware: firmware.into(), commands });
        if !self.random.once_in(4) {
            self.select(card);
            self.initialise(benches, card);
        }
    }

    /// Fills the memory, for all but a key or so, and makes more keys.
    fn fill(&mut self, benches: &[Bench], card: usize) {
        let model = &benches[card].model;
        self.log_in(benches, card);
        let left = self.random.below(700);
        let [memory, _] = model.firmware.memory();
        let mut free = memory.saturating_sub(benches[card].card.state().used() + left);
        for fid in [0xCF01, 0xCF02] {
            let length = model.content(fid).map_or(0, <[u8]>::len);
            let longer = (length + free).min(65_533);
            free -= longer - length;
            let [.., high, low] = longer.saturating_sub(1).to_be_bytes();
            let data = [encode(0x54, &[high, low]), encode(0x53, &[0x5A])].concat();
            let [file, number] = fid.to_be_bytes();
            self.enqueue_command(card, Apdu::new([0x00, 0xD7, file, number], &data, &[]));
        }
        let limits = encode(0x91, &[0x73, 0x92, 0x94, 0x98]);
        self.generate(card, 1, "secp256r1", &limits);
        for apdu in [
            Apdu::new([0x80, 0x76, 1, 2], &[0x98, 0x01], &[]),
            Apdu::new([0x00, 0x48, 3, 0xB2], &[], &[]),
            Apdu::of_parts([0x80, 0x74, 4, 0x93], vec![Part::Pooled(0)], &[]),
            Apdu::new([0x80, 0x76, 1, 5], &[0x98, 0x02], &[]),
            Apdu::new([0x00, 0x48, 6, 0xB0], &[], &[]),
            Apdu::new([0x00, 0xE4, 0x02, 0x00], &[0xCF, 0x01], &[]),
            Apdu::new([0x00, 0xE4, 0x02, 0x00], &[0xCF, 0x02], &[]),
        ] {
            self.enqueue_command(card, apdu);
        }
    }

    fn talk_in_secret(&mut self, card: usize) {
        let protocol = self.random.pick(&PROTOCOLS);
        self.enqueue(card, Act::Channel(protocol));
    }
}
