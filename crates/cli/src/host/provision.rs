//! What a new card is given beyond what it has as delivered: PINs, label, DKEK, keys, certificates.

mod alternative_name;
mod certificate;
pub(crate) mod key_plan;
mod provisioner;

use crate::text::failure::Failure;
use crate::text::secret::Secret;
use crate::text::{hex, input};
use clap::Args;
use key_plan::{Identifier, KeyPlan};
use provisioner::Provisioner;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vschsm_card::Card;

/// The user PIN and the SO-PIN of cards for which none is named: those in the README's examples.
const PIN: &str = "648219";
const SO_PIN: &str = "3537363231383830";

/// The options of commands that make a card, by which they initialise it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Provisioning")]
pub(crate) struct Provisioning {
    /// Initialise the card, and provision it with what the options below say
    #[arg(long)]
    initialize: bool,

    /// User PIN, 6 to 16 characters [default: 648219]
    #[arg(long, requires = "initialize")]
    pin: Option<Secret>,

    /// SO-PIN, 16 hexadecimal digits as sc-hsm-tool takes it [default: 3537363231383830]
    #[arg(long, value_name = "HEX", requires = "initialize")]
    so_pin: Option<Secret>,

    /// Tries of the user PIN [default: 3]
    #[arg(long, value_name = "N", requires = "initialize")]
    tries: Option<u8>,

    /// Label of the token
    #[arg(long, value_name = "TEXT", requires = "initialize")]
    label: Option<String>,

    /// DKEK share to import, once for each: a file of sc-hsm-tool, or of 32 bytes in binary or
    /// hexadecimal
    #[arg(long, value_name = "FILE", requires = "initialize")]
    dkek_share: Vec<PathBuf>,

    /// Password of share files
    #[arg(long, value_name = "TEXT", requires = "dkek_share")]
    dkek_password: Option<Secret>,

    /// How many shares the DKEK has; 0 for a random DKEK [default: as many as are imported]
    #[arg(long, value_name = "N", requires = "initialize")]
    dkek_shares: Option<u8>,

    /// VpcdReaders for key domains, from firmware 3.0 on, instead of one DKEK
    #[arg(long, value_name = "N", requires = "initialize")]
    #[arg(conflicts_with_all = ["dkek_share", "dkek_shares"])]
    domains: Option<u8>,

    /// Key to make, once for each: rsa:2048, ec:secp256r1 or aes:256, and after commas, if wanted,
    /// id=10 (in hexadecimal), label=TEXT, algorithms=7392, uses=5, domain=1; and for a
    /// certificate that the key signs itself san=DNS:localhost, san=IP:127.0.0.1, san=email:…,
    /// san=URI:…, ca=true
    #[arg(long, value_name = "TYPE[,…]", requires = "initialize")]
    key: Vec<KeyPlan>,

    /// Certificate of a key that the card makes, once for each: the key's id, and a file with an
    /// X.509 certificate, or a name such as CN=CI for a self-signed one
    #[arg(long, value_name = "ID=FILE|NAME", requires = "initialize", value_parser = certificate)]
    cert: Vec<(Identifier, String)>,

    /// Take all of this from a TOML file instead (`vschsm new --help` shows one)
    #[arg(long, value_name = "FILE", conflicts_with = "initialize")]
    provision: Option<PathBuf>,
}

/// A certificate on the command line.
fn certificate(text: &str) -> Result<(Identifier, String), String> {
    let (id, what) = text.split_once('=').ok_or("no `=` between the key's id and the rest")?;
    Ok((id.parse()?, what.to_owned()))
}

/// What a card is to be given: the content of a provisioning file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Plan {
    pin: Option<Secret>,
    so_pin: Option<Secret>,
    tries: Option<u8>,
    label: Option<String>,
    #[serde(default)]
    dkek_share: Vec<PathBuf>,
    dkek_password: Option<Secret>,
    dkek_shares: Option<u8>,
    domains: Option<u8>,
    #[serde(default)]
    key: Vec<KeyPlan>,
}

impl Provisioning {
    /// Gives the card what the options say; nothing without them.
    pub(crate) fn apply(&self, card: &mut Card) -> Result<(), Failure> {
        if let Some(plan) = self.plan()? { plan.apply(card) } else { Ok(()) }
    }

    fn plan(&self) -> Result<Option<Plan>, Failure> {
        if let Some(path) = &self.provision {
            return Plan::read(path).map(Some);
        }
        if !self.initialize {
            return Ok(None);
        }
        let mut key = self.key.clone();
        for (id, what) in &self.cert {
            let of_key = key.iter_mut().zip(1..).find(|(key, number)| key.id(*number) == *id);
            let (key, _) = of_key.ok_or_else(|| {
                Failure::Usage(format!("--cert names the id {id}, which no --key has"))
            })?;
            key.certify(what);
        }
        Ok(Some(Plan {
            pin: self.pin.clone(),
            so_pin: self.so_pin.clone(),
            tries: self.tries,
            label: self.label.clone(),
            dkek_share: self.dkek_share.clone(),
            dkek_password: self.dkek_password.clone(),
            dkek_shares: self.dkek_shares,
            domains: self.domains,
            key,
        }))
    }
}

impl Plan {
    /// Reads a file; what it names is looked for beside it.
    fn read(path: &Path) -> Result<Self, Failure> {
        let text = input::text(path)?;
        let mut plan: Self = toml::from_str(&text).map_err(|error| {
            // Not the line itself, which may hold a PIN.
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| 1 + before.matches('\n').count());
            Failure::because(format_args!("{}, line {line}", path.display()), error.message())
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        plan.dkek_share.iter_mut().for_each(|file| *file = folder.join(&*file));
        plan.key.iter_mut().for_each(|key| key.look_in(folder));
        Ok(plan)
    }

    /// That no two keys have one id, by which PKCS#11 could not tell them apart, and that the card
    /// has numbers for all of them.
    fn check_keys(&self) -> Result<(), Failure> {
        let most = usize::from(u8::MAX);
        if self.key.len() > most {
            let asked = self.key.len();
            return Err(Failure::Usage(format!("a card has {most} keys at most, not {asked}")));
        }
        let mut taken = BTreeMap::new();
        for (key, number) in self.key.iter().zip(1..=u8::MAX) {
            let id = key.id(number);
            if let Some(first) = taken.insert(id.to_string(), number) {
                return Err(Failure::Usage(format!(
                    "keys {first} and {number} both have the id {id}, by which PKCS#11 tells keys \
                     apart: give one of them another `id`"
                )));
            }
        }
        Ok(())
    }

    fn apply(&self, card: &mut Card) -> Result<(), Failure> {
        self.check_keys()?;
        let pin = self.pin.as_deref().map_or(PIN, String::as_str);
        let so_pin = hex::parse(self.so_pin.as_deref().map_or(SO_PIN, String::as_str));
        let so_pin = so_pin.ok().filter(|code| code.len() == 8).map(Secret::new);
        let so_pin = so_pin.ok_or_else(|| {
            Failure::Usage("an SO-PIN is 16 hexadecimal digits, such as 3537363231383830".into())
        })?;
        let mut provisioner = Provisioner::new(card);
        provisioner.initialize(pin, &so_pin, self.tries, self.domains())?;
        for path in &self.dkek_share {
            provisioner.import_share(path, self.dkek_password.as_ref())?;
        }
        if let Some(label) = &self.label {
            provisioner.label(label)?;
        }
        for (key, number) in self.key.iter().zip(1..=u8::MAX) {
            provisioner.key(key, number)?;
        }
        provisioner.done();
        Ok(())
    }

    /// The object of INITIALIZE DEVICE that says what keys are wrapped with.
    fn domains(&self) -> Option<(u16, u8)> {
        let files = u8::try_from(self.dkek_share.len()).unwrap_or(u8::MAX);
        match (self.domains, self.dkek_shares, files) {
            (Some(slots), _, _) => Some((0x97, slots)),
            (None, Some(shares), _) => Some((0x92, shares)),
            (None, None, 0) => None,
            (None, None, files) => Some((0x92, files)),
        }
    }
}
