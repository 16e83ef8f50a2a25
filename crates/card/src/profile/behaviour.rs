//! The differences between firmwares: restrictions, and other behaviours.

use crate::hex::Hex;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use serde::{Deserialize, Deserializer};
use vschsm_protocol::apdu::Status;
use vschsm_protocol::crypto::curve::Curve;

/// What one firmware refuses although another accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Restriction {
    /// MANAGE PUBLIC KEY AUTHENTICATION queries the state of a card that has both a key domain for
    /// key exchange (XKEK) and one with DKEK shares.
    AuthenticationStateBesideKeyExchange,
    /// CHANGE REFERENCE DATA or RESET RETRY COUNTER sets a user PIN of another length than the one
    /// before.
    ChangePinLength,
    /// GENERATE ASYMMETRIC KEY PAIR names another key than the device key to sign the request.
    GenerateWithAnotherSigner,
    /// GENERATE ASYMMETRIC KEY PAIR has no CAR, the name of the authority, in tag 42.
    GenerateWithoutAuthority,
    /// A proprietary command has class 00, the class of interindustry commands.
    #[serde(rename = "proprietary-in-class-00")]
    ProprietaryInClass00,
    /// INITIALIZE DEVICE has no data: it queries memory and version.
    QueryMemory,
    /// SIGN with RSA-PSS of a hash that has the length of SHA-384 or SHA-512.
    SignPssOfLongHash,
    /// UNWRAP KEY of a blob whose key has an algorithm list.
    UnwrapWithAlgorithmList,
    /// UNWRAP KEY of an RSA key whose private exponent has more bytes than its modulus.
    UnwrapLongPrivateExponent,
    /// UNWRAP KEY of an RSA key of more than 2048 bits that comes with its primes (CRT form).
    UnwrapLongRsaWithPrimes,
}

/// The table `[behaviour]` of a file: differences between firmwares that are not refusals. The
/// default of each line is what every card did before the line was introduced. Each is read in one
/// place.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Behaviour {
    /// The status word of VERIFY if the card has no user PIN.
    #[serde(deserialize_with = "status")]
    pub(crate) verify_not_initialised: Status,
    /// The status word of VERIFY for a biometric template, which no card has.
    #[serde(deserialize_with = "status")]
    pub(crate) verify_biometric: Status,
    /// The status word of the card manager for an unknown instruction: most of those of the applet,
    /// if a client has not selected it.
    #[serde(deserialize_with = "status")]
    pub(crate) unknown_to_card_manager: Status,
    /// Whether the login ends when secure messaging does.
    pub(crate) login_ends_with_channel: LoginEnds,
    /// The status word of UNWRAP KEY for a blob that was wrapped with another key-encryption key.
    #[serde(deserialize_with = "status")]
    pub(crate) unwrap_other_dkek: Status,
    /// The strength of AES keys from GENERATE SYMMETRIC KEY.
    pub(crate) generated_aes_keys: AesKeyStrength,
    /// How SIGN encodes ECDSA signatures.
    pub(crate) ecdsa_signature: EcdsaEncodings,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            verify_not_initialised: Status::REFERENCE_NOT_FOUND,
            verify_biometric: Status::INCORRECT_P1P2,
            unknown_to_card_manager: Status::INSTRUCTION_NOT_SUPPORTED,
            login_ends_with_channel: LoginEnds::No,
            unwrap_other_dkek: Status::REFERENCE_NOT_FOUND,
            generated_aes_keys: AesKeyStrength::Strong,
            ecdsa_signature: EcdsaEncodings::default(),
        }
    }
}

impl Behaviour {
    /// The lines that were before all tables of a file when there was no table of behaviours. Newer
    /// lines are never there.
    pub(super) const FORMERLY_OUTSIDE: [&str; 7] = [
        "verify-not-initialised",
        "verify-biometric",
        "unknown-to-card-manager",
        "login-ends-with-channel",
        "unwrap-other-dkek",
        "generated-aes-keys",
        "ecdsa-signature",
    ];

    /// The lines whose value must be an error status word, by name.
    pub(super) fn errors(&self) -> impl Iterator<Item = (&'static str, Status)> {
        // Without `..`, so that no later field is forgotten.
        let Self {
            verify_not_initialised,
            verify_biometric,
            unknown_to_card_manager,
            login_ends_with_channel: _,
            unwrap_other_dkek,
            generated_aes_keys: _,
            ecdsa_signature: _,
        } = self;
        let errors = [
            ("verify-not-initialised", *verify_not_initialised),
            ("verify-biometric", *verify_biometric),
            ("unknown-to-card-manager", *unknown_to_card_manager),
            ("unwrap-other-dkek", *unwrap_other_dkek),
        ];
        errors.into_iter()
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
    Hex::deserialize(deserializer).map(|Hex(status)| status)
}

/// The strength of AES keys from GENERATE SYMMETRIC KEY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AesKeyStrength {
    /// Random.
    #[default]
    Strong,
    /// They can be guessed.
    Weak,
}

/// Whether the login ends when secure messaging does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LoginEnds {
    #[default]
    No,
    Yes,
    /// It does, unless VERIFY has requested to keep it.
    UnlessKept,
}

/// How SIGN encodes the integers r and s of an ECDSA signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EcdsaEncoding {
    /// As DER requires: no leading zeros except the one that keeps an integer positive.
    #[default]
    Minimal,
    /// As long as the order of the curve, with leading zeros.
    Fixed,
}

/// How SIGN encodes ECDSA signatures, by the size of the curve.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "BTreeMap<String, EcdsaEncoding>")]
pub(crate) struct EcdsaEncodings(BTreeMap<usize, EcdsaEncoding>);

impl TryFrom<BTreeMap<String, EcdsaEncoding>> for EcdsaEncodings {
    type Error = String;

    /// The line of a file: the encoding by the minimum size of the curve, in bits. Curves below the
    /// first size are minimal.
    fn try_from(line: BTreeMap<String, EcdsaEncoding>) -> Result<Self, String> {
        let sizes = line.into_iter().map(|(size, form)| match size.parse() {
            Ok(bits) if (Curve::SMALLEST..=Curve::LARGEST).contains(&bits) => Ok((bits, form)),
            _ => Err(format!("ecdsa-signature has \"{size}\", which this card does not support")),
        });
        sizes.collect::<Result<_, _>>().map(Self)
    }
}

impl EcdsaEncodings {
    /// The encoding of signatures on the curve.
    pub(crate) fn on(&self, curve: &Curve) -> EcdsaEncoding {
        let below = self.0.range(..=curve.bits()).next_back();
        below.map_or_else(EcdsaEncoding::default, |(_, form)| *form)
    }
}
