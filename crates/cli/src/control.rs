//! The control of a running program: readers and cards changed from outside, over a local socket.
//!
//! Each line is a request, a JSON object with a `command`; each gets a line in answer, an object
//! that has an `error`, which is a sentence, if it was not done. `vschsm ctl` is a client of it.

mod message;

use crate::failure::Failure;
use crate::output;
use crate::readers::{Reader, Readers, Turn, Which, find};
use crate::seed::Seed;
use crate::show::Summary;
use crate::slot::{self, Equipment, Shared};
use crate::watch::Watch;
use card::state::PinName;
use reader::server::{Listening, is_own};
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::thread;

pub(crate) use message::{
    Done, Image, Inserted, LONGEST, List, ListedCard, ListedReader, Refused, Request,
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
    let turn = Arc::default();
    let watch = match equipment.watched() {
        true => Some(Watch::start(readers.clone(), equipment.clone(), Arc::clone(&turn))?),
        false => None,
    };
    match socket {
        Some(socket) => Control { readers, equipment, watch, turn }.serve(socket),
        None => Ok(()),
    }
}

/// What can be controlled.
struct Control {
    readers: Arc<dyn Readers>,
    equipment: Equipment,
    watch: Option<Arc<Watch>>,
    turn: Turn,
}

impl Control {
    /// Does what clients of the socket ask for, from here on.
    fn serve(self, socket: &Listening) -> Result<(), Failure> {
        let start = || -> io::Result<()> {
            let listener = socket.listener()?;
            let control = Arc::new(self);
            let accept = move || {
                while let Ok((stream, _)) = listener.accept() {
                    let control = Arc::clone(&control);
                    if is_own(&stream) {
                        // Without a thread the client finds its connection closed.
                        thread::Builder::new().spawn(move || control.attend(&stream)).ok();
                    }
                }
                output::warn("nobody can reach the control socket any more");
            };
            thread::Builder::new().spawn(accept).map(drop)
        };
        start().map_err(|error| Failure::because("cannot serve the control socket", error))
    }

    /// Serves a client until it hangs up; an error means that it has.
    fn attend(&self, stream: &UnixStream) {
        let (mut incoming, mut outgoing) = (BufReader::new(stream), stream);
        loop {
            let mut line = Vec::new();
            match incoming.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
                Ok(length) if length > 0 => {}
                _ => return,
            }
            let answer = match serde_json::from_slice(&line) {
                Ok(request) => self.answer(request),
                Err(error) => Err(format!("no request: {error}")),
            };
            let answer = answer.unwrap_or_else(|error| json!(Refused { error }));
            if writeln!(outgoing, "{answer}").is_err() {
                return;
            }
        }
    }

    /// Does what is asked for; the error is a sentence.
    fn answer(&self, request: Request) -> Result<Value, String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let readers = &*self.readers;
        match request {
            Request::List => {
                let readers = readers.list().iter().map(describe).collect();
                Ok(json!(List { readers }))
            }
            Request::Insert { reader, file, image, seed } => {
                let card = match (file, image) {
                    (Some(file), None) => self.stored(&file, seed.as_deref())?,
                    (None, Some(image)) => self.in_memory(&image, seed.as_deref())?,
                    _ => return Err("a card is either a `file` or an `image`".into()),
                };
                self.insert(reader.as_ref(), card)
            }
            Request::Remove { reader } => {
                let reader = find(readers, reader.as_ref())?;
                self.empty(&reader)?;
                Ok(json!(Done {}))
            }
            Request::Unplug { reader } => {
                let reader = find(readers, reader.as_ref())?;
                readers.unplug(reader.number);
                self.let_go(&reader);
                Ok(json!(Done {}))
            }
            Request::Reset { reader } => {
                let reader = find(readers, reader.as_ref())?;
                card(&reader)?;
                readers.reset(reader.number);
                Ok(json!(Done {}))
            }
            Request::PowerCycle { reader } => {
                let reader = find(readers, reader.as_ref())?;
                self.out_and_in(&reader, |_| Ok(()))?;
                Ok(json!(Done {}))
            }
            Request::Snapshot { reader } => {
                let reader = find(readers, reader.as_ref())?;
                let image = card(&reader)?.with(|slot| slot.card().image());
                let image = image.ok_or_else(|| no_card(&reader))?;
                Ok(json!(Image { image: String::from_utf8_lossy(&image).into_owned() }))
            }
            Request::Restore { reader, image } => {
                let new = load(&image)?;
                let reader = find(readers, reader.as_ref())?;
                self.out_and_in(&reader, |slot| slot.change(|card| *card = new))?;
                Ok(json!(Done {}))
            }
            Request::Show { reader } => {
                let reader = find(readers, reader.as_ref())?;
                let summary = card(&reader)?.with(|slot| json!(Summary::of(slot.card())));
                summary.ok_or_else(|| no_card(&reader))
            }
            Request::SetTries { reader, user_pin, so_pin } => {
                let reader = find(readers, reader.as_ref())?;
                set_tries(&reader, PinName::User, user_pin)?;
                set_tries(&reader, PinName::InitialisationCode, so_pin)?;
                Ok(json!(Done {}))
            }
        }
    }

    fn stored(&self, file: &Path, seed: Option<&str>) -> Result<Shared, String> {
        let seed = seed.map(Seed::from);
        let slot = self.equipment.stored(file, &slot::name(file), seed.as_ref());
        slot.map(Shared::new).map_err(|failure| failure.to_string())
    }

    fn in_memory(&self, image: &str, seed: Option<&str>) -> Result<Shared, String> {
        let mut card = load(image)?;
        if let Some(seed) = seed {
            card.start_stream(Seed::from(seed).into());
        }
        let serial = String::from_utf8_lossy(card.state().device().serial()).into_owned();
        Ok(Shared::new(self.equipment.in_memory(card, &serial)))
    }

    fn insert(&self, which: Option<&Which>, card: Shared) -> Result<Value, String> {
        let readers = &*self.readers;
        let number = which.map(|which| find(readers, Some(which)).map(|reader| reader.number));
        let file = card.with(|slot| slot.file().map(Path::to_path_buf)).flatten();
        let number = readers.insert(number.transpose()?, card)?;
        if let (Some(watch), Some(file)) = (&self.watch, file) {
            watch.add(file, number).map_err(|failure| failure.to_string())?;
        }
        let reader = find(readers, Some(&Which::Number(number)))?;
        Ok(json!(Inserted { reader: number, name: reader.name }))
    }

    /// Takes the card out; its file is free then.
    fn empty(&self, reader: &Reader) -> Result<(), String> {
        card(reader)?;
        self.readers.take_out(reader.number);
        self.let_go(reader);
        Ok(())
    }

    /// Nobody needs the card of a reader any more, nor its file.
    fn let_go(&self, reader: &Reader) {
        if let Some(watch) = &self.watch {
            watch.remove(reader.number);
        }
        if let Some(card) = &reader.card {
            card.discard();
        }
    }

    /// Takes a card out, does something with it, and puts it in again, powered on.
    fn out_and_in(
        &self,
        reader: &Reader,
        work: impl FnOnce(&mut slot::Slot) -> Result<(), Failure>,
    ) -> Result<(), String> {
        let card = card(reader)?;
        self.readers.take_out(reader.number);
        let done = card.with(|slot| {
            slot.reset("power off");
            work(slot)
        });
        thread::sleep(self.readers.absence());
        match done {
            Some(done) => {
                self.readers.insert(Some(reader.number), card.clone())?;
                done.map_err(|failure| failure.to_string())
            }
            None => Err(no_card(reader)),
        }
    }
}

/// A reader, as it is listed.
fn describe(reader: &Reader) -> ListedReader {
    let card = reader.card.as_ref().and_then(|card| {
        card.with(|slot| ListedCard {
            serial: String::from_utf8_lossy(slot.card().state().device().serial()).into_owned(),
            firmware: slot.card().profile().name().into(),
            file: slot.file().map(Path::to_path_buf),
        })
    });
    ListedReader { reader: reader.number, name: reader.name.clone(), card }
}

fn card(reader: &Reader) -> Result<&Shared, String> {
    reader.card.as_ref().ok_or_else(|| no_card(reader))
}

fn no_card(reader: &Reader) -> String {
    format!("there is no card in reader {}", reader.number)
}

fn load(image: &str) -> Result<card::Card, String> {
    slot::load(Path::new("the image"), image.as_bytes()).map_err(|failure| failure.to_string())
}

fn set_tries(reader: &Reader, pin: PinName, tries: Option<u8>) -> Result<(), String> {
    let Some(tries) = tries else { return Ok(()) };
    let done = card(reader)?.with(|slot| slot.change(|card| card.set_tries(pin, tries)));
    match done {
        None => Err(no_card(reader)),
        Some(Err(failure)) => Err(failure.to_string()),
        Some(Ok(true)) => Ok(()),
        Some(Ok(false)) => Err(format!(
            "the card has no {}, or never {tries} tries of it",
            match pin {
                PinName::User => "user PIN",
                PinName::InitialisationCode => "SO-PIN",
            }
        )),
    }
}
