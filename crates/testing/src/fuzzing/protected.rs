//! Commands in secure messaging: what gets to the card has the right MAC, whatever it is.

use super::{SessionScript, Step, Watched, cards};
use crate::secure_host::{HostOpening, HostProtocol, SecureHost};
use crate::test_card::TestResponse;
use vschsm_card::state::Fid;
use vschsm_protocol::apdu::Command;

/// How often a channel is opened: that computes on curves.
const MOST_CHANNELS: usize = 4;

/// The longest command that is protected, in bytes: no card takes longer ones.
const LONGEST: usize = 2000;

/// A card and a host that has a channel to it, most of the time.
struct Pair {
    card: Watched,
    host: Option<SecureHost>,
    protocol: HostProtocol,
    channels: usize,
}

/// Which card it is, whether the protocol is that with AES, and a [`Script`]. The content of a step
/// is a header, and the objects of a protected command but for the MAC.
pub(super) fn run(data: &[u8]) {
    let [card, protocol, script @ ..] = data else { return };
    let protocol = if protocol & 1 == 0 { HostProtocol::TripleDes } else { HostProtocol::Aes };
    let mut pair = Pair { card: cards::card(*card), host: None, protocol, channels: 0 };
    pair.open();
    let mut script = SessionScript::new(script);
    while let Some(step) = script.next() {
        match step {
            Step::Send(apdu) if script.affords(apdu) => pair.send(apdu),
            Step::Plain(bytes) if script.affords(bytes) => pair.send_plain(bytes),
            Step::Send(_) | Step::Plain(_) => {}
            Step::Content(bytes) => pair.send_objects(bytes),
            Step::Reset => {
                pair.card.reset();
                pair.open();
            }
            Step::Restart => {
                pair.card = pair.card.restarted();
                pair.open();
            }
            Step::LogIn => pair.send(&cards::login()),
            Step::Open(protocol) => {
                pair.protocol = protocol;
                pair.open();
            }
        }
    }
    drop(pair.card.restarted());
}

impl Pair {
    fn open(&mut self) {
        self.host = None;
        self.channels += 1;
        if self.channels > MOST_CHANNELS {
            return;
        }
        let opening = HostOpening::new(self.protocol);
        let chosen = self.card.transmit(&opening.choice());
        let proof = self.card.transmit(&opening.request());
        if (chosen.status, proof.status) == (0x9000, 0x9000) {
            let files = self.card.card().state().files();
            let certificates = files.content(Fid::DEVICE_CERTIFICATES).expect("EF 2F02");
            self.host = Some(opening.finish(&proof.data, certificates).expect("the card's proof"));
        }
    }

    fn send(&mut self, apdu: &[u8]) {
        let parsed = Command::parse(apdu).ok();
        let parsed = parsed.filter(|parsed| parsed.cla & !0x80 == 0 && apdu.len() <= LONGEST);
        let (Some(host), Some(parsed)) = (&mut self.host, parsed) else {
            return self.send_plain(apdu);
        };
        let protected = host.protect(apdu);
        let fits = protected.len() <= self.card.card().profile().max_command();
        let response = self.card.ask(&protected, |response| match host.unprotect(response) {
            Ok(response) => TestResponse::parse(&response),
            Err(error) if fits => panic!("{error}"),
            Err(_) => TestResponse::parse(response),
        });
        // Of these either may end the channel, and the host does not know.
        let may_end = matches!(parsed.ins, 0x86 | 0xA4) && response.status == 0x9000;
        if may_end || !fits {
            self.open();
        }
    }

    fn send_plain(&mut self, bytes: &[u8]) {
        self.card.transmit(bytes);
        if self.host.is_some() {
            self.open();
        }
    }

    fn send_objects(&mut self, bytes: &[u8]) {
        let (Some(host), Some((header, objects))) = (&mut self.host, bytes.split_first_chunk())
        else {
            return;
        };
        let protected = host.protect_objects(*header, objects.get(..LONGEST).unwrap_or(objects));
        let mut holds = true;
        self.card.ask(&protected, |response| {
            let opened = host.unprotect(response);
            holds = opened.is_ok();
            TestResponse::parse(opened.as_deref().unwrap_or(response))
        });
        if !holds || matches!(header, [_, 0x86 | 0xA4, ..]) {
            self.open();
        }
    }
}
