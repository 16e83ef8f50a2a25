//! What a firmware does in its own way, as types: the values of a profile's lines.

use super::Flaw;
use crate::crypto::curve::{Curve, Domain};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;

/// What a host may do that one firmware refuses though another accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Situation {
    /// MANAGE PUBLIC KEY AUTHENTICATION is asked for the state of a card that has a key domain for
    /// key exchange (XKEK) beside one with DKEK shares.
    AuthenticationStateBesideKeyExchange,
    /// CHANGE REFERENCE DATA or RESET RETRY COUNTER sets a user PIN of another length than the one
    /// before.
    ChangePinLength,
    /// GENERATE ASYMMETRIC KEY PAIR names another key than the device key to sign the request.
    GenerateWithAnotherSigner,
    /// GENERATE ASYMMETRIC KEY PAIR does not name whom the request is for, in tag 42.
    GenerateWithoutAuthority,
    /// A command of the vendor's has class 00, which is that of ISO's commands.
    #[serde(rename = "proprietary-in-class-00")]
    ProprietaryInClass00,
    /// INITIALIZE DEVICE has no data: it asks for memory and version.
    QueryMemory,
    /// SIGN with RSA-PSS of a hash that has the length of SHA-384 or SHA-512.
    SignPssOfLongHash,
    /// UNWRAP KEY of a blob whose key is limited to some algorithms.
    UnwrapWithAlgorithmList,
    /// UNWRAP KEY of an RSA key whose private exponent has more bytes than its modulus.
    UnwrapLongPrivateExponent,
    /// UNWRAP KEY of an RSA key of more than 2048 bits that comes with its primes (CRT form).
    UnwrapLongRsaWithPrimes,
}

/// How good the AES keys are that GENERATE SYMMETRIC KEY makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AesKeys {
    /// All of a key is random.
    #[default]
    Strong,
    /// Anybody can guess them.
    Weak,
}

/// Whether the login ends when secure messaging does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LoginEnds {
    #[default]
    No,
    Yes,
    /// It does unless VERIFY was told to keep it.
    UnlessKept,
}

/// How SIGN writes the integers r and s of an ECDSA signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EcdsaSignature {
    /// As DER wants it: no leading zeros but the one that keeps an integer positive.
    #[default]
    Minimal,
    /// As wide as the order of the curve, leading zeros kept.
    Fixed,
}

/// How SIGN writes ECDSA signatures, by the size of the curve.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EcdsaSignatures(BTreeMap<usize, EcdsaSignature>);

impl EcdsaSignatures {
    /// The line of a file: from which size on, in bits, there is which form. The smallest curves
    /// are minimal unless it says otherwise.
    pub(super) fn parse(line: &BTreeMap<String, EcdsaSignature>) -> Result<Self, Flaw> {
        let sizes = line.iter().map(|(size, form)| match size.parse() {
            Ok(bits) if (Curve::SMALLEST..=Curve::LARGEST).contains(&bits) => Ok((bits, *form)),
            _ => Err(Flaw::unknown("ecdsa-signature", size)),
        });
        Ok(Self(sizes.collect::<Result<_, _>>()?))
    }

    /// The form of signatures on a curve of that size.
    pub(super) fn on(&self, bits: usize) -> EcdsaSignature {
        let below = self.0.range(..=bits).next_back();
        below.map_or_else(EcdsaSignature::default, |(_, form)| *form)
    }
}

/// The curves that a firmware has.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Curves {
    /// All whose field has up to as many bits: the card takes parameters and knows no names.
    UpTo(usize),
    /// These, and no other.
    These(Vec<Curve>),
}

/// The line `curves` of a file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum CurvesLine {
    UpTo(usize),
    Named(Vec<String>),
}

impl Curves {
    /// The curves of a line.
    pub(super) fn parse(line: &CurvesLine) -> Result<Self, Flaw> {
        match line {
            CurvesLine::UpTo(bits) if (Curve::SMALLEST..=Curve::LARGEST).contains(bits) => {
                Ok(Self::UpTo(*bits))
            }
            CurvesLine::UpTo(bits) => Err(Flaw::unknown("curves", bits)),
            CurvesLine::Named(names) => {
                let curves = names.iter().map(|name| {
                    Curve::from_name(name).ok_or_else(|| Flaw::unknown("curves", name))
                });
                Ok(Self::These(curves.collect::<Result<_, _>>()?))
            }
        }
    }

    /// Whether the firmware has that curve.
    pub(super) fn have(&self, domain: &Domain) -> bool {
        match self {
            Self::UpTo(bits) => (Curve::SMALLEST..=*bits).contains(&domain.bits()),
            Self::These(curves) => curves.iter().any(|curve| curve.domain() == domain),
        }
    }
}
