//! The options of every command that can make a new card.

use crate::process::seed::Seed;
use crate::text::failure::Failure;
use crate::text::{hex, input};
use clap::Args;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use vschsm_card::Card;
use vschsm_card::personalisation::{Chain, PersonalisationData, Serial};
use vschsm_card::profile::{self, Profile};

/// The options of `vschsm new` that other commands take too.
#[derive(Debug, Args)]
pub(crate) struct NewCard {
    /// Firmware of the new card: a name from `vschsm firmware`, a product such as 'Nitrokey HSM 2',
    /// or a file if it holds a `/` or ends in `.toml` [default: the one that `vschsm firmware`
    /// marks]
    #[arg(long, value_name = "NAME|FILE")]
    firmware: Option<OsString>,

    /// Serial number of the new card: 11 characters, A to Z and 0 to 9, such as ZZVS0000001
    /// [default: ZZVS and seven random digits]
    #[arg(long)]
    serial: Option<Serial>,

    /// Device key of the new card, on brainpoolP256r1: a file of 32 bytes, or of 64 hexadecimal
    /// digits; goes with --chain
    #[arg(long, value_name = "FILE", requires = "chain")]
    device_key: Option<PathBuf>,

    /// Certificates of the device key, as in EF 2F02: a file with the device certificate and its
    /// issuer's, in binary or hexadecimal; goes with --device-key
    #[arg(long, value_name = "FILE", requires = "device_key")]
    chain: Option<PathBuf>,
}

impl NewCard {
    /// Makes the card; its whole random stream comes from `seed`.
    pub(crate) fn make(&self, seed: &Seed) -> Result<Card, Failure> {
        let order = PersonalisationData { serial: self.serial.clone(), chain: self.chain()? };
        Card::new(&order, firmware(self.firmware.as_deref())?, seed.into())
            .map_err(|error| Failure::because("cannot make the card", error))
    }

    fn chain(&self) -> Result<Option<Chain>, Failure> {
        let (Some(key_file), Some(chain_file)) = (&self.device_key, &self.chain) else {
            return Ok(None);
        };
        let key = input::bytes(key_file)?;
        let key = match <[u8; 32]>::try_from(key.as_slice()) {
            Ok(key) => Some(key),
            Err(_) => digits(&key).and_then(|key| key.try_into().ok()),
        };
        let key = key.ok_or_else(|| {
            Failure::because(key_file.display(), "neither 32 bytes nor 64 hexadecimal digits")
        })?;
        let certificates = input::bytes(chain_file)?;
        let certificates = digits(&certificates).unwrap_or_else(|| certificates.to_vec());
        let chain = Chain::parse(&key, &certificates);
        chain.map(Some).map_err(|error| Failure::because(chain_file.display(), error))
    }
}

/// The firmware that the user names, or the default.
pub(crate) fn firmware<N: AsRef<OsStr> + ?Sized>(name: Option<&N>) -> Result<Profile, Failure> {
    let name = name.map_or(OsStr::new(profile::DEFAULT), AsRef::as_ref);
    if name.as_bytes().contains(&b'/') || name.as_bytes().ends_with(b".toml") {
        let source = input::text(Path::new(name))?;
        return Profile::parse(&source).map_err(|error| Failure::because(name.display(), error));
    }
    let named = name.to_str().and_then(|name| Profile::built_in(of_product(name).unwrap_or(name)));
    named.ok_or_else(|| {
        let known = profile::BUILT_IN.iter().chain(profile::EXTENSIONS);
        let known = known.map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
        Failure::Usage(format!(
            "no firmware is called {name:?}; there are {known}, or a .toml file, or a product such \
             as \"Nitrokey HSM 2\""
        ))
    })
}

/// Products, each with the newest firmware that it is known to have been sold with.
///
/// Source: the table of firmwares in `firmware/README.md`.
pub(crate) const PRODUCTS: [(&str, &str); 4] = [
    ("Nitrokey HSM", "2.6"),
    ("Nitrokey HSM 2", "4.1"),
    ("SmartCard-HSM", "2.6"),
    ("SmartCard-HSM 4K", "4.1"),
];

/// The firmware of a product, whose name may be written with or without spaces, hyphens and
/// capitals.
fn of_product(name: &str) -> Option<&'static str> {
    let plain = |name: &str| name.replace([' ', '-', '_'], "").to_lowercase();
    let product = PRODUCTS.iter().find(|(product, _)| plain(product) == plain(name));
    product.map(|(_, firmware)| *firmware)
}

/// The bytes of a file of hexadecimal digits.
fn digits(text: &[u8]) -> Option<Vec<u8>> {
    std::str::from_utf8(text).ok().and_then(|text| hex::parse(text).ok())
}
