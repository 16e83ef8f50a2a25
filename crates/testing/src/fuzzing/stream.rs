//! What vpcd sends.

use vschsm_reader::vpcd::{self, VpcdMessage};

/// The bytes are a stream of messages, to its end; the same messages sent again are the same.
pub(super) fn run(data: &[u8]) {
    let (messages, whole) = received(data);
    let mut again = Vec::new();
    for message in &messages {
        let payload = match message {
            VpcdMessage::PowerOff => &[0x00][..],
            VpcdMessage::PowerOn => &[0x01],
            VpcdMessage::Reset => &[0x02],
            VpcdMessage::GetAtr => &[0x04],
            VpcdMessage::Apdu(apdu) => apdu,
        };
        assert!(!payload.is_empty(), "an APDU without a byte");
        vpcd::send(&mut again, payload).expect("it came in a message");
    }
    assert_eq!(received(&again), (messages, true));
    assert!(again.len() <= data.len());
    // Only messages without content are passed over.
    assert!(!whole || (data.len() - again.len()).is_multiple_of(2));
}

/// The messages, and whether the stream has ended between two of them.
fn received(mut stream: &[u8]) -> (Vec<VpcdMessage>, bool) {
    let mut messages = Vec::new();
    loop {
        match vpcd::receive(&mut stream) {
            Ok(Some(message)) => messages.push(message),
            end => return (messages, end.is_ok()),
        }
    }
}
