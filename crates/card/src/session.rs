//! What does not survive a reset, nor SELECT of an application.
//!
//! [`Session::default`] is the session after SELECT of the applet; after a reset it is
//! [`Session::in_card_manager`].

mod user;

pub(crate) use user::User;

use crate::card_manager::session::CardManagerSession;
use crate::profile::LoginEnds;
use crate::state::files::Fid;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::cvc::{AuthenticatedRequest, RequestedKey, Role, VerificationKey};
use vschsm_protocol::secure_messaging::{Channel, Protocol};
use vschsm_protocol::trust::{self, TrustedCertificate};
use zeroize::Zeroizing;

/// How many verified certificates the card remembers; with one more it forgets the first.
const MOST_TRUSTED: usize = 16;

/// Login, secure messaging, current EF, work buffer, and trusted certificates.
///
/// A failing command does not undo changes here: a wrong PIN logs out.
#[derive(Default)]
pub(crate) struct Session {
    user_verified: bool,
    /// Whether the PIN was right, which is not enough if keys are required as well.
    pin_verified: bool,
    /// The registered keys that have signed a challenge, by number.
    pub(crate) authenticated: BTreeSet<u8>,
    /// The key for the next challenge, set by MANAGE SECURITY ENVIRONMENT.
    pub(crate) authenticator: Option<u8>,
    /// The challenge: the last response of GET CHALLENGE, if that had eight bytes.
    pub(crate) challenge: Option<[u8; 8]>,
    /// Whether the login is kept when the current or the next channel ends.
    keeps_login: bool,
    /// The channel whose keys open commands, from GENERAL AUTHENTICATE on.
    pub(crate) channel: Option<Channel>,
    /// The protocol of the next channel, set by MANAGE SECURITY ENVIRONMENT.
    pub(crate) protocol: Option<Protocol>,
    /// The session PIN from GENERATE SESSION PIN, which VERIFY accepts like the user PIN.
    pub(crate) session_pin: Option<Zeroizing<[u8; 8]>>,
    /// The EF that P1P2 = `0000` means in READ and UPDATE BINARY.
    pub(crate) current: Option<Fid>,
    /// EF 2F10, into which clients write command data that is too long for one APDU. It is not a
    /// file of the card: it is not listed, and does not survive a reset.
    pub(crate) buffer: Option<Zeroizing<Vec<u8>>>,
    /// The issuer of the next certificate, set by MANAGE SECURITY ENVIRONMENT.
    pub(crate) issuer: Option<TrustedCertificate>,
    /// Holders of verified certificates, the latest last.
    trusted: Vec<TrustedCertificate>,
    /// The session of the card manager, while it is selected instead of the applet.
    pub(crate) card_manager: Option<Box<CardManagerSession>>,
}

/// The buffer may hold anything.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user_verified,
            pin_verified,
            authenticated,
            authenticator,
            challenge,
            keeps_login,
            channel,
            protocol,
            session_pin,
            current,
            buffer,
            issuer,
            trusted,
            card_manager,
        } = self;
        f.debug_struct("Session")
            .field("user_verified", user_verified)
            .field("pin_verified", pin_verified)
            .field("authenticated", authenticated)
            .field("authenticator", authenticator)
            .field("challenge", challenge)
            .field("keeps_login", keeps_login)
            .field("channel", channel)
            .field("protocol", protocol)
            .field("session_pin", &session_pin.is_some())
            .field("current", current)
            .field("buffer", &buffer.as_ref().map(|buffer| buffer.len()))
            .field("issuer", issuer)
            .field("trusted", trusted)
            .field("card_manager", card_manager)
            .finish()
    }
}

impl Session {
    /// The session after a reset, and after SELECT of the card manager.
    pub(crate) fn in_card_manager() -> Self {
        Self { card_manager: Some(Box::default()), ..Self::default() }
    }

    pub(crate) fn log_in(&mut self) {
        self.user_verified = true;
    }

    pub(crate) fn log_out(&mut self) {
        self.user_verified = false;
        self.pin_verified = false;
        self.authenticated.clear();
        self.keeps_login = false;
    }

    /// The PIN was right.
    pub(crate) fn verify_pin(&mut self) {
        self.pin_verified = true;
        self.keeps_login = false;
    }

    /// Whether the PIN was right, which may not be enough for the login.
    pub(crate) fn has_verified_pin(&self) -> bool {
        self.pin_verified
    }

    /// Keeps the login, if there is one, when the channel ends.
    pub(crate) fn keep_login(&mut self) {
        self.keeps_login = self.user_verified;
    }

    /// Ends secure messaging, if there was any, and the login if they end together.
    pub(crate) fn end_channel(&mut self, login_ends: LoginEnds) {
        if self.channel.take().is_none() {
            return;
        }
        match login_ends {
            LoginEnds::Yes => self.log_out(),
            LoginEnds::UnlessKept if !self.keeps_login => self.log_out(),
            LoginEnds::UnlessKept | LoginEnds::No => self.keeps_login = false,
        }
    }

    /// Resets everything except the channel, which protects the response.
    pub(crate) fn begin_again(&mut self) {
        *self = Self { channel: self.channel.take(), ..Self::default() };
    }

    /// Trusts the holder from now on, in place of another one with that name.
    pub(crate) fn trust(&mut self, holder: TrustedCertificate) {
        self.trusted.retain(|known| known.holder != holder.holder);
        if self.trusted.len() == MOST_TRUSTED {
            self.trusted.remove(0);
        }
        self.trusted.push(holder);
    }

    /// The trusted holder of that name.
    pub(crate) fn trusted(&self, holder: &[u8]) -> Option<TrustedCertificate> {
        let known = self.trusted.iter().find(|known| known.holder == holder);
        trust::trust_anchor(holder).or_else(|| known.cloned())
    }

    /// The key of the device of that name, if its certificate was verified.
    pub(crate) fn device(&self, holder: &[u8]) -> Option<VerificationKey> {
        let known = self.trusted(holder).filter(|known| known.role == Role::Device);
        known.map(|device| device.key)
    }

    /// The EC key that a request is for, if it has signed the request, and a device
    /// whose certificate was verified has signed that.
    ///
    /// `6A80` if it is for an RSA key; `6A88` if no certificate was verified of the device that
    /// signed; `6985` for a wrong signature.
    pub(crate) fn requested_key<'a>(
        &self,
        request: &'a AuthenticatedRequest<'_>,
    ) -> Result<&'a VerificationKey, Status> {
        let RequestedKey::Ec(key) = request.requested() else { return Err(Status::WRONG_DATA) };
        let device = self.device(request.authority()).ok_or(Status::REFERENCE_NOT_FOUND)?;
        request.verify(&device).map_err(|_| Status::CONDITIONS_NOT_SATISFIED)?;
        Ok(key)
    }

    /// `6982` without login.
    pub(crate) fn user(&self) -> Result<User, Status> {
        if self.user_verified {
            Ok(User::verified())
        } else {
            Err(Status::SECURITY_STATUS_NOT_SATISFIED)
        }
    }
}
