//! What a firmware does in its own way: situations that it refuses, and how it behaves in others.

use crate::hex::Hex;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use serde::{Deserialize, Deserializer};
use vschsm_protocol::apdu::Status;
use vschsm_protocol::crypto::curve::Curve;

/// What a host may do that one firmware refuses though another accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Restriction {
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

/// The table `[behaviour]` of a file: how the firmware behaves where firmwares differ and none
/// refuses what another accepts. A line that a file has not is what every card did before there was
/// such a line. Each is read in one place.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Behaviour {
    /// What VERIFY says of a user PIN that the card does not have.
    #[serde(deserialize_with = "status")]
    pub(crate) verify_not_initialised: Status,
    /// What VERIFY says of a biometric template, which no card has.
    #[serde(deserialize_with = "status")]
    pub(crate) verify_biometric: Status,
    /// What the card manager says of an instruction that it does not have: to a client that has not
    /// selected the applet, most of the applet's.
    #[serde(deserialize_with = "status")]
    pub(crate) unknown_to_card_manager: Status,
    /// Whether the login ends when secure messaging does.
    pub(crate) login_ends_with_channel: LoginEnds,
    /// What UNWRAP KEY says of a blob that was made with another key-encryption key.
    #[serde(deserialize_with = "status")]
    pub(crate) unwrap_other_dkek: Status,
    /// How good the AES keys are that GENERATE SYMMETRIC KEY makes.
    pub(crate) generated_aes_keys: AesKeyStrength,
    /// How SIGN writes ECDSA signatures.
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
    /// The lines that stood before all tables of a file when there was no table of behaviours. No
    /// line that has come since is one of them.
    pub(super) const FORMERLY_OUTSIDE: [&str; 7] = [
        "verify-not-initialised",
        "verify-biometric",
        "unknown-to-card-manager",
        "login-ends-with-channel",
        "unwrap-other-dkek",
        "generated-aes-keys",
        "ecdsa-signature",
    ];

    /// The lines that are a status word in place of an error, by name.
    pub(super) fn errors(&self) -> impl Iterator<Item = (&'static str, Status)> {
        // Without `..`, so that none is forgotten that comes later.
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

/// How good the AES keys are that GENERATE SYMMETRIC KEY makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AesKeyStrength {
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
pub(crate) enum EcdsaEncoding {
    /// As DER wants it: no leading zeros but the one that keeps an integer positive.
    #[default]
    Minimal,
    /// As wide as the order of the curve, leading zeros kept.
    Fixed,
}

/// How SIGN writes ECDSA signatures, by the size of the curve.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "BTreeMap<String, EcdsaEncoding>")]
pub(crate) struct EcdsaEncodings(BTreeMap<usize, EcdsaEncoding>);

impl TryFrom<BTreeMap<String, EcdsaEncoding>> for EcdsaEncodings {
    type Error = String;

    /// The line of a file: from which size on, in bits, there is which form. The smallest curves
    /// are minimal unless it says otherwise.
    fn try_from(line: BTreeMap<String, EcdsaEncoding>) -> Result<Self, String> {
        let sizes = line.into_iter().map(|(size, form)| match size.parse() {
            Ok(bits) if (Curve::SMALLEST..=Curve::LARGEST).contains(&bits) => Ok((bits, form)),
            _ => Err(format!("ecdsa-signature has \"{size}\", which this card does not know")),
        });
        sizes.collect::<Result<_, _>>().map(Self)
    }
}

impl EcdsaEncodings {
    /// The form of signatures on the curve.
    pub(crate) fn on(&self, curve: &Curve) -> EcdsaEncoding {
        let below = self.0.range(..=curve.bits()).next_back();
        below.map_or_else(EcdsaEncoding::default, |(_, form)| *form)
    }
}
