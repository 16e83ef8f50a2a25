//! Why a card is not provisioned.

use crate::dkek::share_file::ShareFileError;
use crate::error::HostError;
use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

/// Why a card is not provisioned.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProvisioningError {
    /// A setting is wrong, or does not fit the others: one sentence.
    Setting(String),
    /// The provisioning file is not one.
    Toml {
        /// The number of the line.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it is not.
        what: &'static str,
    },
    /// A certificate is for another key than the card has made.
    OtherKey {
        /// The file of the certificate.
        path: PathBuf,
    },
    /// A DKEK share is encrypted, and there is no password.
    PasswordMissing {
        /// The file of the share.
        path: PathBuf,
    },
    /// A DKEK share cannot be decrypted.
    Share {
        /// The file of the share.
        path: PathBuf,
        /// Why.
        source: ShareFileError,
    },
    /// A self-signed certificate cannot be encoded.
    SelfSignedCertificate {
        /// The name that it is for.
        name: String,
        /// Why.
        source: der::Error,
    },
    /// A self-signed certificate is longer than the card takes in a command.
    CertificateTooLong {
        /// How many bytes are to be signed.
        length: usize,
    },
    /// The card refuses a step.
    Refused {
        /// What the card was to do.
        what: String,
        /// Why it does not.
        source: HostError,
    },
}

impl fmt::Display for ProvisioningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(sentence) => f.write_str(sentence),
            Self::Toml { line, message } => write!(f, "line {line}: {message}"),
            Self::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::Malformed { path, what } => write!(f, "cannot read {}: {what}", path.display()),
            Self::OtherKey { path } => write!(
                f,
                "the certificate {} is for another key than the card makes: with another --seed, \
                 or without one, its keys are others",
                path.display()
            ),
            Self::PasswordMissing { path } => {
                write!(f, "{} is encrypted, and there is no password", path.display())
            }
            Self::Share { path, source } => write!(f, "{}: {source}", path.display()),
            Self::SelfSignedCertificate { name, source } => {
                write!(f, "no certificate for {name:?}: {source}")
            }
            Self::CertificateTooLong { length } => write!(
                f,
                "a certificate has {length} bytes to be signed, more than the card takes \
                 in a command: give it a shorter name"
            ),
            Self::Refused { what, source } => write!(f, "the card does not {what}: {source}"),
        }
    }
}

impl Error for ProvisioningError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Share { source, .. } => Some(source),
            Self::SelfSignedCertificate { source, .. } => Some(source),
            Self::Refused { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Its sentence, for parsers of options.
impl From<ProvisioningError> for String {
    fn from(error: ProvisioningError) -> Self {
        error.to_string()
    }
}
