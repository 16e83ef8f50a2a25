//! Command and response APDUs, ISO 7816-4 section 5 and 7816-3 section 12.1.
//!
//! ```
//! use vschsm_protocol::apdu::{Command, Response, Status};
//!
//! // READ BINARY of EF 2F02 from its first byte on, and all that there is.
//! let command = Command::parse(b"\x00\xB1\x2F\x02\x04\x54\x02\x00\x00\x00")?;
//! assert_eq!((command.ins, command.p1p2()), (0xB1, 0x2F02));
//! assert_eq!((command.ne, command.le_is_max), (Some(256), true));
//!
//! assert_eq!(Response::ok(*b"\x01\x02").encode(), [0x01, 0x02, 0x90, 0x00]);
//! assert_eq!(Command::parse(b"\x00\xA4"), Err(Status::WRONG_LENGTH));
//! # Ok::<(), Status>(())
//! ```

use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

/// A command APDU, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// Class byte.
    pub cla: u8,
    /// Instruction byte.
    pub ins: u8,
    /// First parameter byte.
    pub p1: u8,
    /// Second parameter byte.
    pub p2: u8,
    /// Command data, 0 to 65,535 bytes: it may hold a PIN or a DKEK share, so it is wiped.
    pub data: Zeroizing<Vec<u8>>,
    /// The longest response data the host expects, 1 to 65,536 bytes; none in cases 1 and 3.
    pub ne: Option<usize>,
    /// Whether Le is all zeros, the maximum: the host takes what there is, up to `ne`.
    pub le_is_max: bool,
}

/// The data may hold a PIN.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cla, ins, p1, p2, data, ne, .. } = self;
        write!(f, "{cla:02X} {ins:02X} {p1:02X} {p2:02X}, {} bytes, Ne {ne:?}", data.len())
    }
}

impl Command {
    /// Parses the four cases in short and extended form.
    ///
    /// # Errors
    /// `6700` for anything else: fewer than four bytes, or an Lc that is not the length of the
    /// data.
    pub fn parse(bytes: &[u8]) -> Result<Self, Status> {
        let [cla, ins, p1, p2, body @ ..] = bytes else { return Err(Status::WRONG_LENGTH) };
        let (data, le) = match body {
            [] => (&[][..], &[][..]),
            [_] => (&[][..], body),
            [0, le @ ..] if le.len() == 2 => (&[][..], le),
            [0, hi, lo, rest @ ..] => split(rest, u16::from_be_bytes([*hi, *lo]).into(), 2)?,
            [lc, rest @ ..] => split(rest, usize::from(*lc), 1)?,
        };
        Ok(Self::new([*cla, *ins, *p1, *p2], data.to_vec(), le))
    }

    /// The command of this header; `le` is an Le of no, one or two bytes.
    pub fn new([cla, ins, p1, p2]: [u8; 4], data: Vec<u8>, le: &[u8]) -> Self {
        let ne = match *le {
            [] => None,
            [0] => Some(0x100),
            [le] => Some(usize::from(le)),
            [0, 0, ..] => Some(0x1_0000),
            [hi, lo, ..] => Some(u16::from_be_bytes([hi, lo]).into()),
        };
        let le_is_max = !le.is_empty() && le.iter().all(|byte| *byte == 0);
        Self { cla, ins, p1, p2, data: Zeroizing::new(data), ne, le_is_max }
    }

    /// P1 and P2 as one number, as READ and UPDATE BINARY use them.
    #[inline]
    #[must_use]
    pub fn p1p2(&self) -> u16 {
        u16::from_be_bytes([self.p1, self.p2])
    }
}

/// Splits what follows Lc into `lc` bytes of data, at least one, and nothing or `le` bytes of Le.
fn split(bytes: &[u8], lc: usize, le: usize) -> Result<(&[u8], &[u8]), Status> {
    let (data, rest) = bytes.split_at_checked(lc).ok_or(Status::WRONG_LENGTH)?;
    if data.is_empty() || !(rest.is_empty() || rest.len() == le) {
        return Err(Status::WRONG_LENGTH);
    }
    Ok((data, rest))
}

/// A status word. Every value is legal on the wire; those that this card returns have a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    /// Done.
    pub const OK: Self = Self(0x9000);
    /// Done; and the registered key that was asked about has authenticated the user.
    pub const KEY_HAS_AUTHENTICATED: Self = Self(0x9001);
    /// The file ended before Le bytes; those before its end are in the response.
    pub const END_OF_FILE: Self = Self(0x6282);
    /// Not authenticated: asked for the PIN's state, a card has only public keys registered.
    pub const AUTHENTICATION_FAILED: Self = Self(0x6300);
    /// The APDU's length is wrong.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// The command is protected, and there is no channel.
    pub const SECURE_MESSAGING_NOT_SUPPORTED: Self = Self(0x6882);
    /// The user has not been verified, or nobody may do this.
    pub const SECURITY_STATUS_NOT_SATISFIED: Self = Self(0x6982);
    /// The PIN has no tries left.
    pub const AUTHENTICATION_METHOD_BLOCKED: Self = Self(0x6983);
    /// The transport PIN must be changed first, or a key's use counter has run out.
    pub const REFERENCE_DATA_NOT_USABLE: Self = Self(0x6984);
    /// Not allowed in the state that the card is in.
    pub const CONDITIONS_NOT_SATISFIED: Self = Self(0x6985);
    /// No EF is selected.
    pub const NO_CURRENT_FILE: Self = Self(0x6986);
    /// A protected command has no MAC.
    pub const SECURE_MESSAGING_OBJECT_MISSING: Self = Self(0x6987);
    /// The MAC of a protected command is wrong, or its data objects are.
    pub const SECURE_MESSAGING_OBJECT_WRONG: Self = Self(0x6988);
    /// The data is malformed or out of range.
    pub const WRONG_DATA: Self = Self(0x6A80);
    /// The key, or the firmware, does not do this.
    pub const FUNCTION_NOT_SUPPORTED: Self = Self(0x6A81);
    /// No such file.
    pub const FILE_NOT_FOUND: Self = Self(0x6A82);
    /// The memory is full.
    pub const NOT_ENOUGH_MEMORY: Self = Self(0x6A84);
    /// P1 or P2 is wrong.
    pub const INCORRECT_P1P2: Self = Self(0x6A86);
    /// No such PIN, key, key domain or key-encryption key.
    pub const REFERENCE_NOT_FOUND: Self = Self(0x6A88);
    /// A key domain that is to be deleted has keys.
    pub const KEYS_IN_DOMAIN: Self = Self(0x6A89);
    /// No such instruction.
    pub const INSTRUCTION_NOT_SUPPORTED: Self = Self(0x6D00);
    /// No such class.
    pub const CLASS_NOT_SUPPORTED: Self = Self(0x6E00);

    /// `63Cx`: the PIN was wrong, or not asked for yet; `tries` (0 to 15) are left.
    #[must_use]
    pub const fn tries_left(tries: u8) -> Self {
        Self(0x63C0 | (tries as u16 & 0xF))
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

/// A response APDU: up to 65,536 bytes of data and a status word.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// Response data; may be there with a warning such as `6282` as well. It may be what was
    /// decrypted, so it is wiped.
    pub data: Zeroizing<Vec<u8>>,
    /// Status word.
    pub status: Status,
}

impl Response {
    /// `data` and `9000`.
    #[inline]
    pub fn ok(data: impl Into<Vec<u8>>) -> Self {
        Self { data: Zeroizing::new(data.into()), status: Status::OK }
    }

    /// The bytes that go to the reader.
    #[inline]
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        // All of it at once: what grows leaves copies behind.
        [self.data.as_slice(), &self.status.0.to_be_bytes()].concat()
    }
}

/// The data may be what was decrypted.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {:?}", self.data.len(), self.status)
    }
}

impl From<Status> for Response {
    #[inline]
    fn from(status: Status) -> Self {
        Self { data: Zeroizing::default(), status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn parse(body: &[u8]) -> Result<(Vec<u8>, Option<usize>), Status> {
        let bytes = [&[0x80, 0x68, 0x01, 0x70], body].concat();
        Command::parse(&bytes).map(|command| (command.data.to_vec(), command.ne))
    }

    #[test]
    fn the_four_cases_parse_in_short_and_extended_form() {
        assert_eq!(parse(&[]), Ok((vec![], None)));
        assert_eq!(parse(&[0x00]), Ok((vec![], Some(256))));
        assert_eq!(parse(&[0x00, 0x00, 0x00]), Ok((vec![], Some(65_536))));
        assert_eq!(parse(&[0x00, 0x01, 0x02]), Ok((vec![], Some(258))));
        assert_eq!(parse(&[0x02, 0xAA, 0xBB]), Ok((vec![0xAA, 0xBB], None)));
        assert_eq!(parse(&[0x02, 0xAA, 0xBB, 0x07]), Ok((vec![0xAA, 0xBB], Some(7))));
        assert_eq!(parse(&[0x00, 0x00, 0x01, 0xAA]), Ok((vec![0xAA], None)));
        assert_eq!(parse(&[0x00, 0x00, 0x01, 0xAA, 0x00, 0x00]), Ok((vec![0xAA], Some(65_536))));
    }

    /// Every body of up to five bytes over an alphabet that holds all the lengths that matter.
    #[test]
    fn a_body_parses_only_when_its_lengths_account_for_every_byte() {
        let alphabet = [0x00, 0x01, 0x02, 0x03, 0xFF];
        let mut bodies = vec![vec![]];
        for len in 0..=5 {
            for body in bodies.iter().filter(|body| body.len() == len) {
                let Ok((data, ne)) = parse(body) else { continue };
                let extended = matches!(body.as_slice(), [0, _, _, ..]);
                let lc = if data.is_empty() { 0 } else { 1 + 2 * usize::from(extended) };
                let le = match (ne, extended, data.is_empty()) {
                    (None, ..) => 0,
                    (Some(_), true, true) => 3,
                    (Some(_), true, false) => 2,
                    (Some(_), false, _) => 1,
                };
                assert_eq!(body.len(), lc + data.len() + le, "{body:02X?}");
            }
            let longer = bodies.iter().filter(|body| body.len() == len).cloned();
            let longer: Vec<_> = longer
                .flat_map(|body| alphabet.map(|byte| [body.as_slice(), &[byte]].concat()))
                .collect();
            bodies.extend(longer);
        }
    }

    #[test]
    fn an_le_of_zeros_is_the_maximum_and_its_number_is_not() {
        for (apdu, le_is_max) in [
            (&[0x00, 0xB1, 0x2F, 0x02][..], false),
            (&[0x00, 0xB1, 0x2F, 0x02, 0x00], true),
            (&[0x00, 0xB1, 0x2F, 0x02, 0x00, 0x00, 0x00], true),
            (&[0x00, 0xB1, 0x2F, 0x02, 0x00, 0x01, 0x00], false),
            (&[0x00, 0xB1, 0x2F, 0x02, 0x01, 0xAA, 0x00], true),
        ] {
            let command = Command::parse(apdu).map(|command| command.le_is_max);
            assert_eq!(command, Ok(le_is_max), "{apdu:02X?}");
        }
    }

    #[test]
    fn debug_output_holds_no_data() {
        let verify = [&[0x00, 0x20, 0x00, 0x81, 0x06][..], b"648219"].concat();
        let debug = alloc::format!("{:?}", Command::parse(&verify));
        assert_eq!(debug, "Ok(00 20 00 81, 6 bytes, Ne None)");
        let response = Response::ok(b"648219".to_vec());
        assert_eq!(alloc::format!("{response:?}"), "6 bytes, 9000");
    }

    #[test]
    fn fewer_than_four_bytes_are_a_wrong_length() {
        for bytes in [&[][..], &[0x00], &[0x00, 0xA4], &[0x00, 0xA4, 0x04]] {
            assert_eq!(Command::parse(bytes), Err(Status::WRONG_LENGTH));
        }
    }
}
