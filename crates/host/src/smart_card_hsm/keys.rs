//! Keys: how they are made, used, wrapped and deleted.

use super::SmartCardHsm;
use crate::command;
use crate::error::HostError;
use crate::key_spec::KeySpec;
use crate::pkcs15;
use crate::transport::Transport;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::tlv::{self, encode};
use zeroize::Zeroizing;

/// High byte of the file identifier of a key; the low one is its number.
pub(crate) const KEY: u8 = 0xCC;
/// High byte of the file identifier of a key's certificate or request.
pub(crate) const CERTIFICATE: u8 = 0xCE;
/// The work buffer, for data that is longer than a command.
const WORK_BUFFER: u16 = 0x2F10;

/// The file identifier with that high byte, for key `key`.
pub(crate) fn fid(prefix: u8, key: u8) -> u16 {
    u16::from_be_bytes([prefix, key])
}

/// An algorithm of SIGN; its value is P2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum SignAlgorithm {
    /// RSA of a block that the host has padded to the length of the modulus.
    RsaRaw = 0x20,
    /// RSA PKCS#1 v1.5 of a DigestInfo.
    RsaPkcs1 = 0x30,
    /// RSA PKCS#1 v1.5 of a message.
    RsaPkcs1Sha1 = 0x31,
    /// RSA PKCS#1 v1.5 of a message.
    RsaPkcs1Sha256 = 0x33,
    /// RSA PKCS#1 v1.5 of a message.
    RsaPkcs1Sha384 = 0x34,
    /// RSA PKCS#1 v1.5 of a message.
    RsaPkcs1Sha512 = 0x35,
    /// RSA PSS of a hash of 20, 32, 48 or 64 bytes.
    RsaPss = 0x40,
    /// RSA PSS of a message.
    RsaPssSha1 = 0x41,
    /// RSA PSS of a message.
    RsaPssSha256 = 0x43,
    /// RSA PSS of a message.
    RsaPssSha384 = 0x44,
    /// RSA PSS of a message.
    RsaPssSha512 = 0x45,
    /// ECDSA of a hash, 1 to 66 bytes.
    Ecdsa = 0x70,
    /// ECDSA of a message.
    EcdsaSha1 = 0x71,
    /// ECDSA of a message.
    EcdsaSha224 = 0x72,
    /// ECDSA of a message.
    EcdsaSha256 = 0x73,
    /// ECDSA of a message.
    EcdsaSha384 = 0x74,
    /// ECDSA of a message.
    EcdsaSha512 = 0x75,
}

/// An algorithm of DECIPHER for RSA keys; its value is P2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum DecipherAlgorithm {
    /// RSA; the result is the block, with its padding.
    RsaRaw = 0x21,
    /// RSA PKCS#1 v1.5.
    RsaPkcs1 = 0x22,
    /// RSA OAEP.
    RsaOaep = 0x23,
}

/// An algorithm of CIPHER; its value is P2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum CipherAlgorithm {
    /// AES in CBC mode; the initialisation vector is zero, the input whole blocks.
    CbcEncryption = 0x10,
    /// AES in CBC mode, likewise.
    CbcDecryption = 0x11,
    /// AES-CMAC, 16 bytes.
    Cmac = 0x18,
    /// A secret of 32 bytes, derived from a label of 1 to 127 bytes.
    KeyDerivation = 0x99,
}

/// What a key is made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyTemplate {
    /// The holder reference (CHR) in the request of a key pair; without it the card's serial number
    /// and the number of the key in five digits.
    pub holder: Option<Vec<u8>>,
    /// How often the key can be used, not 0; tag 90.
    pub uses: Option<u32>,
    /// The algorithms that the key can be used with, 1 to 16 bytes; tag 91. Without it those that
    /// need no list.
    pub algorithms: Vec<u8>,
    /// The key domain whose key-encryption key wraps this key; tag 92.
    pub domain: Option<u8>,
    /// The authenticated request (tag 67) of the EC key that
    /// [refills](SmartCardHsm::refill_quota) the uses, from a card whose certificates were
    /// verified; tag B4.
    pub refill_key: Option<Vec<u8>>,
}

/// What the card says of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyInformation {
    /// How many uses are left, if they are counted.
    pub uses: Option<u32>,
    /// The algorithms that the key can be used with, if they are listed.
    pub algorithms: Vec<u8>,
    /// The key domain, if the key was given one.
    pub domain: Option<u8>,
}

impl KeyTemplate {
    /// The objects 90, 91, 92 and B4, those that there are.
    pub(crate) fn attributes(&self) -> Vec<u8> {
        let uses = self.uses.map(|uses| encode(0x90, &uses.to_be_bytes()));
        let listed = !self.algorithms.is_empty();
        let algorithms = listed.then(|| encode(0x91, &self.algorithms));
        let domain = self.domain.map(|domain| encode(0x92, &[domain]));
        let refill_key = self.refill_key.as_ref();
        let refill_key = refill_key.map(|request| encode(0xB4, command::content(request)));
        [uses, algorithms, domain, refill_key].into_iter().flatten().flatten().collect()
    }
}

impl<T: Transport> SmartCardHsm<T> {
    /// Makes a key; one that has the number already is replaced. Of a key pair the authenticated
    /// request (tag 67) is returned, and stored in EF CEnn.
    ///
    /// # Errors
    /// `6982` without login; `6A81` if the firmware has no such keys; `6A80` for a template that it
    /// does not take.
    pub fn generate_key(
        &mut self,
        key: u8,
        spec: &KeySpec,
        template: &KeyTemplate,
    ) -> Result<Option<Vec<u8>>, HostError> {
        let attributes = template.attributes();
        let public_key = match spec {
            KeySpec::Rsa(bits) => command::rsa_public_key(*bits),
            KeySpec::Ec(curve) => command::ec_public_key(curve.parameters()),
            KeySpec::Aes(bits) => {
                let size = match bits {
                    128 => 0xB0,
                    192 => 0xB1,
                    256 => 0xB2,
                    _ => return Err(HostError::Unsupported("AES keys have 128, 192 or 256 bits")),
                };
                let generate = command::without_le([0x00, 0x48, key, size], &attributes);
                return self.ask(&generate).map(|_| None);
            }
        };
        let holder = match &template.holder {
            Some(holder) => holder.clone(),
            None => {
                let reference = self.device_reference()?;
                let serial = reference.get(..reference.len().saturating_sub(5));
                [serial.unwrap_or_default(), format!("{key:05}").as_bytes()].concat()
            }
        };
        let data = command::template(&public_key, &holder, &attributes);
        // Without Le the card stores the request.
        self.ask(&command::without_le([0x00, 0x46, key, 0x00], &data))?;
        self.read_file(fid(CERTIFICATE, key)).map(Some)
    }

    /// What the card says of a key; `None` if there is none of that number.
    ///
    /// # Errors
    /// If the card refuses.
    pub fn key_information(&mut self, key: u8) -> Result<Option<KeyInformation>, HostError> {
        let Some(file) = self.select_file(fid(KEY, key))? else { return Ok(None) };
        let objects = tlv::parse(&file.proprietary).unwrap_or_default();
        let find = |tag| tlv::find(&objects, tag);
        Ok(Some(KeyInformation {
            uses: find(0x90).and_then(|uses| uses.try_into().ok()).map(u32::from_be_bytes),
            algorithms: find(0x91).unwrap_or_default().to_vec(),
            domain: find(0x92).and_then(<[u8]>::first).copied(),
        }))
    }

    /// The lowest number from 1 on that no key has, nor a file that belongs to one.
    ///
    /// # Errors
    /// If the card refuses, or has 255 keys.
    pub fn free_key(&mut self) -> Result<u8, HostError> {
        let taken = self.enumerate()?;
        let is_of_key =
            |prefix: u16| [KEY, pkcs15::DESCRIPTION, CERTIFICATE].map(u16::from).contains(&prefix);
        let is_free = |key: &u8| {
            !taken.iter().any(|fid| is_of_key(fid >> 8) && fid & 0xFF == u16::from(*key))
        };
        (1..=u8::MAX).find(is_free).ok_or(HostError::Unsupported("the card has no free key"))
    }

    /// Signs a message, or a hash or block where the algorithm takes that. An RSA signature is as
    /// long as the modulus, an ECDSA signature a SEQUENCE of r and s in DER.
    ///
    /// # Errors
    /// `6982` without login; `6A88` if there is no such key; `6A81` if it cannot be used with the
    /// algorithm; `6984` if it has no uses left; `6A80` for input of a length that the algorithm
    /// does not take.
    pub fn sign(
        &mut self,
        key: u8,
        algorithm: SignAlgorithm,
        input: &[u8],
    ) -> Result<Vec<u8>, HostError> {
        let signature = self.ask(&command::with_le([0x80, 0x68, key, algorithm as u8], input))?;
        if (algorithm as u8) & 0xF0 != 0x70 {
            return Ok(signature);
        }
        // Some firmware fills r and s up to the length of the order, which is no DER.
        der_signature(&signature).ok_or(HostError::Malformed { command: "SIGN" })
    }

    /// Decrypts with an RSA key.
    ///
    /// # Errors
    /// As [`sign`](Self::sign); `6A80` for a cryptogram with a wrong padding.
    pub fn decipher(
        &mut self,
        key: u8,
        algorithm: DecipherAlgorithm,
        cryptogram: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, HostError> {
        let decipher = command::with_le([0x80, 0x62, key, algorithm as u8], cryptogram);
        self.ask(&decipher).map(Zeroizing::new)
    }

    /// Agrees on a point with a peer by ECDH: both points are `04` ‖ x ‖ y.
    ///
    /// # Errors
    /// As [`sign`](Self::sign); `6A80` for a point that is not on the curve of the key.
    pub fn ecdh(&mut self, key: u8, point: &[u8]) -> Result<Zeroizing<Vec<u8>>, HostError> {
        self.ask(&command::with_le([0x80, 0x62, key, 0x80], point)).map(Zeroizing::new)
    }

    /// Agrees on a point with a key on another card, whose authenticated request this is: its
    /// [certificates](Self::verify_certificates) must have been verified by this card.
    ///
    /// # Errors
    /// As [`ecdh`](Self::ecdh); `6A88` if the certificates of the peer's card are not verified.
    pub fn authenticated_ecdh(
        &mut self,
        key: u8,
        peer: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, HostError> {
        self.ask_long([0x80, 0x62, key, 0x83], command::content(peer)).map(Zeroizing::new)
    }

    /// Encrypts, decrypts, computes a MAC or derives a secret with an AES key.
    ///
    /// # Errors
    /// As [`sign`](Self::sign).
    pub fn cipher(
        &mut self,
        key: u8,
        algorithm: CipherAlgorithm,
        input: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, HostError> {
        let cipher = command::with_le([0x80, 0x78, key, algorithm as u8], input);
        self.ask(&cipher).map(Zeroizing::new)
    }

    /// Makes key `new` of an EC key: the offset, a big-endian number, is added to the private key.
    ///
    /// # Errors
    /// As [`sign`](Self::sign); the list of the key must have `98`.
    pub fn derive_ec_key(&mut self, key: u8, new: u8, offset: &[u8]) -> Result<(), HostError> {
        let data = Zeroizing::new([&[0x98], offset].concat());
        self.ask(&command::without_le([0x80, 0x76, key, new], &data)).map(drop)
    }

    /// Wraps a key with the key-encryption key of its key domain: a blob, which another card with
    /// the same key-encryption key unwraps.
    ///
    /// # Errors
    /// `6982` without login; `6985` for a key whose uses are counted; `6A81` if the list of the key
    /// does not have `92`; `6A88` without a complete key-encryption key; `6D00` without a DKEK.
    pub fn wrap_key(&mut self, key: u8) -> Result<Vec<u8>, HostError> {
        self.ask(&command::with_le([0x80, 0x72, key, 0x92], &[]))
    }

    /// Imports a key from a blob that [`wrap_key`](Self::wrap_key) has made.
    ///
    /// # Errors
    /// `6982` without login; `6A80` for a blob that is malformed, or of another DKEK; `6A88`
    /// without a complete key-encryption key; `6D00` without a DKEK.
    pub fn unwrap_key(&mut self, key: u8, blob: &[u8]) -> Result<(), HostError> {
        self.ask(&command::without_le([0x80, 0x74, key, 0x93], blob)).map(drop)
    }

    /// Deletes a key, its description, and its certificate or request.
    ///
    /// # Errors
    /// `6982` without login.
    pub fn delete_key(&mut self, key: u8) -> Result<(), HostError> {
        for prefix in [KEY, pkcs15::DESCRIPTION, CERTIFICATE] {
            self.delete_file(fid(prefix, key))?;
        }
        Ok(())
    }

    /// Sends a command whose data goes by the work buffer if the card finds it too long.
    pub(super) fn ask_long(&mut self, header: [u8; 4], data: &[u8]) -> Result<Vec<u8>, HostError> {
        match self.send(&command::with_le(header, data))? {
            (Status::OK, data) => Ok(data),
            (Status::WRONG_LENGTH, _) => {
                self.update_file(WORK_BUFFER, 0, data)?;
                self.ask(&command::with_le(header, &[]))
            }
            (status, _) => Err(HostError::Refused { command: super::name(&header), status }),
        }
    }
}

/// An ECDSA signature in DER, whose numbers may have more zeros in front than DER allows.
fn der_signature(signature: &[u8]) -> Option<Vec<u8>> {
    let [r, s] = *tlv::parse(tlv::at(signature, &[0x30])?).ok()?.as_slice() else { return None };
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let digits = number.get(zeros..).unwrap_or_default();
        let is_plain = digits.first().is_some_and(|first| *first < 0x80);
        encode(0x02, &[if is_plain { &[][..] } else { &[0] }, digits].concat())
    };
    Some(encode(0x30, &[integer(r.value), integer(s.value)].concat()))
}
