//! A disk that records its operations, and what it might have stored at any moment.

use crate::store::disk::{Operations, System};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of a file, independent of its name.
type Inode = u64;

/// The files of a folder, by name.
pub(super) type Folder = BTreeMap<PathBuf, Vec<u8>>;

/// The machine's file system, with a record of its operations.
#[derive(Debug, Default)]
pub(super) struct Recorder(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    /// Which file has which name, as far as that is synced.
    names: BTreeMap<PathBuf, Inode>,
    /// Changes of names that are not synced yet, each all or nothing.
    changes: Vec<Vec<(PathBuf, Option<Inode>)>>,
    /// The content of the files, and what of it is synced.
    contents: BTreeMap<Inode, Content>,
    /// Which of these the inode numbers of the file system are now.
    numbers: BTreeMap<u64, Inode>,
    created: Inode,
    /// What might be stored after each operation since the last call.
    survivors: Vec<Vec<Folder>>,
    /// The number of operations until one fails.
    until_failure: Option<usize>,
    has_failed: bool,
}

#[derive(Clone, Debug, Default)]
struct Content {
    written: Vec<u8>,
    /// How many of these bytes the disk has for certain.
    synced: usize,
}

/// What is left of a card after a power cut.
pub(super) struct Survivor {
    /// The card's file, if there is one.
    pub(super) content: Option<Vec<u8>>,
    /// Whether the power was cut after the last operation.
    pub(super) is_last: bool,
}

impl Recorder {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What might be left of the file `path` after each operation since the last call.
    pub(super) fn take_survivors(&self, path: &Path) -> Vec<Survivor> {
        let moments = std::mem::take(&mut self.memory().survivors);
        let last = moments.len().saturating_sub(1);
        let survivors = moments.into_iter().enumerate().flat_map(|(number, folders)| {
            folders.into_iter().map(move |mut folder| Survivor {
                content: folder.remove(path),
                is_last: number == last,
            })
        });
        survivors.collect()
    }

    /// What might be left of the folder after each operation since the last call.
    pub(super) fn folders(&self) -> Vec<Folder> {
        std::mem::take(&mut self.memory().survivors).into_iter().flatten().collect()
    }

    /// The disk fails after so many operations, and at all that follow.
    pub(super) fn fail_at(&self, operation: usize) {
        self.memory().until_failure = Some(operation);
    }

    /// The disk works again.
    pub(super) fn mend(&self) {
        self.memory().until_failure = None;
    }

    /// Whether it has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.memory().has_failed
    }

    /// An operation: fails if it is due to, is done, and recorded.
    fn perform<T>(
        &self,
        operation: impl FnOnce() -> io::Result<T>,
        note: impl FnOnce(&mut Memory, &T),
    ) -> io::Result<T> {
        let mut memory = self.memory();
        match &mut memory.until_failure {
            Some(0) => {
                memory.has_failed = true;
                return Err(io::ErrorKind::StorageFull.into());
            }
            Some(operations) => *operations -= 1,
            None => {}
        }
        let done = operation()?;
        note(&mut memory, &done);
        let possible = memory.possible();
        memory.survivors.push(possible);
        Ok(done)
    }
}

impl Memory {
    fn inode(&self, file: &File) -> Inode {
        let number = file.metadata().map(|metadata| metadata.ino()).unwrap_or_default();
        self.numbers.get(&number).copied().unwrap_or_default()
    }

    /// The disk has all of a file.
    fn note_sync(&mut self, file: &File) {
        let inode = self.inode(file);
        let content = self.contents.entry(inode).or_default();
        content.synced = content.written.len();
    }

    /// The file of a name, all changes included.
    fn named(&self, path: &Path) -> Option<Inode> {
        let changed = self.changes.iter().flatten().rev().find(|(name, _)| name == path);
        changed.map_or_else(|| self.names.get(path).copied(), |(_, inode)| *inode)
    }

    fn change(&mut self, change: Vec<(PathBuf, Option<Inode>)>) {
        self.changes.push(change);
    }

    /// What might be on the disk now: any of the changes of names, and of what was not synced any
    /// of [`remains`].
    fn possible(&self) -> Vec<Folder> {
        let mut folders = Vec::new();
        for chosen in 0..1_usize << self.changes.len() {
            let mut names = self.names.clone();
            let kept = self.changes.iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1);
            for (name, inode) in kept.flat_map(|(_, change)| change) {
                match inode {
                    Some(inode) => names.insert(name.clone(), *inode),
                    None => names.remove(name),
                };
            }
            for remains in 0..REMAINS {
                let content = |inode: &Inode| {
                    let content = self.contents.get(inode).cloned().unwrap_or_default();
                    let (synced, written) = content.written.split_at(content.synced);
                    [synced, &remainder(written.to_vec(), remains)].concat()
                };
                let files = names.iter().map(|(name, inode)| (name.clone(), content(inode)));
                folders.push(files.collect());
            }
        }
        folders
    }
}

/// The number of kinds of remainder.
const REMAINS: usize = 10;

/// What may be left of what was written and not synced.
fn remainder(mut written: Vec<u8>, kind: usize) -> Vec<u8> {
    let length = written.len();
    match kind {
        0 => written.clear(),
        1 => written.truncate(written.len() / 2),
        2 => written.fill(0x00),
        // A block that was not stored, in the middle of others.
        3 => written.iter_mut().skip(512).take(512).for_each(|byte| *byte = 0x00),
        4 => written.truncate(1),
        5 => written.truncate(written.len() / 4),
        6 => written.truncate(written.len() / 4 * 3),
        7 => written.truncate(written.len().saturating_sub(1)),
        8 => written.iter_mut().skip(length / 2).for_each(|byte| *byte = 0x00),
        _ => {}
    }
    written
}

impl Operations for Recorder {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.perform(
            || System.create(path),
            |memory, file| {
                memory.created += 1;
                let inode = memory.created;
                let number = file.metadata().map(|metadata| metadata.ino()).unwrap_or_default();
                memory.numbers.insert(number, inode);
                memory.contents.insert(inode, Content::default());
                memory.change(vec![(path.into(), Some(inode))]);
            },
        )
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.perform(
            || System.write(file, bytes),
            |memory, ()| {
                let inode = memory.inode(file);
                let content = memory.contents.entry(inode).or_default();
                content.written.extend(bytes);
            },
        )
    }

    fn append(&self, file: &File, length: u64, bytes: &[u8]) -> io::Result<()> {
        self.perform(
            || System.append(file, length, bytes),
            |memory, ()| {
                let inode = memory.inode(file);
                let content = memory.contents.entry(inode).or_default();
                let length = usize::try_from(length).expect("a short file");
                assert_eq!(content.written.len(), length, "a record is behind the last one");
                content.written.extend(bytes);
            },
        )
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        self.perform(|| System.sync_data(file), |memory, ()| memory.note_sync(file))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.perform(|| System.sync(file), |memory, ()| memory.note_sync(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.perform(
            || System.rename(from, to),
            |memory, ()| {
                let inode = memory.named(from);
                memory.change(vec![(from.into(), None), (to.into(), inode)]);
            },
        )
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.perform(
            || System.exchange(one, other),
            |memory, ()| {
                let (first, second) = (memory.named(one), memory.named(other));
                memory.change(vec![(one.into(), second), (other.into(), first)]);
            },
        )
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.perform(|| System.remove(path), |memory, ()| memory.change(vec![(path.into(), None)]))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.perform(
            || System.sync_folder(folder),
            |memory, ()| {
                for (name, inode) in std::mem::take(&mut memory.changes).into_iter().flatten() {
                    match inode {
                        Some(inode) => memory.names.insert(name, inode),
                        None => memory.names.remove(&name),
                    };
                }
            },
        )
    }
}
