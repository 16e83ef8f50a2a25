//! DERIVE XKEK — `80 62 id 84 { 7F21, 42, 5F37 } Le`: agrees on the key-encryption key of a key
//! domain with another card.
//!
//! The data is the authenticated request (the content of tag 67) for the other card's exchange
//! key. It may be longer than an APDU, and is then in EF 2F10. Both exchange keys are in the
//! domain, on one curve of 256 bits, and may be used with `84`; the x coordinate of the point that
//! they have in common becomes the key-encryption key, in place of an earlier one. The response
//! has no data. Where the list of an exchange key has `80` or `83` as well, its user can compute
//! the same: such a key is better limited to `84`.
//!
//! | SW     | when                                                                           |
//! |--------|--------------------------------------------------------------------------------|
//! | `9000` | agreed                                                                         |
//! | `6982` | not logged in                                                                  |
//! | `6984` | no use of the key left                                                         |
//! | `6985` | key 00; a signature is wrong; the key is in no such domain, or not in the other's |
//! | `6A80` | malformed; keys on different curves, or on one that is not of 256 bits         |
//! | `6A81` | not an EC key, `84` not in its list, or not of this firmware                   |
//! | `6A88` | no such key; no certificate was verified of the other card; no data            |
//!
//! Source: the vendor's card service for Java, `deriveXKEK`. What a card makes of the point is not
//! published, so an agreement with a real card is not to be expected; that and the status words are
//! a guess. That a later agreement takes the place of an earlier one follows from the vendor's key
//! escrow, which agrees anew for each transmission.

use crate::context::Context;
use crate::key_agreement;
use crate::state::KeyId;
use vschsm_protocol::algorithm::KEY_EXCHANGE;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::cvc::AuthenticatedRequest;
use vschsm_protocol::key_blob::KeyEncryptionKey;
use vschsm_protocol::tlv;
use zeroize::Zeroizing;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    cx.session.user()?;
    cx.profile.allow_algorithm(KEY_EXCHANGE)?;
    let id = KeyId::try_from(command.p1)?;
    let data = cx.long_data(command)?;
    let request = AuthenticatedRequest::parse(&tlv::parse(&data)?).ok_or(Status::WRONG_DATA)?;
    let peer = cx.session.requested_key(&request)?;
    let key = cx.state.keys.get(id).ok_or(Status::REFERENCE_NOT_FOUND)?;
    let domain = key.effective_domain();

    let uid = cx.state.domains.domain(domain).ok().and_then(|domain| domain.uid());
    let is_in_group = uid.is_some() && request.key_domain() == uid;
    let shared = cx.with_key(command.p1, KEY_EXCHANGE, |key, _| {
        match key_agreement::ec_key(key, peer)?.curve().bits() {
            _ if !is_in_group => Err(Status::CONDITIONS_NOT_SATISFIED),
            256 => key_agreement::agree(key, peer),
            _ => Err(Status::WRONG_DATA),
        }
    })?;
    let kek = x_coordinate(&Zeroizing::new(shared)).ok_or(Status::WRONG_DATA)?;
    cx.state.change_domain(domain, |domain| domain.agree(kek))?;
    Ok(Response::ok([]))
}

/// The x of a point on a curve of 256 bits.
fn x_coordinate(point: &[u8]) -> Option<KeyEncryptionKey> {
    let (_, coordinates) = point.split_first()?;
    let (x, y) = coordinates.split_first_chunk()?;
    (x.len() == y.len()).then(|| KeyEncryptionKey::new(*x))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use hex_literal::hex;
    use vschsm_protocol::crypto::curve::Curve;
    use vschsm_protocol::crypto::ec::EcKey;

    /// Computed with another implementation of the curve (Python's `cryptography`).
    #[test]
    fn the_key_is_the_x_coordinate_of_the_point_in_common() {
        let [ours, theirs] = [[0x33; 32], [0x44; 32]]
            .map(|scalar| EcKey::from_scalar(&Curve::of_device_keys(), &scalar).unwrap());
        let kek = x_coordinate(&ours.agree(&theirs.public_point()).unwrap()).unwrap();
        let x = hex!("74854B6200F66C22E41C2EF70CBEBFF58F0AC5DFA0BCC2143B114FEA684B8601");
        assert_eq!(kek.bytes(), &x);
        assert_eq!(kek.check_value(), hex!("BD185E3A7BBADAAC"));
    }
}
