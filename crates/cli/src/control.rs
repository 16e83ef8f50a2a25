//! The control of a running program: readers and cards changed from outside, over a local socket.
//!
//! Each line is a request, a JSON object with a `command`; each gets a line in answer, an object
//! that has an `error`, which is a sentence, if it was not done. `vschsm ctl` is a client of it.

mod message;

use crate::failure::Failure;
use crate::faults::Script;
use crate::readers::{Reader, Readers, Turn, Which, find};
use crate::secret::Secret;
use crate::seed::Seed;
use crate::show::Summary;
use crate::slot::{self, Equipment, Label, Shared, Slot};
use crate::watch::Watch;
use reader::server::Listening;
use serde::Serialize;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, PoisonError};

pub(crate) use message::{
    Done, FaultList, Image, Inserted, LONGEST, List, ListedCard, ListedFault, ListedReader,
    Refused, Request,
};

/// The environment variable that has the path of the socket.
pub(crate) const VARIABLE: &str = "VSCHSM_CONTROL";

/// Lets the readers be changed from outside: by who connects to the socket, and by who replaces the
/// files of cards, if these are watched.
pub(crate) fn start(
    readers: Arc<dyn Readers>,
    equipment: Equipment,
    socket: Option<&Listening>,
) -> Result<(), Failure> {
    // The terminal is that of the command by now, if there is one.
    let equipment = equipment.unattended();
    let turn = Turn::default();
    let watch = || Watch::start(Arc::clone(&readers), equipment.clone(), Arc::clone(&turn));
    let watch = equipment.is_watching().then(watch).transpose()?;
    if let Some(socket) = socket {
        let control = Control { readers, equipment, watch, turn };
        socket.serve(move |stream| control.attend(&stream))?;
    }
    Ok(())
}

/// What can be controlled.
struct Control {
    readers: Arc<dyn Readers>,
    equipment: Equipment,
    watch: Option<Arc<Watch>>,
    turn: Turn,
}

impl Control {
    /// Serves a client until it hangs up, or sends a line that is too long for a request.
    fn attend(&self, stream: &UnixStream) {
        let (mut incoming, mut outgoing) = (BufReader::new(stream), stream);
        loop {
            let mut line = Vec::new();
            match incoming.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
                Ok(length) if length > 0 => {}
                _ => return,
            }
            let is_whole = line.len() as u64 != LONGEST || line.ends_with(b"\n");
            let answer = match serde_json::from_slice(&line) {
                _ if !is_whole => Err("no request: the line is too long".into()),
                Ok(request) => self.answer(request),
                Err(error) => Err(format!("no request: {error}")),
            };
            let answer = answer.or_else(|error| json(&Refused { error }));
            let answer = answer.map_or_else(|sentence| sentence, |answer| answer.to_string());
            if outgoing.write_all(format!("{answer}\n").as_bytes()).is_err() || !is_whole {
                return;
            }
        }
    }

    /// Does what is asked for; the error is a sentence.
    fn answer(&self, request: Request) -> Result<Value, String> {
        // A card that works for long holds up nobody who only wants to see what there is.
        if let Request::List = request {
            let readers = self.readers.list().iter().map(describe).collect();
            return json(&List { readers });
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |reader: Option<Which>| find(&*self.readers, reader.as_ref());
        match request {
            Request::List => {}
            Request::Insert { reader, file, image, seed, passphrase } => {
                let seed = seed.as_ref().map(|seed| Seed::from(seed.as_str()));
                let equipment = self.equipment.clone().seeded(seed).told(passphrase);
                let slot = match (file, image) {
                    (Some(file), None) => equipment.stored(&file, &slot::name(&file)),
                    (None, Some(image)) => in_memory(&equipment, &image),
                    _ => return Err("a card is either a `file` or an `image`".into()),
                };
                return self.insert(reader, slot.map_err(sentence)?);
            }
            Request::Remove { reader } => {
                let reader = find(reader)?;
                let card = card(&reader)?;
                self.readers.take_out(reader.number);
                self.let_go(&reader, card);
            }
            Request::Unplug { reader } => {
                let reader = find(reader)?;
                self.readers.unplug(reader.number);
                if let Some(card) = &reader.card {
                    self.let_go(&reader, card);
                }
            }
            Request::Reset { reader } => {
                let reader = find(reader)?;
                if !self.readers.reset(reader.number) {
                    return Err(no_card(&reader));
                }
            }
            Request::PowerCycle { reader } => self.out_and_in(&find(reader)?, |slot| {
                slot.arrive();
                Ok(())
            })?,
            Request::Snapshot { reader } => {
                let reader = find(reader)?;
                let snapshot = card(&reader)?.with(|slot| Image {
                    image: text(&slot::image(slot.card())),
                    sealed: slot.is_sealed(),
                });
                return json(&snapshot.ok_or_else(|| no_card(&reader))?);
            }
            Request::Restore { reader, image } => {
                let new = self.equipment.load(&image).map_err(sentence)?;
                self.out_and_in(&find(reader)?, |slot| {
                    slot.arrive();
                    slot.replace(new)
                })?;
            }
            Request::Show { reader } => {
                let reader = find(reader)?;
                let summary = card(&reader)?.with(|slot| json(&Summary::of(slot.card())));
                return summary.ok_or_else(|| no_card(&reader))?;
            }
            Request::SetTries { reader, user_pin, so_pin } => {
                let reader = find(reader)?;
                let done = card(&reader)?.with(|slot| slot.set_tries(user_pin, so_pin));
                done.ok_or_else(|| no_card(&reader))?.map_err(sentence)?;
            }
            Request::SetFaults { reader, faults } => self.set_faults(&find(reader)?, faults)?,
            Request::ClearFaults { reader } => {
                self.set_faults(&find(reader)?, Script::default())?;
            }
            Request::Faults { reader } => {
                let reader = find(reader)?;
                let faults = card(&reader)?.with(|slot| json(&listed(slot)));
                return faults.ok_or_else(|| no_card(&reader))?;
            }
        }
        json(&Done {})
    }

    fn insert(&self, which: Option<Which>, slot: Slot) -> Result<Value, String> {
        let find = |which| find(&*self.readers, Some(which));
        let number = which.as_ref().map(|which| find(which).map(|reader| reader.number));
        let card = Shared::new(slot);
        let number = self.readers.insert(number.transpose()?, card.clone())?;
        if let Some(watch) = &self.watch
            && let Err(failure) = watch.look_after(number, card.label().file.clone())
        {
            self.readers.take_out(number);
            card.take();
            return Err(failure.to_string());
        }
        json(&Inserted { reader: number, name: find(&Which::Number(number))?.name })
    }

    /// Lets this go wrong with the card in a reader. Another ATR is seen when the card comes, so
    /// for that it comes again.
    fn set_faults(&self, reader: &Reader, script: Script) -> Result<(), String> {
        let card = card(reader)?;
        let atr = card.atr();
        card.set_faults(script).ok_or_else(|| no_card(reader))?;
        if card.atr() == atr { Ok(()) } else { self.out_and_in(reader, |_| Ok(())) }
    }

    /// Nobody needs the card that was in a reader any more, nor its file.
    fn let_go(&self, reader: &Reader, card: &Shared) {
        if let Some(watch) = &self.watch {
            watch.forget(reader.number);
        }
        // When it has done what it is doing.
        card.take();
    }

    /// Takes a card out, does something with it, and puts it in again: who has asked the card that
    /// was out gets no answer of the one that is in.
    fn out_and_in(
        &self,
        reader: &Reader,
        work: impl FnOnce(&mut Slot) -> Result<(), Failure>,
    ) -> Result<(), String> {
        let card = card(reader)?;
        self.readers.take_out(reader.number);
        let mut slot = card.take().ok_or_else(|| no_card(reader))?;
        slot.reset("power off");
        let done = work(&mut slot);
        self.readers.insert(Some(reader.number), Shared::new(slot))?;
        done.map_err(sentence)
    }
}

/// A reader, as it is listed.
fn describe(reader: &Reader) -> ListedReader {
    let card = reader.card.as_ref().map(|card| {
        let Label { serial, firmware, file } = card.label();
        ListedCard {
            serial: serial.clone(),
            firmware: firmware.clone(),
            file: file.as_ref().map(|file| file.display().to_string()),
            faults: card.faults(),
        }
    });
    ListedReader { reader: reader.number, name: reader.name.clone(), card }
}

/// What goes wrong with a card, as it is listed.
fn listed(slot: &Slot) -> FaultList {
    let faults = slot.faults();
    let fault = faults.tallies().map(|(fault, tally)| ListedFault {
        when: fault.when.clone(),
        effect: fault.effect.clone(),
        fitting: tally.fitting,
        struck: tally.struck,
    });
    FaultList { seed: faults.script().seed().into(), fault: fault.collect() }
}

/// A card that is in no file, traced by its serial number.
fn in_memory(equipment: &Equipment, image: &str) -> Result<Slot, Failure> {
    let card = equipment.load(image)?;
    let serial = String::from_utf8_lossy(card.state().device().serial()).into_owned();
    Ok(equipment.in_memory(card, &serial))
}

/// An image, which is text.
pub(crate) fn text(image: &[u8]) -> Secret {
    Secret::new(String::from_utf8_lossy(image).into_owned())
}

fn card(reader: &Reader) -> Result<&Shared, String> {
    reader.card.as_ref().ok_or_else(|| no_card(reader))
}

fn no_card(reader: &Reader) -> String {
    format!("there is no card in reader {}", reader.number)
}

fn json(answer: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(answer).map_err(|error| error.to_string())
}

fn sentence(failure: Failure) -> String {
    failure.to_string()
}
