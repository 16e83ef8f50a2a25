//! INSTALL — `80 E6 02 00 …` for load, `80 E6 0C 00 …` for install and make selectable.
//!
//! The data are fields, each after its length. For load: package, security domain, hash of the load
//! file, parameters, token. For install: package, module in it, applet, privileges,
//! parameters, token. A hash is the SHA-1 or SHA-256 of the load file data block, or absent, as the
//! package has a digest of its own; privileges and parameters are ignored; there must be no token.
//!
//! To install changes the card, all at once: it is as delivered, with the firmware that was loaded,
//! the same serial number, and a new device key with a certificate by the same issuer.
//!
//! | SW     | when                                                                           |
//! |--------|--------------------------------------------------------------------------------|
//! | `9000` | LOAD may follow, or the card is the new one                                    |
//! | `6985` | the package is there, and not deleted in this channel; nothing has been loaded, |
//! |        | or the applet not been deleted                                                 |
//! | `6A80` | malformed; another package or applet; a token                                  |
//! | `6A86` | P1 is not 02 or 0C, or P2 not 00                                               |
//!
//! Source: GlobalPlatform Card Specification 2.1.1, section 9.5.

use super::context::{CardManagerContext, done, replaceable};
use super::fields::fields;
use super::loading::Loading;
use crate::personalisation;
use crate::randomness::Purpose;
use alloc::sync::Arc;
use vschsm_protocol::aid::{APPLET, CARD_MANAGER, MODULE, PACKAGE};
use vschsm_protocol::apdu::{Command, Response, Status};

/// P1 and P2: for load; for install and make selectable.
const FOR_LOAD: u16 = 0x0200;
const FOR_INSTALL: u16 = 0x0C00;

pub(super) fn run(cx: &mut CardManagerContext<'_>, command: &Command) -> Result<Response, Status> {
    match command.p1p2() {
        FOR_LOAD => for_load(cx, &command.data),
        FOR_INSTALL => for_install(cx, &command.data),
        _ => Err(Status::INCORRECT_P1P2),
    }
}

fn for_load(cx: &mut CardManagerContext<'_>, data: &[u8]) -> Result<Response, Status> {
    let [package, domain, hash, _parameters, token] = fields(data)?;
    let is_ours = package == PACKAGE && (domain.is_empty() || domain == CARD_MANAGER);
    if !is_ours || !token.is_empty() {
        return Err(Status::WRONG_DATA);
    }
    let replacement = &mut cx.session.replacement;
    if !replacement.package_is_deleted || replacement.loaded.is_some() {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }

    replacement.loading = Some(Loading::new(hash)?);
    done()
}

fn for_install(cx: &mut CardManagerContext<'_>, data: &[u8]) -> Result<Response, Status> {
    let [package, module, applet, _privileges, _parameters, token] = fields(data)?;
    if package != PACKAGE || module != MODULE || applet != APPLET || !token.is_empty() {
        return Err(Status::WRONG_DATA);
    }
    let replacement = &mut cx.session.replacement;
    if !replacement.applet_is_deleted {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    let loaded = replacement.loaded.take().ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
    replaceable(cx.state)?;

    let stream = cx.randomness.stream(Purpose::Personalisation);
    let firmware = cx.profile.name();
    cx.state.change_all(|state| personalisation::repersonalise(state, firmware, stream));
    let strong_aes_keys = cx.profile.has_strong_aes_keys();
    *cx.profile = Arc::new(loaded.with_strong_aes_keys(strong_aes_keys));
    cx.session.replacement = Default::default();
    done()
}
