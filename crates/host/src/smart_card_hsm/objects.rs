//! What PKCS#15 and PKCS#11 see of a card: labels, descriptions of keys, certificates.

use super::SmartCardHsm;
use super::keys::{CERTIFICATE, KEY, fid};
use crate::error::HostError;
use crate::key_spec::KeySpec;
use crate::pkcs15::{self, DESCRIPTION};
use crate::transport::Transport;

/// EF of the token's label.
const TOKEN_INFORMATION: u16 = 0x2F03;
/// High byte of the file identifier of a CA certificate; the low one is its number.
const CA_CERTIFICATE: u8 = 0xCA;
/// High byte of the file identifier of the description of a CA certificate.
const CA_DESCRIPTION: u8 = 0xC8;

/// A key, and what its description says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyObject {
    /// The number of the key.
    pub key: u8,
    /// By what PKCS#15 and PKCS#11 know it, if it has a description.
    pub id: Option<Vec<u8>>,
    /// Its label, if it has one.
    pub label: Option<String>,
}

/// The certificate of a certification authority, and what its description says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaCertificate {
    /// The number of the certificate: it lies in EF CAnn.
    pub number: u8,
    /// Its label, if it has one.
    pub label: Option<String>,
    /// The certificate, X.509 in DER.
    pub der: Vec<u8>,
}

impl<T: Transport> SmartCardHsm<T> {
    /// The keys on the card but the device key, by number, with their ids and labels.
    ///
    /// # Errors
    /// If the card refuses.
    pub fn keys(&mut self) -> Result<Vec<KeyObject>, HostError> {
        let fids = self.enumerate()?;
        let keys = fids.iter().map(|fid| fid.to_be_bytes());
        let keys = keys.filter(|[prefix, key]| *prefix == KEY && *key != 0).map(|[_, key]| key);
        let mut objects = Vec::new();
        for key in keys {
            let (id, label) = if fids.contains(&fid(DESCRIPTION, key)) {
                pkcs15::names(&self.read_file(fid(DESCRIPTION, key))?)
            } else {
                (None, None)
            };
            objects.push(KeyObject { key, id, label });
        }
        objects.sort_by_key(|object| object.key);
        Ok(objects)
    }

    /// The number of the key that has a label.
    ///
    /// # Errors
    /// If the card refuses.
    pub fn find_key(&mut self, label: &str) -> Result<Option<u8>, HostError> {
        let mut keys = self.keys()?.into_iter();
        Ok(keys.find(|key| key.label.as_deref() == Some(label)).map(|key| key.key))
    }

    /// Describes a key for PKCS#15 and PKCS#11, as OpenSC does: EF C4nn. `subject` is the name, in
    /// DER, that its certificate is for.
    ///
    /// # Errors
    /// `6982` without login.
    pub fn describe_key(
        &mut self,
        key: u8,
        spec: &KeySpec,
        id: &[u8],
        label: &str,
        subject: Option<&[u8]>,
    ) -> Result<(), HostError> {
        let description = pkcs15::key_description(spec, key, id, label, subject);
        self.write_file(fid(DESCRIPTION, key), &description)
    }

    /// The label of the token; `None` if it has none.
    ///
    /// # Errors
    /// If the card refuses.
    pub fn label(&mut self) -> Result<Option<String>, HostError> {
        if !self.file_exists(TOKEN_INFORMATION)? {
            return Ok(None);
        }
        Ok(pkcs15::token_label(&self.read_file(TOKEN_INFORMATION)?))
    }

    /// Gives the token a label: EF 2F03.
    ///
    /// # Errors
    /// `6982` without login.
    pub fn set_label(&mut self, label: &str) -> Result<(), HostError> {
        self.write_file(TOKEN_INFORMATION, &pkcs15::token_information(label))
    }

    /// The certificate of a key, X.509 in DER, or its authenticated request, tag 67; `None` if it
    /// has neither.
    ///
    /// # Errors
    /// If the card refuses.
    pub fn key_certificate(&mut self, key: u8) -> Result<Option<Vec<u8>>, HostError> {
        let file = fid(CERTIFICATE, key);
        if self.file_exists(file)? { self.read_file(file).map(Some) } else { Ok(None) }
    }

    /// Stores the certificate of a key, X.509 in DER, in the place of its request.
    ///
    /// # Errors
    /// `6982` without login.
    pub fn set_key_certificate(&mut self, key: u8, certificate: &[u8]) -> Result<(), HostError> {
        self.delete_file(fid(CERTIFICATE, key))?;
        self.update_file(fid(CERTIFICATE, key), 0, certificate)
    }

    /// The certificates of certification authorities.
    ///
    /// # Errors
    /// If the card refuses.
    pub fn ca_certificates(&mut self) -> Result<Vec<CaCertificate>, HostError> {
        let fids = self.enumerate()?;
        let mut certificates = Vec::new();
        for [prefix, number] in fids.iter().map(|fid| fid.to_be_bytes()) {
            if prefix != CA_CERTIFICATE {
                continue;
            }
            let description = fid(CA_DESCRIPTION, number);
            let label = if fids.contains(&description) {
                pkcs15::names(&self.read_file(description)?).1
            } else {
                None
            };
            let der = self.read_file(fid(CA_CERTIFICATE, number))?;
            certificates.push(CaCertificate { number, label, der });
        }
        Ok(certificates)
    }

    /// Stores the certificate of a certification authority, X.509 in DER, with a label, under the
    /// lowest number that is free; the number.
    ///
    /// # Errors
    /// `6982` without login; if there are 256 of them.
    pub fn add_ca_certificate(&mut self, label: &str, der: &[u8]) -> Result<u8, HostError> {
        let fids = self.enumerate()?;
        let is_free = |number: &u8| !fids.contains(&fid(CA_CERTIFICATE, *number));
        let number = (0..=u8::MAX).find(is_free);
        let number = number.ok_or(HostError::Unsupported("the card has 256 CA certificates"))?;
        let description = pkcs15::ca_certificate_description(number, label);
        self.write_file(fid(CA_DESCRIPTION, number), &description)?;
        self.write_file(fid(CA_CERTIFICATE, number), der)?;
        Ok(number)
    }

    /// Deletes the certificate of a certification authority, and its description.
    ///
    /// # Errors
    /// `6982` without login.
    pub fn delete_ca_certificate(&mut self, number: u8) -> Result<(), HostError> {
        self.delete_file(fid(CA_CERTIFICATE, number))?;
        self.delete_file(fid(CA_DESCRIPTION, number))
    }
}
