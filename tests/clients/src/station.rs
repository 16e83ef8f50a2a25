//! A reader, a card in it, and the tools that use both.

use std::path::{Path, PathBuf};

use crate::{Answering, CardProcess, Finished, Pcscd, Terminal, Tool, User, Way};

/// The image file of the card in the first slot.
const CARD: &str = "test.card";

/// The user PIN that [`Station::initialized`] sets.
pub const PIN: &str = "648219";

/// The SO-PIN that [`Station::initialized`] sets, as OpenSC takes it.
pub const SO_PIN: &str = "3537363231383830";

/// What sc-hsm-tool says about a wrong SO-PIN.
pub const WRONG_PIN: &str = "PIN code or key incorrect";

/// What the readers of [`Way::BuiltIn`] are called.
const READER: &str = "Virtual HSM";

/// A reader, a stored card in its first slot, and a user with tools.
#[derive(Debug)]
pub struct Station {
    /// With pcscd a process for each card, and otherwise one for all.
    processes: Vec<CardProcess>,
    /// The image files of the cards, in the home folder.
    cards: Vec<&'static str>,
    /// The server, if it is not `vschsm` itself.
    pcscd: Option<Pcscd>,
    user: User,
}

impl Station {
    /// A station with a card as delivered, made with `options` of `vschsm new`.
    ///
    /// # Panics
    /// If anything of it does not start.
    pub fn delivered(way: Way, options: &[&str]) -> Self {
        let mut station = Self::without_card(way);
        station.deliver(options);
        station
    }

    /// A station with a card that has [`PIN`] and [`SO_PIN`].
    ///
    /// # Panics
    /// If anything of it does not start.
    pub fn initialized(way: Way) -> Self {
        let station = Self::delivered(way, &[]);
        station.initialize(&[]);
        station
    }

    /// A station with the card whose stored image is `image`.
    ///
    /// # Panics
    /// If anything of it does not start.
    pub fn with_image(way: Way, image: &[u8]) -> Self {
        let mut station = Self::without_card(way);
        station.write(CARD, image);
        station.insert_card();
        station
    }

    /// A station for a card that is still to be [delivered](Self::deliver).
    ///
    /// # Panics
    /// If anything of it does not start.
    pub fn without_card(way: Way) -> Self {
        let (pcscd, user) = match way {
            Way::Pcscd => (Some(Pcscd::started(1)), User::who_runs_the_tests()),
            Way::BuiltIn => (None, User::new()),
        };
        Self { processes: Vec::new(), cards: vec![CARD], pcscd, user }
    }

    /// Makes a card with `options` of `vschsm new` and inserts it.
    ///
    /// # Panics
    /// If that fails.
    pub fn deliver(&mut self, options: &[&str]) {
        self.vschsm(&[&["new", "./test.card"], options].concat()).succeeded();
        self.insert_card();
    }

    /// Puts another card, made with `options` of `vschsm new`, into the second slot, which tools
    /// know as reader 1.
    ///
    /// # Panics
    /// If it does not start.
    pub fn insert_second_card(&mut self, options: &[&str]) {
        self.vschsm(&[&["new", "./second.card"], options].concat()).succeeded();
        self.cards.push("second.card");
        if self.pcscd.is_none() {
            self.kill_card();
        }
        self.insert_cards();
    }

    /// Starts the stored card in the reader and waits until clients see it.
    ///
    /// # Panics
    /// If they do not.
    pub fn insert_card(&mut self) {
        self.insert_cards();
    }

    /// Starts what does not run yet, and waits until clients see it.
    fn insert_cards(&mut self) {
        self.start_card();
        for slot in 0..self.cards.len() {
            self.terminal_at(slot).wait_for_card();
        }
    }

    /// Starts what does not run yet, and waits until its reader has asked it for something; clients
    /// may not see it yet.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_card(&mut self) {
        match &self.pcscd {
            Some(pcscd) => {
                for (slot, card) in self.cards.iter().enumerate().skip(self.processes.len()) {
                    let (file, control) = (self.home().join(card), self.control(slot));
                    let options = [file.to_str().unwrap(), "--control", control.to_str().unwrap()];
                    let address = pcscd.address(slot);
                    let card = CardProcess::spawn(Answering::Vschsm, &address, &options);
                    card.wait_until_ready();
                    self.processes.push(card);
                }
            }
            None => {
                let mut paths: Vec<_> = self.cards.iter().map(|card| format!("./{card}")).collect();
                paths.extend(["--control".to_owned(), self.control(0).display().to_string()]);
                let server = CardProcess::serve(&self.user, &self.socket(), READER, &paths);
                server.wait_until_ready();
                self.processes.push(server);
            }
        }
    }

    /// Where the program of the card in `slot` listens to `vschsm ctl`.
    pub fn control(&self, slot: usize) -> PathBuf {
        self.home().join(format!("control{slot}"))
    }

    /// Gives the program of the card in the first slot an order: `vschsm ctl`.
    fn ctl(&self, order: &[&str]) {
        let control = self.control(0);
        let socket = ["ctl", "--socket", control.to_str().unwrap()];
        self.vschsm(&[&socket, order].concat()).succeeded();
    }

    /// The program of the card in the first slot.
    ///
    /// # Panics
    /// If there is none.
    pub fn card(&self) -> &CardProcess {
        self.processes.first().unwrap()
    }

    /// Asks the card's program to end (SIGTERM), and waits until it has and clients of pcscd see an
    /// empty reader.
    ///
    /// # Panics
    /// If there is no card, or the program does not end well.
    pub fn end_card(&mut self) {
        assert!(self.processes.pop().unwrap().terminate(), "the card was not well");
        self.see_no_card();
    }

    /// Kills the card's program (SIGKILL), and waits until clients of pcscd see an empty reader.
    ///
    /// # Panics
    /// If there is no card.
    pub fn kill_card(&mut self) {
        self.processes.pop().unwrap().kill();
        self.see_no_card();
    }

    /// Takes the card out, as `vschsm ctl` does, and waits until clients see an empty reader.
    ///
    /// # Panics
    /// If they do not.
    pub fn take_card_out(&self) {
        self.ctl(&["remove"]);
        self.terminal().wait_for_removal();
    }

    /// Puts the card in again, and waits for nothing.
    ///
    /// # Panics
    /// If it is not out.
    pub fn put_card_in(&self) {
        self.ctl(&["insert", "./test.card", "--reader", "0"]);
    }

    /// Waits until clients see an empty reader; without pcscd, it has gone with the program.
    fn see_no_card(&self) {
        if self.pcscd.is_some() {
            self.terminal().wait_for_removal();
        }
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

    /// Initialises the card with sc-hsm-tool as someone who takes `so_pin` for the SO-PIN.
    ///
    /// sc-hsm-tool 0.23 ends with 0 whatever happens: what it says counts.
    pub fn initialize_as(&self, so_pin: &str) -> Finished {
        self.run("sc-hsm-tool", &["--initialize", "--so-pin", so_pin, "--pin", PIN])
    }

    /// A terminal at the card.
    pub fn terminal(&self) -> Terminal {
        self.terminal_at(0)
    }

    fn terminal_at(&self, slot: usize) -> Terminal {
        Terminal::of(&self.socket(), &self.reader(slot))
    }

    /// The name that clients know the reader of `slot` by.
    pub fn reader(&self, slot: usize) -> String {
        match self.pcscd {
            Some(_) => Pcscd::reader(slot),
            None => format!("{READER} {slot:02X} 00"),
        }
    }

    /// The private pcscd.
    ///
    /// # Panics
    /// If clients take another way.
    pub fn pcscd(&mut self) -> &mut Pcscd {
        self.pcscd.as_mut().unwrap()
    }

    /// The server's socket, as `PCSCLITE_CSOCK_NAME`.
    pub fn socket(&self) -> PathBuf {
        match &self.pcscd {
            Some(pcscd) => pcscd.socket(),
            None => self.home().join("pcscd"),
        }
    }

    /// The program `name`, to run against this station's card.
    pub fn tool(&self, name: &str, arguments: &[&str]) -> Tool {
        self.user.tool(name, arguments).env("PCSCLITE_CSOCK_NAME", self.socket())
    }

    /// Runs the program `name` against this station's card.
    pub fn run(&self, name: &str, arguments: &[&str]) -> Finished {
        self.tool(name, arguments).run()
    }

    /// Runs `vschsm` itself in the home folder, where the card's image is `./test.card`; with
    /// `--reader` it is a client of this station's card.
    pub fn vschsm(&self, arguments: &[&str]) -> Finished {
        self.user.vschsm(arguments).env("PCSCLITE_CSOCK_NAME", self.socket()).run()
    }

    /// Where `vschsm` is that tools of this station may run.
    pub fn program(&self) -> &Path {
        self.user.program()
    }

    /// The folder in which tools run, and that their file names are relative to.
    pub fn home(&self) -> &Path {
        self.user.home()
    }

    /// Writes `bytes` into the file `name` of [`home`](Self::home).
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.user.write(name, bytes);
    }

    /// Reads the file `name` of [`home`](Self::home).
    pub fn read(&self, name: &str) -> Vec<u8> {
        self.user.read(name)
    }
}
