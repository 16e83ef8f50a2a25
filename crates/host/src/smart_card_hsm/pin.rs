//! The user PIN and the SO-PIN.

use super::SmartCardHsm;
use crate::command;
use crate::error::HostError;
use crate::transport::Transport;
use vschsm_protocol::apdu::Status;
use zeroize::Zeroizing;

/// Which PIN is meant: P2 of VERIFY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinReference {
    /// The user PIN, `81`: 6 to 16 bytes.
    User,
    /// The SO-PIN, `88`, which the vendor calls initialization code: 8 bytes.
    So,
}

/// What VERIFY without data says of a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinStatus {
    /// The user is logged in.
    Verified,
    /// Not verified; so many tries are left, 1 to 15.
    TriesLeft(u8),
    /// There is no PIN, as public keys authenticate the user: `6300`.
    PublicKeys,
    /// No tries are left: `6983`.
    Blocked,
    /// It must be changed before it can be used: `6984`, a transport PIN. Firmware without
    /// transport PINs means that the card was never initialised.
    Transport,
    /// The card was never initialised: `6A88`.
    NotInitialised,
}

impl PinReference {
    fn p2(self) -> u8 {
        match self {
            Self::User => 0x81,
            Self::So => 0x88,
        }
    }
}

impl PinStatus {
    /// What that status word says.
    #[must_use]
    pub fn of(status: Status) -> Option<Self> {
        Some(match status.0 {
            0x9000 => Self::Verified,
            0x63C0 | 0x6983 => Self::Blocked,
            0x63C1..=0x63CF => Self::TriesLeft(status.0.to_be_bytes()[1] & 0x0F),
            0x6300 => Self::PublicKeys,
            0x6984 => Self::Transport,
            0x6A88 => Self::NotInitialised,
            _ => return None,
        })
    }

    /// The status word that says so.
    #[must_use]
    pub fn status(self) -> Status {
        Status(match self {
            Self::Verified => 0x9000,
            Self::TriesLeft(tries) => 0x63C0 | u16::from(tries & 0x0F),
            Self::PublicKeys => 0x6300,
            Self::Blocked => 0x6983,
            Self::Transport => 0x6984,
            Self::NotInitialised => 0x6A88,
        })
    }
}

impl<T: Transport> SmartCardHsm<T> {
    /// The state of a PIN, and how many tries it has left. No try is spent.
    ///
    /// # Errors
    /// If the card has no such PIN.
    pub fn pin_status(&mut self, pin: PinReference) -> Result<PinStatus, HostError> {
        let (status, _) = self.send(&[0x00, 0x20, 0x00, pin.p2()])?;
        PinStatus::of(status).ok_or(HostError::Refused { command: "VERIFY", status })
    }

    /// Whether the user is logged in, by PIN or by public keys.
    ///
    /// # Errors
    /// If the card does not respond.
    pub fn is_logged_in(&mut self) -> Result<bool, HostError> {
        Ok(self.send(&[0x00, 0x20, 0x00, 0x81])?.0 == Status::OK)
    }

    /// Verifies the user PIN: logs in.
    ///
    /// # Errors
    /// [`HostError::WrongPin`], [`HostError::PinBlocked`]; `6984` for a transport PIN.
    pub fn verify_pin(&mut self, pin: &str) -> Result<(), HostError> {
        let command = Zeroizing::new(command::verify(pin));
        self.spend_try("VERIFY", &command)
    }

    /// Verifies the user PIN, unless the user is logged in already, or it is the last try: a wrong
    /// PIN then blocks nothing.
    ///
    /// # Errors
    /// As [`verify_pin`](Self::verify_pin); [`HostError::LastTry`] or [`HostError::Unsupported`] if
    /// no PIN was sent.
    pub fn verify_pin_carefully(&mut self, pin: &str) -> Result<(), HostError> {
        match self.pin_status(PinReference::User)? {
            PinStatus::Verified => Ok(()),
            PinStatus::TriesLeft(2..) => self.verify_pin(pin),
            PinStatus::Blocked => Err(HostError::PinBlocked),
            PinStatus::TriesLeft(_) => Err(HostError::LastTry),
            _ => Err(HostError::Unsupported("no PIN was sent, as the card awaits none")),
        }
    }

    /// Verifies the SO-PIN. Nothing needs it; INITIALIZE DEVICE and RESET RETRY COUNTER have it in
    /// their data.
    ///
    /// # Errors
    /// [`HostError::WrongPin`], [`HostError::PinBlocked`].
    pub fn verify_so_pin(&mut self, so_pin: &[u8; 8]) -> Result<(), HostError> {
        let command = [&[0x00, 0x20, 0x00, 0x88, 0x08][..], so_pin].concat();
        self.spend_try("VERIFY", &Zeroizing::new(command))
    }

    /// Verifies a biometric template of a product that has these: P2 `85` or `86`.
    ///
    /// # Errors
    /// If it is wrong, or the card has no such template: the genuine SmartCard-HSM has none.
    pub fn verify_template(&mut self, number: u8, template: &[u8]) -> Result<(), HostError> {
        self.ask(&command::without_le([0x80, 0x20, 0x00, number], template)).map(drop)
    }

    /// Replaces the user PIN; the user is logged in then.
    ///
    /// # Errors
    /// [`HostError::WrongPin`], [`HostError::PinBlocked`]; `6A80` for a new PIN that is not 6 to 16
    /// bytes, or too short for its number of tries.
    pub fn change_pin(&mut self, current: &str, new: &str) -> Result<(), HostError> {
        let command = command::change_reference_data(0x81, current.as_bytes(), new.as_bytes());
        self.spend_try("CHANGE REFERENCE DATA", &Zeroizing::new(command))
    }

    /// Replaces the SO-PIN.
    ///
    /// # Errors
    /// [`HostError::WrongPin`], [`HostError::PinBlocked`].
    pub fn change_so_pin(&mut self, current: &[u8; 8], new: &[u8; 8]) -> Result<(), HostError> {
        let command = command::change_reference_data(0x88, current, new);
        self.spend_try("CHANGE REFERENCE DATA", &Zeroizing::new(command))
    }

    /// Gives the user PIN all its tries again, and a new value if one is given. The user is not
    /// logged in then.
    ///
    /// # Errors
    /// [`HostError::WrongPin`] and [`HostError::PinBlocked`] for the SO-PIN; `6985` if the card's
    /// options do not allow it.
    pub fn unblock_pin(&mut self, so_pin: &[u8; 8], new: Option<&str>) -> Result<(), HostError> {
        let command = Zeroizing::new(command::reset_retry_counter(so_pin, new));
        self.spend_try("RESET RETRY COUNTER", &command)
    }

    /// Has the card make a PIN that can take the place of the user PIN until the session ends.
    ///
    /// # Errors
    /// `6982` without login; `6D00` from firmware that has no session PINs.
    pub fn session_pin(&mut self) -> Result<Zeroizing<Vec<u8>>, HostError> {
        self.ask(&[0x80, 0x5A, 0x01, 0x81, 0x00]).map(Zeroizing::new)
    }

    fn spend_try(&mut self, name: &'static str, command: &[u8]) -> Result<(), HostError> {
        match self.send(command)?.0 {
            Status::OK => Ok(()),
            Status(0x6983 | 0x63C0) => Err(HostError::PinBlocked),
            Status(status @ 0x63C1..=0x63CF) => {
                Err(HostError::WrongPin { tries: status.to_be_bytes()[1] & 0x0F })
            }
            status => Err(HostError::Refused { command: name, status }),
        }
    }
}
