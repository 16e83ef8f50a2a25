//! Which commands of vectors can be sent in secure messaging.

use vschsm_host::secure_channel::ProtectedSession;
use vschsm_protocol::apdu::Command;
use vschsm_protocol::secure_messaging::Protocol;

/// Why a command cannot be sent in secure messaging with the same meaning, if it cannot. `longest`
/// is the length of the longest command that the card takes, in bytes.
pub(crate) fn skip_reason(
    command: &[u8],
    protocol: Protocol,
    longest: usize,
) -> Option<&'static str> {
    let Ok(parsed) = Command::parse(command) else {
        return Some("sends bytes that are not an APDU, which cannot be protected");
    };
    match (parsed.cla, parsed.ins, parsed.p1) {
        (0x01..=0x7F | 0x81.., ..) => Some("sends a class that cannot be protected"),
        (_, 0x5A | 0x86, _) | (_, 0x22, 0x41) => Some("is about secure messaging itself"),
        _ => match ProtectedSession::protected_length(protocol, command) {
            Some(length) if length <= longest => None,
            _ if command.len() > longest => Some("sends a command that is too long for the card"),
            _ => Some("sends a command that is too long for the card once it is protected"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_sent_in_a_channel_unless_they_are_about_it_or_too_long() {
        let long =
            |length: u8| [&[0x00, 0xD6, 0, 0, 0, 0, length], &vec![0; length.into()][..]].concat();
        for (command, reason) in [
            (vec![0x00, 0x20, 0x00, 0x81], None),
            (vec![0x80, 0x50, 0x00, 0x00], None),
            (long(90), None),
            (long(110), Some("once it is protected")),
            (long(180), Some("is too long for the card")),
            (vec![0x00, 0x20, 0x00], Some("not an APDU")),
            (vec![0x0C, 0x20, 0x00, 0x81], Some("class")),
            (vec![0xFF, 0x20, 0x00, 0x81], Some("class")),
            (vec![0x80, 0x5A, 0x01, 0x81, 0x00], Some("itself")),
            (vec![0x00, 0x86, 0x00, 0x00], Some("itself")),
            (vec![0x00, 0x22, 0x41, 0xA4], Some("itself")),
            (vec![0x00, 0x22, 0x81, 0xB6], None),
        ] {
            let found = skip_reason(&command, Protocol::Aes, 130);
            let fits = found.zip(reason).map(|(found, reason)| found.contains(reason));
            assert_eq!(fits, reason.map(|_| true), "{command:02X?}: {found:?}");
            assert_eq!(found.is_some(), reason.is_some(), "{command:02X?}: {found:?}");
        }
    }
}
