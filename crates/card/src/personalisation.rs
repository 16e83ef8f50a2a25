//! Personalisation: a card as delivered has a device key, and certificates for it up to a root.
//!
//! The built-in root and issuer are for tests. Their private keys are published and never change,
//! so their certificates prove nothing; clients that have a list of trusted roots can add
//! [`root_certificate`].

use crate::state::{DeviceKey, Fid, File, PreviousFirmware, State};
use vschsm_protocol::crypto::curve::Curve;
use vschsm_protocol::crypto::ec::EcKey;
use vschsm_protocol::crypto::hash::Hash;
use vschsm_protocol::crypto::public_key::PublicKey;
use vschsm_protocol::cvc::{self, Body, Certificate, ECDSA_SHA256, Rights, Role, VerificationKey};
use vschsm_protocol::scp02::IssuerKeys;
use vschsm_protocol::test_root::{self, ISSUER};
use vschsm_protocol::tlv;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;
use core::fmt;
use core::str::FromStr;
use rand_core::Rng;

pub use vschsm_protocol::test_root::ROOT;

/// Validity of the built-in certificates; constants, so that cards do not depend on a clock.
const FROM: [u8; 6] = [2, 5, 0, 1, 0, 1];
const TO: [u8; 6] = [7, 4, 1, 2, 3, 1];

/// The longest content of EF 2F02, in bytes; those of real cards have less than 500.
const LONGEST_CHAIN: usize = 4096;

/// What a card is personalised with. The default is a random serial number, and a chain up to the
/// test root.
#[derive(Clone, Debug, Default)]
pub struct PersonalisationData {
    /// The serial number; without it `ZZVS` and seven random digits.
    pub serial: Option<Serial>,
    /// A device key with certificates from another issuer, which contain the serial number.
    pub chain: Option<Chain>,
}

/// A serial number as clients show it: eleven characters A-Z and 0-9.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serial(String);

impl FromStr for Serial {
    type Err = PersonalisationError;

    fn from_str(text: &str) -> Result<Self, PersonalisationError> {
        let allowed =
            |character: char| character.is_ascii_uppercase() || character.is_ascii_digit();
        if text.len() == 11 && text.chars().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(PersonalisationError::Serial)
        }
    }
}

impl Serial {
    fn random(rng: &mut ChaCha20Rng) -> Self {
        Self(format!("ZZVS{:07}", rng.next_u64() % 10_000_000))
    }

    /// The holder reference (CHR) that the device certificate has: the serial number and five
    /// zeros.
    fn reference(&self) -> Vec<u8> {
        [self.0.as_bytes(), b"00000"].concat()
    }
}

/// A device key with certificates from another issuer than the test issuer.
#[derive(Clone, Debug)]
pub struct Chain {
    device: DeviceKey,
    certificates: Vec<u8>,
}

impl Chain {
    /// `key` is the private key on brainpoolP256r1, 32 bytes; `certificates` is the content of EF
    /// 2F02: the device certificate and that of its issuer, one after the other.
    ///
    /// # Errors
    /// [`PersonalisationError`] if the key is out of range, the certificates are malformed, or do
    /// not belong to the key and to each other.
    pub fn parse(key: &[u8; 32], certificates: &[u8]) -> Result<Self, PersonalisationError> {
        let key =
            EcKey::from_scalar(&Curve::of_device_keys(), key).ok_or(PersonalisationError::Key)?;
        let (device, rest) =
            Certificate::take(certificates).ok_or(PersonalisationError::Certificates)?;
        let (issuer, rest) = Certificate::take(rest).ok_or(PersonalisationError::Certificates)?;
        let fits = certificates.len() <= LONGEST_CHAIN;
        if !fits
            || !rest.is_empty()
            || !DeviceKey::REFERENCE_LENGTH.contains(&device.holder().len())
        {
            return Err(PersonalisationError::Certificates);
        }
        if device.point() != key.public_point() {
            return Err(PersonalisationError::OtherKey);
        }
        if device.authority() != issuer.holder() || !is_signed_by(&device, &issuer) {
            return Err(PersonalisationError::OtherIssuer);
        }
        let device = DeviceKey::new(key, device.holder().to_vec());
        Ok(Self { device, certificates: certificates.to_vec() })
    }
}

/// Why a card cannot be personalised: one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PersonalisationError {
    /// Not a serial number.
    Serial,
    /// Both a serial number and a chain, which has one of its own, were given.
    SerialWithChain,
    /// The device key is not a number between 1 and the order of brainpoolP256r1.
    Key,
    /// The content of EF 2F02 is not two certificates.
    Certificates,
    /// The device certificate is not for the device key.
    OtherKey,
    /// The device certificate was not issued by the holder of the second certificate.
    OtherIssuer,
}

impl fmt::Display for PersonalisationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serial => "a serial number is eleven characters A-Z and 0-9, such as ZZVS0000001",
            Self::SerialWithChain => {
                "the serial number is in the device certificate of the chain: leave one of them out"
            }
            Self::Key => "the device key is not a private key on brainpoolP256r1",
            Self::Certificates => {
                "the chain is not a device certificate and its issuer's, one CVC after the other"
            }
            Self::OtherKey => "the first certificate of the chain is not for the device key",
            Self::OtherIssuer => {
                "the second certificate of the chain is not that of the first one's issuer"
            }
        })
    }
}

impl core::error::Error for PersonalisationError {}

/// The certificate of the built-in test root, a self-signed CVC of 441 bytes.
#[must_use]
pub fn root_certificate() -> Vec<u8> {
    let root = test_root::key();
    let public_key = cvc::public_key(&ECDSA_SHA256, &PublicKey::from(&root));
    issue(&root, ROOT, &public_key, ROOT, Role::Root)
}

/// The state of a card as delivered, which was never initialised.
pub(crate) fn personalise(
    data: &PersonalisationData,
    rng: &mut ChaCha20Rng,
) -> Result<State, PersonalisationError> {
    let Chain { device, certificates } = match (&data.chain, &data.serial) {
        (Some(_), Some(_)) => return Err(PersonalisationError::SerialWithChain),
        (Some(chain), None) => chain.clone(),
        (None, Some(serial)) => test_chain(serial.reference(), rng),
        (None, None) => test_chain(Serial::random(rng).reference(), rng),
    };
    Ok(delivered(device, certificates))
}

/// Whether the test issuer has signed the device certificate, and can sign another one.
pub(crate) fn is_repersonalisable(state: &State) -> bool {
    let certificates = state.files.content(Fid::DEVICE_CERTIFICATES).unwrap_or_default();
    let certificate = Certificate::take(certificates).map(|(certificate, _)| certificate);
    let issuer = VerificationKey::on_device_curve(test_root::issuer_key().public_point());
    certificate.is_some_and(|certificate| certificate.is_signed_by(&issuer))
}

/// Puts a card that [`is_repersonalisable`] into the state of delivery again, with a new device key
/// and a certificate for it with the same serial number. `firmware` is the name of the firmware
/// that the card had until now.
pub(crate) fn repersonalise(state: &mut State, firmware: &str, rng: &mut ChaCha20Rng) {
    let certificates = state.files.content(Fid::DEVICE_CERTIFICATES).unwrap_or_default();
    let mut previous = core::mem::take(&mut state.previous);
    if let Ok((certificate, _)) = tlv::take(certificates) {
        let certificate = certificate.encoded.to_vec();
        previous.push(PreviousFirmware { firmware: firmware.into(), certificate });
    }
    let forgotten = previous.len().saturating_sub(PreviousFirmware::MOST);
    previous.drain(..forgotten);
    let chain = test_chain(state.device.reference().to_vec(), rng);
    let (streams, issuer_keys) = (state.streams, state.issuer_keys.clone());
    let delivered = delivered(chain.device, chain.certificates);
    *state = State { streams, issuer_keys, previous, ..delivered };
}

fn delivered(device: DeviceKey, certificates: Vec<u8>) -> State {
    let mut state = State {
        issuer_keys: IssuerKeys::of_delivery(device.serial()),
        device,
        previous: Vec::new(),
        streams: 0,
        configuration: Default::default(),
        pins: Default::default(),
        domains: Default::default(),
        files: Default::default(),
        keys: Default::default(),
    };
    state.files.push(File::new(Fid::DEVICE_CERTIFICATES, certificates));
    state
}

fn test_chain(reference: Vec<u8>, rng: &mut ChaCha20Rng) -> Chain {
    let key = EcKey::generate(&Curve::of_device_keys(), rng);
    let (root, issuer) = (test_root::key(), test_root::issuer_key());
    let device_key = cvc::inherited_public_key(&ECDSA_SHA256, &key.public_point());
    let issuer_key = cvc::inherited_public_key(&ECDSA_SHA256, &issuer.public_point());
    let certificates = [
        issue(&issuer, ISSUER, &device_key, &reference, Role::Device),
        issue(&root, ROOT, &issuer_key, ISSUER, Role::Issuer),
    ];
    Chain { device: DeviceKey::new(key, reference), certificates: certificates.concat() }
}

/// Whether the key of `issuer`, on the curve of device keys, has signed the certificate.
fn is_signed_by(certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> bool {
    let curve = Curve::of_device_keys();
    let key = VerificationKey::parse(issuer.public_key(), Some(&curve));
    key.is_some_and(|key| certificate.is_signed_by(&key))
}

fn issue(
    signer: &EcKey,
    authority: &[u8],
    public_key: &[u8],
    holder: &[u8],
    role: Role,
) -> Vec<u8> {
    let rights = Rights { role, from: FROM, to: TO };
    let body = Body::certificate(authority, public_key, holder, &rights);
    let signed = body.signed(|bytes| {
        Ok::<_, core::convert::Infallible>(signer.sign_deterministic(&Hash::Sha256.digest(bytes)))
    });
    match signed {
        Ok(certificate) => certificate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use crypto_bigint::{CheckedAdd as _, U256};
    use rand_core::SeedableRng;
    use vschsm_protocol::cvc::CertificateError;
    use vschsm_protocol::trust::TrustedCertificate;

    #[test]
    fn the_built_in_chain_verifies_up_to_the_test_root() {
        let state =
            personalise(&PersonalisationData::default(), &mut ChaCha20Rng::from_seed([7; 32]));
        let state = state.expect("the default data");
        let chain = state.files.content(Fid::DEVICE_CERTIFICATES).expect("EF 2F02");
        let (device, rest) = Certificate::take(chain).expect("device certificate");
        let (issuer, rest) = Certificate::take(rest).expect("issuer certificate");
        let root = root_certificate();
        let (root, _) = Certificate::take(&root).expect("root certificate");

        assert!(rest.is_empty());
        assert!(is_signed_by(&device, &issuer));
        assert!(is_signed_by(&issuer, &root));
        assert!(is_signed_by(&root, &root));
        assert_eq!((device.authority(), issuer.authority()), (ISSUER, ROOT));
        assert_eq!(device.point(), state.device.key().public_point());
        assert_eq!(state.device.serial().len(), 11);
    }

    /// The issuer's certificates for keys at infinity, beside the curve, and with an x that is not
    /// below p, so that one key would have two names.
    fn certificates_for_no_point() -> [Vec<u8>; 3] {
        let curve = Curve::of_device_keys();
        let prime = U256::from_be_slice(&curve.parameters().p);
        let mut scalars = (1..=u8::MAX).map(|number| EcKey::from_scalar(&curve, &[number]));
        let small = scalars.find_map(|key| {
            let point = key?.public_point();
            let (x, y) = point.split_first()?.1.split_first_chunk::<32>()?;
            let x = U256::from_be_slice(x).checked_add(&prime).into_option()?;
            Some([&[0x04], U256::to_be_bytes(&x).as_ref(), y].concat())
        });
        let mut beside = curve.parameters().g.clone();
        beside.iter_mut().next_back().into_iter().for_each(|last| *last ^= 1);
        let points = [vec![0x00], beside, small.expect("one has a small x")];
        points.map(|point| {
            let key = cvc::inherited_public_key(&ECDSA_SHA256, &point);
            issue(&test_root::issuer_key(), ISSUER, &key, b"ZZVS000000100000", Role::Device)
        })
    }

    #[test]
    fn only_certificates_for_points_of_the_curve_are_trusted() {
        let key = VerificationKey::on_device_curve(test_root::issuer_key().public_point());
        let issuer = TrustedCertificate { holder: ISSUER.to_vec(), role: Role::Issuer, key };
        for certificate in certificates_for_no_point() {
            let (certificate, _) = Certificate::take(&certificate).expect("it is one");
            assert!(certificate.is_signed_by(&issuer.key));
            assert_eq!(issuer.verify(&certificate), Err(CertificateError::Malformed));
        }
    }

    #[test]
    fn the_certificates_have_the_sizes_of_real_ones() {
        let data = PersonalisationData { serial: "ZZVS0000001".parse().ok(), chain: None };
        let state = personalise(&data, &mut ChaCha20Rng::from_seed([7; 32])).expect("the data");
        let chain = state.files.content(Fid::DEVICE_CERTIFICATES).expect("EF 2F02");
        // DECM0104448: 232 bytes for the device and 230 for its issuer.
        assert_eq!(chain.len(), 462);
        assert_eq!(root_certificate().len(), 441);
    }

    #[test]
    fn a_chain_is_taken_only_with_its_own_key_and_issuer() {
        let state =
            personalise(&PersonalisationData::default(), &mut ChaCha20Rng::from_seed([7; 32]));
        let state = state.expect("the default data");
        let chain = state.files.content(Fid::DEVICE_CERTIFICATES).expect("EF 2F02");
        let key = state.device.key().scalar().try_into().expect("32 bytes");
        assert!(Chain::parse(&key, chain).is_ok());
        assert_eq!(
            Chain::parse(&test_root::ROOT_KEY, chain).err(),
            Some(PersonalisationError::OtherKey)
        );
        assert_eq!(Chain::parse(&[0xFF; 32], chain).err(), Some(PersonalisationError::Key));
        let (device, issuer) = chain.split_at(232);
        let swapped = [issuer, device].concat();
        assert_eq!(
            Chain::parse(&test_root::ISSUER_KEY, &swapped).err(),
            Some(PersonalisationError::OtherIssuer)
        );
        assert_eq!(Chain::parse(&key, device).err(), Some(PersonalisationError::Certificates));
    }
}
