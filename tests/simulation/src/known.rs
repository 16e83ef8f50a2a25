//! What is known about more than one card: cards with the same key give the same responses.

use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::rc::Rc;
use vschsm_protocol::tlv;
use vschsm_testing::test_card::domain;

/// What makes a private or secret key the same one wherever it is: the public half of a pair, or a
/// number that no other key has.
pub(crate) type Identity = Rc<[u8]>;

/// RSA, EC or AES.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of so many bits.
    Rsa(usize),
    /// On a curve of [`CURVES`].
    Ec(usize),
    /// Of so many bytes.
    Aes(usize),
}

/// A key-encryption key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kek {
    /// The sum of shares.
    Sum([u8; 32]),
    /// A random one, by a number.
    Random(u64),
    /// What two keys agree on.
    Agreed(Identity, Identity),
}

/// A curve that keys are made on.
#[derive(Clone, Debug)]
pub(crate) struct NamedCurve {
    pub(crate) domain: vschsm_protocol::crypto::curve::CurveParameters,
    pub(crate) bits: usize,
}

/// The curves that keys are made on; most on the first ones.
const CURVES: [&str; 4] = ["secp256r1", "brainpoolP256r1", "secp192r1", "brainpoolP384r1"];

/// A wrapped key.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) kek: Kek,
    pub(crate) kind: Kind,
    pub(crate) identity: Identity,
    pub(crate) algorithms: Vec<u8>,
}

/// The content of an authenticated request: the request for a key, and the device that signed it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) kind: Kind,
    pub(crate) identity: Identity,
    /// Name of the key.
    pub(crate) holder: Vec<u8>,
    /// The name of the device that signed it, and its public point, if a device did.
    pub(crate) authority: Vec<u8>,
    pub(crate) device: Option<Vec<u8>>,
    /// The key domain it is for.
    pub(crate) group: Option<Vec<u8>>,
    /// How many bytes name and key have, which is what they take of a card that keeps them.
    pub(crate) size: usize,
}

/// The content of a certificate.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) authority: Vec<u8>,
    pub(crate) holder: Vec<u8>,
    /// The point of the key.
    pub(crate) point: Vec<u8>,
}

/// An ECDSA signature with SHA-256.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(crate) identity: Identity,
    pub(crate) message: Vec<u8>,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) curves: Vec<NamedCurve>,
    pub(crate) blobs: HashMap<Vec<u8>, Blob>,
    pub(crate) requests: HashMap<Vec<u8>, Request>,
    pub(crate) certificates: HashMap<Vec<u8>, Certificate>,
    /// By the signature, in DER and as r ‖ s.
    pub(crate) signatures: HashMap<Vec<u8>, Signature>,
    check_values: HashMap<Kek, Vec<u8>>,
    outputs: HashMap<(Identity, u8, Vec<u8>), Vec<u8>>,
    derived: HashMap<(Identity, Vec<u8>), Identity>,
    moduli: HashMap<Identity, Vec<u8>>,
    ordinary: u64,
}

impl Known {
    /// Nothing but the curves.
    pub(crate) fn new() -> Self {
        let curve = |name: &str| {
            let domain = domain(name);
            NamedCurve { bits: domain.bits(), domain }
        };
        Self { curves: CURVES.iter().map(|name| curve(name)).collect(), ..Self::default() }
    }

    /// A number that was never given before.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.ordinary += 1;
        self.ordinary
    }

    /// The identity of a key that has no public half.
    pub(crate) fn fresh_identity(&mut self) -> Identity {
        self.fresh().to_be_bytes().into()
    }

    /// The check value of a key-encryption key, as the card has it.
    pub(crate) fn check_value(&mut self, kek: &Kek, observed: &[u8]) -> Result<(), String> {
        let expected = match kek {
            Kek::Sum(sum) => Sha256::digest(sum)[..8].to_vec(),
            other => {
                self.check_values.entry(other.clone()).or_insert_with(|| observed.to_vec()).clone()
            }
        };
        same("the check value", &expected, observed)
    }

    /// What a key makes of an input, always the same.
    pub(crate) fn output(
        &mut self,
        identity: &Identity,
        algorithm: u8,
        input: &[u8],
        observed: &[u8],
    ) -> Result<(), String> {
        let place = (identity.clone(), algorithm, input.to_vec());
        let expected = self.outputs.entry(place).or_insert_with(|| observed.to_vec());
        same("what the key made of it before", expected, observed)
    }

    /// Whether a key has found a message in that cryptogram before.
    pub(crate) fn has_message(&self, identity: &Identity, algorithm: u8, input: &[u8]) -> bool {
        self.outputs.contains_key(&(identity.clone(), algorithm, input.to_vec()))
    }

    /// Notes what a key makes of an input.
    pub(crate) fn note_output(
        &mut self,
        identity: &Identity,
        algorithm: u8,
        input: &[u8],
        output: &[u8],
    ) {
        let place = (identity.clone(), algorithm, input.to_vec());
        self.outputs.insert(place, output.to_vec());
    }

    /// The key that is derived from another one, once it is known.
    pub(crate) fn derived(
        &mut self,
        base: &Identity,
        offset: &[u8],
        observed: &Identity,
    ) -> Result<(), String> {
        let zeros = offset.iter().take_while(|byte| **byte == 0).count();
        let place = (base.clone(), offset[zeros..].to_vec());
        let expected = self.derived.entry(place).or_insert_with(|| observed.clone());
        same("the public key derived before", expected, observed)
    }

    /// Notes an RSA key's modulus.
    pub(crate) fn note_modulus(&mut self, identity: &Identity, modulus: &[u8]) {
        self.moduli.insert(identity.clone(), modulus.to_vec());
    }

    /// Whether a block is as long as an RSA key's modulus, and below it.
    pub(crate) fn is_below_modulus(&self, identity: &Identity, block: &[u8]) -> bool {
        let modulus = self.moduli.get(identity);
        modulus.is_some_and(|modulus| modulus.len() == block.len() && block < modulus.as_slice())
    }

    /// The place of a curve among [`Self::curves`], if it has these parameters.
    pub(crate) fn curve(
        &self,
        parameters: &vschsm_protocol::crypto::curve::CurveParameters,
    ) -> Option<usize> {
        self.curves.iter().position(|curve| curve.domain == *parameters)
    }

    /// The size of a key in bits, which is the memory that it takes in bytes.
    pub(crate) fn bits(&self, kind: Kind) -> usize {
        match kind {
            Kind::Rsa(bits) => bits,
            Kind::Ec(curve) => self.curves[curve].bits,
            Kind::Aes(bytes) => 8 * bytes,
        }
    }

    /// Notes the two certificates in EF 2F02.
    pub(crate) fn note_certificates(&mut self, chain: &[u8]) {
        for certificate in tlv::parse(chain).unwrap_or_default() {
            let at = |path: &[u16]| tlv::at(certificate.value, path).unwrap_or_default().to_vec();
            let known = Certificate {
                authority: at(&[0x7F4E, 0x42]),
                holder: at(&[0x7F4E, 0x5F20]),
                point: at(&[0x7F4E, 0x7F49, 0x86]),
            };
            self.certificates.insert(certificate.value.to_vec(), known);
        }
    }
}

/// Why bytes are not the expected ones.
pub(crate) fn same(what: &str, expected: &[u8], observed: &[u8]) -> Result<(), String> {
    if expected == observed {
        return Ok(());
    }
    let digits = vschsm_testing::digits;
    Err(format!("{what} is {}, and not {}", digits(expected), digits(observed)))
}
