//! The protocol between a virtual card and vsmartcard's reader driver for pcscd, *vpcd*.
//!
//! Each message is its length as two bytes, big-endian, and that many bytes. The reader sends
//! commands, and the card responds; what the reader sends is a command APDU unless it is one of
//! four single bytes:
//!
//! | byte | meaning   | response |
//! |------|-----------|----------|
//! | `00` | power off |          |
//! | `01` | power on  |          |
//! | `02` | reset     |          |
//! | `04` | get ATR   | ATR      |
//!
//! ```
//! use vschsm_reader::vpcd::{self, VpcdMessage};
//!
//! // What the reader sends: get ATR, and GET CHALLENGE for 8 bytes.
//! let mut reader: &[u8] = &[0, 1, 0x04, 0, 5, 0x00, 0x84, 0x00, 0x00, 0x08];
//! let mut sent = Vec::new();
//! while let Some(message) = vpcd::receive(&mut reader)? {
//!     match message {
//!         VpcdMessage::GetAtr => vpcd::send(&mut sent, &[0x3B, 0x00])?,
//!         VpcdMessage::Apdu(_) => vpcd::send(&mut sent, &[0x6D, 0x00])?,
//!         VpcdMessage::PowerOn | VpcdMessage::PowerOff | VpcdMessage::Reset => {}
//!     }
//! }
//! assert_eq!(sent, [0, 2, 0x3B, 0x00, 0, 2, 0x6D, 0x00]);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Source: vsmartcard `virtualsmartcard/src/vpcd/vpcd.h` and `ifd-vpcd.c`.

use std::io::{self, Read, Write};

/// The TCP port of a reader's first slot; its next slots have the ports that follow.
pub const PORT: u16 = 35963;

/// A message from a reader to its card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VpcdMessage {
    /// The card loses power; no response.
    PowerOff,
    /// The card gets power; no response.
    PowerOn,
    /// The card is reset; no response.
    Reset,
    /// The reader asks for the ATR; pcscd polls it to see if a card is present.
    GetAtr,
    /// A command APDU of 1 to 65,535 bytes; the reader waits for the response for ever.
    Apdu(Vec<u8>),
}

/// Waits for the next message; `None` when the reader has hung up between two messages.
///
/// An empty message is skipped. A single byte that is not a control byte is an APDU, so that it
/// gets a response and the reader does not wait in vain.
///
/// # Errors
///
/// Those of the stream; `UnexpectedEof` if it ends within a message.
pub fn receive(reader: &mut impl Read) -> io::Result<Option<VpcdMessage>> {
    loop {
        let Some(len) = receive_len(reader)? else { return Ok(None) };
        let mut payload = vec![0; usize::from(len)];
        reader.read_exact(&mut payload)?;
        let message = match payload.as_slice() {
            [] => continue,
            [0x00] => VpcdMessage::PowerOff,
            [0x01] => VpcdMessage::PowerOn,
            [0x02] => VpcdMessage::Reset,
            [0x04] => VpcdMessage::GetAtr,
            _ => VpcdMessage::Apdu(payload),
        };
        return Ok(Some(message));
    }
}

/// The two bytes in front of a message; `None` at the end of the stream.
fn receive_len(reader: &mut impl Read) -> io::Result<Option<u16>> {
    let mut first = [0];
    loop {
        match reader.read(&mut first) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut second = [0];
    reader.read_exact(&mut second)?;
    let ([high], [low]) = (first, second);
    Ok(Some(u16::from_be_bytes([high, low])))
}

/// Sends an ATR or a response APDU of up to 65,535 bytes in a single write.
///
/// One write, because two small ones cost 40 ms: the second waits for the first one's delayed
/// acknowledgement.
///
/// # Errors
///
/// Those of the stream, and `InvalidInput` for more than 65,535 bytes.
pub fn send(writer: &mut impl Write, response: &[u8]) -> io::Result<()> {
    let len = u16::try_from(response.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "longer than 65,535 bytes"))?;
    let mut message = Vec::with_capacity(2 + response.len());
    message.extend(len.to_be_bytes());
    message.extend(response);
    writer.write_all(&message)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    fn received(mut bytes: &[u8]) -> Vec<VpcdMessage> {
        let mut messages = Vec::new();
        while let Some(message) = receive(&mut bytes).unwrap() {
            messages.push(message);
        }
        messages
    }

    #[test]
    fn every_single_byte_is_a_control_byte_or_an_apdu() {
        for byte in 0..=0xFF {
            let message = match byte {
                0x00 => VpcdMessage::PowerOff,
                0x01 => VpcdMessage::PowerOn,
                0x02 => VpcdMessage::Reset,
                0x04 => VpcdMessage::GetAtr,
                _ => VpcdMessage::Apdu(vec![byte]),
            };
            assert_eq!(received(&[0, 1, byte]), [message], "{byte:02X}");
        }
    }

    #[test]
    fn messages_follow_each_other_and_empty_ones_are_skipped() {
        let bytes = [0, 0, 0, 1, 4, 0, 0, 0, 4, 0x80, 0x58, 0, 0, 0, 1, 2, 0, 0];
        let apdu = vec![0x80, 0x58, 0, 0];
        assert_eq!(
            received(&bytes),
            [VpcdMessage::GetAtr, VpcdMessage::Apdu(apdu), VpcdMessage::Reset]
        );
    }

    #[test]
    fn the_longest_message_arrives_whole() {
        let mut bytes = vec![0xFF, 0xFF];
        bytes.extend([0xA5; 0xFFFF]);
        assert_eq!(received(&bytes), [VpcdMessage::Apdu(vec![0xA5; 0xFFFF])]);
    }

    #[test]
    fn every_truncation_is_an_error() {
        let message = [0, 5, 0x00, 0x84, 0x00, 0x00, 0x08];
        for cut in 1..message.len() {
            let (mut part, _) = message.split_at(cut);
            let error = receive(&mut part).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "cut at {cut}");
        }
    }

    /// Gives one byte a read, with an interruption before each.
    struct Trickle<'a>(&'a [u8], bool);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            let len = buffer.len().min(1);
            let (slot, _) = buffer.split_at_mut(len);
            if self.1 { Err(io::ErrorKind::Interrupted.into()) } else { self.0.read(slot) }
        }
    }

    #[test]
    fn a_message_may_come_byte_by_byte() {
        let message = receive(&mut Trickle(&[0, 3, 1, 2, 3], false)).unwrap();
        assert_eq!(message, Some(VpcdMessage::Apdu(vec![1, 2, 3])));
    }

    /// Remembers each write.
    #[derive(Default)]
    struct Writes(Vec<Vec<u8>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_response_is_one_write() {
        let mut writes = Writes::default();
        send(&mut writes, &[0x90, 0x00]).unwrap();
        send(&mut writes, &[0x5A; 0xFFFF]).unwrap();
        let long = [[0xFF; 2].as_slice(), &[0x5A; 0xFFFF]].concat();
        assert_eq!(writes.0, [vec![0x00, 0x02, 0x90, 0x00], long]);
    }

    #[test]
    fn a_response_too_long_for_its_length_field_is_refused() {
        let mut writes = Writes::default();
        let error = send(&mut writes, &[0; 0x1_0000]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(writes.0.is_empty());
    }
}
