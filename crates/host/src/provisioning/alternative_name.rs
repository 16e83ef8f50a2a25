//! Alternative names of a certificate's subject, as OpenSSL writes them: `DNS:localhost`.

use super::ProvisioningError;
use der::asn1::Ia5String;
use serde::Deserialize;
use std::net::IpAddr;
use std::str::FromStr;
use x509_cert::ext::pkix::name::GeneralName;

/// A name that a certificate is for besides its subject.
///
/// Source: OpenSSL x509v3_config(5), "Subject Alternative Name"; RFC 5280, 4.2.1.6.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct AlternativeName(pub(super) GeneralName);

impl FromStr for AlternativeName {
    type Err = ProvisioningError;

    fn from_str(text: &str) -> Result<Self, ProvisioningError> {
        let wrong = || {
            let sentence = format!("{text:?} is not one of DNS:…, IP:…, email:…, URI:…");
            ProvisioningError::Setting(sentence)
        };
        let (kind, name) = text.split_once(':').ok_or_else(wrong)?;
        if kind == "IP" {
            let address: IpAddr = name.parse().map_err(|_| {
                ProvisioningError::Setting(format!("{name:?} is not an IP address"))
            })?;
            return Ok(Self(address.into()));
        }
        let is_plain = |character: char| character.is_ascii_graphic();
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(ProvisioningError::Setting(format!(
                "{text:?}: such a name is ASCII without blanks; write a domain as xn--…"
            )));
        }
        let name = Ia5String::new(name)
            .map_err(|error| ProvisioningError::Setting(format!("{text:?}: {error}")))?;
        match kind {
            "DNS" => Ok(Self(GeneralName::DnsName(name))),
            "email" => Ok(Self(GeneralName::Rfc822Name(name))),
            "URI" => Ok(Self(GeneralName::UniformResourceIdentifier(name))),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for AlternativeName {
    type Error = ProvisioningError;

    fn try_from(text: String) -> Result<Self, ProvisioningError> {
        text.parse()
    }
}
