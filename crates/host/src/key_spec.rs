//! Kinds of keys and their sizes, as people write them: `rsa:2048`, `ec:secp256r1`, `aes:256`.

use serde::Deserialize;
use std::error::Error;
use std::fmt;
use std::str::FromStr;
use vschsm_protocol::crypto::curve::Curve;

/// The kind of a key and its size.
///
/// ```
/// use vschsm_host::key_spec::KeySpec;
///
/// let spec: KeySpec = "ec:secp256r1".parse()?;
/// assert_eq!(spec.to_string(), "ec:secp256r1");
/// assert!("ec:secp256r2".parse::<KeySpec>().is_err());
/// # Ok::<(), vschsm_host::key_spec::KeySpecError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum KeySpec {
    /// RSA with a modulus of so many bits, and the exponent 65537.
    Rsa(u16),
    /// EC on a curve.
    Ec(Curve),
    /// AES of 128, 192 or 256 bits.
    Aes(u16),
}

/// Why a text is not a kind of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySpecError {
    /// It does not begin with `rsa:`, `ec:` or `aes:`.
    Kind(String),
    /// This is not a number of bits.
    Bits(String),
    /// AES keys do not have so many bits.
    AesBits(u16),
    /// There is no curve of that name.
    CurveName(String),
}

impl fmt::Display for KeySpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(text) => {
                write!(f, "{text:?} is not a type of key, such as rsa:2048 or ec:secp256r1")
            }
            Self::Bits(text) => write!(f, "{text:?} is not a number of bits"),
            Self::AesBits(bits) => {
                write!(f, "AES has keys of 128, 192 and 256 bits, not of {bits}")
            }
            Self::CurveName(name) => {
                let known: Vec<_> = Curve::named().filter_map(Curve::name).collect();
                write!(f, "no curve is called {name:?}; there are {}", known.join(", "))
            }
        }
    }
}

impl Error for KeySpecError {}

impl FromStr for KeySpec {
    type Err = KeySpecError;

    fn from_str(text: &str) -> Result<Self, KeySpecError> {
        let bits = |bits: &str| bits.parse().map_err(|_| KeySpecError::Bits(bits.into()));
        match text.split_once(':') {
            Some(("rsa", size)) => bits(size).map(Self::Rsa),
            Some(("aes", size)) => match bits(size)? {
                size @ (128 | 192 | 256) => Ok(Self::Aes(size)),
                size => Err(KeySpecError::AesBits(size)),
            },
            Some(("ec", name)) => {
                let curve = Curve::from_name(name).map(Self::Ec);
                curve.ok_or_else(|| KeySpecError::CurveName(name.into()))
            }
            _ => Err(KeySpecError::Kind(text.into())),
        }
    }
}

impl TryFrom<String> for KeySpec {
    type Error = KeySpecError;

    fn try_from(text: String) -> Result<Self, KeySpecError> {
        text.parse()
    }
}

impl fmt::Display for KeySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "rsa:{bits}"),
            Self::Ec(curve) => write!(f, "ec:{curve}"),
            Self::Aes(bits) => write!(f, "aes:{bits}"),
        }
    }
}
