//! Four threads that all want the same card, and do with it what clients may.
//!
//! `crowd SECONDS SEED` goes on for so long, and writes a line for every round of a thread. A wrong
//! response, or an error that the others cannot have caused, ends it with a panic. `crowd alone`
//! connects to the card exclusively, which nobody can who is not alone, and uses it.

use std::ffi::{CStr, CString};
use std::thread;
use std::time::{Duration, Instant};

use clients::Random;
use pcsc::{Card, Context, Disposition, Error, Protocols, ReaderState, Scope, ShareMode, State};

/// VERIFY of the user PIN, which a reset by others makes forgotten.
const SELECT: [u8; 16] = *b"\x00\xA4\x04\x0C\x0B\xE8\x2B\x06\x01\x04\x01\x81\xC3\x1F\x02\x01";
const LOGIN: [u8; 11] = [0x00, 0x20, 0x00, 0x81, 0x06, b'6', b'4', b'8', b'2', b'1', b'9'];
/// UPDATE BINARY of a file, to be followed by five bytes.
const WRITE: [u8; 11] = [0x00, 0xD7, 0xCF, 0x01, 0x0B, 0x54, 0x02, 0x00, 0x00, 0x53, 0x05];
/// READ BINARY of it.
const READ: [u8; 10] = [0x00, 0xB1, 0xCF, 0x01, 0x04, 0x54, 0x02, 0x00, 0x00, 0x05];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [seconds, seed] = arguments.as_slice() else {
        let context = Context::establish(Scope::User)?;
        let reader = reader(&context)?;
        let card = connect(&context, &reader, ShareMode::Exclusive)?;
        return Ok(write_and_read(&card, u32::MAX, 0)?);
    };
    let end = Instant::now() + Duration::from_secs_f64(seconds.parse()?);
    let seed: u32 = seed.parse()?;
    // What one thread has seen ends all of them: nobody knows how long they would be left alive.
    std::panic::set_hook(Box::new(|what| {
        eprintln!("{what}");
        std::process::exit(1);
    }));
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || assert_eq!(visit(end, 4 * seed + thread), Ok(())));
        }
    });
    Ok(())
}

fn reader(context: &Context) -> Result<CString, Error> {
    let readers = context.list_readers_owned()?;
    readers.into_iter().next().ok_or(Error::NoReadersAvailable)
}

/// A card that somebody has taken the power from, and somebody else has without, keeps everybody
/// out until it is reset: so it is.
fn connect(context: &Context, reader: &CStr, share: ShareMode) -> Result<Card, Error> {
    match context.connect(reader, share, Protocols::T1) {
        Err(Error::UnpoweredCard) => {}
        card => return card,
    }
    let direct = context.connect(reader, ShareMode::Direct, Protocols::UNDEFINED)?;
    direct.disconnect(Disposition::ResetCard).map_err(|(_, error)| error)?;
    match context.connect(reader, share, Protocols::T1) {
        // It has happened again: as good as a card that somebody else has.
        Err(Error::UnpoweredCard) => Err(Error::SharingViolation),
        card => card,
    }
}

fn visit(end: Instant, seed: u32) -> Result<(), Error> {
    let context = Context::establish(Scope::User)?;
    let reader = reader(&context)?;
    let mut random = Random::new(seed);
    for round in 0.. {
        if Instant::now() >= end {
            break;
        }
        match random.below(10) {
            0 => call_off(&context, &reader),
            1 => look(&context, &reader)?,
            2 => match connect(&context, &reader, ShareMode::Exclusive) {
                Ok(card) => {
                    write_and_read(&card, seed, round)?;
                    card.disconnect(Disposition::LeaveCard).map_err(|(_, error)| error)?;
                }
                Err(error) => assert_eq!(error, Error::SharingViolation),
            },
            _ => share(&context, &reader, &mut random, (seed, round))?,
        }
        println!("{round}");
    }
    Ok(())
}

/// A transaction: while it lasts nobody else may write, nor reset the card.
fn share(
    context: &Context,
    reader: &CStr,
    random: &mut Random,
    (seed, round): (u32, u32),
) -> Result<(), Error> {
    let mut card = loop {
        match connect(context, reader, ShareMode::Shared) {
            // Somebody has it exclusively.
            Err(Error::SharingViolation) => thread::yield_now(),
            card => break card?,
        }
    };
    loop {
        match card.transaction() {
            Ok(transaction) => {
                for _ in 0..3 {
                    write_and_read(&transaction, seed, round)?;
                }
                let end = disposition(random);
                transaction.end(end).map_err(|(_, error)| error)?;
                break;
            }
            Err(Error::ResetCard) => {}
            Err(error) => return Err(error),
        }
        // A reset by others may come in between again, but not another error.
        match card.reconnect(ShareMode::Shared, Protocols::T1, Disposition::LeaveCard) {
            Ok(()) | Err(Error::SharingViolation) => {}
            Err(error) => return Err(error),
        }
    }
    card.disconnect(disposition(random)).map_err(|(_, error)| error)
}

fn write_and_read(card: &Card, seed: u32, round: u32) -> Result<(), Error> {
    let [_, high, middle, low] = seed.to_be_bytes();
    let [_, _, first, second] = round.to_be_bytes();
    let token = [high, middle, low, first, second];
    let mut buffer = [0; 16];
    assert_eq!(card.transmit(&SELECT, &mut buffer)?, [0x90, 0x00]);
    assert_eq!(card.transmit(&LOGIN, &mut buffer)?, [0x90, 0x00]);
    let written = card.transmit(&[WRITE.as_slice(), &token].concat(), &mut buffer)?;
    assert_eq!(written, [0x90, 0x00]);
    let read = card.transmit(&READ, &mut buffer)?;
    assert_eq!(read, [token.as_slice(), &[0x90, 0x00]].concat());
    Ok(())
}

/// Waits for ever, and is called off.
fn call_off(context: &Context, reader: &CStr) {
    let waiting = {
        let (context, reader) = (context.clone(), reader.to_owned());
        thread::spawn(move || {
            let mut states = [ReaderState::new(reader, State::UNAWARE)];
            loop {
                match context.get_status_change(None, &mut states) {
                    Ok(()) => states.iter_mut().for_each(ReaderState::sync_current_state),
                    Err(error) => return error,
                }
            }
        })
    };
    // A call that comes before the wait is lost.
    while !waiting.is_finished() {
        assert_eq!(context.cancel(), Ok(()));
        thread::yield_now();
    }
    assert_eq!(waiting.join().ok(), Some(Error::Cancelled));
}

/// Looks at the reader, and waits a moment for others to change something.
fn look(context: &Context, reader: &CStr) -> Result<(), Error> {
    let mut states = [ReaderState::new(reader, State::UNAWARE)];
    context.get_status_change(None, &mut states)?;
    for state in &mut states {
        assert!(state.event_state().contains(State::PRESENT), "{:?}", state.event_state());
        state.sync_current_state();
    }
    match context.get_status_change(Duration::from_millis(5), &mut states) {
        Ok(()) | Err(Error::Timeout) => Ok(()),
        Err(error) => Err(error),
    }
}

fn disposition(random: &mut Random) -> Disposition {
    match random.below(8) {
        0 => Disposition::ResetCard,
        1 => Disposition::UnpowerCard,
        _ => Disposition::LeaveCard,
    }
}
