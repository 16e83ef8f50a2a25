//! Keys that a card is to make, as users write them.

use super::ProvisioningError;
use super::alternative_name::AlternativeName;
use super::certificate::SelfSigned;
use crate::hex;
use crate::key_spec::KeySpec;
use crate::smart_card_hsm::KeyTemplate;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A key to be made: `rsa:2048,id=10,label=signing` on the command line, a `[[key]]` in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KeyPlan {
    #[serde(rename = "type")]
    kind: KeySpec,
    id: Option<KeyIdentifier>,
    label: Option<String>,
    algorithms: Option<AlgorithmList>,
    uses: Option<u32>,
    domain: Option<u8>,
    /// A file, or the name for a certificate that the key signs itself.
    certificate: Option<String>,
    /// Alternative names in a certificate that the key signs itself.
    #[serde(default)]
    san: Vec<AlternativeName>,
    /// Whether such a certificate is that of a certification authority.
    #[serde(default)]
    ca: bool,
    #[serde(skip)]
    folder: PathBuf,
}

/// What PKCS#15 and PKCS#11 know a key by, as people write it: hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyIdentifier(Vec<u8>);

/// An algorithm list, as in tag 91: hexadecimal.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct AlgorithmList(Vec<u8>);

/// Where the certificate of a key comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CertificatePlan {
    /// It is in this file.
    File(PathBuf),
    /// The key signs it for itself.
    SelfSigned(SelfSigned),
}

impl KeyIdentifier {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for KeyIdentifier {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl KeyPlan {
    /// A key of that kind, with nothing else said of it.
    #[must_use]
    pub fn new(kind: KeySpec) -> Self {
        let (id, label, algorithms, uses, domain, certificate) = Default::default();
        let (san, ca, folder) = Default::default();
        Self { kind, id, label, algorithms, uses, domain, certificate, san, ca, folder }
    }

    /// The kind of the key and its size.
    #[must_use]
    pub fn spec(&self) -> &KeySpec {
        &self.kind
    }

    /// What the key is made with.
    #[must_use]
    pub fn template(&self) -> KeyTemplate {
        KeyTemplate {
            holder: None,
            uses: self.uses,
            algorithms: self.algorithms.clone().map(|list| list.0).unwrap_or_default(),
            domain: self.domain,
            refill_key: None,
        }
    }

    /// The id of key `number`: that number, if the user chose none.
    #[must_use]
    pub fn id(&self, number: u8) -> KeyIdentifier {
        self.id.clone().unwrap_or_else(|| KeyIdentifier(vec![number]))
    }

    /// The label, which is the key's type if the user chose none.
    #[must_use]
    pub fn label(&self) -> String {
        self.label.clone().unwrap_or_else(|| self.kind.to_string())
    }

    /// The certificate, if there is to be one.
    pub(super) fn certificate(&self) -> Result<Option<CertificatePlan>, ProvisioningError> {
        let certificate = self.certificate.as_deref().map(|text| {
            if text.contains('=') && !text.contains('/') {
                let alternative_names = self.san.iter().map(|name| name.0.clone()).collect();
                let (name, is_authority) = (text.to_owned(), self.ca);
                CertificatePlan::SelfSigned(SelfSigned { name, alternative_names, is_authority })
            } else {
                CertificatePlan::File(self.folder.join(text))
            }
        });
        let says_more = self.ca || !self.san.is_empty();
        if says_more && !matches!(certificate, Some(CertificatePlan::SelfSigned(_))) {
            return Err(ProvisioningError::Setting(
                "`san` and `ca` belong to a certificate that the key signs itself, such as \
                 CN=CI: add one, or leave them out"
                    .into(),
            ));
        }
        Ok(certificate)
    }

    /// Sets the certificate: a file or a name.
    pub fn certify(&mut self, certificate: &str) {
        self.certificate = Some(certificate.to_owned());
    }

    /// Looks for files in that folder.
    pub(super) fn look_in(&mut self, folder: &Path) {
        self.folder = folder.to_owned();
    }
}

/// `rsa:2048,id=10,label=signing`.
impl FromStr for KeyPlan {
    type Err = ProvisioningError;

    fn from_str(text: &str) -> Result<Self, ProvisioningError> {
        let mut parts = text.split(',');
        let mut key = Self::new(parts.next().unwrap_or_default().parse().map_err(setting)?);
        for part in parts {
            let number = |text: &str| {
                text.parse().map_err(|_| setting(format_args!("{text:?} is not a number")))
            };
            match part.split_once('=') {
                Some(("id", id)) => key.id = Some(id.parse()?),
                Some(("label", label)) => key.label = Some(label.to_owned()),
                Some(("algorithms", list)) => key.algorithms = Some(list.to_owned().try_into()?),
                Some(("uses", uses)) => key.uses = Some(number(uses)?),
                Some(("domain", domain)) => {
                    let domain = u8::try_from(number(domain)?);
                    key.domain = Some(domain.map_err(|_| setting("key domains end with 255"))?);
                }
                Some(("san", name)) => key.san.push(name.parse()?),
                Some(("ca", "true")) => key.ca = true,
                Some(("ca", "false")) => key.ca = false,
                _ => return Err(setting(format_args!("{part:?} is not one of {ATTRIBUTES}"))),
            }
        }
        Ok(key)
    }
}

/// What may follow the type of a key.
const ATTRIBUTES: &str = "id=…, label=…, algorithms=…, uses=…, domain=…, san=DNS:…, ca=true";

impl FromStr for KeyIdentifier {
    type Err = ProvisioningError;

    fn from_str(text: &str) -> Result<Self, ProvisioningError> {
        hex::parse(text)
            .map(Self)
            .map_err(|error| setting(format_args!("the id {text:?}: {error}")))
    }
}

impl TryFrom<String> for KeyIdentifier {
    type Error = ProvisioningError;

    fn try_from(text: String) -> Result<Self, ProvisioningError> {
        text.parse()
    }
}

impl TryFrom<String> for AlgorithmList {
    type Error = ProvisioningError;

    fn try_from(text: String) -> Result<Self, ProvisioningError> {
        hex::parse(&text)
            .map(Self)
            .map_err(|error| setting(format_args!("the algorithms {text:?}: {error}")))
    }
}

impl fmt::Display for KeyIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::upper(&self.0))
    }
}

fn setting(sentence: impl fmt::Display) -> ProvisioningError {
    ProvisioningError::Setting(sentence.to_string())
}
