//! Keys that a card is to make, as users write them.

use super::alternative_name::AlternativeName;
use super::certificate::SelfSigned;
use crate::text::hex;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use vschsm_protocol::crypto::curve::Curve;

/// A key to be made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct KeyPlan {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    id: Option<Identifier>,
    label: Option<String>,
    pub(super) algorithms: Option<Algorithms>,
    pub(super) uses: Option<u32>,
    pub(super) domain: Option<u8>,
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

/// The kind of a key and its size.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Kind {
    Rsa(u16),
    Ec(Curve),
    /// Of 128, 192 or 256 bits.
    Aes(u16),
}

/// What PKCS#15 and PKCS#11 know a key by, as people write it: hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Identifier(pub(super) Vec<u8>);

/// An algorithm list, as in tag 91: hexadecimal.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Algorithms(pub(super) Vec<u8>);

/// Where the certificate of a key comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Certificate {
    /// It is in this file.
    File(PathBuf),
    /// The key signs it for itself.
    SelfSigned(SelfSigned),
}

impl KeyPlan {
    fn new(kind: Kind) -> Self {
        let (id, label, algorithms, uses, domain, certificate) = Default::default();
        let (san, ca, folder) = Default::default();
        Self { kind, id, label, algorithms, uses, domain, certificate, san, ca, folder }
    }

    /// The id of key `number`: that number, if the user chose none.
    pub(super) fn id(&self, number: u8) -> Identifier {
        self.id.clone().unwrap_or_else(|| Identifier(vec![number]))
    }

    /// The label, which is the key's type if the user chose none.
    pub(super) fn label(&self) -> String {
        self.label.clone().unwrap_or_else(|| self.kind.to_string())
    }

    /// The certificate, if there is to be one.
    ///
    /// The error, a sentence, is about names for a certificate that the key does not sign itself.
    pub(super) fn certificate(&self) -> Result<Option<Certificate>, String> {
        let certificate = self.certificate.as_deref().map(|text| {
            if text.contains('=') && !text.contains('/') {
                let alternative_names = self.san.iter().map(|name| name.0.clone()).collect();
                let (name, is_authority) = (text.to_owned(), self.ca);
                Certificate::SelfSigned(SelfSigned { name, alternative_names, is_authority })
            } else {
                Certificate::File(self.folder.join(text))
            }
        });
        let says_more = self.ca || !self.san.is_empty();
        if says_more && !matches!(certificate, Some(Certificate::SelfSigned(_))) {
            return Err(
                "`san` and `ca` belong to a certificate that the key signs itself, such as \
                        CN=CI: add one, or leave them out"
                    .into(),
            );
        }
        Ok(certificate)
    }

    /// Sets the certificate: a file or a name.
    pub(super) fn certify(&mut self, certificate: &str) {
        self.certificate = Some(certificate.to_owned());
    }

    /// Looks for files in that folder.
    pub(super) fn look_in(&mut self, folder: &Path) {
        self.folder = folder.to_owned();
    }
}

/// `rsa:2048,id=10,label=signing`.
impl FromStr for KeyPlan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let mut key = Self::new(parts.next().unwrap_or_default().parse()?);
        for part in parts {
            let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
            match part.split_once('=') {
                Some(("id", id)) => key.id = Some(id.parse()?),
                Some(("label", label)) => key.label = Some(label.to_owned()),
                Some(("algorithms", list)) => key.algorithms = Some(list.to_owned().try_into()?),
                Some(("uses", uses)) => key.uses = Some(number(uses)?),
                Some(("domain", domain)) => {
                    let domain = u8::try_from(number(domain)?);
                    key.domain = Some(domain.map_err(|_| "key domains end with 255")?);
                }
                Some(("san", name)) => key.san.push(name.parse()?),
                Some(("ca", "true")) => key.ca = true,
                Some(("ca", "false")) => key.ca = false,
                _ => return Err(format!("{part:?} is none of {ATTRIBUTES}")),
            }
        }
        Ok(key)
    }
}

/// What may follow the type of a key.
const ATTRIBUTES: &str = "id=…, label=…, algorithms=…, uses=…, domain=…, san=DNS:…, ca=true";

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bits = |bits: &str| bits.parse().map_err(|_| format!("{bits:?} is no number of bits"));
        match text.split_once(':') {
            Some(("rsa", size)) => bits(size).map(Self::Rsa),
            Some(("aes", size)) => match bits(size)? {
                size @ (128 | 192 | 256) => Ok(Self::Aes(size)),
                _ => Err(format!("AES has keys of 128, 192 and 256 bits, not of {size}")),
            },
            Some(("ec", name)) => Curve::from_name(name).map(Self::Ec).ok_or_else(|| {
                let known: Vec<_> = Curve::named().filter_map(Curve::name).collect();
                format!("no curve is called {name:?}; there are {}", known.join(", "))
            }),
            _ => Err(format!("{text:?} is no type of a key, such as rsa:2048 or ec:secp256r1")),
        }
    }
}

impl FromStr for Identifier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        hex::parse(text).map(Self).map_err(|error| format!("the id {text:?}: {error}"))
    }
}

impl TryFrom<String> for Kind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for Identifier {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for Algorithms {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        hex::parse(&text).map(Self).map_err(|error| format!("the algorithms {text:?}: {error}"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "rsa:{bits}"),
            Self::Ec(curve) => write!(f, "ec:{curve}"),
            Self::Aes(bits) => write!(f, "aes:{bits}"),
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::upper(&self.0))
    }
}
