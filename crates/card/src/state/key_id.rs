//! The numbers of keys, and the files that go by them.

use super::Fid;
use vschsm_protocol::apdu::Status;

/// A key's number, 1 to 255: P1 of the commands that use it, and the low byte of its CCxx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(u8);

impl KeyId {
    /// The file identifier under which the key is listed, selected and deleted.
    #[must_use]
    pub fn fid(self) -> Fid {
        Fid(0xCC00 | u16::from(self.0))
    }

    /// The key that `fid` stands for, if it is one that a user may have.
    pub(crate) fn of_fid(fid: Fid) -> Option<Self> {
        let [prefix, id] = fid.0.to_be_bytes();
        (prefix == 0xCC && id != 0).then_some(Self(id))
    }

    /// The file in which GENERATE ASYMMETRIC KEY PAIR leaves the certificate request.
    pub(crate) fn request_fid(self) -> Fid {
        Fid(0xCE00 | u16::from(self.0))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for KeyId {
    type Error = Status;

    /// Key 0 is the device key, which no command may use or replace: `6985`.
    fn try_from(id: u8) -> Result<Self, Status> {
        if id == 0 { Err(Status::CONDITIONS_NOT_SATISFIED) } else { Ok(Self(id)) }
    }
}
