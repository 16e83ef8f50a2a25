//! UNWRAP KEY — `80 74 id 93 [blob]`: imports a key from a blob made by WRAP KEY.
//!
//! Without data the blob is what UPDATE BINARY has written into EF 2F10, which is empty afterwards.
//! The check value in front of the blob chooses the key domain, and the key is in it from then on;
//! it has the algorithm list of the blob, and no use counter.
//!
//! | SW     | when                                                                           |
//! |--------|--------------------------------------------------------------------------------|
//! | `9000` | imported                                                                       |
//! | `6982` | not logged in                                                                  |
//! | `6985` | P1 is 00; or there is such a key, and it has a list without `94`               |
//! | `6A80` | blob malformed, its MAC wrong, or no key in it; up to 2.7 a blob of another DKEK; |
//! |        | an RSA key of more than 2048 bits with its primes, or whose private exponent   |
//! |        | is longer than its modulus                                                     |
//! | `6A81` | a key of a size, on a curve or of a kind that the firmware does not have       |
//! | `6A84` | the memory is full                                                             |
//! | `6A86` | P2 is not 93                                                                   |
//! | `6A88` | no complete key-encryption key, or from 3.0 on no such check value;            |
//! |        | neither data nor EF 2F10                                                       |
//! | `6D00` | the card was initialised without DKEK shares and key domains                   |
//! | `6F00` | the blob has an algorithm list, and the firmware is 3.1                        |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_unwrap_key`, and `sc-hsm-tool.c` for `6D00` and for the
//! `6A80` of another DKEK; regalia-kms for `6A88`; CardContact's scsh-scripts, issues 5 and 7, for
//! RSA keys; Nitrokey support thread 1783 for `6F00`. That a key without a list may be replaced is
//! a guess, and so is that `6D00` comes before `6982`.

use crate::context::Context;
use crate::profile::Restriction;
use crate::state::{Key, KeyAttributes, KeyId};
use crate::unwrapping;
use vschsm_protocol::algorithm::{REPLACE, UNWRAP};
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::key_blob::Blob;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    cx.state.domains.configured()?;
    cx.session.user()?;
    if command.p2 != UNWRAP {
        return Err(Status::INCORRECT_P1P2);
    }
    let id = KeyId::try_from(command.p1)?;
    let data = cx.long_data(command)?;
    let blob = Blob::parse(&data)?;
    if !blob.algorithms.is_empty() {
        cx.profile.restrict(Restriction::UnwrapWithAlgorithmList)?;
    }
    let other_dkek = cx.profile.behaviour().unwrap_other_dkek;
    let (domain, kek) = cx.state.domains.with_check_value(blob.check_value, other_dkek)?;
    if cx.state.keys.get(id).is_some_and(|key| !may_be_replaced(key)) {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    let secret = unwrapping::unwrap(&blob, kek, cx.profile, &cx.state.keys)?;

    // In domain 0 as keys are that were generated without tag 92.
    let domain = (domain != 0).then_some(domain);
    let algorithms = blob.algorithms.to_vec();
    let attributes = KeyAttributes { algorithms, domain, ..KeyAttributes::default() };
    cx.state.insert_key(id, Key::new(secret, attributes));
    Ok(Response::ok([]))
}

fn may_be_replaced(key: &Key) -> bool {
    key.algorithms().is_empty() || key.algorithms().contains(&REPLACE)
}
