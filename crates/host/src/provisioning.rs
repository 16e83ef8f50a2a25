//! What a new card is given beyond what it has as delivered: PINs, label, DKEK, keys, certificates.
//!
//! ```
//! use vschsm_host::provisioning::Provisioning;
//!
//! let provisioning = Provisioning::from_toml(
//!     r#"
//!     label = "CI"
//!
//!     [[key]]
//!     type = "ec:secp256r1"
//!     id = "10"
//!     certificate = "CN=CI"
//!     "#,
//! )?;
//! assert_eq!(provisioning.label.as_deref(), Some("CI"));
//! # Ok::<(), vschsm_host::provisioning::ProvisioningError>(())
//! ```

mod alternative_name;
mod certificate;
mod error;
mod key_plan;

pub use alternative_name::AlternativeName;
pub use error::ProvisioningError;
pub use key_plan::{KeyIdentifier, KeyPlan};

use crate::dkek::share_file::{self, KeyDerivation, SHARE_LENGTH};
use crate::error::HostError;
use crate::hex;
use crate::secret::Secret;
use crate::smart_card_hsm::{DeviceInitialisation, SignAlgorithm, SmartCardHsm};
use crate::transport::{Transport, TransportError};
use certificate::X509Certificate;
use key_plan::CertificatePlan;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use vschsm_protocol::apdu::Status;
use vschsm_protocol::crypto::public_key::PublicKey;
use vschsm_protocol::cvc::AuthenticatedRequest;
use vschsm_protocol::tlv;
use zeroize::Zeroizing;

/// The user PIN of cards for which none is named.
pub const DEFAULT_PIN: &str = "648219";

/// The SO-PIN of cards for which none is named, 16 hexadecimal digits as sc-hsm-tool takes it.
pub const DEFAULT_SO_PIN: &str = "3537363231383830";

/// The longest file that is read, in bytes: certificates and shares are much shorter.
const LONGEST: u64 = 1 << 20;

/// What a card is to be given: the content of a provisioning file. All of it may be missing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provisioning {
    /// The user PIN, 6 to 16 bytes; without it [`DEFAULT_PIN`].
    pub pin: Option<Secret>,
    /// The SO-PIN, 16 hexadecimal digits; without it [`DEFAULT_SO_PIN`].
    pub so_pin: Option<Secret>,
    /// Tries of the user PIN; without it 3.
    pub tries: Option<u8>,
    /// The label of the token.
    pub label: Option<String>,
    /// Shares of the DKEK that are imported.
    #[serde(default)]
    pub dkek_share: Vec<DkekShare>,
    /// The password of share files.
    pub dkek_password: Option<Secret>,
    /// How many shares the DKEK has, 0 for a random DKEK; without it as many as are imported.
    pub dkek_shares: Option<u8>,
    /// Slots for key domains, in the place of one DKEK.
    pub domains: Option<u8>,
    /// Keys to be made: the first is key 1.
    #[serde(default)]
    pub key: Vec<KeyPlan>,
}

/// A share of a DKEK.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "PathBuf")]
#[non_exhaustive]
pub enum DkekShare {
    /// It is in this file: 32 bytes, or as many in hexadecimal, or a share file of sc-hsm-tool.
    File(PathBuf),
    /// It is known; the path is for messages.
    Known(PathBuf, Secret<[u8; SHARE_LENGTH]>),
}

impl From<PathBuf> for DkekShare {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl DkekShare {
    /// The file of the share.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Known(path, _) => path,
        }
    }

    fn read(
        &self,
        password: Option<&Secret>,
    ) -> Result<Secret<[u8; SHARE_LENGTH]>, ProvisioningError> {
        let path = match self {
            Self::File(path) => path,
            Self::Known(_, share) => return Ok(share.clone()),
        };
        let content = read_file(path)?;
        if let Some(share) = plain_share(&content) {
            return Ok(share);
        }
        let password =
            password.ok_or_else(|| ProvisioningError::PasswordMissing { path: path.clone() })?;
        share_file::decrypt(&content, password.as_bytes(), &KeyDerivation::default())
            .map(Secret::new)
            .map_err(|source| ProvisioningError::Share { path: path.clone(), source })
    }
}

/// The share in a file that has it as 32 bytes, or as many in hexadecimal; `None` if it is another
/// file.
#[must_use]
pub fn plain_share(content: &[u8]) -> Option<Secret<[u8; SHARE_LENGTH]>> {
    let digits = std::str::from_utf8(content).ok().and_then(|text| hex::parse(text).ok());
    let digits = Zeroizing::new(digits.unwrap_or_default());
    let share = content.try_into().or_else(|_| digits.as_slice().try_into());
    share.map(Secret::new).ok()
}

/// The content of a file that something names.
fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, ProvisioningError> {
    let read = || {
        let mut bytes = Zeroizing::new(Vec::new());
        File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LONGEST {
            let sentence = format!("it is longer than the limit of {LONGEST} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, sentence));
        }
        Ok(bytes)
    };
    read().map_err(|source| ProvisioningError::Read { path: path.to_owned(), source })
}

impl Provisioning {
    /// Parses a provisioning file.
    ///
    /// # Errors
    /// [`ProvisioningError::Toml`], which has the number of the line but not its text: that may
    /// hold a PIN.
    pub fn from_toml(text: &str) -> Result<Self, ProvisioningError> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| 1 + before.matches('\n').count());
            ProvisioningError::Toml { line, message: error.message().to_owned() }
        })
    }

    /// Looks for the files that it names in that folder.
    pub fn look_in(&mut self, folder: &Path) {
        for share in &mut self.dkek_share {
            if let DkekShare::File(path) = share {
                *path = folder.join(&*path);
            }
        }
        self.key.iter_mut().for_each(|key| key.look_in(folder));
    }

    /// That no two keys have one id, by which PKCS#11 could not tell them apart, and that the card
    /// has numbers for all of them.
    fn check_keys(&self) -> Result<(), ProvisioningError> {
        let most = usize::from(u8::MAX);
        if self.key.len() > most {
            let count = self.key.len();
            let sentence = format!("a card has {most} keys at most, not {count}");
            return Err(ProvisioningError::Setting(sentence));
        }
        let mut taken = BTreeMap::new();
        for (key, number) in self.key.iter().zip(1..=u8::MAX) {
            let id = key.id(number);
            if let Some(first) = taken.insert(id.to_string(), number) {
                return Err(ProvisioningError::Setting(format!(
                    "keys {first} and {number} both have the id {id}, by which PKCS#11 tells keys \
                     apart: give one of them another `id`"
                )));
            }
        }
        Ok(())
    }

    fn initialisation(&self) -> Result<DeviceInitialisation, ProvisioningError> {
        let so_pin = hex::parse(self.so_pin.as_deref().map_or(DEFAULT_SO_PIN, String::as_str));
        let so_pin = Zeroizing::new(so_pin.unwrap_or_default());
        let so_pin = so_pin.as_slice().try_into().map_err(|_| {
            ProvisioningError::Setting(
                "an SO-PIN is 16 hexadecimal digits, such as 3537363231383830".into(),
            )
        })?;
        let files = u8::try_from(self.dkek_share.len()).unwrap_or(u8::MAX);
        let shares = self.dkek_shares.or((files > 0).then_some(files));
        Ok(DeviceInitialisation {
            pin: Some(self.pin.clone().unwrap_or_else(|| Secret::new(DEFAULT_PIN.into()))),
            so_pin: Secret::new(so_pin),
            tries: self.tries.unwrap_or(3),
            dkek_shares: shares.filter(|_| self.domains.is_none()),
            key_domains: self.domains,
            ..DeviceInitialisation::default()
        })
    }

    /// Initialises a card, which erases its keys and files, and gives it all of this. In the end
    /// the card is reset.
    ///
    /// # Errors
    /// What of it cannot be done. The card may have a part of it then.
    pub fn apply(&self, card: impl Transport) -> Result<(), ProvisioningError> {
        self.check_keys()?;
        let initialisation = self.initialisation()?;
        let mut card = Provisioner(
            SmartCardHsm::select(card).map_err(|source| step("select the applet", source))?,
        );
        card.0.initialise(&initialisation).map_err(|source| {
            let hint = "initialise the card: a PIN has 6 to 16 characters, and up to 3 tries if it \
                        has 6, 5 if it has 7, 10 if it has more";
            step(hint, source)
        })?;
        let pin = initialisation.pin.as_deref().map_or(DEFAULT_PIN, String::as_str);
        card.0.verify_pin(pin).map_err(|source| step("verify the PIN", source))?;
        for share in &self.dkek_share {
            card.import_share(share, self.dkek_password.as_ref())?;
        }
        if let Some(label) = &self.label {
            card.0.set_label(label).map_err(|source| step("write the label", source))?;
        }
        for (key, number) in self.key.iter().zip(1..=u8::MAX) {
            card.key(key, number)?;
        }
        card.0.reset().map_err(|source| step("end the session", source.into()))
    }
}

/// A card that was initialised, and whose user is logged in.
struct Provisioner<T>(SmartCardHsm<T>);

impl<T: Transport> Provisioner<T> {
    fn import_share(
        &mut self,
        share: &DkekShare,
        password: Option<&Secret>,
    ) -> Result<(), ProvisioningError> {
        let known = share.read(password)?;
        let what = || format!("import the DKEK share {}", share.path().display());
        self.0.import_key_share(0, &known).map(drop).map_err(|source| step(what(), source))
    }

    /// Makes a key with its description, and its certificate if it is to have one.
    fn key(&mut self, plan: &KeyPlan, number: u8) -> Result<(), ProvisioningError> {
        let (id, label) = (plan.id(number), plan.label());
        let what = || format!("make the key {} with the id {id}", plan.spec());
        let certificate = plan.certificate().map_err(|error| match error {
            ProvisioningError::Setting(sentence) => {
                ProvisioningError::Setting(format!("the key with the id {id}: {sentence}"))
            }
            error => error,
        })?;
        let request = self.0.generate_key(number, plan.spec(), &plan.template());
        let request = request.map_err(|source| step(what(), source))?;
        let certificate = match certificate {
            Some(plan) => Some(self.certificate(&plan, number, request.as_deref())?),
            None => None,
        };
        let subject = certificate.as_ref().map(|certificate| certificate.subject.as_slice());
        self.0
            .describe_key(number, plan.spec(), id.as_bytes(), &label, subject)
            .map_err(|source| step(what(), source))?;
        let Some(X509Certificate { der, .. }) = certificate else { return Ok(()) };
        let what = || format!("write the certificate of the key with the id {id}");
        self.0.set_key_certificate(number, &der).map_err(|source| step(what(), source))
    }

    fn certificate(
        &mut self,
        plan: &CertificatePlan,
        number: u8,
        request: Option<&[u8]>,
    ) -> Result<X509Certificate, ProvisioningError> {
        let key = request.and_then(requested_key).ok_or_else(|| {
            ProvisioningError::Setting("an AES key has no certificate: leave it out".into())
        })?;
        match plan {
            CertificatePlan::File(path) => certificate::read(path, &key),
            CertificatePlan::SelfSigned(plan) => {
                let name = &plan.name;
                let algorithm = match key {
                    PublicKey::Rsa { .. } => SignAlgorithm::RsaPkcs1Sha256,
                    PublicKey::Ec { .. } => SignAlgorithm::EcdsaSha256,
                };
                certificate::self_signed(plan, &key, |content| {
                    self.0.sign(number, algorithm, content).map_err(|source| match source {
                        HostError::Refused { status: Status::WRONG_LENGTH, .. } => {
                            ProvisioningError::CertificateTooLong { length: content.len() }
                        }
                        source => {
                            let what = format!(
                                "sign the certificate {name}, for which the key must be allowed \
                                 to be used with {:02X}",
                                algorithm as u8
                            );
                            step(what, source)
                        }
                    })
                })
            }
        }
    }
}

/// The key that an authenticated request (tag 67) is for.
fn requested_key(request: &[u8]) -> Option<PublicKey> {
    let objects = tlv::parse(tlv::at(request, &[0x67])?).ok()?;
    Some(AuthenticatedRequest::parse(&objects)?.requested().into())
}

fn step(what: impl Into<String>, source: HostError) -> ProvisioningError {
    ProvisioningError::Refused { what: what.into(), source }
}

impl From<TransportError> for ProvisioningError {
    fn from(error: TransportError) -> Self {
        step("respond", error.into())
    }
}
