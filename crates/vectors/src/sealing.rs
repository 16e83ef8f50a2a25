//! What vectors can say of a card that hears them in secure messaging.

use vschsm_card::apdu::Command;
use vschsm_card::secure_messaging::Protocol;

/// Why a command does not mean the same in a channel; none if it does. `longest` is how long a
/// command the card takes.
pub(crate) fn obstacle(command: &[u8], protocol: Protocol, longest: usize) -> Option<&'static str> {
    let Ok(parsed) = Command::parse(command) else {
        return Some("sends what is no APDU, which cannot be sealed");
    };
    match (parsed.cla, parsed.ins, parsed.p1) {
        (0x01..=0x7F | 0x81.., ..) => Some("sends a class that cannot be sealed"),
        (_, 0x5A | 0x86, _) | (_, 0x22, 0x41) => Some("speaks of secure messaging itself"),
        _ => match protocol.sealed_length(command) {
            Some(length) if length <= longest => None,
            _ if command.len() > longest => Some("sends what is too long for the card"),
            _ => Some("sends what is too long for the card once it is sealed"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_played_in_a_channel_unless_they_speak_of_it_or_do_not_fit() {
        let long =
            |length: u8| [&[0x00, 0xD6, 0, 0, 0, 0, length], &vec![0; length.into()][..]].concat();
        for (command, reason) in [
            (vec![0x00, 0x20, 0x00, 0x81], None),
            (vec![0x80, 0x50, 0x00, 0x00], None),
            (long(90), None),
            (long(110), Some("once it is sealed")),
            (long(180), Some("is too long for the card")),
            (vec![0x00, 0x20, 0x00], Some("no APDU")),
            (vec![0x0C, 0x20, 0x00, 0x81], Some("class")),
            (vec![0xFF, 0x20, 0x00, 0x81], Some("class")),
            (vec![0x80, 0x5A, 0x01, 0x81, 0x00], Some("itself")),
            (vec![0x00, 0x86, 0x00, 0x00], Some("itself")),
            (vec![0x00, 0x22, 0x41, 0xA4], Some("itself")),
            (vec![0x00, 0x22, 0x81, 0xB6], None),
        ] {
            let found = obstacle(&command, Protocol::Aes, 130);
            let fits = found.zip(reason).map(|(found, reason)| found.contains(reason));
            assert_eq!(fits, reason.map(|_| true), "{command:02X?}: {found:?}");
            assert_eq!(found.is_some(), reason.is_some(), "{command:02X?}: {found:?}");
        }
    }
}
