//! A card in its slot: the card, the file that keeps it, the trace that tells of it.

use crate::disk::{self, CardFile, Durability};
use crate::failure::Failure;
use crate::output;
use crate::seed::Seed;
use crate::trace::{Sink, Trace};
use card::Card;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Instant;

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
}

impl SlotOptions {
    /// The seed of a new card.
    pub(crate) fn seed(&self) -> Result<Seed, Failure> {
        Seed::or_random(self.seed.as_ref())
    }

    /// Where traces go, if they are wanted.
    pub(crate) fn sink(&self) -> Result<Option<Sink>, Failure> {
        self.trace.as_deref().map(Sink::open).transpose()
    }
}

/// A card that can be asked.
pub(crate) struct Slot {
    card: Card,
    file: Option<CardFile>,
    trace: Option<Trace>,
}

/// The card that is kept in the file `path`, to be looked at and not to be asked: it may be in use.
pub(crate) fn look(path: &Path) -> Result<Card, Failure> {
    load(path, &disk::read(path)?)
}

fn load(path: &Path, image: &[u8]) -> Result<Card, Failure> {
    let card = Card::load(image, Seed::random()?.into());
    card.map_err(|error| Failure::Failed(format!("{} {error}", path.display())))
}

impl Slot {
    /// A card in memory, which ends with the program.
    pub(crate) fn in_memory(card: Card) -> Self {
        Self { card, file: None, trace: None }
    }

    /// The card that is kept in the file `path`.
    ///
    /// A seed that the user chose may come again, and then begins the card's next random stream;
    /// that it has begun is on disk before the first command.
    pub(crate) fn stored(path: &Path, options: &SlotOptions) -> Result<Self, Failure> {
        let (mut file, image) = CardFile::open(path, Durability::Full)?;
        let mut card = load(path, &image)?;
        if let Some(seed) = &options.seed {
            card.start_stream(seed.into());
            file.save(&card.image())?;
        }
        if file.others_may_read()? {
            let path = file.path().display();
            output::warn(format_args!(
                "others may read {path} and every key in it; run: chmod go-r {path}"
            ));
        }
        Ok(Self { card, file: Some(file.with(options.durability)), trace: None })
    }

    /// The cards that are kept in these files, traced as `options` say, and by name if they are
    /// several.
    pub(crate) fn all_stored(
        paths: &[PathBuf],
        options: &SlotOptions,
    ) -> Result<Vec<Self>, Failure> {
        let sink = options.sink()?;
        let stored = |path: &PathBuf| {
            let name = match paths {
                [_] => String::new(),
                _ => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            };
            let trace = sink.clone().map(|sink| Trace::new(sink, &name));
            Ok(Self::stored(path, options)?.traced(trace))
        };
        paths.iter().map(stored).collect()
    }

    /// A new card, which ends with the program, traced as `options` say.
    pub(crate) fn ephemeral(card: Card, options: &SlotOptions) -> Result<Self, Failure> {
        let trace = options.sink()?.map(|sink| Trace::new(sink, ""));
        Ok(Self::in_memory(card).traced(trace))
    }

    /// Tells of every command from here on.
    pub(crate) fn traced(self, trace: Option<Trace>) -> Self {
        Self { trace, ..self }
    }

    /// The card, to be looked at.
    pub(crate) fn card(&self) -> &Card {
        &self.card
    }

    /// The card's answer to reset.
    pub(crate) fn atr(&self) -> &[u8] {
        self.card.atr()
    }

    /// Power on, power off or reset; `event` says which.
    pub(crate) fn reset(&mut self, event: &str) {
        self.card.reset();
        self.tell(|trace| trace.reset(event));
    }

    /// Answers one command APDU.
    ///
    /// A change is on disk before this returns, and an answer that could not be kept is an error:
    /// the host may see a card that died, never one that forgot.
    pub(crate) fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, Failure> {
        let start = Instant::now();
        let outcome = self.card.transmit(apdu);
        if outcome.changed
            && let Some(file) = &mut self.file
        {
            file.save(&self.card.image())?;
        }
        self.tell(|trace| trace.command(apdu, &outcome.response, start.elapsed()));
        Ok(outcome.response)
    }

    /// Writes to the trace. One that cannot be written ends, and the card goes on without.
    fn tell(&mut self, line: impl FnOnce(&mut Trace) -> Result<(), Failure>) {
        if let Some(trace) = &mut self.trace
            && let Err(failure) = line(trace)
        {
            output::warn(failure);
            self.trace = None;
        }
    }
}
