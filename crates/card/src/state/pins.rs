//! The user PIN and the SO-PIN, with their retry counters.
//!
//! The vendor calls the SO-PIN "initialization code".

use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;
use subtle::ConstantTimeEq;
use vschsm_protocol::apdu::Status;
use zeroize::Zeroizing;

/// A PIN and its retry counter.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin {
    value: Zeroizing<Vec<u8>>,
    limit: u8,
    tries: u8,
}

impl Pin {
    /// Lengths of a user PIN, in bytes.
    pub(crate) const USER_LENGTH: RangeInclusive<usize> = 6..=16;
    /// Length of the SO-PIN, in bytes.
    pub(crate) const SO_PIN_LENGTH: usize = 8;
    /// Tries of the SO-PIN. Source: sc-hsm-tool on firmware 2.6, 3.4 and 4.1.
    const SO_PIN_TRIES: u8 = 15;

    /// A user PIN that may be wrong `tries` times in a row.
    ///
    /// `6A80` for fewer than 6 bytes, more than 16, or more tries than the length allows: 3 with 6
    /// bytes, 5 with 7, 10 with more. Source: OpenSC `sc-hsm-tool.c`; a card of firmware 2.0
    /// refuses 5 tries with 6 digits.
    pub(crate) fn user(value: &[u8], tries: u8) -> Result<Self, Status> {
        let most = match value.len() {
            6 => 3,
            7 => 5,
            8..=16 => 10,
            _ => return Err(Status::WRONG_DATA),
        };
        if !(1..=most).contains(&tries) {
            return Err(Status::WRONG_DATA);
        }
        Ok(Self::restored(value, tries, tries))
    }

    /// An SO-PIN; `6700` if it does not have 8 bytes.
    pub(crate) fn so_pin(value: &[u8]) -> Result<Self, Status> {
        if value.len() != Self::SO_PIN_LENGTH {
            return Err(Status::WRONG_LENGTH);
        }
        let tries = Self::SO_PIN_TRIES;
        Ok(Self::restored(value, tries, tries))
    }

    pub(crate) fn restored(value: &[u8], limit: u8, tries: u8) -> Self {
        Self { value: Zeroizing::new(value.to_vec()), limit, tries }
    }

    pub(crate) fn value(&self) -> &[u8] {
        &self.value
    }

    /// Its length in bytes, which is not secret: the card returns `6700` for a value of another
    /// length.
    pub(crate) fn length(&self) -> usize {
        self.value.len()
    }

    /// How many tries a fresh PIN has, 1 to 15.
    #[must_use]
    pub fn limit(&self) -> u8 {
        self.limit
    }

    /// How many tries are left; 0 means blocked.
    #[must_use]
    pub fn tries(&self) -> u8 {
        self.tries
    }

    /// `63Cx`, or `6983` when no try is left.
    pub(crate) fn status(&self) -> Status {
        match self.tries {
            0 => Status::AUTHENTICATION_METHOD_BLOCKED,
            tries => Status::tries_left(tries),
        }
    }

    /// Compares `value`, of any length, with the PIN. The right value restores all tries, a wrong
    /// one spends a try: `63Cx`, and `6983` when that was the last one or none was left.
    ///
    /// Source: the vendor's test of its PKCS#11 module (sc-hsm-embedded commit f120d05) expects
    /// that VERIFY says `6983` to the user PIN that spends the last try. That the other commands
    /// say it too, and VERIFY of the SO-PIN, is a guess.
    pub(crate) fn verify(&mut self, value: &[u8]) -> Result<(), Status> {
        if self.tries == 0 {
            return Err(Status::AUTHENTICATION_METHOD_BLOCKED);
        }
        self.tries -= 1;
        if bool::from(self.value.as_slice().ct_eq(value)) {
            self.unblock();
            Ok(())
        } else {
            Err(self.status())
        }
    }

    /// Sets the retry counter.
    pub(crate) fn set_tries(&mut self, tries: u8) -> Result<(), SetTriesError> {
        if tries > self.limit {
            return Err(SetTriesError::TooMany { limit: self.limit });
        }
        self.tries = tries;
        Ok(())
    }

    /// Restores all tries.
    pub(crate) fn unblock(&mut self) {
        self.tries = self.limit;
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({} of {} tries left)", self.tries, self.limit)
    }
}

/// Why a retry counter cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetTriesError {
    /// The card has no user PIN.
    NoUserPin,
    /// It has never been initialised.
    NoSoPin,
    /// The PIN never has that many tries.
    TooMany {
        /// How many a fresh PIN has.
        limit: u8,
    },
}

impl fmt::Display for SetTriesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUserPin => f.write_str("the card has no user PIN"),
            Self::NoSoPin => f.write_str("the card has no SO-PIN yet"),
            Self::TooMany { limit } => write!(f, "that PIN never has more than {limit} tries"),
        }
    }
}

impl core::error::Error for SetTriesError {}

/// The card's two PINs. A card never initialised has neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    pub(crate) user: Option<Pin>,
    pub(crate) so_pin: Option<Pin>,
}

impl Pins {
    /// The user PIN; `None` before initialisation, or if only public keys authenticate the user.
    #[must_use]
    pub fn user(&self) -> Option<&Pin> {
        self.user.as_ref()
    }

    /// The SO-PIN; `None` before the first initialisation.
    #[must_use]
    pub fn so_pin(&self) -> Option<&Pin> {
        self.so_pin.as_ref()
    }

    /// The user PIN; `6A88` if there is none.
    pub(crate) fn user_mut(&mut self) -> Result<&mut Pin, Status> {
        self.user.as_mut().ok_or(Status::REFERENCE_NOT_FOUND)
    }

    /// The SO-PIN; `6A88` if there is none.
    pub(crate) fn so_pin_mut(&mut self) -> Result<&mut Pin, Status> {
        self.so_pin.as_mut().ok_or(Status::REFERENCE_NOT_FOUND)
    }

    /// Sets the retry counters to those of `other`, and nothing else.
    pub(crate) fn take_tries_of(&mut self, other: &Self) {
        for (mine, others) in [(&mut self.user, &other.user), (&mut self.so_pin, &other.so_pin)] {
            if let (Some(mine), Some(others)) = (mine, others) {
                mine.tries = others.tries;
            }
        }
    }
}
