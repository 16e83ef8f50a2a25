//! The built-in PC/SC server: what `vschsm exec` and `vschsm run --pcsc-socket` have in common.

mod library;
mod place;
mod probe;
mod threads;

use crate::failure::Failure;
use crate::slot::Slot;
use card::Card;
use clap::Args;
use reader::pcsc::{Dead, Description, ENTRIES, Hub, Options, Reset};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

pub(crate) use library::Library;
pub(crate) use place::{Listening, PrivateFolder};
pub(crate) use probe::{Findings, probe};
pub(crate) use threads::Server;

/// The options of the readers that the built-in server has.
#[derive(Debug, Args)]
pub(crate) struct ReaderOptions {
    /// What the readers are called; {serial} stands for what a Nitrokey HSM says of itself there,
    /// and two numbers are added
    #[arg(long, value_name = "TEXT", default_value = "Nitrokey Nitrokey HSM ({serial})")]
    reader_name: String,

    /// Let the readers not say that they take extended APDUs, so that OpenSC sends short ones where
    /// it can
    #[arg(long)]
    short_apdus: bool,

    /// After so many seconds without a client a card loses its power, and with that its login
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    power_off_after: Duration,

    /// How many readers the clients' libpcsclite was built for, if that is not the one which is
    /// installed here; `vschsm doctor` finds out
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    reader_entries: Option<u16>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl ReaderOptions {
    /// A server with a reader for each of the `slots`, and their cards in them; `failed` is told
    /// when a card cannot go on.
    pub(crate) fn server(
        &self,
        slots: Vec<Slot>,
        failed: impl Fn(Failure) + Clone + Send + 'static,
    ) -> Result<Server, Failure> {
        let options = Options {
            entries: self.reader_entries.map_or_else(expected_entries, usize::from),
            linger: self.power_off_after,
            extended: !self.short_apdus,
        };
        let mut hub = Hub::new(options, random());
        for (index, slot) in slots.into_iter().enumerate() {
            let description = self.describe(slot.card(), index);
            let refused = format!("there is no room for a reader {:?}", description.name);
            let reader = hub.add_reader(description).map_err(|_| Failure::Usage(refused))?;
            hub.insert(reader, Box::new(Served { slot, failed: failed.clone() }));
        }
        Ok(Server::new(hub))
    }

    /// The reader of a card, as the Nitrokey HSM is its own: it has the start of the card's holder
    /// reference for a serial number. pcscd adds the number of the reader and that of its slot.
    fn describe(&self, card: &Card, index: usize) -> Description {
        let reference = String::from_utf8_lossy(card.state().device().reference());
        let serial = format!("{:<24}", reference.chars().take(15).collect::<String>());
        let name = self.reader_name.replace("{serial}", &serial);
        let vendor = name.split(' ').next().unwrap_or_default().to_owned();
        Description { name: format!("{name} {index:02X} 00"), vendor, serial }
    }
}

/// For how many readers the clients' library was built, if it is the one that is installed here.
pub(crate) fn expected_entries() -> usize {
    Library::find().and_then(|library| library.entries()).unwrap_or(ENTRIES)
}

/// Numbers for handles. Without the system's randomness nothing would have come this far, and the
/// hub asks again for a number that it has.
fn random() -> impl FnMut() -> u32 + Send {
    || getrandom::u32().unwrap_or_default()
}

/// A card in a reader of the server.
struct Served<F> {
    slot: Slot,
    failed: F,
}

impl<F: Fn(Failure) + Send> reader::pcsc::Card for Served<F> {
    fn atr(&self) -> &[u8] {
        self.slot.atr()
    }

    fn reset(&mut self, event: Reset) {
        self.slot.reset(match event {
            Reset::Warm => "reset",
            Reset::PowerOff => "power off",
        });
    }

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, Dead> {
        let defect = || Failure::Failed("a defect in vschsm has ended the card".into());
        let answer = catch_unwind(AssertUnwindSafe(|| self.slot.transmit(apdu)));
        answer.unwrap_or_else(|_| Err(defect())).map_err(|failure| {
            (self.failed)(failure);
            Dead
        })
    }
}
