//! The protocol between a virtual card and vsmartcard's reader driver for pcscd, *vpcd*.
//!
//! Each message is its length as two bytes, big-endian, and that many bytes. The reader asks, the
//! card answers; what the reader sends is a command APDU unless it is one of four single bytes:
//!
//! | byte | meaning   | answer |
//! |------|-----------|--------|
//! | `00` | power off | none   |
//! | `01` | power on  | none   |
//! | `02` | reset     | none   |
//! | `04` | get ATR   | ATR    |
//!
//! Source: vsmartcard `virtualsmartcard/src/vpcd/vpcd.h` and `ifd-vpcd.c`.

use std::io::{self, Read, Write};

/// The TCP port of a reader's first slot; its next slots have the ports that follow.
pub const PORT: u16 = 35963;

/// What a reader asks of its card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The card loses power; no answer.
    PowerOff,
    /// The card gets power; no answer.
    PowerOn,
    /// The card's reset line is pulled; no answer.
    Reset,
    /// The reader wants the ATR; pcscd asks for it again and again to see if a card is present.
    GetAtr,
    /// A command APDU of 1 to 65,535 bytes; the reader waits for the response for ever.
    Apdu(Vec<u8>),
}

/// Waits for the next message; `None` when the reader has hung up between two messages.
///
/// A message without content asks for nothing and is passed over. A single byte that is no control
/// byte is an APDU, so that it gets an answer and the reader never waits in vain.
pub fn receive(reader: &mut impl Read) -> io::Result<Option<Message>> {
    loop {
        let Some(len) = receive_len(reader)? else { return Ok(None) };
        let mut payload = vec![0; usize::from(len)];
        reader.read_exact(&mut payload)?;
        let message = match payload.as_slice() {
            [] => continue,
            [0x00] => Message::PowerOff,
            [0x01] => Message::PowerOn,
            [0x02] => Message::Reset,
            [0x04] => Message::GetAtr,
            _ => Message::Apdu(payload),
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
pub fn send(writer: &mut impl Write, answer: &[u8]) -> io::Result<()> {
    let len = u16::try_from(answer.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "longer than 65,535 bytes"))?;
    let mut message = Vec::with_capacity(2 + answer.len());
    message.extend(len.to_be_bytes());
    message.extend(answer);
    writer.write_all(&message)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    fn received(mut bytes: &[u8]) -> Vec<Message> {
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
                0x00 => Message::PowerOff,
                0x01 => Message::PowerOn,
                0x02 => Message::Reset,
                0x04 => Message::GetAtr,
                _ => Message::Apdu(vec![byte]),
            };
            assert_eq!(received(&[0, 1, byte]), [message], "{byte:02X}");
        }
    }

    #[test]
    fn messages_follow_each_other_and_empty_ones_are_passed_over() {
        let bytes = [0, 0, 0, 1, 4, 0, 0, 0, 4, 0x80, 0x58, 0, 0, 0, 1, 2, 0, 0];
        let apdu = vec![0x80, 0x58, 0, 0];
        assert_eq!(received(&bytes), [Message::GetAtr, Message::Apdu(apdu), Message::Reset]);
    }

    #[test]
    fn the_longest_message_arrives_whole() {
        let mut bytes = vec![0xFF, 0xFF];
        bytes.extend([0xA5; 0xFFFF]);
        assert_eq!(received(&bytes), [Message::Apdu(vec![0xA5; 0xFFFF])]);
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
        assert_eq!(message, Some(Message::Apdu(vec![1, 2, 3])));
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
    fn an_answer_is_one_write() {
        let mut writes = Writes::default();
        send(&mut writes, &[0x90, 0x00]).unwrap();
        send(&mut writes, &[0x5A; 0xFFFF]).unwrap();
        let long = [[0xFF; 2].as_slice(), &[0x5A; 0xFFFF]].concat();
        assert_eq!(writes.0, [vec![0x00, 0x02, 0x90, 0x00], long]);
    }

    #[test]
    fn an_answer_too_long_for_its_length_field_is_refused() {
        let mut writes = Writes::default();
        let error = send(&mut writes, &[0; 0x1_0000]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(writes.0.is_empty());
    }
}
