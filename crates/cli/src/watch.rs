//! Cards whose files are replaced while they are in a reader.

use crate::failure::Failure;
use crate::output;
use crate::readers::{Readers, Turn, Which, find};
use crate::slot::{self, Equipment, Shared};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
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
struct Files(Mutex<BTreeMap<usize, PathBuf>>);

impl Files {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The readers whose cards an event may be about: all, if events were lost.
    fn concerned(&self, event: &Event) -> BTreeSet<usize> {
        let is_concerned = |file: &PathBuf| event.need_rescan() || event.paths.contains(file);
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
            let file = reader.card.and_then(|card| card.label().file.clone());
            watch.look_after(reader.number, file)?;
        }
        let watching = Arc::clone(&watch);
        let thread = thread::Builder::new().spawn(move || watching.attend(&events));
        thread.map_err(|error| Failure::because("cannot watch the files of cards", error))?;
        Ok(watch)
    }

    /// Looks after the file of the card that is in that reader now, and after no other; none for a
    /// card in memory.
    pub(crate) fn look_after(&self, number: usize, file: Option<PathBuf>) -> Result<(), Failure> {
        self.forget(number);
        let Some(file) = file else { return Ok(()) };
        self.watch_folder(&file).map_err(|error| failure(&error))?;
        self.files.lock().insert(number, file);
        // It may have been replaced already.
        self.exchange(number);
        Ok(())
    }

    /// Looks no more after the card of that reader.
    pub(crate) fn forget(&self, number: usize) {
        let mut files = self.files.lock();
        let Some(file) = files.remove(&number) else { return };
        if !files.values().any(|other| other.parent() == file.parent())
            && let Some(folder) = file.parent()
        {
            // It fails for a folder that is not there any more.
            self.watcher().unwatch(folder).ok();
        }
    }

    /// It is the folder that is watched: a file that is replaced is another one.
    fn watch_folder(&self, file: &Path) -> notify::Result<()> {
        let folder = file.parent().unwrap_or(Path::new("/"));
        self.watcher().watch(folder, RecursiveMode::NonRecursive)
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
        let Some(file) = self.files.lock().get(&number).cloned() else { return true };
        let Ok(reader) = find(&*self.readers, Some(&Which::Number(number))) else { return true };
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
        // The folder may be another one, too. If it cannot be watched, there is no card in it.
        self.watch_folder(&file).ok();
        let slot = self.equipment.stored(&file, &slot::name(&file));
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

fn failure(error: &notify::Error) -> Failure {
    Failure::because("cannot watch the files of cards", error)
}
