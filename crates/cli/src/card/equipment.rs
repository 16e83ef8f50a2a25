//! What all cards of a program have in common, and how they are opened with it.

use crate::card::aes_keys::AesKeys;
use crate::card::persistent::Persistent;
use crate::card::slot::Slot;
use crate::faults::Script;
use crate::process::seed::Seed;
use crate::store::Memory;
use crate::store::disk::Durability;
use crate::store::encryption::Image;
use crate::store::image_file::{self, Kept};
use crate::store::passphrase::Source;
use crate::text::failure::Failure;
use crate::text::output;
use crate::text::secret::Secret;
use crate::trace::{Sink, Trace};
use clap::Args;
use std::fmt;
use std::path::{Path, PathBuf};
use vschsm_card::Card;

/// The options of every command that asks a card.
#[derive(Debug, Args)]
pub(crate) struct SlotOptions {
    /// Take randomness from this text instead of the system. A card in a file counts its seeded
    /// runs, so that the same text never brings the same random numbers twice
    #[arg(long, value_name = "TEXT")]
    seed: Option<Seed>,

    /// What an answer waits for
    #[arg(long, value_name = "HOW", default_value = "full")]
    pub(crate) durability: Durability,

    /// Write a line about each command to standard error, or add it to FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "-")]
    trace: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) passphrase: Source,
}

impl SlotOptions {
    /// The seed of a new card.
    pub(crate) fn seed(&self) -> Result<Seed, Failure> {
        Seed::or_random(self.seed.as_ref())
    }

    /// What the program's slots have in common.
    pub(crate) fn equipment(&self) -> Result<Equipment, Failure> {
        let sink = self.trace.as_deref().map(Sink::open).transpose()?;
        let (durability, seed) = (self.durability, self.seed.clone());
        let passphrase = self.passphrase.clone();
        let faults = Script::default();
        let (watched, aes_keys) = (false, None);
        Ok(Equipment { durability, sink, seed, passphrase, watched, faults, aes_keys })
    }

    /// The card that is kept in the file `path`, and no other.
    pub(crate) fn stored(&self, path: &Path) -> Result<Slot, Failure> {
        self.equipment()?.stored(path, "")
    }
}

/// What all slots of a program have in common.
#[derive(Clone)]
pub(crate) struct Equipment {
    durability: Durability,
    sink: Option<Sink>,
    seed: Option<Seed>,
    passphrase: Source,
    watched: bool,
    /// What goes wrong with each card that comes.
    faults: Script,
    /// Whether AES keys are strong, for cards that work on.
    aes_keys: Option<AesKeys>,
}

impl Equipment {
    /// The same where this goes wrong with each card.
    pub(crate) fn faulty(self, faults: Script) -> Self {
        Self { faults, ..self }
    }

    /// The same where cards work on, and this is wanted of their AES keys.
    pub(crate) fn generating(self, aes_keys: AesKeys) -> Self {
        Self { aes_keys: Some(aes_keys), ..self }
    }

    /// The same where somebody waits for the files of cards to be replaced.
    pub(crate) fn watching(self) -> Self {
        Self { watched: true, ..self }
    }

    /// The same where nobody is asked for a passphrase.
    pub(crate) fn unattended(self) -> Self {
        Self { passphrase: self.passphrase.unattended(), ..self }
    }

    /// The same with a passphrase that somebody has told, if there is one.
    pub(crate) fn told(self, passphrase: Option<Secret>) -> Self {
        Self { passphrase: self.passphrase.told(passphrase), ..self }
    }

    /// Whether somebody waits for that.
    pub(crate) fn is_watching(&self) -> bool {
        self.watched
    }

    /// The same with a seed of its own, if there is one.
    pub(crate) fn seeded(self, seed: Option<Seed>) -> Self {
        Self { seed: seed.or(self.seed), ..self }
    }

    /// The cards that are kept in these files, and then copies of those that are in the files of
    /// templates; traced by name if they are several.
    pub(crate) fn all(
        &self,
        kept: &[PathBuf],
        templates: &[PathBuf],
    ) -> Result<Vec<Slot>, Failure> {
        let is_alone = kept.len() + templates.len() == 1;
        let name = |path| if is_alone { String::new() } else { name(path) };
        let stored = kept.iter().map(|path| self.stored(path, &name(path)));
        stored.chain(templates.iter().map(|path| self.copy(path, &name(path)))).collect()
    }

    /// The card that is kept in the file `path`, traced by that name.
    ///
    /// A seed that the user chose may come again, and then begins the card's next random stream;
    /// that it has begun is on disk before the first command.
    pub(crate) fn stored(&self, path: &Path, name: &str) -> Result<Slot, Failure> {
        let (mut file, image) = Kept::open(path, Durability::Full, &self.passphrase)?;
        let mut card = load(path, &image)?;
        if let Some(seed) = &self.seed {
            card.start_stream(seed.into());
            file.save(&self::image(&card))?;
        } else if let Err(error) = file.rehearse() {
            output::warn(format_args!(
                "{}; commands that change nothing work, and any other, a login too, takes the card \
                 out of its reader",
                Failure::from(error)
            ));
        }
        if !file.is_sealed() && file.others_may_read()? {
            let path = file.path().display();
            output::warn(format_args!(
                "others may read {path} and every key in it; run: chmod go-r {path}"
            ));
        }
        self.settle(&mut card, path.display());
        let card = Persistent::new(card, Box::new(file.with(self.durability)));
        Ok(self.slot(if self.watched { card.watched() } else { card }, name))
    }

    /// A copy, in memory, of the card that is kept in the file `path`, which is only read. Its
    /// random stream is its own, unless there is a seed.
    pub(crate) fn copy(&self, path: &Path, name: &str) -> Result<Slot, Failure> {
        let mut card = look(path, &self.passphrase)?;
        if let Some(seed) = &self.seed {
            card.start_stream(seed.into());
        }
        self.settle(&mut card, path.display());
        Ok(self.in_memory(card, name))
    }

    /// The card of an image that is in no file; a seed begins its next random stream.
    pub(crate) fn load(&self, image: &str) -> Result<Card, Failure> {
        let mut card = load(Path::new("the image"), image.as_bytes())?;
        if let Some(seed) = &self.seed {
            card.start_stream(seed.into());
        }
        self.settle(&mut card, "the image");
        Ok(card)
    }

    fn settle(&self, card: &mut Card, name: impl fmt::Display) {
        if let Some(aes_keys) = self.aes_keys {
            aes_keys.settle(card, name);
        }
    }

    /// A card in memory, which ends with the program, traced by that name.
    pub(crate) fn in_memory(&self, card: Card, name: &str) -> Slot {
        self.slot(Persistent::new(card, Box::new(Memory)), name)
    }

    /// A card with the layers that all cards have, traced by that name.
    fn slot(&self, card: Persistent, name: &str) -> Slot {
        let trace = self.sink.clone().map(|sink| Trace::new(sink, name));
        Slot::new(card, self.faults.clone(), trace)
    }
}

/// What a card is called beside others: as its file is.
pub(crate) fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The card that is kept in the file `path`, to be looked at and not to be asked: it may be in use.
pub(crate) fn look(path: &Path, passphrase: &Source) -> Result<Card, Failure> {
    load(path, &image_file::read(path, passphrase)?)
}

/// The card whose image, which was read from `origin`, is this.
pub(crate) fn load(origin: &Path, image: &[u8]) -> Result<Card, Failure> {
    let card = Card::load(image, Seed::random()?.into());
    card.map_err(|error| Failure::Failed(format!("{} {error}", origin.display())))
}

/// The image of a card, wiped when it is not needed any more: every key is in it.
pub(crate) fn image(card: &Card) -> Image {
    card.image().into()
}
