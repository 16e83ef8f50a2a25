//! The control of a running program: readers and cards are changed from outside, over a local
//! socket.
//!
//! Each line is a request, a JSON object with a `command`; each gets a line as the response, an
//! object that has an `error`, which is a sentence, if the request failed. `vschsm ctl` is a client
//! of it.

pub(crate) mod client;
mod line;
mod message;

use crate::card::card_defaults::{CardDefaults, trace_name};
use crate::card::image;
use crate::card::shared::{Label, SharedCard};
use crate::card::summary::Summary;
use crate::card::virtual_card::VirtualCard;
use crate::faults::{Faults, Script};
use crate::process::seed::Seed;
use crate::readers::unsaved::{self, UnsavedCard};
use crate::readers::watch::Watch;
use crate::readers::{ChangeLock, ReaderEntry, ReaderName, Readers, find, no_card, power_cycle};
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
    ControlRequest, Done, FaultList, FilePath, Inserted, LONGEST, ListedCard, ListedFault,
    ListedReader, ReaderList, Refused, Snapshot,
};

/// The environment variable that has the path of the socket.
pub(crate) const VARIABLE: &str = "VSCHSM_CONTROL";

/// Starts what changes the readers: the clients of the control socket, the watch of the cards'
/// files, if they are watched, and the retries to save cards.
pub(crate) fn start(
    readers: Arc<dyn Readers>,
    defaults: CardDefaults,
    unsaved: Receiver<UnsavedCard>,
    socket: Option<&ListeningSocket>,
) -> Result<(), Failure> {
    // The terminal belongs to the command by now, if there is one.
    let defaults = defaults.unattended();
    let change_lock = ChangeLock::default();
    unsaved::retry(Arc::clone(&readers), Arc::clone(&change_lock), unsaved)?;
    let watch = || Watch::start(Arc::clone(&readers), defaults.clone(), Arc::clone(&change_lock));
    let watch = defaults.is_watching().then(watch).transpose()?;
    if let Some(socket) = socket {
        let (permits, long) = (ClientPermits::default(), Mutex::default());
        let control = Control { readers, defaults, watch, change_lock, permits, long };
        socket.serve(move |stream| control.serve(&stream))?;
    }
    Ok(())
}

/// The maximum of clients, as at the PC/SC socket.
const MAX_CLIENTS: usize = 200;

/// How long a client may take to read a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the control changes.
struct Control {
    readers: Arc<dyn Readers>,
    defaults: CardDefaults,
    watch: Option<Arc<Watch>>,
    change_lock: ChangeLock,
    permits: ClientPermits,
    /// Held while an image is received or sent: one at a time, which limits the memory that clients
    /// can use.
    long: Mutex<()>,
}

/// Permits for a limited number of clients.
#[derive(Default)]
struct ClientPermits(AtomicUsize);

/// The permit of a client, which is released when it is dropped.
struct ClientPermit<'a>(&'a ClientPermits);

impl ClientPermits {
    /// A permit, if there is one left.
    fn acquire(&self) -> Option<ClientPermit<'_>> {
        let one_more = |clients| (clients < MAX_CLIENTS).then_some(clients + 1);
        let acquired = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        acquired.is_ok().then(|| ClientPermit(self))
    }
}

impl Drop for ClientPermit<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Control {
    /// Serves a client until it hangs up, or sends a line that is too long for a request.
    fn serve(&self, stream: &UnixStream) {
        // A client that does not read its response is dropped.
        stream.set_write_timeout(Some(WRITE_TIMEOUT)).ok();
        let Some(_permit) = self.permits.acquire() else {
            let sentence = format!("there are {MAX_CLIENTS} clients at the control socket already");
            send(stream, Err(sentence)).ok();
            return;
        };
        let mut incoming = BufReader::new(stream);
        loop {
            let Received { line, mut long, is_whole } =
                match line::receive(&mut incoming, &self.long) {
                    Ok(Some(received)) => received,
                    Ok(None) | Err(_) => return,
                };
            let response = match serde_json::from_slice::<ControlRequest>(&line) {
                _ if !is_whole => Err("not a request: the line is too long".into()),
                Ok(request) => {
                    drop(line);
                    if long.is_none() && request.has_image_in_response() {
                        long = Some(line::lock(&self.long));
                    }
                    self.respond(request)
                }
                Err(error) => Err(format!("not a request: {error}")),
            };
            let sent = send(stream, response);
            drop(long);
            if sent.is_err() || !is_whole {
                return;
            }
        }
    }

    /// Executes a request; the error is a sentence.
    fn respond(&self, request: ControlRequest) -> Result<Value, String> {
        // A card that executes a long command does not delay the list.
        if let ControlRequest::List = request {
            let readers = self.readers.list().iter().map(describe).collect();
            return json(&ReaderList { readers });
        }
        let _change = self.change_lock.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |reader: Option<ReaderName>| find(&*self.readers, reader.as_ref());
        match request {
            ControlRequest::List => {}
            ControlRequest::Insert { reader, file, image, seed, passphrase } => {
                let seed = seed.as_ref().map(|seed| Seed::from(seed.as_str()));
                let defaults = self.defaults.clone().seeded(seed).with_passphrase(passphrase);
                let card = match (file, image) {
                    (Some(FilePath(file)), None) => defaults.open(&file, &trace_name(&file)),
                    (None, Some(image)) => in_memory(&defaults, &image),
                    _ => return Err("a card is either a `file` or an `image`".into()),
                };
                return self.insert(reader, card.map_err(sentence)?);
            }
            ControlRequest::Remove { reader } => {
                let reader = find(reader)?;
                let card = card(&reader)?;
                self.readers.remove(reader.number);
                self.release(&reader, card);
            }
            ControlRequest::Unplug { reader } => {
                let reader = find(reader)?;
                self.readers.unplug(reader.number);
                if let Some(card) = &reader.card {
                    self.release(&reader, card);
                }
            }
            ControlRequest::Reset { reader } => {
                let reader = find(reader)?;
                if !self.readers.reset(reader.number) {
                    return Err(no_card(&reader));
                }
            }
            ControlRequest::PowerCycle { reader } => self.power_cycle(&find(reader)?, |card| {
                card.arrive();
                Ok(())
            })?,
            ControlRequest::Snapshot { reader } => {
                let reader = find(reader)?;
                let snapshot = card(&reader)?.with(|card| Snapshot {
                    image: text(&image::of(card.card())),
                    encrypted: card.is_encrypted(),
                });
                return json(&snapshot.ok_or_else(|| no_card(&reader))?);
            }
            ControlRequest::Restore { reader, image } => {
                let new = self.defaults.load(&image).map_err(sentence)?;
                self.power_cycle(&find(reader)?, |card| {
                    card.arrive();
                    card.replace(new)
                })?;
            }
            ControlRequest::Show { reader } => {
                let reader = find(reader)?;
                let summary = card(&reader)?.with(|card| json(&Summary::of(card.card())));
                return summary.ok_or_else(|| no_card(&reader))?;
            }
            ControlRequest::SetTries { reader, user_pin, so_pin } => {
                let reader = find(reader)?;
                let done = card(&reader)?.with(|card| card.set_tries(user_pin, so_pin));
                done.ok_or_else(|| no_card(&reader))?.map_err(sentence)?;
            }
            ControlRequest::SetFaults { reader, faults } => {
                self.set_faults(&find(reader)?, faults)?
            }
            ControlRequest::ClearFaults { reader } => {
                self.set_faults(&find(reader)?, Script::default())?;
            }
            ControlRequest::Faults { reader } => {
                let reader = find(reader)?;
                let faults = card(&reader)?.with(|card| json(&list_faults(card)));
                return faults.ok_or_else(|| no_card(&reader))?;
            }
        }
        json(&Done {})
    }

    fn insert(&self, which: Option<ReaderName>, card: VirtualCard) -> Result<Value, String> {
        let find = |which| find(&*self.readers, Some(which));
        let number = which.as_ref().map(|which| find(which).map(|reader| reader.number));
        let card = SharedCard::new(card);
        let number = self.readers.insert(number.transpose()?, card.clone())?;
        if let Some(watch) = &self.watch
            && let Err(failure) = watch.watch(number, card.label().name.clone())
        {
            self.readers.remove(number);
            card.take();
            return Err(failure.to_string());
        }
        json(&Inserted { reader: number, name: find(&ReaderName::Number(number))?.name })
    }

    /// Replaces the faults of the card in a reader. Clients read an ATR when a card is inserted, so
    /// for another ATR the card is inserted again.
    fn set_faults(&self, reader: &ReaderEntry, script: Script) -> Result<(), String> {
        let card = card(reader)?;
        let atr = card.atr();
        card.set_faults(script).ok_or_else(|| no_card(reader))?;
        // An unsaved card is inserted again in any case.
        if card.atr() == atr || card.is_unsaved() {
            return Ok(());
        }
        self.power_cycle(reader, |_| Ok(()))
    }

    /// Releases the card that was in a reader, and its file.
    fn release(&self, reader: &ReaderEntry, card: &SharedCard) {
        if let Some(watch) = &self.watch {
            watch.unwatch(reader.number);
        }
        // After the command that it executes.
        card.take();
    }

    /// Removes a card, works on it, and inserts it again.
    fn power_cycle(
        &self,
        reader: &ReaderEntry,
        work: impl FnOnce(&mut VirtualCard) -> Result<(), Failure>,
    ) -> Result<(), String> {
        if card(reader)?.is_unsaved() {
            return Err(format!(
                "the card in reader {} is removed until it can be saved: free disk space, or \
                 remove it",
                reader.number
            ));
        }
        power_cycle(&*self.readers, reader, work)
    }
}

/// Sends a response, or why there is none.
fn send(mut stream: &UnixStream, response: Result<Value, String>) -> io::Result<()> {
    let response = response.or_else(|error| json(&Refused { error }));
    let response = response.map_or_else(|sentence| sentence, |response| response.to_string());
    stream.write_all(format!("{response}\n").as_bytes())
}

/// A reader, as it is listed.
fn describe(reader: &ReaderEntry) -> ListedReader {
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

/// The faults of a card, as they are listed.
fn list_faults(card: &VirtualCard) -> FaultList {
    let faults = card.faults();
    let counts = faults.into_iter().flat_map(Faults::counts);
    let fault = counts.map(|(fault, counts)| ListedFault {
        when: fault.when.clone(),
        effect: fault.effect.clone(),
        matched: counts.matched,
        injected: counts.injected,
    });
    let seed = faults.map(|faults| faults.script().seed()).unwrap_or_default();
    FaultList { seed: seed.into(), fault: fault.collect() }
}

/// A card without a file, traced by its serial number.
fn in_memory(defaults: &CardDefaults, image: &str) -> Result<VirtualCard, Failure> {
    let card = defaults.load(image)?;
    let serial = String::from_utf8_lossy(card.state().device().serial()).into_owned();
    Ok(defaults.in_memory(card, &serial))
}

/// An image, which is text.
pub(crate) fn text(image: &[u8]) -> Secret {
    Secret::new(String::from_utf8_lossy(image).into_owned())
}

fn card(reader: &ReaderEntry) -> Result<&SharedCard, String> {
    reader.card.as_ref().ok_or_else(|| no_card(reader))
}

fn json(response: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(response).map_err(|error| error.to_string())
}

fn sentence(failure: Failure) -> String {
    failure.to_string()
}
