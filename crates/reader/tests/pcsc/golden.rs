//! pcscd's own words.

use crate::world::{Got, SHARED, World, connect, description};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use vschsm_reader::pcsc::{ClientId, NoResponse, PcscCard, PowerEvent, Service, ServiceOptions};

const ATR: &str = "3bfe1800008131fe458031815448534d31738021408107fa";

/// The card behind the transcript.
struct Unwilling(Vec<u8>);

impl PcscCard for Unwilling {
    fn atr(&self) -> Vec<u8> {
        self.0.clone()
    }

    fn reset(&mut self, _: PowerEvent) {}

    fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, NoResponse> {
        Ok(vec![0x6A, 0x82])
    }
}

/// Where a reply differs on purpose: the bytes of the request that it begins with, the range of the
/// reply that differs, and why.
const DIFFERENT: [(&str, std::ops::Range<usize>, &str); 3] = [
    ("090000002a652163", 16..20, "vpcd has its own number there, libccid leaves the client's"),
    ("0f0000002a65216300010100", 8..280, "vpcd has no vendor name"),
    ("0f0000002a6521630300ff7f", 8..280, "vpcd finds no room for the reader's name"),
];

/// The properties of a reader: libccid has more of them than vpcd, and the reply is longer.
const PROPERTIES: &str = "0a0000002a65216312003342";

#[test]
fn the_replies_to_a_real_client_are_those_of_pcscd() {
    let transcript = include_str!("golden.txt");
    // Context and handle of a client before the transcript, and then its own.
    let mut numbers = [1, 2, 0x6F87_30D6, 0x6321_652A].into_iter();
    let power_off_grace_period = Duration::from_millis(600);
    let options = ServiceOptions {
        max_readers_contexts: 16,
        max_readers: 16,
        power_off_grace_period,
        extended_apdus: true,
    };
    let mut service = Service::new(options, move || numbers.next().unwrap());
    let reader = service.add_reader(description("Virtual PCD 00 00")).unwrap();
    assert!(service.insert(reader, Box::new(Unwilling(bytes(ATR)))).is_none());
    let mut world = World { service, reader, now: Instant::now() };
    let earlier = world.client();
    world.send(earlier.id, &connect(earlier, "Virtual PCD 00 00", SHARED, 2), Duration::ZERO);
    world.leave(earlier.id);

    let mut clients: BTreeMap<&str, ClientId> = BTreeMap::new();
    let mut said: BTreeMap<ClientId, (Vec<u8>, Vec<u8>)> = BTreeMap::new();
    let mut compared = 0;
    for line in transcript.lines().filter(|line| !line.starts_with('#')) {
        if line == "idle" {
            world.pass(Duration::from_secs(1));
            continue;
        }
        let words: Vec<_> = line.splitn(4, ' ').collect();
        let [connection, direction, rest @ ..] = words.as_slice() else { panic!("{line}") };
        let client = *clients.entry(connection).or_insert_with(|| world.service.add_client());
        let (asked, pending) = said.entry(client).or_default();
        match (*direction, rest) {
            (_, ["EOF"]) => assert!(pending.is_empty(), "{line}: unsaid is {pending:02X?}"),
            ("C>S", [_, request]) => {
                *asked = bytes(request);
                match world.send(client, asked, Duration::ZERO) {
                    Got::Reply(reply) => pending.extend(reply),
                    other => assert_eq!(other, Got::NoReply, "{line}"),
                }
            }
            ("S>C", [length, expected]) => {
                let is_longer = asked[4..].starts_with(&bytes(PROPERTIES));
                let length = if is_longer { pending.len() } else { length.parse().unwrap() };
                assert!(pending.len() >= length, "{line}: {pending:02X?}");
                let mut reply: Vec<_> = pending.drain(..length).collect();
                let (start, _) = expected.split_once("..").unwrap_or((expected, ""));
                let mut expected = bytes(start);
                for (request, range, _) in &DIFFERENT {
                    if asked[4..].starts_with(&bytes(request)) {
                        reply[range.clone()].fill(0);
                        expected[range.clone()].fill(0);
                    }
                }
                if is_longer {
                    expected.truncate(12);
                }
                assert!(reply.starts_with(&expected), "{line}\n{reply:02X?}");
                compared += 1;
            }
            _ => panic!("{line}"),
        }
        for (client, event) in world.service.take_events() {
            said.entry(client).or_default().1.extend(event);
        }
    }
    assert_eq!(compared, 31);
}

/// Hexadecimal digits, with `{00*n}` for n zeros.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in text.split_inclusive('}') {
        let (digits, zeros) = part.split_once("{00*").unwrap_or((part, "0}"));
        let digits = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        bytes.extend(digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()));
        bytes.resize(bytes.len() + zeros.trim_end_matches('}').parse::<usize>().unwrap(), 0);
    }
    bytes
}
