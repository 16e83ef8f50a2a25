//! The driver: random steps, most of them such as a client might do them.

mod commands;
mod manager;
mod scenes;

use crate::bench::{Bench, Host};
use crate::model::{APPLET, Key, Model};
use crate::random::Random;
use crate::step::{Act, Apdu, Disk, Envelope, Step};
use std::collections::VecDeque;

/// Where the steps of a session come from.
pub(crate) struct Driver {
    random: Random,
    /// What has been begun, to be done among other things.
    queue: VecDeque<Step>,
    number: u32,
    /// The steps that have wrapped a key.
    wraps: Vec<u32>,
    /// Those that have given a session PIN, with the card.
    session_pins: Vec<(usize, u32)>,
    /// Whether files may be so long that the memory gets full.
    writes: Writes,
}

/// How long files get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writes {
    Short,
    Long,
}

/// What a command is drawn for.
pub(crate) struct Draw<'a> {
    random: &'a mut Random,
    model: &'a Model,
    place: usize,
    number: u32,
    writes: Writes,
    wraps: &'a mut Vec<u32>,
    session_pins: &'a mut Vec<(usize, u32)>,
}

impl Driver {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let writes = if random.once_in(24) { Writes::Long } else { Writes::Short };
        let (wraps, session_pins) = (Vec::new(), Vec::new());
        Self { random, queue: VecDeque::new(), number: 0, wraps, session_pins, writes }
    }

    /// The next step of a session with these cards.
    pub(crate) fn next(&mut self, benches: &[Bench]) -> Step {
        if self.number == 0 {
            for card in 0..benches.len() {
                self.select(card);
                self.initialise(benches, card);
            }
        }
        if !self.queue.is_empty() && !self.random.once_in(8) {
            return self.queue.pop_front().expect("there is one");
        }
        if self.queue.is_empty() && self.random.once_in(400) {
            self.scene(benches);
        }
        let card = self.random.below(benches.len());
        let act = self.act(&benches[card], card);
        let selects = matches!(act, Act::Reset | Act::Restart) && !self.random.once_in(4);
        let disk = match self.random.below(400) {
            0 => Disk::Full,
            1 => Disk::Torn,
            _ => Disk::Works,
        };
        let step = Step { number: self.fresh(), card, act, disk };
        if selects {
            // As a client does. Without it what was begun before goes to the card manager.
            let number = self.fresh();
            self.queue.push_front(Step { number, card, act: select(), disk: Disk::Works });
        }
        step
    }

    /// The number of another step.
    fn fresh(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    /// The applet is selected when what was begun before is done.
    fn select(&mut self, card: usize) {
        self.enqueue(card, select());
    }

    /// Something to be done when what was begun before is done; its number.
    fn enqueue(&mut self, card: usize, act: Act) -> u32 {
        let number = self.fresh();
        self.queue.push_back(Step { number, card, act, disk: Disk::Works });
        number
    }

    fn enqueue_command(&mut self, card: usize, apdu: Apdu) -> u32 {
        self.enqueue(card, Act::Send { apdu, envelope: Envelope::Protected })
    }

    fn act(&mut self, bench: &Bench, place: usize) -> Act {
        match self.random.below(1200) {
            0..4 => return Act::Reset,
            4..6 => return Act::Restart,
            6 if bench.model.session.manager.is_none() && self.random.once_in(2) => {
                return Act::Channel(self.random.pick(&scenes::PROTOCOLS));
            }
            _ => {}
        }
        let number = self.number + 1;
        let Self { random, writes, wraps, session_pins, .. } = self;
        let writes = *writes;
        let model = &bench.model;
        let mut draw = Draw { random, model, place, number, writes, wraps, session_pins };
        let apdu = draw.command();
        let apdu = draw.perhaps_wrong(apdu);
        let envelope = match (&bench.host, draw.random.below(64)) {
            (Host::Plain, _) | (_, 0) => Envelope::Plain,
            (_, 1) => Envelope::Tampered(draw.random.below(128)),
            _ => Envelope::Protected,
        };
        Act::Send { apdu, envelope }
    }
}

/// SELECT of the applet.
fn select() -> Act {
    let apdu = Apdu::new([0x00, 0xA4, 0x04, 0x00], &APPLET, &[0x00]);
    Act::Send { apdu, envelope: Envelope::Protected }
}

impl Draw<'_> {
    /// A command, perhaps with something wrong.
    fn perhaps_wrong(&mut self, apdu: Apdu) -> Apdu {
        let Apdu::Formed { mut header, data, le, flip: None } = apdu else { return apdu };
        let mut flip = None;
        match self.random.below(100) {
            0..2 => flip = Some(self.random.below(1 << 12)),
            2 => header[2] = self.random.byte(),
            3 => header[3] = self.random.byte(),
            4 => header[2..].swap(0, 1),
            5 if self.random.once_in(4) => header[0] = self.random.pick(&[0x0C, 0x8C, 0x84, 0x40]),
            6 => return self.without_form(header),
            _ => {}
        }
        Apdu::Formed { header, data, le, flip }
    }

    /// Bytes that begin with that header, and go on anyhow.
    fn without_form(&mut self, header: [u8; 4]) -> Apdu {
        let length = match self.random.below(40) {
            0 => 1230 + self.random.below(240),
            _ => self.random.below(12),
        };
        let rest = self.random.bytes(length);
        let bytes = [&header[..], &rest].concat();
        let length = self.random.below(bytes.len() + 1);
        Apdu::Raw(if self.random.once_in(2) { bytes } else { bytes[..length].to_vec() })
    }

    /// The number of a key, most often of one that suits.
    fn key(&mut self, suits: impl Fn(&Key) -> bool) -> u8 {
        let keys = self.model.keys.iter();
        let suitable: Vec<_> = keys.filter(|(_, key)| suits(key)).map(|(id, _)| *id).collect();
        if suitable.is_empty() || self.random.once_in(20) {
            return self.some_id();
        }
        self.random.pick(&suitable)
    }

    /// The number of any key, there or not: few, so that they are met again.
    fn some_id(&mut self) -> u8 {
        if self.random.once_in(50) { 0 } else { self.random.pick(&[1, 2, 3, 4, 5, 6, 7, 8]) }
    }

    /// An Le, most often the largest.
    fn le(&mut self) -> Vec<u8> {
        match self.random.below(8) {
            0 => vec![],
            1 => vec![self.random.byte()],
            2 => vec![0x00, 0x00],
            _ => vec![0x00],
        }
    }
}
