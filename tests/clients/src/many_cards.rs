//! As many cards in one program as somebody may want.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vschsm_testing::pcsc_client::PcscClient;

use crate::{CardProcess, User};

/// Twenty keys: four of RSA, fourteen of curves, two of AES.
const KEYS: [&str; 20] = [
    "rsa:2048,id=01",
    "rsa:2048,id=02",
    "rsa:2048,id=03",
    "rsa:2048,id=04",
    "ec:secp192r1,id=05",
    "ec:secp256r1,id=06",
    "ec:secp256r1,id=07",
    "ec:secp256r1,id=08",
    "ec:secp256r1,id=09",
    "ec:secp384r1,id=0A",
    "ec:secp384r1,id=0B",
    "ec:secp521r1,id=0C",
    "ec:secp521r1,id=0D",
    "ec:secp256k1,id=0E",
    "ec:brainpoolP256r1,id=0F",
    "ec:brainpoolP320r1,id=10",
    "ec:brainpoolP384r1,id=11",
    "ec:brainpoolP512r1,id=12",
    "aes:128,id=13",
    "aes:256,id=14",
];

/// How many files a shell's program may have open, unless somebody has thought of it.
const USUAL_LIMIT: &str = "ulimit -S -n 1024 && exec \"$0\" \"$@\"";

/// `vschsm run --pcsc-socket` with copies of one card, whose 20 keys are numbered from 1: 4 of RSA,
/// 14 of curves, 2 of AES.
#[derive(Debug)]
pub struct ManyCards {
    server: CardProcess,
    user: User,
    start_up: Duration,
    image: u64,
}

impl ManyCards {
    /// Starts a server with `count` cards, under the limit for open files that is usual, and waits
    /// until it is ready.
    ///
    /// # Panics
    /// If it does not start.
    pub fn started(count: usize) -> Self {
        let user = User::who_runs_the_tests();
        let keys = KEYS.iter().flat_map(|key| ["--key", key]);
        let new = ["new", "./1.card", "--seed", "many", "--initialize"].into_iter().chain(keys);
        user.vschsm(&new.collect::<Vec<_>>()).run().succeeded();
        let image = user.read("1.card");
        let cards: Vec<_> = (1..=count).map(|number| format!("./{number}.card")).collect();
        cards.iter().skip(1).for_each(|card| user.write(card, &image));
        let program = user.command();
        let mut command = Command::new("sh");
        command.args(["-c", USUAL_LIMIT]).arg(program.get_program()).arg("run").args(&cards);
        command.arg("--pcsc-socket").arg(socket(user.home()));
        // Memory is asked for, and not disks.
        command.args(["--reader-name", "Card", "--durability", "none"]);
        command.args(["--reader-entries", &count.to_string()]);
        user.take_over(&mut command);

        let begin = Instant::now();
        let server = CardProcess::start(command, TempDir::new().unwrap());
        server.wait_until_ready();
        let image = u64::try_from(image.len()).unwrap();
        Self { server, user, start_up: begin.elapsed(), image }
    }

    /// From nothing until the server was ready.
    pub fn start_up(&self) -> Duration {
        self.start_up
    }

    /// The memory of the program in bytes, its share of what it has in common with others included.
    ///
    /// # Panics
    /// If the system does not say.
    pub fn memory(&self) -> u64 {
        self.server.memory()
    }

    /// The size of a card's image file, in bytes.
    pub fn image(&self) -> u64 {
        self.image
    }

    /// A client, with nothing yet but a connection to the server.
    pub fn client(&self) -> PcscClient {
        PcscClient::at(socket(self.user.home()))
    }

    /// The name of the reader with that number, from 0.
    pub fn reader(number: usize) -> String {
        format!("Card {number:02X} 00")
    }
}

fn socket(home: &Path) -> PathBuf {
    home.join("pcscd")
}
