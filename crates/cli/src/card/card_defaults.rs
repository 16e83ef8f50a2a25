//! The settings that all cards of a program share, and how cards are opened with them.

use crate::card::aes_keys::AesKeys;
use crate::card::image;
use crate::card::persistent::Persistent;
use crate::card::virtual_card::VirtualCard;
use crate::faults::Script;
use crate::process::seed::Seed;
use crate::store::NoStore;
use crate::store::Store;
use crate::store::disk::Durability;
use crate::store::image_file::ImageFile;
use crate::store::passphrase::PassphraseSource;
use crate::text::failure::Failure;
use crate::text::output;
use crate::text::secret::Secret;
use crate::trace::{Sink, Trace};
use clap::Args;
use std::fmt;
use std::path::{Path, PathBuf};
use vschsm_card::Card;

/// The options of every command that uses a card.
#[derive(Debug, Args)]
pub(crate) struct CardOptions {
    /// Take randomness from this text instead of the system. A card in a file counts its seeded
    /// runs, so that the same text never brings the same random numbers twice
    #[arg(long, value_name = "TEXT")]
    seed: Option<Seed>,

    /// What a response waits for
    #[arg(long, value_name = "HOW", default_value = "full")]
    pub(crate) durability: Durability,

    /// Write a line about each command to standard error, or add it to FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "-")]
    trace: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) passphrase: PassphraseSource,
}

impl CardOptions {
    /// The seed of a new card.
    pub(crate) fn seed(&self) -> Result<Seed, Failure> {
        Seed::or_random(self.seed.as_ref())
    }

    /// The settings that the program's cards share.
    pub(crate) fn defaults(&self) -> Result<CardDefaults, Failure> {
        let sink = self.trace.as_deref().map(Sink::open).transpose()?;
        let (durability, seed) = (self.durability, self.seed.clone());
        let passphrase = self.passphrase.clone();
        let faults = Script::default();
        let (watched, aes_keys) = (false, None);
        Ok(CardDefaults { durability, sink, seed, passphrase, watched, faults, aes_keys })
    }

    /// The card in the file `path`, which is the only one of the program.
    pub(crate) fn open(&self, path: &Path) -> Result<VirtualCard, Failure> {
        self.defaults()?.open(path, "")
    }
}

/// The settings that all cards of a program share.
#[derive(Clone)]
pub(crate) struct CardDefaults {
    durability: Durability,
    sink: Option<Sink>,
    seed: Option<Seed>,
    passphrase: PassphraseSource,
    watched: bool,
    /// The faults of each card.
    faults: Script,
    /// Whether AES keys are strong, for cards that stay in use.
    aes_keys: Option<AesKeys>,
}

impl CardDefaults {
    /// The same with these faults for each card.
    pub(crate) fn faulty(self, faults: Script) -> Self {
        Self { faults, ..self }
    }

    /// The same for cards that stay in use, with this choice for their AES keys.
    pub(crate) fn generating(self, aes_keys: AesKeys) -> Self {
        Self { aes_keys: Some(aes_keys), ..self }
    }

    /// The same where the files of cards are watched, and replaced cards are loaded.
    pub(crate) fn watching(self) -> Self {
        Self { watched: true, ..self }
    }

    /// The same without a terminal that asks for passphrases.
    pub(crate) fn unattended(self) -> Self {
        Self { passphrase: self.passphrase.unattended(), ..self }
    }

    /// The same with this passphrase, if there is one.
    pub(crate) fn with_passphrase(self, passphrase: Option<Secret>) -> Self {
        Self { passphrase: self.passphrase.with(passphrase), ..self }
    }

    /// Whether the files of cards are watched.
    pub(crate) fn is_watching(&self) -> bool {
        self.watched
    }

    /// The same with a seed of its own, if there is one.
    pub(crate) fn seeded(self, seed: Option<Seed>) -> Self {
        Self { seed: seed.or(self.seed), ..self }
    }

    /// The cards in these files, and then copies of those in the template files; traced by name if
    /// there are several.
    pub(crate) fn open_all(
        &self,
        files: &[PathBuf],
        templates: &[PathBuf],
    ) -> Result<Vec<VirtualCard>, Failure> {
        let is_alone = files.len() + templates.len() == 1;
        let name = |path| if is_alone { String::new() } else { trace_name(path) };
        let opened = files.iter().map(|path| self.open(path, &name(path)));
        opened.chain(templates.iter().map(|path| self.copy(path, &name(path)))).collect()
    }

    /// The card in the file `path`, traced by that name.
    ///
    /// A seed that the user chose may be used again, and then begins the card's next random stream;
    /// that is saved before the first command.
    pub(crate) fn open(&self, path: &Path, name: &str) -> Result<VirtualCard, Failure> {
        let (mut file, image) = ImageFile::open(path, Durability::Full, &self.passphrase)?;
        let mut card = image::load(path, &image)?;
        if let Some(seed) = &self.seed {
            card.start_stream(seed.into());
            file.save_change(&card)?;
        } else if let Err(error) = file.check_saving() {
            let consequence = if file.can_save_changes() {
                "an initialisation or an update removes the card from its reader, and any other \
                 command works"
            } else {
                "commands that change nothing work, and any other, such as a login, removes the \
                 card from its reader"
            };
            output::warn(format_args!("{}; {consequence}", Failure::from(error)));
        }
        if !file.is_encrypted() && file.others_may_read()? {
            let path = file.path().display();
            output::warn(format_args!(
                "other users may read {path} and every key in it; run: chmod go-r {path}"
            ));
        }
        self.apply_aes_keys(&mut card, path.display());
        let card = Persistent::new(card, Box::new(file.with(self.durability)));
        Ok(self.with_layers(if self.watched { card.watched() } else { card }, name))
    }

    /// A copy, in memory, of the card in the file `path`, which is only read. Its random stream is
    /// its own, unless there is a seed.
    pub(crate) fn copy(&self, path: &Path, name: &str) -> Result<VirtualCard, Failure> {
        let mut card = image::open_read_only(path, &self.passphrase)?;
        if let Some(seed) = &self.seed {
            card.start_stream(seed.into());
        }
        self.apply_aes_keys(&mut card, path.display());
        Ok(self.in_memory(card, name))
    }

    /// The card of an image without a file; a seed begins its next random stream.
    pub(crate) fn load(&self, image: &str) -> Result<Card, Failure> {
        let mut card = image::load(Path::new("the image"), image.as_bytes())?;
        if let Some(seed) = &self.seed {
            card.start_stream(seed.into());
        }
        self.apply_aes_keys(&mut card, "the image");
        Ok(card)
    }

    fn apply_aes_keys(&self, card: &mut Card, name: impl fmt::Display) {
        if let Some(aes_keys) = self.aes_keys {
            aes_keys.apply(card, name);
        }
    }

    /// A card in memory, which is lost with the program, traced by that name.
    pub(crate) fn in_memory(&self, card: Card, name: &str) -> VirtualCard {
        self.with_layers(Persistent::new(card, Box::new(NoStore)), name)
    }

    /// A card with its layers, traced by that name.
    fn with_layers(&self, card: Persistent, name: &str) -> VirtualCard {
        let trace = self.sink.clone().map(|sink| Trace::new(sink, name));
        VirtualCard::new(card, self.faults.clone(), trace)
    }
}

/// The name of a card among several: that of its file.
pub(crate) fn trace_name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
