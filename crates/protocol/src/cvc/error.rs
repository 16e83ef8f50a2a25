//! What can be wrong with certificates and requests.

use core::fmt;

/// Why a certificate or request is not trusted. All of it: a card has a status word for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// It does not parse, or its key is not one that certificates are verified with.
    Malformed,
    /// Its issuer has no trusted certificate.
    UnknownAuthority,
    /// Its issuer has not signed it.
    WrongSignature,
    /// The key that is requested has not signed the request.
    WrongOwnSignature,
    /// Its issuer may not issue certificates to a holder of this role.
    NotEntitled,
}

impl fmt::Display for CertificateError {
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

impl core::error::Error for CertificateError {}
