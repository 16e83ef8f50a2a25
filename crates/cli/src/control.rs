//! The control of a running program: readers and cards changed from outside, over a local socket.
//!
//! Each line is a request, a JSON object with a `command`; each gets a line in answer, an object
//! that has an `error`, which is a sentence, if it was not done. `vschsm ctl` is a client of it.

pub(crate) mod client;
mod line;
mod message;

use crate::card::equipment::{self, Equipment};
use crate::card::shared::{Label, Shared};
use crate::card::slot::Slot;
use crate::card::summary::Summary;
use crate::faults::{Faults, Script};
use crate::process::seed::Seed;
use crate::readers::unsaved::{self, Unsaved};
use crate::readers::watch::Watch;
use crate::readers::{Reader, Readers, Turn, Which, find, no_card, power_cycle};
use crate::text::failure::Failure;
use crate::text::secret::Secret;
use serde::Serialize;
use serde_json::Value;
use std::io::{self, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vschsm_reader::server::ListeningSocket;

use line::Received;

pub(crate) use message::{
    Done, FaultList, FilePath, Image, Inserted, LONGEST, List, ListedCard, ListedFault,
    ListedReader, Refused, Request,
};

/// The environment variable that has the path of the socket.
pub(crate) const VARIABLE: &str = "VSCHSM_CONTROL";

/// Lets the readers be changed from outside: by who connects to the socket, by who replaces the
/// files of cards, if these are watched, and by who brings back cards that could not be saved.
pub(crate) fn start(
    readers: Arc<dyn Readers>,
    equipment: Equipment,
    unsaved: Receiver<Unsaved>,
    socket: Option<&ListeningSocket>,
) -> Result<(), Failure> {
    // The terminal is that of the command by now, if there is one.
    let equipment = equipment.unattended();
    let turn = Turn::default();
    unsaved::bring_back(Arc::clone(&readers), Arc::clone(&turn), unsaved)?;
    let watch = || Watch::start(Arc::clone(&readers), equipment.clone(), Arc::clone(&turn));
    let watch = equipment.is_watching().then(watch).transpose()?;
    if let Some(socket) = socket {
        let (places, long) = (Places::default(), Mutex::default());
        let control = Control { readers, equipment, watch, turn, places, long };
        socket.serve(move |stream| control.attend(&stream))?;
    }
    Ok(())
}

/// How many clients there may be, as at the PC/SC socket.
const CLIENTS: usize = 200;

/// How long a client may take to read an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What can be controlled.
struct Control {
    readers: Arc<dyn Readers>,
    equipment: Equipment,
    watch: Option<Arc<Watch>>,
    turn: Turn,
    places: Places,
    /// Held by who sends or is sent an image: one after the other, so that the memory that clients
    /// can take has a limit.
    long: Mutex<()>,
}

/// Places for clients.
#[derive(Default)]
struct Places(AtomicUsize);

/// The place of a client, which is free when it is dropped.
struct Place<'a>(&'a Places);

impl Places {
    /// A place, if one is free.
    fn take(&self) -> Option<Place<'_>> {
        let one_more = |taken| (taken < CLIENTS).then_some(taken + 1);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.is_ok().then(|| Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Control {
    /// Serves a client until it hangs up, or sends a line that is too long for a request.
    fn attend(&self, stream: &UnixStream) {
        // One that does not read its answer is no client any more.
        stream.set_write_timeout(Some(PATIENCE)).ok();
        let Some(_place) = self.places.take() else {
            let sentence = format!("there are {CLIENTS} clients at the control socket already");
            send(stream, Err(sentence)).ok();
            return;
        };
        let mut incoming = BufReader::new(stream);
        loop {
            let Received { line, mut turn, is_whole } =
                match line::receive(&mut incoming, &self.long) {
                    Ok(Some(received)) => received,
                    Ok(None) | Err(_) => return,
                };
            let answer = match serde_json::from_slice::<Request>(&line) {
                _ if !is_whole => Err("no request: the line is too long".into()),
                Ok(request) => {
                    drop(line);
                    if turn.is_none() && request.has_image_in_answer() {
                        turn = Some(line::turn(&self.long));
                    }
                    self.answer(request)
                }
                Err(error) => Err(format!("no request: {error}")),
            };
            let sent = send(stream, answer);
            drop(turn);
            if sent.is_err() || !is_whole {
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
                    (Some(FilePath(file)), None) => {
                        equipment.stored(&file, &equipment::name(&file))
                    }
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
                    image: text(&equipment::image(slot.card())),
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
            && let Err(failure) = watch.look_after(number, card.label().name.clone())
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
        // One that is out comes again in any case.
        if card.atr() == atr || card.is_unsaved() {
            return Ok(());
        }
        self.out_and_in(reader, |_| Ok(()))
    }

    /// Nobody needs the card that was in a reader any more, nor its file.
    fn let_go(&self, reader: &Reader, card: &Shared) {
        if let Some(watch) = &self.watch {
            watch.forget(reader.number);
        }
        // When it has done what it is doing.
        card.take();
    }

    /// Takes a card out, does something with it, and puts it in again.
    fn out_and_in(
        &self,
        reader: &Reader,
        work: impl FnOnce(&mut Slot) -> Result<(), Failure>,
    ) -> Result<(), String> {
        if card(reader)?.is_unsaved() {
            return Err(format!(
                "the card in reader {} is out until it can be saved: make room, or remove it",
                reader.number
            ));
        }
        power_cycle(&*self.readers, reader, work)
    }
}

/// Sends an answer, or why there is none.
fn send(mut stream: &UnixStream, answer: Result<Value, String>) -> io::Result<()> {
    let answer = answer.or_else(|error| json(&Refused { error }));
    let answer = answer.map_or_else(|sentence| sentence, |answer| answer.to_string());
    stream.write_all(format!("{answer}\n").as_bytes())
}

/// A reader, as it is listed.
fn describe(reader: &Reader) -> ListedReader {
    let card = reader.card.as_ref().map(|card| {
        let Label { serial, firmware, file, .. } = card.label();
        ListedCard {
            serial: serial.clone(),
            firmware: firmware.clone(),
            file: file.as_ref().map(|file| file.display().to_string()),
            faults: card.faults(),
            unsaved: card.is_unsaved(),
        }
    });
    ListedReader { reader: reader.number, name: reader.name.clone(), card }
}

/// What goes wrong with a card, as it is listed.
fn listed(slot: &Slot) -> FaultList {
    let faults = slot.faults();
    let tallies = faults.into_iter().flat_map(Faults::tallies);
    let fault = tallies.map(|(fault, tally)| ListedFault {
        when: fault.when.clone(),
        effect: fault.effect.clone(),
        fitting: tally.fitting,
        struck: tally.struck,
    });
    let seed = faults.map(|faults| faults.script().seed()).unwrap_or_default();
    FaultList { seed: seed.into(), fault: fault.collect() }
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

fn json(answer: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(answer).map_err(|error| error.to_string())
}

fn sentence(failure: Failure) -> String {
    failure.to_string()
}
