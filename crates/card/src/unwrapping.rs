//! Keys out of blobs, as far as the firmware has them.

use crate::profile::{Profile, Restriction};
use crate::state::Keys;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::crypto::key_material::KeyMaterial;
use vschsm_protocol::key_blob::{Blob, KeyEncryptionKey, WrappedKey};

/// The key in a blob; on a curve of one of `keys`, it shares that.
///
/// `6A80` for a wrong MAC, which is looked at first, and for what is not a key; `6A81` for a key of
/// a size or on a curve that the firmware does not have.
pub(crate) fn unwrap(
    blob: &Blob<'_>,
    kek: &KeyEncryptionKey,
    profile: &Profile,
    keys: &Keys,
) -> Result<KeyMaterial, Status> {
    let record = blob.record(kek)?;
    match record.wrapped_key()? {
        WrappedKey::Rsa(numbers) => {
            profile.allow_rsa(numbers.bits())?;
            if numbers.has_long_private_exponent() {
                profile.restrict(Restriction::UnwrapLongPrivateExponent)?;
            }
            if numbers.has_primes_of_long_modulus() {
                profile.restrict(Restriction::UnwrapLongRsaWithPrimes)?;
            }
            Ok(KeyMaterial::Rsa(numbers.key()?))
        }
        WrappedKey::Ec(numbers) => {
            profile.allow_curve(numbers.parameters())?;
            let curve = keys.curve(numbers.parameters().clone()).ok_or(Status::WRONG_DATA)?;
            Ok(KeyMaterial::Ec(numbers.key(&curve)?))
        }
        WrappedKey::Aes(bytes) => {
            profile.allow_aes()?;
            Ok(KeyMaterial::Aes(bytes.key()?))
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use chacha20::ChaCha20Rng;
    use rand_core::SeedableRng;
    use sha2::{Digest, Sha256};
    use vschsm_protocol::crypto::aes::AesKey;
    use vschsm_protocol::crypto::curve::Curve;
    use vschsm_protocol::crypto::ec::EcKey;
    use vschsm_protocol::crypto::rsa::RsaKey;
    use vschsm_protocol::key_blob::wrap;

    fn kek() -> KeyEncryptionKey {
        KeyEncryptionKey::new([0x44; 32])
    }

    fn unwrap_with(blob: &[u8], profile: &Profile) -> Result<KeyMaterial, Status> {
        unwrap(&Blob::parse(blob).unwrap(), &kek(), profile, &Keys::default())
    }

    /// Unwraps it with 3.4, and with a firmware of somebody's who has copied 3.4 before long
    /// numbers were refused.
    fn unwrap_now_and_before(blob: &[u8]) -> [Result<KeyMaterial, Status>; 2] {
        let newer = Profile::built_in("3.4").unwrap();
        let is_old = |line: &&str| !line.starts_with("unwrap-long-");
        let older = newer.source().lines().filter(is_old).collect::<Vec<_>>().join("\n");
        let older = Profile::parse(&older).unwrap();
        [newer, older].map(|profile| unwrap_with(blob, &profile))
    }

    /// The blob of a record of these components, as no card makes it.
    fn blob_of(kind: u8, size: usize, components: &[&[u8]]) -> Vec<u8> {
        let derived = |number: u8| {
            let digest = Sha256::digest([&[0x44; 32][..], &[0, 0, 0, number]].concat());
            AesKey::from_bytes(&digest).unwrap()
        };
        let length = |number: usize| u16::try_from(number).unwrap().to_be_bytes();
        let mut record = [&[7; 8][..], &length(size)].concat();
        for component in components {
            record.extend([&length(component.len())[..], component].concat());
        }
        record.push(0x80);
        record.resize(record.len().next_multiple_of(16), 0);
        let cryptogram = derived(1).encrypt(&record).unwrap();
        let mut blob = [&kek().check_value()[..], &[kind], &[0; 8], &cryptogram].concat();
        blob.extend(derived(2).mac(&blob));
        blob
    }

    fn rsa_key(bits: usize) -> RsaKey {
        RsaKey::generate(bits, 65_537, &mut ChaCha20Rng::from_seed([9; 32])).unwrap()
    }

    #[test]
    fn a_private_exponent_that_is_longer_than_the_modulus_is_refused() {
        for bits in [1024, 3072] {
            let key = rsa_key(bits);
            let (d, n) = (key.private_exponent().unwrap(), key.modulus());
            let long = [&vec![0; n.len() + 1 - d.len()][..], &d].concat();
            let blob = blob_of(5, bits, &[&long, n, &[1, 0, 1]]);
            let [now, before] = unwrap_now_and_before(&blob);
            assert_eq!(now, Err(Status::WRONG_DATA), "{bits}");
            assert!(before.is_ok(), "{bits}");
        }
    }

    /// As a vendor's tool that knows nothing of the limit would send it.
    #[test]
    fn an_rsa_key_of_more_than_2048_bits_is_refused_with_its_primes() {
        for (bits, taken) in [(2048, true), (3072, false), (4096, false)] {
            let key = rsa_key(bits);
            let ([dp, dq, q_inverse], (p, q)) = (key.crt().unwrap(), key.primes());
            let numbers: [&[u8]; 7] = [&dp, &dq, p, &q_inverse, q, key.modulus(), &[1, 0, 1]];
            let [now, before] = unwrap_now_and_before(&blob_of(6, bits, &numbers));
            assert_eq!(now.err(), (!taken).then_some(Status::WRONG_DATA), "{bits}");
            assert!(before.is_ok(), "{bits}");
        }
    }

    #[test]
    fn what_the_firmware_does_not_have_is_not_supported() {
        let old = Profile::built_in("2.6").unwrap();
        let curve = Curve::from_name("secp384r1").unwrap();
        let p384 = EcKey::generate(&curve, &mut ChaCha20Rng::from_seed([7; 32]));
        let aes = AesKey::from_bytes(&[7; 16]).unwrap();
        let keys = [KeyMaterial::Ec(p384), KeyMaterial::Aes(aes)];
        let [p384, aes] = keys.map(|key| wrap(&key, &[], &kek(), [7; 8]).unwrap());
        let n = [0xFF; 384];
        // Not a key, and refused before that is seen; so are AES keys of a size that there is not.
        let rsa = blob_of(5, 3072, &[&n, &n, &[3]]);
        let bad_aes = blob_of(0x0F, 7, &[]);
        for blob in [&aes, &p384, &rsa, &bad_aes] {
            assert_eq!(unwrap_with(blob, &old), Err(Status::FUNCTION_NOT_SUPPORTED));
        }
        assert_eq!(
            unwrap_with(&bad_aes, &Profile::built_in("3.4").unwrap()),
            Err(Status::WRONG_DATA)
        );
        let rsa = wrap(&KeyMaterial::Rsa(rsa_key(1024)), &[], &kek(), [7; 8]).unwrap();
        assert!(unwrap_with(&rsa, &old).is_ok());
    }
}
