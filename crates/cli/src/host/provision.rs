//! What a new card is given beyond what it has as delivered: PINs, label, DKEK, keys, certificates.

use crate::host::dkek_share;
use crate::text::failure::Failure;
use crate::text::secret::Secret;
use crate::text::{input, names};
use clap::Args;
use std::path::{Path, PathBuf};
use vschsm_card::Card;
use vschsm_host::HostError;
use vschsm_host::provisioning::{
    DkekShare, KeyIdentifier, KeyPlan, Provisioning, ProvisioningError,
};

/// The options of commands that make a card, by which they initialise it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Provisioning")]
pub(crate) struct ProvisioningOptions {
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

    /// Slots for key domains, from firmware 3.0 on, instead of one DKEK
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
    cert: Vec<(KeyIdentifier, String)>,

    /// Take all of this from a TOML file instead (`vschsm new --help` shows one)
    #[arg(long, value_name = "FILE", conflicts_with = "initialize")]
    provision: Option<PathBuf>,
}

/// A certificate on the command line.
fn certificate(text: &str) -> Result<(KeyIdentifier, String), String> {
    let (id, what) = text.split_once('=').ok_or("no `=` between the key's id and the rest")?;
    Ok((id.parse()?, what.to_owned()))
}

impl ProvisioningOptions {
    /// Gives the card what the options say; nothing without them.
    pub(crate) fn apply(&self, card: &mut Card) -> Result<(), Failure> {
        let Some(mut provisioning) = self.provisioning()? else { return Ok(()) };
        for share in &mut provisioning.dkek_share {
            let path = share.path().to_owned();
            let known = dkek_share::read_share(&path, provisioning.dkek_password.as_ref())?;
            *share = DkekShare::Known(path, known);
        }
        let firmware = card.profile().name().to_owned();
        provisioning.apply(card).map_err(|error| failure(&error, &firmware))
    }

    fn provisioning(&self) -> Result<Option<Provisioning>, Failure> {
        if let Some(path) = &self.provision {
            return read(path).map(Some);
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
        Ok(Some(Provisioning {
            pin: self.pin.clone(),
            so_pin: self.so_pin.clone(),
            tries: self.tries,
            label: self.label.clone(),
            dkek_share: self.dkek_share.iter().cloned().map(DkekShare::from).collect(),
            dkek_password: self.dkek_password.clone(),
            dkek_shares: self.dkek_shares,
            domains: self.domains,
            key,
        }))
    }
}

/// Reads a provisioning file; what it names is looked for beside it.
fn read(path: &Path) -> Result<Provisioning, Failure> {
    let text = input::text(path)?;
    let mut provisioning = Provisioning::from_toml(&text).map_err(|error| match error {
        ProvisioningError::Toml { line, message } => {
            Failure::because(format_args!("{}, line {line}", path.display()), message)
        }
        error => Failure::because(path.display(), error),
    })?;
    provisioning.look_in(path.parent().unwrap_or(Path::new("")));
    Ok(provisioning)
}

fn failure(error: &ProvisioningError, firmware: &str) -> Failure {
    match error {
        ProvisioningError::Setting(sentence) => Failure::Usage(sentence.clone()),
        ProvisioningError::Refused { what, source: HostError::Refused { status, .. } } => {
            let name = names::status(status.0).unwrap_or_default();
            Failure::Failed(format!(
                "a card of firmware {firmware} does not {what}: it returns {status:?} {name}"
            ))
        }
        error => Failure::failed(error),
    }
}
