//! What ends with a reset.

use super::card_manager::Manager;
use super::firmware::Login;
use super::{Exchange, Judgement, Model};
use std::collections::BTreeSet;

/// Login, channel, and what has been chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) logged_in: bool,
    /// The PIN was right.
    pub(crate) pin: bool,
    /// The custodians who have signed.
    pub(crate) authenticated: BTreeSet<u8>,
    pub(crate) authenticator: Option<u8>,
    pub(crate) challenge: Option<Vec<u8>>,
    pub(crate) keeps_login: bool,
    /// Secure messaging.
    pub(crate) channel: bool,
    pub(crate) has_protocol: bool,
    pub(crate) session_pin: Option<Vec<u8>>,
    pub(crate) current: Option<u16>,
    pub(crate) buffer: Buffer,
    /// Whose key verifies the next certificate.
    pub(crate) issuer: Option<Holder>,
    /// The holders of verified certificates.
    pub(crate) trusted: Vec<Holder>,
    /// The card manager is selected.
    pub(crate) manager: Option<Box<Manager>>,
}

/// The work buffer, EF 2F10.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Buffer {
    #[default]
    None,
    There(Vec<u8>),
    /// A command that would have used it up was refused, and it is not written whether it is there.
    Perhaps(Vec<u8>),
}

/// Somebody with a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) name: Vec<u8>,
    /// The key, if it is not a root.
    pub(crate) point: Option<Vec<u8>>,
}

impl Session {
    /// That of a card which has just got power, or whose card manager has been selected.
    pub(super) fn in_card_manager() -> Self {
        Self { manager: Some(Box::default()), ..Self::default() }
    }
}

impl Model {
    pub(super) fn log_out(&mut self) {
        let session = &mut self.session;
        session.logged_in = false;
        session.pin = false;
        session.authenticated.clear();
        session.keeps_login = false;
    }

    /// The PIN was right, or a custodian has signed: perhaps that is enough.
    pub(super) fn authenticate(&mut self) {
        let by_keys = self.custodians.as_ref().is_some_and(|custodians| {
            let all_registered = custodians.slots.iter().all(Option::is_some);
            all_registered && self.session.authenticated.len() >= usize::from(custodians.required)
        });
        let both = self.custodians.is_some() && self.options & 0x10 != 0;
        let enough = if both { by_keys && self.session.pin } else { by_keys || self.session.pin };
        self.session.logged_in |= enough;
    }

    /// Whatever was not protected ends the channel, if there was one.
    pub(super) fn end_channel(&mut self) {
        if !std::mem::take(&mut self.session.channel) {
            return;
        }
        let kept = self.session.keeps_login;
        match self.firmware.login_after_channel() {
            Login::Ends => self.log_out(),
            Login::EndsUnlessKept if !kept => self.log_out(),
            Login::EndsUnlessKept | Login::Stays => self.session.keeps_login = false,
        }
    }

    pub(super) fn get_challenge(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (command, mut no) = (x.command, Vec::new());
        no.extend((command.p1p2() != 0).then_some(0x6A86));
        let length = command.ne.filter(|length| *length <= 1024);
        no.extend(length.is_none().then_some(0x6700));
        if !x.response.explained(&no)? {
            return Ok(());
        }
        if Some(x.response.data.len()) != length {
            return Err(format!("{} random bytes, and not {length:?}", x.response.data.len()));
        }
        self.session.challenge = Some(x.response.data.clone()).filter(|bytes| bytes.len() == 8);
        Ok(())
    }

    pub(super) fn general_authenticate(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (command, mut no) = (x.command, Vec::new());
        no.extend((command.p1p2() != 0).then_some(0x6A86));
        no.extend((!self.session.has_protocol).then_some(0x6985));
        let point = vschsm_protocol::tlv::at(&command.data, &[0x7C, 0x80]);
        let host = vschsm_testing::secure_host::HostOpening::point();
        no.extend((point != Some(host.as_slice())).then_some(0x6A80));
        if !x.response.explained(&no)? {
            return Ok(());
        }
        let data = x.response.data.as_slice();
        if !(data.starts_with(&[0x7C, 0x14, 0x81, 0x08]) && data.len() == 22) {
            return Err("the proof of the device key is malformed".into());
        }
        self.session.channel = true;
        Ok(())
    }

    pub(super) fn generate_session_pin(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let mut no = Vec::new();
        no.extend((x.command.p1p2() != 0x0181).then_some(0x6A86));
        no.extend((self.options & 0x04 == 0).then_some(0x6985));
        no.extend(self.without_login());
        no.extend((!self.session.channel).then_some(0x6982));
        if !x.response.explained(&no)? {
            return Ok(());
        }
        if x.response.data.len() != 8 {
            return Err("the session PIN has not eight bytes".into());
        }
        self.session.session_pin = Some(x.response.data.clone());
        Ok(())
    }
}
