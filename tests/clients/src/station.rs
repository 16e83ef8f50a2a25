//! A reader, a card in it, and the tools that use both.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Answering, CardProcess, Finished, Pcscd, Terminal, Tool, vschsm};

/// The user PIN that [`Station::initialized`] sets.
pub const PIN: &str = "648219";

/// The SO-PIN that [`Station::initialized`] sets, as OpenSC takes it.
pub const SO_PIN: &str = "3537363231383830";

/// What sc-hsm-tool says about a wrong SO-PIN.
pub const WRONG_PIN: &str = "PIN code or key incorrect";

/// A private pcscd, a stored card in its first slot, and a home folder for the tools.
#[derive(Debug)]
pub struct Station {
    card: Option<CardProcess>,
    second_card: Option<CardProcess>,
    pcscd: Pcscd,
    home: TempDir,
}

impl Station {
    /// A station with a card as delivered, made with `options` of `vschsm new`.
    ///
    /// # Panics
    /// If anything of it does not start.
    pub fn delivered(options: &[&str]) -> Self {
        let mut station = Self::without_card();
        station.vschsm(&[&["new", "./test.card"], options].concat()).succeeded();
        station.insert_card();
        station
    }

    /// A station with a card that has [`PIN`] and [`SO_PIN`].
    ///
    /// # Panics
    /// If anything of it does not start.
    pub fn initialized() -> Self {
        let station = Self::delivered(&[]);
        station.initialize(&[]);
        station
    }

    /// A station with the card whose stored image is `image`.
    ///
    /// # Panics
    /// If anything of it does not start.
    pub fn with_image(image: &[u8]) -> Self {
        let mut station = Self::without_card();
        let file = station.image();
        fs::write(&file, image).unwrap();
        station.insert_card();
        station
    }

    fn without_card() -> Self {
        let (pcscd, home) = (Pcscd::started(1), TempDir::new().unwrap());
        Self { card: None, second_card: None, pcscd, home }
    }

    /// Puts another card, as delivered, into the second slot, which tools know as reader 1.
    ///
    /// # Panics
    /// If it does not start.
    pub fn insert_second_card(&mut self) {
        self.vschsm(&["new", "./second.card"]).succeeded();
        let image = self.home().join("second.card");
        self.second_card = Some(self.card_at(1, &image));
    }

    /// Starts the stored card in the reader and waits until clients see it.
    ///
    /// # Panics
    /// If they do not.
    pub fn insert_card(&mut self) {
        self.card = Some(self.card_at(0, &self.image()));
    }

    /// The card of `image`, which clients see in that slot.
    fn card_at(&self, slot: usize, image: &Path) -> CardProcess {
        let options = [image.to_str().unwrap()];
        let card = CardProcess::spawn(Answering::Vschsm, &self.pcscd.address(slot), &options);
        card.wait_until_ready();
        Terminal::at(&self.pcscd, slot).wait_for_card();
        card
    }

    /// Kills the card's program (SIGKILL) and waits until clients see an empty reader.
    ///
    /// # Panics
    /// If there is no card.
    pub fn kill_card(&mut self) {
        self.card.take().unwrap().kill();
        self.terminal().wait_for_removal();
    }

    /// Initialises the card with sc-hsm-tool, [`PIN`], [`SO_PIN`] and further `options`.
    ///
    /// # Panics
    /// If the tool fails.
    pub fn initialize(&self, options: &[&str]) {
        let basic = ["--initialize", "--so-pin", SO_PIN, "--pin", PIN];
        let done = self.run("sc-hsm-tool", &[&basic, options].concat()).succeeded();
        done.never_says("failed");
    }

    /// Initialises the card with sc-hsm-tool as someone who believes in `so_pin`.
    ///
    /// sc-hsm-tool 0.23 ends with 0 whatever happens: what it says counts.
    pub fn initialize_as(&self, so_pin: &str) -> Finished {
        self.run("sc-hsm-tool", &["--initialize", "--so-pin", so_pin, "--pin", PIN])
    }

    /// A terminal at the card.
    pub fn terminal(&self) -> Terminal {
        Terminal::at(&self.pcscd, 0)
    }

    /// The private pcscd.
    pub fn pcscd(&mut self) -> &mut Pcscd {
        &mut self.pcscd
    }

    /// The program `name`, to run against this station's card.
    pub fn tool(&self, name: &str, arguments: &[&str]) -> Tool {
        Tool::new(name, arguments)
            .env("PCSCLITE_CSOCK_NAME", self.pcscd.socket())
            .env("HOME", self.home())
            .env("XDG_CACHE_HOME", self.home().join("cache"))
            .directory(self.home())
    }

    /// Runs the program `name` against this station's card.
    pub fn run(&self, name: &str, arguments: &[&str]) -> Finished {
        self.tool(name, arguments).run()
    }

    /// Runs `vschsm` itself in the home folder, where the card's image is `./test.card`; with
    /// `--reader` it is a client of this station's card.
    pub fn vschsm(&self, arguments: &[&str]) -> Finished {
        Tool::program(vschsm(), arguments)
            .env("PCSCLITE_CSOCK_NAME", self.pcscd.socket())
            .env("HOME", self.home())
            .directory(self.home())
            .run()
    }

    /// The folder in which tools run, and that their file names are relative to.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The card's image file.
    pub fn image(&self) -> PathBuf {
        self.home().join("test.card")
    }

    /// Writes `bytes` into the file `name` of [`home`](Self::home).
    ///
    /// # Panics
    /// If that fails.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.home().join(name), bytes).unwrap();
    }

    /// Reads the file `name` of [`home`](Self::home).
    ///
    /// # Panics
    /// If that fails.
    pub fn read(&self, name: &str) -> Vec<u8> {
        let file = self.home().join(name);
        fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }
}
