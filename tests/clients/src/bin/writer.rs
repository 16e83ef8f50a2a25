//! A client that counts in a file of the card, and says each number once the card has taken it.
//!
//! `writer READER FILE LAST MOST COUNT`: what the file has must be a number from LAST to MOST, of
//! which it says which. Then it counts on, COUNT times: a line for each number whose UPDATE BINARY
//! the card has acknowledged with 9000. Every number is read again. FILE is the second byte of the
//! file's identifier, in hexadecimal.
//!
//! It ends with 3 if the card, the reader or the server is gone, and with a panic if the card is
//! there and its response is wrong.

#![expect(clippy::panic, reason = "this is how it tells of what cannot be")]

use std::ffi::CString;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use pcsc::{Card, Context, Disposition, Error, Protocols, Scope, ShareMode};

/// VERIFY of the user PIN.
const SELECT: [u8; 16] = *b"\x00\xA4\x04\x0C\x0B\xE8\x2B\x06\x01\x04\x01\x81\xC3\x1F\x02\x01";
const LOGIN: [u8; 11] = [0x00, 0x20, 0x00, 0x81, 0x06, b'6', b'4', b'8', b'2', b'1', b'9'];

/// How often the number stands in the file: half an update would show.
const COPIES: usize = 8;

/// What the client does between two numbers: without it, others would hardly ever find the card
/// without a transaction. pcscd looks for that every 100 ms when somebody connects.
const THINKING: Duration = Duration::from_millis(20);

/// What `main` ends with if it is nobody's fault here.
const GONE: u8 = 3;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [reader, file, last, most, count] = arguments.as_slice() else {
        panic!("usage: writer READER FILE LAST MOST COUNT");
    };
    let file = u8::from_str_radix(file, 16).expect("FILE in hexadecimal");
    let [last, most, count] =
        [last, most, count].map(|number| number.parse::<u64>().expect("a number"));
    let reader = CString::new(reader.as_str()).expect("a reader's name");
    match count_on(&reader, file, last..=most, count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(GONE)
        }
    }
}

fn count_on(
    reader: &CString,
    file: u8,
    expected: std::ops::RangeInclusive<u64>,
    count: u64,
) -> Result<(), Error> {
    let context = Context::establish(Scope::User)?;
    let mut card = context.connect(reader, ShareMode::Shared, Protocols::T1)?;
    let transaction = card.transaction()?;
    log_in(&transaction)?;
    let mut number = read(&transaction, file)?;
    assert!(expected.contains(&number), "the file has {number}, and not one of {expected:?}");
    println!("{number}");
    transaction.end(Disposition::LeaveCard).map_err(|(_, error)| error)?;
    for _ in 0..count {
        let transaction = card.transaction()?;
        log_in(&transaction)?;
        write(&transaction, file, number + 1)?;
        number += 1;
        println!("{number}");
        assert_eq!(read(&transaction, file)?, number, "another number than was written");
        transaction.end(Disposition::LeaveCard).map_err(|(_, error)| error)?;
        thread::sleep(THINKING);
    }
    // Without this, the card would be reset for all.
    card.disconnect(Disposition::LeaveCard).map_err(|(_, error)| error)
}

/// A card that leaves in the middle of a command is no error for vsmartcard's vpcd 3.3: clients get
/// an empty response. 6D00 is from the card manager, and only a reset can have selected that: pcscd
/// 1.9.9 resets the card for a client that has died in a transaction (MSGRemoveContext), and lets
/// others begin one before it does.
fn transmit<'a>(card: &Card, command: &[u8], buffer: &'a mut [u8]) -> Result<&'a [u8], Error> {
    match card.transmit(command, buffer)? {
        [] => Err(Error::RemovedCard),
        [0x6D, 0x00] => Err(Error::ResetCard),
        response => Ok(response),
    }
}

fn log_in(card: &Card) -> Result<(), Error> {
    let mut buffer = [0; 2];
    assert_eq!(transmit(card, &SELECT, &mut buffer)?, [0x90, 0x00], "SELECT");
    assert_eq!(transmit(card, &LOGIN, &mut buffer)?, [0x90, 0x00], "VERIFY");
    Ok(())
}

/// The number in the file CFxx, which is 0 if there is no such file.
fn read(card: &Card, file: u8) -> Result<u64, Error> {
    let size = u8::try_from(COPIES * 8).expect("a short file");
    let command = [0x00, 0xB1, 0xCF, file, 0x04, 0x54, 0x02, 0x00, 0x00, size];
    let mut buffer = [0; COPIES * 8 + 2];
    let response = transmit(card, &command, &mut buffer)?;
    let content = match response {
        [content @ .., 0x90, 0x00] => content,
        [0x6A, 0x82] => return Ok(0),
        _ => panic!("{response:02X?} to READ BINARY"),
    };
    let (numbers, rest) = content.as_chunks();
    let numbers: Vec<_> = numbers.iter().map(|number| u64::from_be_bytes(*number)).collect();
    let [first, others @ ..] = numbers.as_slice() else { panic!("the file is empty") };
    assert!(rest.is_empty() && others.iter().all(|other| other == first), "torn: {numbers:?}");
    Ok(*first)
}

fn write(card: &Card, file: u8, number: u64) -> Result<(), Error> {
    let content = number.to_be_bytes().repeat(COPIES);
    let length = u8::try_from(content.len()).expect("a short file");
    let header = [0x00, 0xD7, 0xCF, file, length + 6, 0x54, 0x02, 0x00, 0x00, 0x53, length];
    let mut buffer = [0; 2];
    let command = [header.as_slice(), &content].concat();
    let response = transmit(card, &command, &mut buffer)?;
    assert_eq!(response, [0x90, 0x00], "UPDATE BINARY");
    Ok(())
}
