//! INITIALIZE DEVICE — `80 50 00 00 TLVs`: erases the card and sets its PINs and options.
//!
//! | tag | length | meaning                                                                      |
//! |-----|--------|------------------------------------------------------------------------------|
//! | 80  | 2      | options, see [`Options`]                                                     |
//! | 81  | 6-16   | user PIN; absent or empty if only public keys authenticate                   |
//! | 82  | 8      | SO-PIN: set the first time, compared after that                              |
//! | 91  | 1      | tries of the user PIN, 3 without it                                          |
//! | 92  | 1      | number of DKEK shares, 0 for a random DKEK: one key domain                   |
//! | 93  | 2      | number of public keys for authentication (1-90), and how many are required   |
//! | 97  | 1      | number of slots for key domains; not together with 92                        |
//!
//! Tags that the firmware does not know are ignored. Device key and certificates stay, and the
//! session is logged in afterwards. Without data the command returns the free memory (4 bytes),
//! `00` and the version (2 bytes).
//!
//! | SW     | when                                                                              |
//! |--------|-----------------------------------------------------------------------------------|
//! | `9000` | done                                                                              |
//! | `6700` | SO-PIN not 8 bytes; no data, on a firmware without this query                     |
//! | `6983` | no tries of the SO-PIN left, the last one spent just now or before                |
//! | `6985` | SO-PIN wrong, a try is spent and another one left                                 |
//! | `6A80` | malformed; no SO-PIN; more tries than the PIN's length allows; 92 together with 97  |
//! | `6A86` | P1 or P2 is not 00                                                                |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_init_token`; the vendor's key generator for tag 97.

use crate::context::Context;
use crate::profile::{Profile, Restriction};
use crate::randomness::Purpose;
use crate::state::{AuthenticationKeys, Configuration, Fid, KeyDomain, KeyDomains, Options, Pin};
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::tlv::{self, Object};

/// Tries of a user PIN for which tag 91 says nothing.
const DEFAULT_TRIES: u8 = 3;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    if command.p1p2() != 0 {
        return Err(Status::INCORRECT_P1P2);
    }
    if command.data.is_empty() {
        cx.profile.restrict(Restriction::QueryMemory)?;
        return Ok(Response::ok(memory_and_version(cx)));
    }
    let mut objects = tlv::parse(&command.data)?;
    objects.retain(|object| cx.profile.initializes(object.tag));
    let configuration = configuration(cx.profile, &objects)?;
    let domains = key_domains(&objects, cx.randomness.stream(Purpose::KeyDomain(0)))?;
    let user = user_pin(&objects)?;
    let code = tlv::find(&objects, 0x82).ok_or(Status::WRONG_DATA)?;
    let new_code = Pin::so_pin(code)?;

    match &mut cx.state.pins_mut().so_pin {
        Some(known) => known.verify(code).map_err(not_initialised)?,
        unset => *unset = Some(new_code),
    }
    cx.state.change_all(|state| {
        state.pins.user = user;
        state.configuration = configuration;
        state.domains = domains;
        state.keys.clear();
        state.files.keep_only(Fid::DEVICE_CERTIFICATES);
    });
    cx.session.begin_again();
    cx.session.log_in();
    Ok(Response::ok([]))
}

/// A wrong SO-PIN is `6985` here and not `63Cx`, unless it was the last.
///
/// Source: OpenSC `sc_hsm_init_token` makes "PIN incorrect" of exactly the "not allowed" class.
fn not_initialised(status: Status) -> Status {
    match status {
        Status::AUTHENTICATION_METHOD_BLOCKED => status,
        _ => Status::CONDITIONS_NOT_SATISFIED,
    }
}

fn memory_and_version(cx: &Context<'_>) -> Vec<u8> {
    let free = cx.profile.memory().saturating_sub(cx.state.used());
    let (major, minor) = cx.profile.version();
    [&cx.profile.reported_memory(free).to_be_bytes()[..], &[0x00, major, minor]].concat()
}

fn configuration(profile: &Profile, objects: &[Object<'_>]) -> Result<Configuration, Status> {
    let options = fixed(objects, 0x80)?.map_or(profile.default_options(), u16::from_be_bytes);
    let authentication_keys = fixed(objects, 0x93)?
        .map(|[keys, required]| AuthenticationKeys::new(keys, required).ok_or(Status::WRONG_DATA));
    let authentication_keys = authentication_keys.transpose()?;
    Ok(Configuration { options: Options(options), authentication_keys })
}

/// A domain with its DKEK shares, empty slots for domains, or nothing that could wrap a key.
fn key_domains(objects: &[Object<'_>], rng: &mut ChaCha20Rng) -> Result<KeyDomains, Status> {
    match (fixed(objects, 0x92)?, fixed(objects, 0x97)?) {
        (Some([shares]), None) => Ok(KeyDomains::one(KeyDomain::of_shares(shares, rng))),
        (None, Some([slots])) => Ok(KeyDomains::empty(slots)),
        (None, None) => Ok(KeyDomains::default()),
        (Some(_), Some(_)) => Err(Status::WRONG_DATA),
    }
}

fn user_pin(objects: &[Object<'_>]) -> Result<Option<Pin>, Status> {
    let tries = fixed(objects, 0x91)?.map_or(DEFAULT_TRIES, |[tries]| tries);
    let pin = tlv::find(objects, 0x81).filter(|pin| !pin.is_empty());
    pin.map(|pin| Pin::user(pin, tries)).transpose()
}

/// The value of the first object with `tag`, which has `N` bytes.
fn fixed<const N: usize>(objects: &[Object<'_>], tag: u16) -> Result<Option<[u8; N]>, Status> {
    let value = tlv::find(objects, tag);
    value.map(|value| value.try_into().map_err(|_| Status::WRONG_DATA)).transpose()
}
