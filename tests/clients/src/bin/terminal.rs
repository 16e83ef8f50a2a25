//! A PC/SC client that reads orders and writes one line for each.
//!
//! `terminal READER`, then on standard input, one a line:
//!
//! | order         | does                                        | replies              |
//! |---------------|---------------------------------------------|----------------------|
//! | `present`     | waits until a card is in the reader         | `present`            |
//! | `present MS`  | the same, for so many milliseconds          | `present` or `empty` |
//! | `absent`      | waits until none is                         | `absent`             |
//! | HEX           | sends the command APDU                      | the response in hex  |
//! | `time N HEX`  | sends the command APDU N times              | nanoseconds          |
//! | `reset`       | resets the card                             | `reset`              |
//! | `release`     | closes the connection to the card           | `release`            |
//!
//! The reply to what fails is `error` and why. It connects on the first order that needs the card.

use std::error::Error;
use std::ffi::CString;
use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};

use pcsc::{Card, Context, Disposition, Protocols, ReaderState, Scope, ShareMode, State};

/// How long a card may take to come or go.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let reader = std::env::args().nth(1).ok_or("usage: terminal READER")?;
    let mut terminal = Terminal {
        context: Context::establish(Scope::User)?,
        reader: CString::new(reader)?,
        card: None,
    };
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        match terminal.obey(&line?) {
            Ok(response) => writeln!(output, "{response}")?,
            Err(error) => writeln!(output, "error: {error}")?,
        }
        output.flush()?;
    }
    Ok(())
}

struct Terminal {
    context: Context,
    reader: CString,
    card: Option<Card>,
}

impl Terminal {
    fn obey(&mut self, order: &str) -> Result<String, Box<dyn Error>> {
        match order.split(' ').collect::<Vec<_>>().as_slice() {
            ["present"] => self.wait_until(State::PRESENT, PATIENCE)?,
            ["present", milliseconds] => {
                let limit = Duration::from_millis(milliseconds.parse()?);
                return match self.wait_until(State::PRESENT, limit) {
                    Ok(()) => Ok("present".to_owned()),
                    Err(pcsc::Error::Timeout) => Ok("empty".to_owned()),
                    Err(error) => Err(error.into()),
                };
            }
            ["absent"] => self.wait_until(State::EMPTY, PATIENCE)?,
            ["release"] => self.card = None,
            ["reset"] => {
                let card = self.card()?;
                let mut reset =
                    || card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::ResetCard);
                loop {
                    match reset() {
                        // Somebody else has a transaction.
                        Err(pcsc::Error::SharingViolation) => std::thread::yield_now(),
                        done => break done?,
                    }
                }
            }
            ["time", count, command] => {
                let command = hex::decode(command)?;
                let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
                let card = self.card()?;
                let start = Instant::now();
                for _ in 0..count.parse::<u32>()? {
                    card.transmit(&command, &mut buffer)?;
                }
                return Ok(start.elapsed().as_nanos().to_string());
            }
            [command] => {
                let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
                let response = self.card()?.transmit(&hex::decode(command)?, &mut buffer)?;
                return Ok(hex::encode_upper(response));
            }
            _ => return Err("unknown order".into()),
        }
        Ok(order.to_owned())
    }

    fn card(&mut self) -> Result<&mut Card, Box<dyn Error>> {
        if self.card.is_none() {
            let card = self.context.connect(&self.reader, ShareMode::Shared, Protocols::ANY)?;
            self.card = Some(card);
        }
        self.card.as_mut().ok_or_else(|| "no card".into())
    }

    /// Waits until the reader's state has `wanted`.
    fn wait_until(&self, wanted: State, limit: Duration) -> Result<(), pcsc::Error> {
        let mut states = [ReaderState::new(self.reader.clone(), State::UNAWARE)];
        let limit = Instant::now() + limit;
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            self.context.get_status_change(left, &mut states)?;
            for state in &mut states {
                if state.event_state().contains(wanted) {
                    return Ok(());
                }
                state.sync_current_state();
            }
        }
    }
}
