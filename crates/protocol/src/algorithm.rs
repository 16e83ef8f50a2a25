//! The algorithms, declared once each: identifier, name, what is computed, and with which key.
//!
//! The identifier is mostly P2 of the command that uses the key, and stands in the algorithm lists
//! of keys (tag 91).
//!
//! Source: the vendor's identifiers, as in OpenSC `card-sc-hsm.h`, `ALGO_*`, and sc-hsm-embedded
//! `token-sc-hsm.h`.

use crate::crypto::hash::Hash;
use crate::crypto::key_material::KeyType;

/// An algorithm of the card's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithm {
    /// Its identifier.
    pub id: u8,
    /// What people call it.
    pub name: &'static str,
    /// What is computed; none where nothing is: only lists name it, or WRAP KEY and UNWRAP KEY
    /// check that a list has it.
    pub scheme: Option<Scheme>,
    /// The hash that the card makes; none where the host makes it, or the padding.
    pub hash: Option<Hash>,
    /// The type of key that it is for; none if it is for all of them.
    pub key: Option<KeyType>,
    /// Whether a key does it only if its list says so: one without a list does not.
    ///
    /// Source: observed for 98 (Nitrokey support thread 2134: `6A81` to DERIVE EC KEY with a key
    /// made without a list). That 83, 84 and 94 are like it is a guess. So is that 99, the
    /// derivation from AES keys, needs no list: all known clients send one.
    pub only_if_listed: bool,
}

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// CIPHER: AES in CBC mode, the initialisation vector is zero.
    AesCbcEncryption,
    /// CIPHER: likewise.
    AesCbcDecryption,
    /// CIPHER: AES-CMAC.
    AesCmac,
    /// CIPHER: a key derived from a label.
    KeyDerivation,
    /// SIGN: the host has padded the input to the length of the modulus.
    RsaRaw,
    /// SIGN: PKCS#1 v1.5; without a hash the input is a DigestInfo.
    RsaPkcs1,
    /// SIGN: PSS, MGF1 with the same hash, a salt as long as the hash.
    RsaPss,
    /// SIGN: ECDSA.
    Ecdsa,
    /// DECIPHER: the host removes the padding.
    RsaRawDecryption,
    /// DECIPHER: PKCS#1 v1.5.
    RsaPkcs1Decryption,
    /// DECIPHER: OAEP.
    RsaOaep,
    /// DECIPHER: the shared point with any peer.
    Ecdh,
    /// DECIPHER: that with a key on another card.
    AuthenticatedEcdh,
    /// DERIVE XKEK: the key-encryption key of a key domain.
    KeyExchange,
    /// DERIVE EC KEY.
    EcKeyDerivation,
}

/// P2 of DECIPHER: ECDH only with a key that is authenticated as another card's.
pub const AUTHENTICATED_ECDH: u8 = 0x83;
/// P2 of DECIPHER that makes it DERIVE XKEK.
pub const KEY_EXCHANGE: u8 = 0x84;
/// P2 of WRAP KEY.
pub const WRAP: u8 = 0x92;
/// P2 of UNWRAP KEY.
pub const UNWRAP: u8 = 0x93;
/// What the list of a key must have if another one is to take its place.
pub const REPLACE: u8 = 0x94;
/// The first byte of DERIVE EC KEY's data.
pub const EC_KEY_DERIVATION: u8 = 0x98;

const RSA: Option<KeyType> = Some(KeyType::Rsa);
const EC: Option<KeyType> = Some(KeyType::Ec);
const AES: Option<KeyType> = Some(KeyType::Aes);
const ANY: Option<KeyType> = None;

/// All of them, by identifier.
pub const ALGORITHMS: &[Algorithm] = &[
    row(0x10, "AES-CBC encryption", AES).by(Scheme::AesCbcEncryption),
    row(0x11, "AES-CBC decryption", AES).by(Scheme::AesCbcDecryption),
    row(0x18, "AES-CMAC", AES).by(Scheme::AesCmac),
    row(0x20, "raw RSA", RSA).by(Scheme::RsaRaw),
    row(0x21, "raw RSA", RSA).by(Scheme::RsaRawDecryption),
    row(0x22, "RSA PKCS#1 decryption", RSA).by(Scheme::RsaPkcs1Decryption),
    row(0x23, "RSA-OAEP", RSA).by(Scheme::RsaOaep),
    row(0x30, "RSA PKCS#1", RSA).by(Scheme::RsaPkcs1),
    row(0x31, "RSA PKCS#1 SHA-1", RSA).by(Scheme::RsaPkcs1).of(Hash::Sha1),
    row(0x32, "RSA PKCS#1 SHA-224", RSA),
    row(0x33, "RSA PKCS#1 SHA-256", RSA).by(Scheme::RsaPkcs1).of(Hash::Sha256),
    row(0x34, "RSA PKCS#1 SHA-384", RSA).by(Scheme::RsaPkcs1).of(Hash::Sha384),
    row(0x35, "RSA PKCS#1 SHA-512", RSA).by(Scheme::RsaPkcs1).of(Hash::Sha512),
    row(0x40, "RSA-PSS", RSA).by(Scheme::RsaPss),
    row(0x41, "RSA-PSS SHA-1", RSA).by(Scheme::RsaPss).of(Hash::Sha1),
    row(0x42, "RSA-PSS SHA-224", RSA),
    row(0x43, "RSA-PSS SHA-256", RSA).by(Scheme::RsaPss).of(Hash::Sha256),
    row(0x44, "RSA-PSS SHA-384", RSA).by(Scheme::RsaPss).of(Hash::Sha384),
    row(0x45, "RSA-PSS SHA-512", RSA).by(Scheme::RsaPss).of(Hash::Sha512),
    row(0x70, "ECDSA", EC).by(Scheme::Ecdsa),
    row(0x71, "ECDSA SHA-1", EC).by(Scheme::Ecdsa).of(Hash::Sha1),
    row(0x72, "ECDSA SHA-224", EC).by(Scheme::Ecdsa).of(Hash::Sha224),
    row(0x73, "ECDSA SHA-256", EC).by(Scheme::Ecdsa).of(Hash::Sha256),
    row(0x74, "ECDSA SHA-384", EC).by(Scheme::Ecdsa).of(Hash::Sha384),
    row(0x75, "ECDSA SHA-512", EC).by(Scheme::Ecdsa).of(Hash::Sha512),
    row(0x80, "ECDH", EC).by(Scheme::Ecdh),
    row(AUTHENTICATED_ECDH, "ECDH with an authenticated key", EC)
        .by(Scheme::AuthenticatedEcdh)
        .if_listed(),
    row(KEY_EXCHANGE, "key exchange of a key domain", EC).by(Scheme::KeyExchange).if_listed(),
    row(WRAP, "wrap", ANY),
    row(UNWRAP, "unwrap", ANY),
    row(REPLACE, "replace", ANY).if_listed(),
    row(EC_KEY_DERIVATION, "EC key derivation", EC).by(Scheme::EcKeyDerivation).if_listed(),
    row(0x99, "key derivation", AES).by(Scheme::KeyDerivation),
];

const fn row(id: u8, name: &'static str, key: Option<KeyType>) -> Algorithm {
    Algorithm { id, name, scheme: None, hash: None, key, only_if_listed: false }
}

impl Algorithm {
    const fn by(self, scheme: Scheme) -> Self {
        Self { scheme: Some(scheme), ..self }
    }

    const fn of(self, hash: Hash) -> Self {
        Self { hash: Some(hash), ..self }
    }

    const fn if_listed(self) -> Self {
        Self { only_if_listed: true, ..self }
    }

    /// The algorithm with that identifier.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        ALGORITHMS.iter().find(|row| row.id == id).copied()
    }

    /// The algorithm that an object identifier of the arc 0.4.0.127.0.7.2.2.2 names in a CV
    /// certificate or request. Source: BSI TR-03110 part 3, id-TA.
    pub fn from_oid(oid: &[u8]) -> Option<Self> {
        let arc = oid.strip_prefix(&[0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02])?;
        Self::from_id(match arc {
            [1, 1] => 0x31,
            [1, 2] => 0x33,
            [1, 3] => 0x41,
            [1, 4] => 0x43,
            [1, 5] => 0x35,
            [1, 6] => 0x45,
            [2, hash @ 1..=5] => 0x70 | hash,
            _ => return None,
        })
    }
}

/// What people call the algorithm with that identifier.
#[must_use]
pub fn name(id: u8) -> Option<&'static str> {
    Algorithm::from_id(id).map(|row| row.name)
}

/// What is computed with that identifier, if this card does.
pub fn scheme(id: u8) -> Option<Scheme> {
    Algorithm::from_id(id)?.scheme
}
