//! Signing and agreeing on every curve that has a name, beside OpenSSL's library: `openssl speed`
//! knows half of them.

use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use vschsm_protocol::crypto::curve::Curve;
use vschsm_testing::test_card::{TestCard, ec_template};

use crate::compare;

/// What is signed.
const HASH: [u8; 32] = [0x5A; 32];

pub(crate) fn signatures() {
    for curve in Curve::named() {
        let mut card = card_with_key_on(curve);
        let key = openssl_key(curve);
        let mut signature = Vec::new();
        compare(
            &format!("ECDSA signature, {curve}"),
            || drop(card.sign(1, 0x70, &HASH).expect_ok()),
            "OpenSSL",
            || {
                let mut context = PkeyCtx::new(&key).unwrap();
                context.sign_init().unwrap();
                signature.clear();
                context.sign_to_vec(&HASH, &mut signature).unwrap();
            },
        );
    }
}

pub(crate) fn agreements() {
    for curve in Curve::named() {
        let mut card = card_with_key_on(curve);
        let (key, peer) = (openssl_key(curve), openssl_key(curve));
        let der = peer.public_key_to_der().unwrap();
        let point = der.get(der.len() - curve.parameters().g.len()..).unwrap().to_vec();
        compare(
            &format!("ECDH, {curve}"),
            || drop(card.decipher(1, 0x80, &point).expect_ok()),
            "OpenSSL",
            || {
                let mut deriver = Deriver::new(&key).unwrap();
                deriver.set_peer(&peer).unwrap();
                drop(deriver.derive_to_vec().unwrap());
            },
        );
    }
}

fn card_with_key_on(curve: &Curve) -> TestCard {
    let mut card = TestCard::initialised("3.4").logged_in();
    card.send(0x00, 0x46, 1, 0x00, &ec_template(curve.parameters(), &[])).expect_ok();
    card
}

fn openssl_key(curve: &Curve) -> PKey<Private> {
    let name = match curve.name().unwrap() {
        "secp192r1" => "prime192v1",
        "secp256r1" => "prime256v1",
        name => name,
    };
    let group = EcGroup::from_curve_name(openssl_nid(name)).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn openssl_nid(name: &str) -> Nid {
    openssl::asn1::Asn1Object::from_str(name).unwrap().nid()
}
