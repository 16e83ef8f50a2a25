//! Cards in readers of the built-in server, and the program as a client of theirs.

use crate::pcsc::{PcscClient, SHARED, exec};
use crate::vschsm::{End, Home, Running, text};

/// What initialises a card that its PIN 648219 opens, or so many of so many keys.
const KEYS: &str = "80500000 1A 80020001 8106 363438323139 8208 3537363231383830 9302";

/// Readers with a card in each, named by their serial numbers.
pub(crate) struct Readers {
    pub(crate) home: Home,
    _running: Running,
    socket: String,
}

/// A card to be put into a reader.
pub(crate) struct Made<'a> {
    pub(crate) firmware: &'a str,
    pub(crate) serial: &'a str,
    /// What follows in `vschsm new`.
    pub(crate) options: &'a [&'a str],
    /// How many keys open it, and how many are required.
    pub(crate) keys: Option<[u8; 2]>,
}

impl Readers {
    /// Makes the cards and puts them into readers.
    pub(crate) fn with(cards: &[Made<'_>]) -> Self {
        let home = Home::new();
        let mut paths = Vec::new();
        for (number, Made { firmware, serial, options, keys }) in cards.iter().enumerate() {
            let path = home.path(&format!("{number}.card"));
            let new = ["new", text(&path), "--firmware", firmware, "--serial", serial];
            home.run(&[&new, *options].concat()).ok();
            if let Some([total, required]) = keys {
                let initialize = format!("{KEYS}{total:02X}{required:02X}");
                let answer =
                    home.run(&["apdu", "--select", "--card", text(&path), &initialize]).ok();
                assert!(answer.contains("9000"), "{answer}");
            }
            paths.push(path);
        }
        let cards = paths.iter().flat_map(|path| ["--card", text(path)]);
        let options: Vec<_> = cards.chain(["--trace=trace"]).collect();
        let (running, socket) = exec(&home, &options);
        Self { home, _running: running, socket }
    }

    /// Runs the program as a client of the readers.
    pub(crate) fn run(&self, arguments: &[&str]) -> End {
        let socket = format!("PCSCLITE_CSOCK_NAME={}", self.socket);
        let program = [&socket, env!("CARGO_BIN_EXE_vschsm")];
        self.home.run_program("env", &[&program, arguments].concat())
    }

    /// A client that is connected to the card of that number.
    pub(crate) fn connected(&self, number: usize) -> (PcscClient, u32) {
        let mut client = PcscClient::at(&self.socket);
        let names = client.names();
        let handle = client.connect(&names[number], SHARED).unwrap();
        (client, handle)
    }

    /// What a card answers to somebody who was not connected before, once its applet is selected.
    pub(crate) fn ask_anew(&self, number: usize, digits: &str) -> String {
        let (mut client, handle) = self.connected(number);
        client.select(handle);
        client.ask(handle, digits).unwrap()
    }

    /// What a card answers to somebody who was not connected before.
    pub(crate) fn ask(&self, number: usize, digits: &str) -> String {
        let (mut client, handle) = self.connected(number);
        client.ask(handle, digits).unwrap()
    }
}
