//! Whom the card believes: roots, and who they have vouched for since the last reset.

use crate::cvc::{Certificate, Role, VerificationKey};
use crate::test_root;
use alloc::vec::Vec;
use core::fmt;
use hex_literal::hex;

/// The holder of a key that certificates are verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// The holder reference (CHR) of their certificate.
    pub holder: Vec<u8>,
    /// What they are.
    pub role: Role,
    /// Their key.
    pub key: VerificationKey,
}

/// Why a certificate or request is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not what it should be.
    Malformed,
    /// Its issuer is not known, or not before a certificate of it.
    UnknownAuthority,
    /// Its issuer has not signed it.
    WrongSignature,
    /// The key that is requested has not signed the request.
    WrongOwnSignature,
    /// Its issuer may not issue to such a holder.
    NotEntitled,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::UnknownAuthority => "its issuer is unknown",
            Self::WrongSignature => "its issuer has not signed it",
            Self::WrongOwnSignature => "the key that it is for has not signed it",
            Self::NotEntitled => "its issuer may not issue to such a holder",
        })
    }
}

impl core::error::Error for Flaw {}

impl Trusted {
    /// Whom a certificate that they have issued is for, if it is in order.
    pub fn vouch(&self, certificate: &Certificate<'_>) -> Result<Self, Flaw> {
        let role = certificate.role().ok_or(Flaw::Malformed)?;
        let key = VerificationKey::parse(certificate.public_key(), Some(self.key.curve()));
        let key = key.ok_or(Flaw::Malformed)?;
        if !certificate.is_signed_by(&self.key) {
            return Err(Flaw::WrongSignature);
        }
        if self.role.issues() != Some(role) {
            return Err(Flaw::NotEntitled);
        }
        Ok(Self { holder: certificate.holder().to_vec(), role, key })
    }
}

/// The name of the root of the vendor's products.
pub const VENDORS_ROOT: &[u8] = b"DESRCACC100001";

/// The name of the root of the vendor's test cards.
pub const VENDORS_TEST_ROOT: &[u8] = b"UTSRCACC100001";

/// The vendor's roots: names and points.
///
/// Source: the vendor's card service for Java has their certificates, which are self-signed.
const VENDORS_ROOTS: [(&[u8], [u8; 65]); 2] = [
    (
        VENDORS_ROOT,
        hex!(
            "04 6D025A8026CDBA245F10DF1B72E9880FFF746DAB40A43A3D5C6BEBF27707C30F"
            "6DEA72430EE3287B0665C1EAA6EAA4FA26C46303001983F82BD1AA31E03DA062"
        ),
    ),
    (
        VENDORS_TEST_ROOT,
        hex!(
            "04 A041FEB2FD116B2AD19CA6B7EACD71C9892F941BB88D67DCEEC92501F0700119"
            "57E22122BA6C2CF5FF02936F482E35A6129CCBBA8E9383836D3106879C408EF0"
        ),
    ),
];

/// The root of that name: one of the vendor's, or the test root.
pub fn root(holder: &[u8]) -> Option<Trusted> {
    let vendors = VENDORS_ROOTS.iter().find(|(name, _)| *name == holder);
    let point = match vendors {
        Some((_, point)) => point.to_vec(),
        None if holder == test_root::ROOT => test_root::key().public_point(),
        None => return None,
    };
    let key = VerificationKey::on_device_curve(point);
    Some(Trusted { holder: holder.to_vec(), role: Role::Root, key })
}
