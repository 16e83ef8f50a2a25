//! Cards whose files are replaced while they are in a reader.

use crate::failure::Failure;
use crate::output;
use crate::readers::{Readers, Turn, Which, find};
use crate::slot::{self, Equipment, Shared};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

/// Looks after the files of cards: what replaces one takes the card's place in its reader.
pub(crate) struct Watch {
    readers: Arc<dyn Readers>,
    equipment: Equipment,
    watcher: Mutex<RecommendedWatcher>,
    /// The reader of each file's card.
    files: Mutex<BTreeMap<PathBuf, usize>>,
    turn: Turn,
}

impl Watch {
    /// Looks after the cards that are in the readers now.
    pub(crate) fn start(
        readers: Arc<dyn Readers>,
        equipment: Equipment,
        turn: Turn,
    ) -> Result<Arc<Self>, Failure> {
        let (report, events) = mpsc::channel();
        let watcher = notify::recommended_watcher(move |event| drop(report.send(event)));
        let watcher = watcher.map_err(|error| failure(&error))?;
        let stored: Vec<_> = readers
            .list()
            .into_iter()
            .filter_map(|reader| {
                let file = reader.card?.with(|slot| slot.file().map(Path::to_path_buf))??;
                Some((file, reader.number))
            })
            .collect();
        let (watcher, files) = (watcher.into(), Mutex::default());
        let watch = Arc::new(Self { readers, equipment, watcher, files, turn });
        for (file, number) in stored {
            watch.add(file, number)?;
        }
        let watching = Arc::clone(&watch);
        let look = move || events.into_iter().for_each(|event| watching.look(event));
        thread::Builder::new()
            .spawn(look)
            .map_err(|error| Failure::because("cannot watch files", error))?;
        Ok(watch)
    }

    /// Looks after a file, whose card is in that reader. It is the folder that is watched: a file
    /// that is replaced is another one.
    pub(crate) fn add(&self, file: PathBuf, number: usize) -> Result<(), Failure> {
        if let Some(folder) = file.parent() {
            let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
            watcher.watch(folder, RecursiveMode::NonRecursive).map_err(|error| failure(&error))?;
        }
        self.files().insert(file.clone(), number);
        // It may have been replaced already.
        self.exchange(&file, number);
        Ok(())
    }

    /// Looks no more after the card of that reader.
    pub(crate) fn remove(&self, number: usize) {
        self.files().retain(|_, of| *of != number);
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, usize>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, event: notify::Result<Event>) {
        match event {
            Ok(event) if event.kind.is_access() => {}
            Ok(event) => {
                let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
                for path in event.paths {
                    let number = self.files().get(&path).copied();
                    if let Some(number) = number {
                        self.exchange(&path, number);
                    }
                }
            }
            Err(error) => output::warn(failure(&error)),
        }
    }

    /// Puts the card that is in the file now into the reader, if it is not there.
    fn exchange(&self, path: &Path, number: usize) {
        let Ok(reader) = find(&*self.readers, Some(&Which::Number(number))) else { return };
        if let Some(card) = &reader.card {
            if card.with(|slot| slot.is_in_file()) == Some(true) {
                return;
            }
            self.readers.take_out(number);
            card.discard();
            thread::sleep(self.readers.absence());
        }
        // Half a file is no card; the other half makes another event.
        match self.equipment.stored(path, &slot::name(path), None) {
            Ok(slot) => {
                if let Err(sentence) = self.readers.insert(Some(number), Shared::new(slot)) {
                    output::warn(sentence);
                }
            }
            Err(failure) => output::warn(format_args!("reader {number} is empty: {failure}")),
        }
    }
}

fn failure(error: &notify::Error) -> Failure {
    Failure::because("cannot watch the files of cards", error)
}
