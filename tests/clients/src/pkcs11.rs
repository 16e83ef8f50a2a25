//! pkcs11-tool, logged in, and a card with a key of each kind.

use std::sync::OnceLock;

use crate::{Finished, PIN, Station, Way};

/// A key pair that the card can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The PKCS#11 id, in hexadecimal.
    pub id: &'static str,
    /// What `pkcs11-tool --key-type` calls it.
    pub kind: &'static str,
    /// The size of the modulus or of the curve's field, in bits.
    pub bits: usize,
}

impl Key {
    /// Whether it is an RSA key.
    pub fn is_rsa(&self) -> bool {
        self.kind.starts_with("rsa")
    }

    /// What OpenSSL calls the curve.
    pub fn curve(&self) -> &'static str {
        match self.kind.trim_start_matches("EC:") {
            "secp192r1" => "prime192v1",
            "secp256r1" => "prime256v1",
            name => name,
        }
    }

    /// The size of the modulus or of a coordinate, in bytes.
    pub fn size(&self) -> usize {
        self.bits.div_ceil(8)
    }
}

/// One key of each kind, as on the card that `card_with_keys` makes.
pub const KEYS: [Key; 17] = [
    Key { id: "11", kind: "rsa:1024", bits: 1024 },
    Key { id: "12", kind: "rsa:1536", bits: 1536 },
    Key { id: "13", kind: "rsa:2048", bits: 2048 },
    Key { id: "14", kind: "rsa:3072", bits: 3072 },
    Key { id: "15", kind: "rsa:4096", bits: 4096 },
    Key { id: "21", kind: "EC:secp192r1", bits: 192 },
    Key { id: "22", kind: "EC:secp256r1", bits: 256 },
    Key { id: "23", kind: "EC:secp384r1", bits: 384 },
    Key { id: "24", kind: "EC:secp521r1", bits: 521 },
    Key { id: "25", kind: "EC:secp192k1", bits: 192 },
    Key { id: "26", kind: "EC:secp256k1", bits: 256 },
    Key { id: "27", kind: "EC:brainpoolP192r1", bits: 192 },
    Key { id: "28", kind: "EC:brainpoolP224r1", bits: 224 },
    Key { id: "29", kind: "EC:brainpoolP256r1", bits: 256 },
    Key { id: "2A", kind: "EC:brainpoolP320r1", bits: 320 },
    Key { id: "2B", kind: "EC:brainpoolP384r1", bits: 384 },
    Key { id: "2C", kind: "EC:brainpoolP512r1", bits: 512 },
];

/// The one of [`KEYS`] that pkcs11-tool calls `kind`.
///
/// # Panics
/// If there is none.
pub fn key(kind: &str) -> Key {
    *KEYS.iter().find(|key| key.kind == kind).unwrap()
}

/// The image of an initialised card on which pkcs11-tool made all [`KEYS`], once per process and
/// way.
fn card_with_keys(way: Way) -> &'static [u8] {
    static IMAGES: [OnceLock<Vec<u8>>; 2] = [OnceLock::new(), OnceLock::new()];
    let [pcscd, built_in] = &IMAGES;
    way.choose(pcscd, built_in).get_or_init(|| {
        let mut station = Station::initialized(way);
        for key in KEYS {
            station.generate(key).succeeded();
        }
        station.kill_card();
        station.read("test.card")
    })
}

impl Station {
    /// A station with an initialised card on which pkcs11-tool, going the same way, has made all
    /// [`KEYS`].
    ///
    /// # Panics
    /// If anything of it does not start, or pkcs11-tool fails.
    pub fn with_keys(way: Way) -> Self {
        Self::with_image(way, card_with_keys(way))
    }

    /// Runs pkcs11-tool with the user logged in.
    pub fn pkcs11(&self, arguments: &[&str]) -> Finished {
        self.run("pkcs11-tool", &[&["--login", "--pin", PIN], arguments].concat())
    }

    /// Makes `key` on the card, labelled with its kind.
    pub fn generate(&self, key: Key) -> Finished {
        let pair = ["--keypairgen", "--id", key.id, "--label", key.kind, "--key-type", key.kind];
        self.pkcs11(&pair)
    }

    /// Reads the public key of `key` from the card: the PEM file `ID.pem` in the home folder.
    ///
    /// By pkcs15-tool, because pkcs11-tool 0.23 fails on the 384-bit curves.
    ///
    /// # Panics
    /// If the tool fails.
    pub fn public_key(&self, key: Key) -> String {
        let pem = format!("{}.pem", key.id);
        let read = ["--read-public-key", key.id, "--output", &pem];
        self.run("pkcs15-tool", &read).succeeded();
        pem
    }

    /// The mechanisms that the card offers for `use_` (`sign`, `decrypt`, `derive`, …).
    ///
    /// # Panics
    /// If pkcs11-tool fails.
    pub fn mechanisms(&self, use_: &str) -> Vec<String> {
        let list = self.run("pkcs11-tool", &["--list-mechanisms"]).succeeded().text();
        let offers = list.lines().filter_map(|line| line.trim().split_once(", "));
        let fitting = offers.filter(|(_, flags)| flags.split(", ").any(|flag| flag == use_));
        fitting.map(|(name, _)| name.to_owned()).collect()
    }
}
