//! MANAGE PUBLIC KEY AUTHENTICATION — `80 54 p1 p2 [7F21, 42, 5F37]`: registers the keys of
//! custodians, who together authenticate the user.
//!
//! The data is the authenticated request (the content of tag 67) for a key of the custodian's card
//! on a curve. It may be longer than an APDU, and is then in EF 2F10. The certificates of that card
//! must have been verified. The keys authenticate only when all keys are registered for which
//! INITIALIZE DEVICE has created slots.
//!
//! The user decides who may use the card's keys: replacing a registered key needs login, by PIN or
//! by the required number of keys, and so does registering a key on a card that has keys. Before
//! there are any, sc-hsm-tool registers without a PIN.
//!
//! | P1   | P2     | does                                                                        |
//! |------|--------|-----------------------------------------------------------------------------|
//! | `00` | 00     | registers a key; without data nothing                                       |
//! | `01` | number | replaces a registered key, if the options allow that                        |
//! | `02` | number | returns the holder reference (CHR) of a key; no data                        |
//!
//! The response to 00 and 01 has four bytes: the number of slots, of missing keys, of required
//! keys, and of keys that have authenticated.
//!
//! | SW     | when                                                                        |
//! |--------|-----------------------------------------------------------------------------|
//! | `9000` | done                                                                        |
//! | `9001` | P1 is 02, and the key has authenticated                                     |
//! | `6982` | P1 is 01, or 00 with data while the card has keys, and nobody is logged in  |
//! | `6985` | a signature is wrong; the key (its point on its curve) or its name is       |
//! |        | registered; may not be replaced                                             |
//! | `6A80` | malformed, or not a point on a curve                                        |
//! | `6A84` | all keys are registered                                                     |
//! | `6A86` | P1 or P2 wrong                                                              |
//! | `6A88` | no certificate was verified of the custodian's card; no such key            |
//! | `6D00` | the card was initialised without keys that authenticate                     |
//! | `6F00` | the state is queried, the firmware is 3.5, and there is a key domain for  |
//! |        | key exchange beside one with DKEK shares                                    |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_register_public_key` and
//! `sc_hsm_public_key_auth_status`, and `sc-hsm-tool.c` for `6D00`; the vendor's scripts for P1 02;
//! Nitrokey support threads 1726 for `6985` to a second key and 6689 for `6F00`; that this comes of
//! a card without keys that authenticate as well is a guess. The other status words, that numbers
//! begin at 0, and for what login is needed are a guess: on the safe side.

use crate::context::Context;
use crate::profile::Restriction;
use crate::state::{AuthenticationKey, AuthenticationKeys, Options};
use vschsm_protocol::apdu::{Command, Response, Status};

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    let is_query = command.data.is_empty() && cx.session.buffer.is_none();
    if (command.p1, command.p2) == (0x00, 0x00)
        && is_query
        && cx.state.domains.has_both_kek_sources()
    {
        cx.profile.restrict(Restriction::AuthenticationStateBesideKeyExchange)?;
    }
    let keys = configured(cx)?;
    match (command.p1, command.p2) {
        (0x00, 0x00) if is_query => {}
        (0x00, 0x00) => {
            if cx.state.keys().next().is_some() {
                cx.session.user()?;
            }
            let key = requested(cx, command)?;
            change_keys(cx, |keys| keys.register(key))?;
        }
        (0x01, number) => {
            keys.key(number)?;
            cx.session.user()?;
            let options = cx.state.configuration.options;
            if !options.has(Options::REPLACE_AUTHENTICATION_KEYS) {
                return Err(Status::CONDITIONS_NOT_SATISFIED);
            }
            let key = requested(cx, command)?;
            change_keys(cx, |keys| keys.replace(number, key))?;
            cx.session.authenticated.remove(&number);
            cx.session.authenticator = None;
        }
        (0x02, number) => {
            let data = keys.key(number)?.holder().to_vec().into();
            let authenticated = cx.session.authenticated.contains(&number);
            let status = if authenticated { Status::KEY_HAS_AUTHENTICATED } else { Status::OK };
            return Ok(Response { data, status });
        }
        _ => return Err(Status::INCORRECT_P1P2),
    }
    let keys = configured(cx)?;
    let authenticated = u8::try_from(cx.session.authenticated.len()).unwrap_or(u8::MAX);
    Ok(Response::ok([keys.number(), keys.missing(), keys.required(), authenticated]))
}

fn configured<'a>(cx: &'a Context<'_>) -> Result<&'a AuthenticationKeys, Status> {
    cx.state.configuration.authentication_keys.as_ref().ok_or(Status::INSTRUCTION_NOT_SUPPORTED)
}

fn change_keys(
    cx: &mut Context<'_>,
    change: impl FnOnce(&mut AuthenticationKeys) -> Result<(), Status>,
) -> Result<(), Status> {
    cx.state.change_configuration(|configuration| {
        let keys = configuration.authentication_keys.as_mut();
        change(keys.ok_or(Status::INSTRUCTION_NOT_SUPPORTED)?)
    })
}

/// The key that the command's data requests to be registered.
fn requested(cx: &mut Context<'_>, command: &Command) -> Result<AuthenticationKey, Status> {
    let data = cx.long_data(command)?;
    AuthenticationKey::requested(&data, cx.session)
}
