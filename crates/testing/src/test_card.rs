//! A card in this process, with the words for what tests do to it.

use crate::given_key::GivenKey;
use crate::hex;
use crate::secure_host::{HostOpening, HostProtocol, SecureHost};
use sha2::{Digest, Sha256};
use vschsm_card::Card;
use vschsm_card::personalisation::PersonalisationData;
use vschsm_card::profile::Profile;
use vschsm_host::{Transport, command};
use vschsm_protocol::crypto::curve::{Curve, CurveParameters};

pub use vschsm_host::command::{ec_template, rsa_template};
pub use vschsm_protocol::tlv::encode as tlv;
pub use vschsm_vectors::{PIN, SO_PIN};

/// A card, and the host's side of secure messaging if there is any.
#[derive(Debug)]
pub struct TestCard {
    card: Card,
    host: Option<SecureHost>,
}

/// In the image of a card that has no keys.
const NO_KEYS: &str = "\"keys\": []";

/// A response: data and status word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResponse {
    /// Response data.
    pub data: Vec<u8>,
    /// Status word.
    pub status: u16,
}

impl TestCard {
    /// A card of that firmware as delivered, the same at every call.
    ///
    /// # Panics
    ///
    /// If the firmware is not built in.
    #[must_use]
    pub fn new(firmware: &str) -> Self {
        Self::with_serial(firmware, "ZZVS0000001", [0x5A; 32])
    }

    /// A card as delivered that is another one than any of another serial number and seed.
    ///
    /// # Panics
    ///
    /// If the firmware is not built in, or the serial number not one.
    #[must_use]
    pub fn with_serial(firmware: &str, serial: &str, seed: [u8; 32]) -> Self {
        let profile = Profile::built_in(firmware).unwrap_or_else(|| panic!("firmware {firmware}"));
        let serial = serial.parse().unwrap_or_else(|error| panic!("{serial}: {error}"));
        let order = PersonalisationData { serial: Some(serial), chain: None };
        Card::new(&order, profile, seed).unwrap_or_else(|error| panic!("{error}")).into()
    }

    /// The card, initialised with [`PIN`], 3 tries and option 0001; the user is logged in.
    #[must_use]
    pub fn initialised(firmware: &str) -> Self {
        let mut card = Self::new(firmware);
        card.initialise(&[0x00, 0x01], PIN.as_bytes(), 3);
        card
    }

    /// The card, initialised likewise and with a DKEK of one share; the user is logged in.
    #[must_use]
    pub fn with_dkek(firmware: &str, share: [u8; 32]) -> Self {
        let mut card = Self::new(firmware);
        card.initialise_with(&tlv(0x92, &[1]));
        card.import_share(0, &share).expect_ok();
        card
    }

    /// INITIALIZE DEVICE.
    pub fn initialise(&mut self, options: &[u8], pin: &[u8], tries: u8) {
        let data = [tlv(0x80, options), tlv(0x81, pin), tlv(0x82, &SO_PIN), tlv(0x91, &[tries])];
        self.send(0x80, 0x50, 0x00, 0x00, &data.concat()).expect_ok();
    }

    /// INITIALIZE DEVICE with [`PIN`], 3 tries, option 0001 and further objects such as tag 92.
    pub fn initialise_with(&mut self, objects: &[u8]) {
        self.transmit(&vschsm_vectors::initialize([0x00, 0x01], objects)).expect_ok();
    }

    /// The card itself.
    pub fn card(&mut self) -> &mut Card {
        &mut self.card
    }

    /// Resets the card and selects the applet. A channel is gone with the session.
    ///
    /// # Panics
    ///
    /// If the card does not select it.
    pub fn reset(&mut self) {
        self.host = None;
        self.card.begin().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Opens a channel: from now on all that is transmitted is protected.
    ///
    /// # Panics
    ///
    /// If the card does not open it.
    #[must_use]
    pub fn in_channel(mut self, protocol: HostProtocol) -> Self {
        self.open_channel(protocol);
        self
    }

    /// Opens a channel, in the one that is open, or in plain.
    ///
    /// # Panics
    ///
    /// If the card does not open it.
    pub fn open_channel(&mut self, protocol: HostProtocol) {
        let certificates = self.read(0x2F02).expect_ok();
        let opening = HostOpening::new(protocol);
        self.transmit(&opening.choice()).expect_ok();
        let proof = self.transmit(&opening.request()).expect_ok();
        self.host = Some(opening.finish(&proof, &certificates).expect("the proof of a card"));
    }

    /// The host's side of the channel, if there is one, to be taken: what is left transmits in
    /// plain.
    pub fn host(&mut self) -> &mut Option<SecureHost> {
        &mut self.host
    }

    /// An APDU, in the channel if one is open.
    ///
    /// # Panics
    ///
    /// If the MAC of the response is wrong.
    pub fn transmit(&mut self, apdu: &[u8]) -> TestResponse {
        let Some(host) = &mut self.host else { return self.transmit_plain(apdu) };
        let response = self.card.transmit(&host.protect(apdu)).response;
        TestResponse::parse(&host.unprotect(&response).unwrap_or_else(|error| panic!("{error}")))
    }

    /// Any bytes, as they are.
    pub fn transmit_plain(&mut self, apdu: &[u8]) -> TestResponse {
        TestResponse::parse(&self.card.transmit(apdu).response)
    }

    /// A command in extended form with the largest Le.
    pub fn send(&mut self, cla: u8, ins: u8, p1: u8, p2: u8, data: &[u8]) -> TestResponse {
        self.transmit(&extended(cla, ins, p1, p2, data, true))
    }

    /// The APDU of hexadecimal digits.
    pub fn hex(&mut self, apdu: &str) -> TestResponse {
        self.transmit(&hex(apdu))
    }

    /// Verifies [`PIN`].
    #[must_use]
    pub fn logged_in(mut self) -> Self {
        self.verify(PIN).expect_ok();
        self
    }

    /// VERIFY with the user PIN.
    pub fn verify(&mut self, pin: &str) -> TestResponse {
        self.send(0x00, 0x20, 0x00, 0x81, pin.as_bytes())
    }

    /// Generates a key on the curve of that name and returns its certificate request; `limits` are
    /// further objects such as tag 91.
    pub fn generate_ec(&mut self, id: u8, curve: &str, limits: &[u8]) -> Vec<u8> {
        self.send(0x00, 0x46, id, 0x00, &ec_template(&domain(curve), limits)).expect_ok()
    }

    /// Generates an RSA key and returns its certificate request.
    pub fn generate_rsa(&mut self, id: u8, bits: u16, limits: &[u8]) -> Vec<u8> {
        self.send(0x00, 0x46, id, 0x00, &rsa_template(bits, limits)).expect_ok()
    }

    /// Generates an AES key of 128, 192 or 256 bits.
    ///
    /// # Panics
    ///
    /// If the card does not have such keys.
    pub fn generate_aes(&mut self, id: u8, bits: u16, limits: &[u8]) {
        let size = match bits {
            128 => 0xB0,
            192 => 0xB1,
            256 => 0xB2,
            _ => panic!("AES has no keys of {bits} bits"),
        };
        self.transmit(&extended(0x00, 0x48, id, size, limits, false)).expect_ok();
    }

    /// SIGN.
    pub fn sign(&mut self, id: u8, algorithm: u8, input: &[u8]) -> TestResponse {
        self.send(0x80, 0x68, id, algorithm, input)
    }

    /// DECIPHER.
    pub fn decipher(&mut self, id: u8, algorithm: u8, input: &[u8]) -> TestResponse {
        self.send(0x80, 0x62, id, algorithm, input)
    }

    /// CIPHER.
    pub fn cipher(&mut self, id: u8, algorithm: u8, input: &[u8]) -> TestResponse {
        self.send(0x80, 0x78, id, algorithm, input)
    }

    /// MANAGE KEY DOMAIN: imports a DKEK share.
    pub fn import_share(&mut self, domain: u8, share: &[u8; 32]) -> TestResponse {
        self.send(0x80, 0x52, 0x00, domain, share)
    }

    /// WRAP KEY.
    pub fn wrap_key(&mut self, id: u8) -> TestResponse {
        self.send(0x80, 0x72, id, 0x92, &[])
    }

    /// UNWRAP KEY with the blob in the command.
    pub fn unwrap_key(&mut self, id: u8, blob: &[u8]) -> TestResponse {
        self.transmit(&extended(0x80, 0x74, id, 0x93, blob, false))
    }

    /// UPDATE BINARY at offset 0.
    pub fn write(&mut self, fid: u16, content: &[u8]) -> TestResponse {
        let [high, low] = fid.to_be_bytes();
        let data = [tlv(0x54, &[0x00, 0x00]), tlv(0x53, content)].concat();
        self.send(0x00, 0xD7, high, low, &data)
    }

    /// READ BINARY of the whole file.
    pub fn read(&mut self, fid: u16) -> TestResponse {
        let [high, low] = fid.to_be_bytes();
        self.send(0x00, 0xB1, high, low, &tlv(0x54, &[0x00, 0x00]))
    }

    /// The card with these keys, numbered from 1; the user is logged in.
    ///
    /// # Panics
    ///
    /// If the card has a key, there are more than 255, or one of them is not a share.
    #[must_use]
    pub fn with_keys(self, keys: &[GivenKey]) -> Self {
        assert!(keys.len() <= 255, "{} keys", keys.len());
        let keys: Vec<_> = (1..=u8::MAX).zip(keys).map(|(id, key)| key.in_image(id)).collect();
        let image = changed_image(&self.card, |content| {
            assert!(content.contains(NO_KEYS), "a card that has no key yet");
            content.replacen(NO_KEYS, &format!("\"keys\": [{}]", keys.join(",")), 1)
        });
        let card = Card::load(&image, [0xA5; 32]).unwrap_or_else(|error| panic!("{error}"));
        Self::from(card).logged_in()
    }

    /// Switches the power off, takes up the card from its image, and selects the applet.
    ///
    /// # Panics
    ///
    /// If the image does not load.
    #[must_use]
    pub fn restarted(self) -> Self {
        let image = self.card.image();
        let card = Card::load(&image, [0xA5; 32]);
        card.unwrap_or_else(|error| panic!("the image {error}")).into()
    }
}

/// A card that has just got power, and whose applet is selected.
impl From<Card> for TestCard {
    fn from(card: Card) -> Self {
        let mut test = Self { card, host: None };
        test.reset();
        test
    }
}

impl From<TestCard> for Card {
    fn from(test: TestCard) -> Self {
        test.card
    }
}

impl TestResponse {
    /// The data and the status word of a response.
    ///
    /// # Panics
    ///
    /// If it is shorter than a status word.
    #[must_use]
    pub fn parse(response: &[u8]) -> Self {
        let (data, status) = response.split_last_chunk().expect("a response has a status word");
        Self { data: data.to_vec(), status: u16::from_be_bytes(*status) }
    }

    /// The data of a response whose status word is `9000`.
    ///
    /// # Panics
    ///
    /// If the status word is another.
    #[track_caller]
    pub fn expect_ok(self) -> Vec<u8> {
        assert_eq!(format!("{:04X}", self.status), "9000");
        self.data
    }
}

/// The image of a card with `change` made to its content, and the checksum that goes with it.
///
/// # Panics
///
/// If the image is not text that begins with its header.
#[must_use]
pub fn changed_image(card: &Card, change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let image = String::from_utf8(card.image()).expect("an image is text");
    let (header, content) = image.split_once('\n').expect("an image has a header");
    let words: Vec<_> = header.split(' ').collect();
    let [magic, version, _length, _checksum] = words.as_slice() else {
        panic!("{header} is not the first line of an image");
    };
    let content = change(content.trim_end());
    let before = format!("{magic} {version} {}", content.len());
    let checksum = Sha256::digest(format!("{before} {content}"))
        .iter()
        .fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"));
    format!("{before} {checksum}\n{content}\n").into_bytes()
}

/// A command APDU in extended form.
///
/// # Panics
///
/// If the data has more than 65,535 bytes.
#[must_use]
pub fn extended(cla: u8, ins: u8, p1: u8, p2: u8, data: &[u8], le: bool) -> Vec<u8> {
    let form = if le { command::with_le } else { command::without_le };
    form([cla, ins, p1, p2], data)
}

/// The parameters of the curve of that name.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn domain(curve: &str) -> CurveParameters {
    let found = Curve::from_name(curve).unwrap_or_else(|| panic!("no curve named {curve}"));
    found.parameters().clone()
}
