//! Cards whose files are replaced while they are in a reader.
//!
//! What is watched is the name that the user has given, not the file which it stood for at first: a
//! symbolic link on its way may be switched, as deployments do it that take effect at once.

mod places;

use crate::card::equipment::{self, Equipment};
use crate::card::shared::Shared;
use crate::readers::{Readers, Turn, Which, find};
use crate::text::failure::Failure;
use crate::text::output;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use places::places;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long until a file is looked at again that was no card, or in use, or not there: not all that
/// makes it one is an event of its folder.
const AGAIN: Duration = Duration::from_millis(100);

/// Looks after the files of cards: what replaces one takes the card's place in its reader.
pub(crate) struct Watch {
    readers: Arc<dyn Readers>,
    equipment: Equipment,
    watcher: Mutex<RecommendedWatcher>,
    files: Arc<Files>,
    turn: Turn,
}

/// The file of each reader's card.
#[derive(Default)]
struct Files(Mutex<BTreeMap<usize, Named>>);

/// A file as the user names it.
struct Named {
    name: PathBuf,
    /// What decides which file that is.
    places: BTreeSet<PathBuf>,
}

impl Files {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Named>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The readers whose cards an event may be about: all, if events were lost.
    fn concerned(&self, event: &Event) -> BTreeSet<usize> {
        let is_concerned = |named: &Named| {
            event.need_rescan() || event.paths.iter().any(|path| named.places.contains(path))
        };
        self.lock()
            .iter()
            .filter(|(_, file)| is_concerned(file))
            .map(|(number, _)| *number)
            .collect()
    }
}

impl Watch {
    /// Looks after the cards that are in the readers now.
    pub(crate) fn start(
        readers: Arc<dyn Readers>,
        equipment: Equipment,
        turn: Turn,
    ) -> Result<Arc<Self>, Failure> {
        let (report, events) = mpsc::channel();
        let files = Arc::<Files>::default();
        let known = Arc::clone(&files);
        let watcher =
            notify::recommended_watcher(move |event: notify::Result<Event>| match event {
                Ok(event) if event.kind.is_access() => {}
                Ok(event) => {
                    let concerned = known.concerned(&event);
                    if !concerned.is_empty() {
                        // Without a receiver the program is at its end.
                        report.send(concerned).ok();
                    }
                }
                Err(error) => output::warn(failure(&error)),
            });
        let watcher = watcher.map_err(|error| failure(&error))?.into();
        let watch = Arc::new(Self { readers, equipment, watcher, files, turn });
        for reader in watch.readers.list() {
            let name = reader.card.and_then(|card| card.label().name.clone());
            watch.look_after(reader.number, name)?;
        }
        let watching = Arc::clone(&watch);
        let thread = thread::Builder::new().spawn(move || watching.attend(&events));
        thread.map_err(|error| Failure::because("cannot watch the files of cards", error))?;
        Ok(watch)
    }

    /// Looks after the file of the card that is in that reader now, and after no other; none for a
    /// card in memory.
    pub(crate) fn look_after(&self, number: usize, name: Option<PathBuf>) -> Result<(), Failure> {
        self.forget(number);
        let Some(name) = name else { return Ok(()) };
        self.files.lock().insert(number, Named { name, places: BTreeSet::new() });
        if let Err(error) = self.follow(number) {
            self.forget(number);
            return Err(failure(&error));
        }
        // It may have been replaced already.
        self.exchange(number);
        Ok(())
    }

    /// Looks no more after the card of that reader.
    pub(crate) fn forget(&self, number: usize) {
        if let Some(Named { places, .. }) = self.files.lock().remove(&number) {
            self.leave(&places);
        }
    }

    /// Watches what decides now which file is that of a reader. Fails if nothing of it can be
    /// watched.
    fn follow(&self, number: usize) -> notify::Result<()> {
        let Some(name) = self.files.lock().get(&number).map(|named| named.name.clone()) else {
            return Ok(());
        };
        let places = places(&name);
        // It is folders that are watched: a file that is replaced is another one. One that is there
        // again after it has been removed is another one, too.
        let mut watched = Err(notify::Error::path_not_found());
        for folder in folders(&places) {
            let watching = self.watcher().watch(folder, RecursiveMode::NonRecursive);
            watched = watched.or(watching);
        }
        let mut files = self.files.lock();
        let Some(named) = files.get_mut(&number) else { return Ok(()) };
        let before = std::mem::replace(&mut named.places, places);
        drop(files);
        self.leave(&before);
        watched
    }

    /// Watches folders of places no more in which no file's name is decided.
    fn leave(&self, places: &BTreeSet<PathBuf>) {
        let mut left = folders(places);
        let files = self.files.lock();
        let needed: BTreeSet<_> = files.values().flat_map(|named| folders(&named.places)).collect();
        left.retain(|folder| !needed.contains(folder));
        drop(files);
        // Without the files: who reports an event waits for them, and this waits for that thread.
        for folder in left {
            // It fails for a folder that is not there any more.
            self.watcher().unwatch(folder).ok();
        }
    }

    fn watcher(&self) -> MutexGuard<'_, RecommendedWatcher> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Exchanges cards until there are no events any more.
    fn attend(&self, events: &Receiver<BTreeSet<usize>>) {
        let mut waiting = BTreeSet::new();
        loop {
            let limit = if waiting.is_empty() { Duration::MAX } else { AGAIN };
            match events.recv_timeout(limit) {
                Ok(concerned) => waiting.extend(concerned),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.retain(|number| !self.exchange(*number));
        }
    }

    /// Puts the card that is in the file now into the reader, if it is not there; false if there is
    /// none that could be.
    fn exchange(&self, number: usize) -> bool {
        let Some(name) = self.files.lock().get(&number).map(|named| named.name.clone()) else {
            return true;
        };
        let Ok(reader) = find(&*self.readers, Some(&Which::Number(number))) else { return true };
        // Before the file is looked at, so that no switch is missed. What cannot be watched has no
        // card in it.
        self.follow(number).ok();
        let was_there = match &reader.card {
            Some(card) => match card.with(|slot| slot.is_in_file()) {
                Some(Ok(true)) => return true,
                // That tells nothing of the file.
                Some(Err(_)) => return false,
                Some(Ok(false)) | None => {
                    self.readers.take_out(number);
                    card.take();
                    true
                }
            },
            None => false,
        };
        let slot = self.equipment.stored(&name, &equipment::name(&name));
        let inserted = slot
            .map_err(|failure| failure.to_string())
            .and_then(|slot| self.readers.insert(Some(number), Shared::new(slot)).map(drop));
        if let Err(sentence) = &inserted
            && was_there
        {
            output::warn(format_args!("reader {number} is empty for now: {sentence}"));
        }
        inserted.is_ok()
    }
}

/// The folders in which these places are.
fn folders(places: &BTreeSet<PathBuf>) -> BTreeSet<&Path> {
    places.iter().filter_map(|place| place.parent()).collect()
}

fn failure(error: &notify::Error) -> Failure {
    Failure::because("cannot watch the files of cards", error)
}
