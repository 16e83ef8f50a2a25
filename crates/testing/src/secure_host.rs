//! The host's side of secure messaging, without any of the card's code.

use aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit,
};
use aes::{Aes128, Block};
use bp256::elliptic_curve::PrimeField;
use bp256::elliptic_curve::sec1::ToSec1Point;
use bp256::{BrainpoolP256r1, elliptic_curve};
use cmac::{Cmac, Mac};
use des::{Des, TdesEde2};
use sha1::{Digest, Sha1};
use std::sync::OnceLock;

/// A block of DES.
type DesBlock = des::cipher::Array<u8, des::cipher::consts::U8>;

/// The host's private key, ephemeral in the world outside of tests.
const PRIVATE_KEY: [u8; 32] = [0x11; 32];

/// A protocol of chip authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostProtocol {
    /// id-CA-ECDH-3DES-CBC-CBC, which all firmwares have.
    TripleDes,
    /// id-CA-ECDH-AES-CBC-CMAC-128, from 2.0 on.
    Aes,
}

impl HostProtocol {
    /// The object identifier as a data object with that tag.
    fn identifier(self) -> Vec<u8> {
        let last = if self == Self::Aes { 0x02 } else { 0x01 };
        vec![0x06, 0x0A, 0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x03, 0x02, last]
    }

    fn block(self) -> usize {
        if self == Self::Aes { 16 } else { 8 }
    }
}

/// A channel that the host asks for.
#[derive(Clone, Copy, Debug)]
pub struct HostOpening(HostProtocol);

impl HostOpening {
    /// A channel by that protocol.
    #[must_use]
    pub fn new(protocol: HostProtocol) -> Self {
        Self(protocol)
    }

    /// MANAGE SECURITY ENVIRONMENT.
    #[must_use]
    pub fn choice(&self) -> Vec<u8> {
        let mut identifier = self.0.identifier();
        identifier[0] = 0x80;
        [&[0x00, 0x22, 0x41, 0xA4, 0x0C][..], &identifier].concat()
    }

    /// GENERAL AUTHENTICATE.
    #[must_use]
    pub fn request(&self) -> Vec<u8> {
        let data = [&[0x7C, 0x43, 0x80, 0x41][..], &Self::point()].concat();
        [&[0x00, 0x86, 0x00, 0x00, 0x45][..], &data, &[0x00]].concat()
    }

    /// What the response, 7C { 81 nonce, 82 token }, says about the card that has these
    /// certificates in EF 2F02.
    ///
    /// # Panics
    ///
    /// If the first certificate has no key of a device.
    pub fn finish(&self, proof: &[u8], certificates: &[u8]) -> Result<SecureHost, String> {
        let [0x7C, 0x14, 0x81, 0x08, rest @ ..] = proof else {
            return Err(format!("no proof: {proof:02X?}"));
        };
        let (nonce, rest) = rest.split_first_chunk::<8>().ok_or("no nonce")?;
        let token = rest.strip_prefix(&[0x82, 0x08]).ok_or("no token")?;
        let key = certificates.windows(2).position(|window| window == [0x86, 0x41]);
        let key = key.expect("the key of the device") + 2;
        let host = SecureHost::new(self.0, &agreed(&certificates[key..key + 65]), *nonce);
        if host.token() == token { Ok(host) } else { Err("another card's token".into()) }
    }

    /// The host's public key.
    #[must_use]
    pub fn point() -> Vec<u8> {
        static POINT: OnceLock<Vec<u8>> = OnceLock::new();
        let base = elliptic_curve::ProjectivePoint::<BrainpoolP256r1>::GENERATOR;
        POINT.get_or_init(|| uncompressed(base * private_key())).clone()
    }
}

/// The x coordinate of what the host's key and that of the point have in common.
fn agreed(point: &[u8]) -> [u8; 32] {
    let point = elliptic_curve::PublicKey::<BrainpoolP256r1>::from_sec1_bytes(point).unwrap();
    let shared = uncompressed(point.to_projective() * private_key());
    shared[1..33].try_into().unwrap()
}

fn private_key() -> elliptic_curve::Scalar<BrainpoolP256r1> {
    elliptic_curve::Scalar::<BrainpoolP256r1>::from_repr(PRIVATE_KEY.into()).unwrap()
}

fn uncompressed(point: elliptic_curve::ProjectivePoint<BrainpoolP256r1>) -> Vec<u8> {
    point.to_affine().to_sec1_point(false).as_bytes().to_vec()
}

/// The host's side of a channel.
#[derive(Clone, Debug)]
pub struct SecureHost {
    protocol: HostProtocol,
    encryption: [u8; 16],
    mac: [u8; 16],
    counter: u64,
}

impl SecureHost {
    /// With the keys that follow from the x coordinate in common and the card's nonce.
    #[must_use]
    pub fn new(protocol: HostProtocol, shared: &[u8; 32], nonce: [u8; 8]) -> Self {
        let key = |number: u8| {
            let digest = Sha1::digest([&shared[..], &nonce, &[0, 0, 0, number]].concat());
            digest[..16].try_into().unwrap()
        };
        Self { protocol, encryption: key(1), mac: key(2), counter: 0 }
    }

    /// The session keys, for encryption and for the MAC.
    #[must_use]
    pub fn keys(&self) -> [[u8; 16]; 2] {
        [self.encryption, self.mac]
    }

    /// The token that the card shows.
    #[must_use]
    pub fn token(&self) -> [u8; 8] {
        let point = HostOpening::point();
        let head = [&[0x7F, 0x49, 0x4F][..], &self.protocol.identifier(), &[0x86, 0x41]].concat();
        self.mac(&[head, point].concat())
    }

    /// The next command, protected; `apdu` is in short form or in extended form.
    ///
    /// # Panics
    ///
    /// If `apdu` is neither.
    pub fn protect(&mut self, apdu: &[u8]) -> Vec<u8> {
        self.counter += 1;
        let (data, le, extended) = match &apdu[4..] {
            [] => (&[][..], &[][..], false),
            le @ [_] => (&[][..], le, false),
            [0x00, le @ ..] if le.len() == 2 => (&[][..], le, true),
            [0x00, high, low, rest @ ..] => {
                let (data, le) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
                (data, le, true)
            }
            [length, rest @ ..] => {
                let (data, le) = rest.split_at(usize::from(*length));
                (data, le, false)
            }
        };
        let mut objects = match (data, apdu[1] & 1) {
            ([], _) => Vec::new(),
            (data, 1) => object(0x85, &self.encrypt(data)),
            (data, _) => object(0x87, &[&[0x01], self.encrypt(data).as_slice()].concat()),
        };
        if !le.is_empty() {
            objects.extend(object(0x97, le));
        }
        let header = [apdu[0] | 0x0C, apdu[1], apdu[2], apdu[3]];
        self.finished(header, objects, extended)
    }

    /// The next command of these objects, whatever they are, and the MAC that belongs to them.
    ///
    /// # Panics
    ///
    /// If they have more than 65,000 bytes.
    pub fn protect_objects(&mut self, [cla, ins, p1, p2]: [u8; 4], objects: &[u8]) -> Vec<u8> {
        self.counter += 1;
        self.finished([cla & 0x80 | 0x0C, ins, p1, p2], objects.to_vec(), false)
    }

    /// A command of these objects and the MAC that belongs to them.
    fn finished(&self, header: [u8; 4], mut objects: Vec<u8>, extended: bool) -> Vec<u8> {
        let mut message = [self.number(), self.padded(&header)].concat();
        if !objects.is_empty() {
            message.extend(self.padded(&objects));
        }
        objects.extend(object(0x8E, &self.mac(&message)));
        let length = u16::try_from(objects.len()).unwrap();
        let [high, low] = length.to_be_bytes();
        if extended || high != 0 {
            [&header[..], &[0x00, high, low], &objects, &[0x00, 0x00]].concat()
        } else {
            [&header[..], &[low], &objects, &[0x00]].concat()
        }
    }

    /// The response to that command, without its protection.
    pub fn unprotect(&mut self, response: &[u8]) -> Result<Vec<u8>, String> {
        let wrong = || format!("no protected response: {response:02X?}");
        self.counter += 1;
        let protected = response.strip_suffix(&[0x90, 0x00]).ok_or_else(wrong)?;
        let (objects, mac) =
            protected.split_at_checked(protected.len().wrapping_sub(10)).ok_or_else(wrong)?;
        let mac = mac.strip_prefix(&[0x8E, 0x08]).ok_or_else(wrong)?;
        let (data, status) = objects.split_last_chunk::<4>().ok_or_else(wrong)?;
        let [0x99, 0x02, status @ ..] = status else { return Err(wrong()) };
        if self.mac(&[self.number(), self.padded(objects)].concat()) != mac {
            return Err("the MAC of a response is wrong".into());
        }
        let cryptogram = match data {
            [] => return Ok(status.to_vec()),
            [0x87, 0x82, _, _, 0x01, cryptogram @ ..] => cryptogram,
            [0x87, 0x81, _, 0x01, cryptogram @ ..] => cryptogram,
            [0x87, _, 0x01, cryptogram @ ..] => cryptogram,
            _ => return Err(wrong()),
        };
        if object(0x87, &[&[0x01], cryptogram].concat()) != data {
            return Err(wrong());
        }
        let plain = self.decrypt(cryptogram);
        let end = plain.iter().rposition(|byte| *byte != 0x00).ok_or_else(wrong)?;
        if plain[end] != 0x80 || plain.len() - end > self.protocol.block() {
            return Err("the padding of a response is wrong".into());
        }
        Ok([&plain[..end], status].concat())
    }

    fn number(&self) -> Vec<u8> {
        let number = u128::from(self.counter).to_be_bytes();
        number[16 - self.protocol.block()..].to_vec()
    }

    fn padded(&self, data: &[u8]) -> Vec<u8> {
        let mut padded = [data, &[0x80]].concat();
        while !padded.len().is_multiple_of(self.protocol.block()) {
            padded.push(0x00);
        }
        padded
    }

    /// The number of the message, encrypted: where AES begins.
    fn vector(&self) -> Block {
        let mut vector = Block::try_from(&self.number()[..]).unwrap();
        Aes128::new(&self.encryption.into()).encrypt_block(&mut vector);
        vector
    }

    fn encrypt(&self, data: &[u8]) -> Vec<u8> {
        let mut bytes = self.padded(data);
        match self.protocol {
            HostProtocol::Aes => {
                let (blocks, _) = Block::slice_as_chunks_mut(&mut bytes);
                cbc::Encryptor::<Aes128>::new(&self.encryption.into(), &self.vector())
                    .encrypt_blocks(blocks);
            }
            HostProtocol::TripleDes => {
                let (blocks, _) = DesBlock::slice_as_chunks_mut(&mut bytes);
                cbc::Encryptor::<TdesEde2>::new(&self.encryption.into(), &DesBlock::default())
                    .encrypt_blocks(blocks);
            }
        }
        bytes
    }

    fn decrypt(&self, cryptogram: &[u8]) -> Vec<u8> {
        let mut bytes = cryptogram.to_vec();
        match self.protocol {
            HostProtocol::Aes => {
                let (blocks, _) = Block::slice_as_chunks_mut(&mut bytes);
                cbc::Decryptor::<Aes128>::new(&self.encryption.into(), &self.vector())
                    .decrypt_blocks(blocks);
            }
            HostProtocol::TripleDes => {
                let (blocks, _) = DesBlock::slice_as_chunks_mut(&mut bytes);
                cbc::Decryptor::<TdesEde2>::new(&self.encryption.into(), &DesBlock::default())
                    .decrypt_blocks(blocks);
            }
        }
        bytes
    }

    /// For 3DES the retail MAC: DES in CBC mode with the first half of the key, and the last block
    /// decrypted with the second half and encrypted with the first.
    fn mac(&self, message: &[u8]) -> [u8; 8] {
        if self.protocol == HostProtocol::Aes {
            let mac = Cmac::<Aes128>::new(&self.mac.into()).chain_update(message).finalize();
            return mac.into_bytes()[..8].try_into().unwrap();
        }
        let halves = self.mac.first_chunk::<8>().zip(self.mac.last_chunk::<8>()).unwrap();
        let (first, second) = (Des::new(&(*halves.0).into()), Des::new(&(*halves.1).into()));
        let mut bytes = message.to_vec();
        bytes.resize(message.len().next_multiple_of(8), 0x00);
        let (blocks, _) = DesBlock::slice_as_chunks_mut(&mut bytes);
        cbc::Encryptor::<Des>::new(&(*halves.0).into(), &DesBlock::default())
            .encrypt_blocks(blocks);
        let mut last = *blocks.last().unwrap();
        second.decrypt_block(&mut last);
        first.encrypt_block(&mut last);
        last.into()
    }
}

/// A data object, its length in as few bytes as it needs.
fn object(tag: u8, value: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(value.len()).unwrap().to_be_bytes();
    let length = match (high, low) {
        (0, ..=0x7F) => vec![low],
        (0, _) => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [&[tag], length.as_slice(), value].concat()
}
