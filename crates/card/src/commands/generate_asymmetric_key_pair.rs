//! GENERATE ASYMMETRIC KEY PAIR — `00 46 id signer TLVs [Le]`: makes a key and a request for it.
//!
//! | tag  | meaning                                                                       |
//! |------|-------------------------------------------------------------------------------|
//! | 42   | name of the authority (CAR); if it may be absent, the request has no CAR      |
//! | 7F49 | EC: `06` algorithm, `81` p, `82` a, `83` b, `84` G, `85` n, `87` cofactor     |
//! |      | RSA: `06` algorithm, `82` exponent or 65537, `02` length of the modulus in bits |
//! | 5F20 | name of the key (CHR)                                                         |
//! | 45   | name of the signer (or a second 42); the device's without it                  |
//! | 90   | use counter, 4 bytes, not 0                                                   |
//! | 91   | allowed algorithms, 1 to 16 bytes                                             |
//! | 92   | key domain, 1 byte                                                            |
//! | B4   | our extension: the key that refills the use counter, see `refill_quota`       |
//!
//! The request is signed by the new key, and that by the device key, which P2 `00` names. With an
//! Le it is returned; without one it is stored in EF CE`id`, and the response is empty. A key that
//! has the id already is replaced. The request of a key that may exchange keys (`84`) in a domain
//! for that names the domain.
//!
//! | SW     | when                                                                              |
//! |--------|-----------------------------------------------------------------------------------|
//! | `9000` | generated                                                                         |
//! | `6982` | not logged in                                                                     |
//! | `6984` | no use of the signer left                                                         |
//! | `6985` | P1 is 00, the device key; a signature in B4 is wrong                              |
//! | `6A80` | malformed, an object missing or of a wrong length, parameters that define no curve |
//! | `6A81` | algorithm or size not of this firmware; cofactor not 1; signer may not sign       |
//! | `6A84` | the memory is full                                                                |
//! | `6A86` | P2 is not 00, and only the device key signs; or there is no such key domain       |
//! | `6A88` | no signer with the id in P2; no certificate was verified of the card in B4        |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_generate_keypair`; sc-hsm-embedded `token-sc-hsm.c`.

use crate::context::Context;
use crate::profile::{Profile, Restriction};
use crate::randomness::Purpose;
use crate::state::{File, Key, KeyId};
use alloc::vec::Vec;
use vschsm_protocol::algorithm::Algorithm;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::crypto::curve::CurveParameters;
use vschsm_protocol::crypto::ec::EcKey;
use vschsm_protocol::crypto::key_material::KeyMaterial;
use vschsm_protocol::crypto::key_material::KeyType;
use vschsm_protocol::crypto::public_key::PublicKey;
use vschsm_protocol::crypto::rsa::RsaKey;
use vschsm_protocol::cvc::{self, Body};
use vschsm_protocol::signature;
use vschsm_protocol::tlv::{self, Object};

/// SIGN's algorithms for the outer signature.
const RSA_PKCS1_SHA256: u8 = 0x33;
const ECDSA_SHA256: u8 = 0x73;

/// The public exponent where the template has none.
const USUAL_EXPONENT: u64 = 65_537;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    cx.session.user()?;
    let id = KeyId::try_from(command.p1)?;
    if command.p2 != 0 {
        cx.profile.restrict(Restriction::GenerateWithAnotherSigner)?;
    }
    let objects = tlv::parse(&command.data)?;
    let template = Template::parse(&objects)?;
    template.check(cx.profile)?;
    let attributes = cx.key_attributes(&objects)?;

    let (secret, public_key) = template.generate(cx, id)?;
    let public_key = cvc::public_key(template.oid, &public_key);
    let mut request = Body::request(template.authority, &public_key, template.holder);
    if let Some(uid) = cx.state.domains.uid_of_exchange_key(&attributes) {
        request = request.for_key_domain(uid);
    }
    let nonces = cx.randomness.stream(Purpose::Request(id));
    let request =
        request.signed(|body| signature::sign(template.algorithm.id, &secret, body, nonces))?;
    let signer = template.signer.unwrap_or(cx.state.device.reference()).to_vec();
    let request = cvc::authenticated(request, &signer, |content| {
        outer_signature(cx, id, command.p2, content)
    })?;

    cx.state.insert_key(id, Key::new(secret, attributes));
    if command.ne.is_some() {
        return Ok(Response::ok(request));
    }
    if request.len() > File::LONGEST {
        return Err(Status::NOT_ENOUGH_MEMORY);
    }
    cx.state.set_file(id.request_fid(), request);
    Ok(Response::ok([]))
}

/// The signature of the device key, or of another one where the firmware allows it, in the request
/// for the key `id`.
fn outer_signature(
    cx: &mut Context<'_>,
    id: KeyId,
    signer: u8,
    content: &[u8],
) -> Result<Vec<u8>, Status> {
    let Ok(signing) = KeyId::try_from(signer) else {
        let device = KeyMaterial::Ec(cx.state.device.key().clone());
        let nonces = cx.randomness.stream(Purpose::Request(id));
        return signature::sign(ECDSA_SHA256, &device, content, nonces);
    };
    let key = cx.state.keys.get(signing).ok_or(Status::REFERENCE_NOT_FOUND)?;
    let scheme = if key.curve().is_none() { RSA_PKCS1_SHA256 } else { ECDSA_SHA256 };
    cx.with_key(signer, scheme, |key, rng| signature::sign(scheme, key, content, rng))
}

/// The parsed command data.
struct Template<'a> {
    authority: Option<&'a [u8]>,
    oid: &'a [u8],
    algorithm: Algorithm,
    parameters: KeyParameters,
    holder: &'a [u8],
    signer: Option<&'a [u8]>,
}

/// The parameters of the new key.
enum KeyParameters {
    Rsa { bits: usize, exponent: u64 },
    Ec(CurveParameters),
}

impl<'a> Template<'a> {
    fn parse(objects: &[Object<'a>]) -> Result<Self, Status> {
        let mut authorities = objects.iter().filter(|object| object.tag == 0x42);
        let mut authority = || authorities.next().map(|object| object.value);
        let public_key = tlv::parse(mandatory(objects, 0x7F49)?)?;
        let oid = mandatory(&public_key, 0x06)?;
        let algorithm = Algorithm::from_oid(oid).ok_or(Status::FUNCTION_NOT_SUPPORTED)?;
        let parameters = match algorithm.key {
            Some(KeyType::Rsa) => KeyParameters::rsa(&public_key)?,
            _ => KeyParameters::ec(&public_key)?,
        };
        Ok(Self {
            authority: authority(),
            oid,
            algorithm,
            parameters,
            holder: mandatory(objects, 0x5F20)?,
            signer: tlv::find(objects, 0x45).or_else(authority),
        })
    }

    /// Fails if the firmware does not allow it.
    fn check(&self, profile: &Profile) -> Result<(), Status> {
        if self.authority.is_none() {
            profile.restrict(Restriction::GenerateWithoutAuthority)?;
        }
        profile.allow_algorithm(self.algorithm.id)?;
        match &self.parameters {
            KeyParameters::Rsa { bits, .. } => profile.allow_rsa(*bits),
            KeyParameters::Ec(domain) => profile.allow_curve(domain),
        }
    }

    /// A new key, and its public half.
    fn generate(
        &self,
        cx: &mut Context<'_>,
        id: KeyId,
    ) -> Result<(KeyMaterial, PublicKey), Status> {
        let stream = cx.randomness.stream(Purpose::Key(id));
        let pair = match &self.parameters {
            KeyParameters::Rsa { bits, exponent } => RsaKey::generate(*bits, *exponent, stream)
                .map(|key| (PublicKey::from(&key), KeyMaterial::Rsa(key))),
            KeyParameters::Ec(domain) => cx
                .state
                .keys
                .curve(domain.clone())
                .map(|curve| EcKey::generate(&curve, stream))
                .map(|key| (PublicKey::from(&key), KeyMaterial::Ec(key))),
        };
        let (public, secret) = pair.ok_or(Status::WRONG_DATA)?;
        Ok((secret, public))
    }
}

impl KeyParameters {
    fn rsa(public_key: &[Object<'_>]) -> Result<Self, Status> {
        Ok(Self::Rsa {
            bits: usize::try_from(number(mandatory(public_key, 0x02)?)?)
                .map_err(|_| Status::FUNCTION_NOT_SUPPORTED)?,
            exponent: tlv::find(public_key, 0x82).map_or(Ok(USUAL_EXPONENT), number)?,
        })
    }

    fn ec(public_key: &[Object<'_>]) -> Result<Self, Status> {
        let parameter = |tag| mandatory(public_key, tag);
        if tlv::find(public_key, 0x87).is_some_and(|cofactor| number(cofactor) != Ok(1)) {
            return Err(Status::FUNCTION_NOT_SUPPORTED);
        }
        let parameters = CurveParameters::new(
            parameter(0x81)?,
            parameter(0x82)?,
            parameter(0x83)?,
            parameter(0x84)?,
            parameter(0x85)?,
        );
        parameters.map(Self::Ec).ok_or(Status::WRONG_DATA)
    }
}

fn mandatory<'a>(objects: &[Object<'a>], tag: u16) -> Result<&'a [u8], Status> {
    tlv::find(objects, tag).ok_or(Status::WRONG_DATA)
}

/// A big-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> Result<u64, Status> {
    let mut number = [0; 8];
    let place = number.iter_mut().rev().take(bytes.len());
    if place.len() < bytes.len() || bytes.is_empty() {
        return Err(Status::WRONG_DATA);
    }
    place.zip(bytes.iter().rev()).for_each(|(digit, byte)| *digit = *byte);
    Ok(u64::from_be_bytes(number))
}
