//! Cards whose files are replaced while they are in a reader.
//!
//! What is watched is the path that the user has given, not the file that it led to at first: a
//! symbolic link in the path may be switched, as in atomic deployments.

mod places;

use crate::card::card_defaults::{CardDefaults, trace_name};
use crate::card::shared::SharedCard;
use crate::readers::{ChangeLock, ReaderName, Readers, find};
use crate::text::failure::Failure;
use crate::text::output;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use places::path_elements;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The interval until a file that is not a card, in use or missing is read again: not every change
/// is an event of its folder.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Watches the files of cards: a card that replaces one takes its place in the reader.
pub(crate) struct Watch {
    readers: Arc<dyn Readers>,
    defaults: CardDefaults,
    watcher: Mutex<RecommendedWatcher>,
    files: Arc<WatchedFiles>,
    change_lock: ChangeLock,
}

/// The file of each reader's card.
#[derive(Default)]
struct WatchedFiles(Mutex<BTreeMap<usize, WatchedPath>>);

/// A path as the user has given it.
struct WatchedPath {
    name: PathBuf,
    /// The paths that decide which file it leads to.
    elements: BTreeSet<PathBuf>,
}

impl WatchedFiles {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, WatchedPath>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The readers whose cards an event may affect: all, if events were lost.
    fn affected(&self, event: &Event) -> BTreeSet<usize> {
        let is_affected = |named: &WatchedPath| {
            event.need_rescan() || event.paths.iter().any(|path| named.elements.contains(path))
        };
        self.lock()
            .iter()
            .filter(|(_, file)| is_affected(file))
            .map(|(number, _)| *number)
            .collect()
    }
}

impl Watch {
    /// Watches the files of the cards that are in the readers now.
    pub(crate) fn start(
        readers: Arc<dyn Readers>,
        defaults: CardDefaults,
        change_lock: ChangeLock,
    ) -> Result<Arc<Self>, Failure> {
        let (sender, events) = mpsc::channel();
        let files = Arc::<WatchedFiles>::default();
        let known = Arc::clone(&files);
        let watcher =
            notify::recommended_watcher(move |event: notify::Result<Event>| match event {
                Ok(event) if event.kind.is_access() => {}
                Ok(event) => {
                    let affected = known.affected(&event);
                    if !affected.is_empty() {
                        // Without a receiver the program is ending.
                        sender.send(affected).ok();
                    }
                }
                Err(error) => output::warn(failure(&error)),
            });
        let watcher = watcher.map_err(|error| failure(&error))?.into();
        let watch = Arc::new(Self { readers, defaults, watcher, files, change_lock });
        for reader in watch.readers.list() {
            let name = reader.card.and_then(|card| card.label().name.clone());
            watch.watch(reader.number, name)?;
        }
        let watching = Arc::clone(&watch);
        let thread = thread::Builder::new().spawn(move || watching.replace_cards(&events));
        thread.map_err(|error| Failure::because("cannot watch the files of cards", error))?;
        Ok(watch)
    }

    /// Watches the file of the card that is in that reader now, in place of an earlier one; a card
    /// in memory has no file.
    pub(crate) fn watch(&self, number: usize, name: Option<PathBuf>) -> Result<(), Failure> {
        self.unwatch(number);
        let Some(name) = name else { return Ok(()) };
        self.files.lock().insert(number, WatchedPath { name, elements: BTreeSet::new() });
        if let Err(error) = self.watch_folders(number) {
            self.unwatch(number);
            return Err(failure(&error));
        }
        // It may have been replaced already.
        self.replace_card(number);
        Ok(())
    }

    /// Watches the file of that reader's card no more.
    pub(crate) fn unwatch(&self, number: usize) {
        if let Some(WatchedPath { elements, .. }) = self.files.lock().remove(&number) {
            self.unwatch_folders(&elements);
        }
    }

    /// Watches the paths that decide now which file is that of a reader's card. Fails if none of
    /// them can be watched.
    fn watch_folders(&self, number: usize) -> notify::Result<()> {
        let Some(name) = self.files.lock().get(&number).map(|named| named.name.clone()) else {
            return Ok(());
        };
        let elements = path_elements(&name);
        // Folders are watched, as a file that is replaced is another one. A folder that was removed
        // and made again is another one, too.
        let mut watched = Err(notify::Error::path_not_found());
        for folder in folders(&elements) {
            let watching = self.watcher().watch(folder, RecursiveMode::NonRecursive);
            watched = watched.or(watching);
        }
        let mut files = self.files.lock();
        let Some(named) = files.get_mut(&number) else { return Ok(()) };
        let before = std::mem::replace(&mut named.elements, elements);
        drop(files);
        self.unwatch_folders(&before);
        watched
    }

    /// Watches the folders of these paths no more, except those that are needed for others.
    fn unwatch_folders(&self, elements: &BTreeSet<PathBuf>) {
        let mut left = folders(elements);
        let files = self.files.lock();
        let needed: BTreeSet<_> =
            files.values().flat_map(|named| folders(&named.elements)).collect();
        left.retain(|folder| !needed.contains(folder));
        drop(files);
        // Without the lock: the thread that reports events waits for it, and this waits for that
        // thread.
        for folder in left {
            // It fails for a folder that was removed.
            self.watcher().unwatch(folder).ok();
        }
    }

    fn watcher(&self) -> MutexGuard<'_, RecommendedWatcher> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces cards until there are no events any more.
    fn replace_cards(&self, events: &Receiver<BTreeSet<usize>>) {
        let mut waiting = BTreeSet::new();
        loop {
            let limit = if waiting.is_empty() { Duration::MAX } else { RETRY_INTERVAL };
            match events.recv_timeout(limit) {
                Ok(affected) => waiting.extend(affected),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let _change = self.change_lock.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.retain(|number| !self.replace_card(*number));
        }
    }

    /// Inserts the card that is in the file now into the reader, unless it is there already; false
    /// if the file has no card that can be inserted.
    fn replace_card(&self, number: usize) -> bool {
        let Some(name) = self.files.lock().get(&number).map(|named| named.name.clone()) else {
            return true;
        };
        let Ok(reader) = find(&*self.readers, Some(&ReaderName::Number(number))) else {
            return true;
        };
        // Before the file is read, so that no change is missed. A path that cannot be watched has
        // no card.
        self.watch_folders(number).ok();
        let was_there = match &reader.card {
            Some(card) => match card.with(|card| card.is_in_file()) {
                Some(Ok(true)) => return true,
                // The file could not be read.
                Some(Err(_)) => return false,
                Some(Ok(false)) | None => {
                    self.readers.remove(number);
                    card.take();
                    true
                }
            },
            None => false,
        };
        let card = self.defaults.open(&name, &trace_name(&name));
        let inserted = card
            .map_err(|failure| failure.to_string())
            .and_then(|card| self.readers.insert(Some(number), SharedCard::new(card)).map(drop));
        if let Err(sentence) = &inserted
            && was_there
        {
            output::warn(format_args!("reader {number} is empty for now: {sentence}"));
        }
        inserted.is_ok()
    }
}

/// The folders of these paths.
fn folders(elements: &BTreeSet<PathBuf>) -> BTreeSet<&Path> {
    elements.iter().filter_map(|element| element.parent()).collect()
}

fn failure(error: &notify::Error) -> Failure {
    Failure::because("cannot watch the files of cards", error)
}
