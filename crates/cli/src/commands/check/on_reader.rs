//! Checks of a card in a reader, which may be a real one in use.

use super::case::Case;
use super::report::{CardReport, Finding, Verdict};
use crate::card::personalisation;
use crate::host::connection::{Connection, Protection};
use crate::text::failure::Failure;
use crate::text::secret::Secret;
use crate::text::{hex, names, output};
use crate::trace;
use clap::Args;
use std::time::{Duration, Instant};
use vschsm_card::profile::Profile;
use vschsm_host::{Transport, TransportError, command};
use vschsm_protocol::test_root::ROOT;
use vschsm_protocol::tlv;
use vschsm_vectors::{
    CardState, PIN, PlayError, SO_PIN, carries_so_pin, changes_nothing, of_version,
};
use zeroize::Zeroizing;

/// Which card, and what may be done to it.
#[derive(Debug, Args)]
pub(crate) struct OnReader {
    /// Check the card in this PC/SC reader: its name, or a part of it that only one has
    #[arg(long, value_name = "NAME")]
    pub(crate) reader: Option<String>,

    #[command(flatten)]
    pub(crate) protection: Protection,

    /// Allow the check to initialise the card repeatedly: all keys and files on it are lost
    #[arg(long, requires = "reader")]
    pub(crate) destructive: bool,

    /// SO-PIN of the card, in OpenSC's format; the check changes it to 3537363231383830. Needed
    /// unless the card was never initialised
    #[arg(long, value_name = "HEX", requires = "destructive", value_parser = so_pin)]
    pub(crate) so_pin: Option<Secret<[u8; 8]>>,

    /// Print every command that may change the card before it is sent
    #[arg(long, requires = "destructive")]
    pub(crate) verbose: bool,
}

impl OnReader {
    /// The card, whose changes are announced command by command if the user wants that.
    pub(crate) fn announced<'a>(&self, card: &'a mut Connection) -> Announced<'a> {
        Announced { card, verbose: self.verbose }
    }
}

/// VERIFY without data: how many tries of the SO-PIN are left?
const SO_PIN_TRIES: [u8; 4] = [0x00, 0x20, 0x00, 0x88];

/// Why most checks are skipped on a card in use.
const CHANGES_THE_CARD: &str = "may change the card, which needs --destructive";

/// Why a card cannot join the group in some vectors.
const NO_TEST_ROOT: &str = "needs a card that trusts the test root";

fn so_pin(text: &str) -> Result<Secret<[u8; 8]>, String> {
    let code = hex::parse(text)?.try_into().map(Secret::new);
    code.map_err(|_| "an SO-PIN has 16 hexadecimal digits".into())
}

/// Runs the cases on the card: those that change nothing and, if it may be initialised, the others.
pub(crate) fn play<'a>(
    cases: &'a [Case],
    options: &OnReader,
    reader: &mut Connection,
    firmware: &'static str,
) -> Result<CardReport<'a>, Failure> {
    let channel = reader.protocol();
    let ciphers = channel.and_then(|protocol| names::protocol(&protocol.identifier()));
    let how = ciphers.map(|ciphers| format!(" in secure messaging, {ciphers}")).unwrap_or_default();
    let mut report = CardReport::new(&format!("{} ({firmware}{how})", reader.name()), firmware);
    let longest = Profile::built_in(firmware).map_or(0, |profile| profile.max_command());
    let mut knows_test_root = false;
    if options.destructive {
        take_over(reader, options)?;
        let choose = command::choose_issuer(ROOT);
        knows_test_root = reader.transmit(&choose).map_err(Failure::failed)? == [0x90, 0x00];
    }
    for case in cases.iter().filter(|case| case.is_for(firmware)) {
        let skip_reason = match case.card() {
            CardState::Any => case.skip_reason(),
            _ if !options.destructive => Some(CHANGES_THE_CARD),
            state if state.needs_test_root() && !knows_test_root => Some(NO_TEST_ROOT),
            _ => case.skip_reason(),
        };
        let unprotectable =
            || channel.and_then(|protocol| case.skip_reason_in_channel(protocol, longest));
        let skip_reason = skip_reason.or_else(unprotectable);
        let finding = match skip_reason {
            Some(reason) => {
                Ok(Finding { case, verdict: Verdict::Skipped(reason), took: Duration::ZERO })
            }
            None => find(case, options, reader, firmware),
        };
        match finding {
            Ok(finding) => report.findings.push(finding),
            Err(failure) => {
                // The results so far are kept: they may have taken long.
                report.stopped = Some(failure.to_string());
                return Ok(report);
            }
        }
    }
    if options.destructive {
        report.stopped = leave(reader).err().map(|failure| failure.to_string());
    }
    Ok(report)
}

/// Prepares the card and runs the case. Fails if no further command may be sent to the card.
fn find<'a>(
    case: &'a Case,
    options: &OnReader,
    reader: &mut Connection,
    firmware: &str,
) -> Result<Finding<'a>, Failure> {
    let changes = case.changes();
    if !changes.is_empty() {
        output::announce(format_args!("{}: {}", case.name, changes.join("; ")));
    }
    let start = Instant::now();
    let mut card = options.announced(reader);
    let played = case.card().prepare(&mut card).and_then(|()| case.run(firmware, &mut card));
    let verdict = match played {
        Ok(()) => Verdict::Holds,
        Err(PlayError::Failed(sentence)) => return Err(Failure::because(&case.name, sentence)),
        Err(PlayError::Mismatch(mismatch)) => Verdict::Deviates(mismatch),
    };
    Ok(Finding { case, verdict, took: start.elapsed() })
}

/// Initialises the card, with the SO-PIN of the vectors. The SO-PIN that the card has must be
/// given, and is never guessed.
pub(crate) fn take_over(card: &mut Connection, options: &OnReader) -> Result<(), Failure> {
    output::announce(format_args!(
        "The check initialises the card in {}: all keys and files on it are lost, and its PINs \
         and options change.",
        card.name()
    ));
    let state = card.transmit(&SO_PIN_TRIES).map_err(Failure::failed)?;
    let untried = |why: &str| Failure::Failed(format!("no SO-PIN was tried: {why}"));
    match (state.as_slice(), options.so_pin.as_deref()) {
        // Never initialised, in the words of firmware from 2.0 on, and before.
        ([0x6A, 0x88] | [0x69, 0x84], None) => {}
        ([0x69, 0x83], _) => return Err(untried("it is blocked")),
        // The last tries are left to the user.
        ([0x63, tries @ 0xC0..=0xC2], _) => {
            let tries = names::count(usize::from(tries & 0xF), "try");
            return Err(untried(&format!("the card has {tries} left")));
        }
        (_, None) => {
            let sentence = "the card has an SO-PIN: give it with --so-pin; nothing was changed";
            return Err(Failure::Usage(sentence.into()));
        }
        (_, Some(_)) => {}
    }
    if let Some(code) = options.so_pin.as_deref().filter(|code| **code != SO_PIN) {
        output::announce(format_args!(
            "CHANGE REFERENCE DATA: changes the SO-PIN to {}",
            hex::upper(&SO_PIN)
        ));
        let data = Zeroizing::new([&code[..], &SO_PIN].concat());
        let change = Zeroizing::new([&[0x00, 0x24, 0x00, 0x88, 0x10], &data[..]].concat());
        let response = card.transmit(&change).map_err(Failure::failed)?;
        if response != [0x90, 0x00] {
            return Err(refused(&response));
        }
    }
    initialise(card)
}

/// Leaves an empty card, and prints its PINs.
pub(crate) fn leave(card: &mut Connection) -> Result<(), Failure> {
    initialise(card)?;
    output::announce(format_args!(
        "The card is left empty, with user PIN {PIN} and SO-PIN {}.",
        hex::upper(&SO_PIN)
    ));
    Ok(())
}

fn initialise(card: &mut Connection) -> Result<(), Failure> {
    output::announce("INITIALIZE DEVICE: deletes all keys and files");
    let initialize = vschsm_vectors::initialize([0x00, 0x01], &[]);
    let response = card.transmit(&initialize).map_err(Failure::failed)?;
    if response != [0x90, 0x00] {
        return Err(refused(&response));
    }
    card.begin().map_err(Failure::failed)
}

/// Whether a response may mean that a try of the SO-PIN was spent, or that none is left.
fn tells_of_a_try(command: &[u8], response: &[u8]) -> bool {
    carries_so_pin(command)
        && (matches!(response, [0x63, _] | [0x69, 0x83])
            || (command.get(1) == Some(&0x50) && response == [0x69, 0x85]))
}

fn refused(response: &[u8]) -> Failure {
    let status = response.last_chunk().map_or(0, |status| u16::from_be_bytes(*status));
    let status = trace::describe_status(status);
    Failure::Failed(format!(
        "the card rejects the SO-PIN with {status}; it is not tried again: give the right one with \
         --so-pin"
    ))
}

/// The firmware whose responses are expected: the one that the user names, or that of the version
/// in tag 85 of the applet's FCI.
pub(crate) fn firmware(card: &mut Connection, named: &[String]) -> Result<&'static str, Failure> {
    let version = match named {
        [] => version(card)?,
        [name] => personalisation::firmware(Some(name))?.version(),
        _ => return Err(Failure::Usage("give --firmware only once with --reader".into())),
    };
    let (major, minor) = version;
    of_version(version).ok_or_else(|| {
        Failure::Usage(format!(
            "there is no vector for version {major}.{minor}: choose the expected firmware with \
             --firmware"
        ))
    })
}

fn version(card: &mut Connection) -> Result<(u8, u8), Failure> {
    let response = card.transmit(command::SELECT_APPLET).map_err(Failure::failed)?;
    let fci = response.strip_suffix(&[0x90, 0x00]);
    let version = fci.and_then(|fci| tlv::at(fci, &[0x6F, 0x85]));
    match version.and_then(<[u8]>::last_chunk) {
        Some([major, minor]) => Ok((*major, *minor)),
        None => Err(Failure::Failed(format!(
            "the card in {} does not report its version, SELECT returns {}: give it with \
             --firmware",
            card.name(),
            hex::upper(&response)
        ))),
    }
}

/// A card whose changes are announced if the user wants that.
pub(crate) struct Announced<'a> {
    card: &'a mut Connection,
    verbose: bool,
}

impl Transport for Announced<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        if self.verbose && !changes_nothing(command) {
            output::announce(format_args!("  {}", trace::describe_command(command)));
        }
        let response = self.card.transmit(command)?;
        if tells_of_a_try(command, &response) {
            return Err(TransportError::failed(refused(&response).to_string()));
        }
        Ok(response)
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        self.card.reset()
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        self.card.begin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_of_the_so_pin_is_told_from_everything_else() {
        let initialize = vschsm_vectors::initialize([0x00, 0x01], &[]);
        let change = [&[0x00, 0x24, 0x00, 0x88, 0x10][..], &[0x35; 16]].concat();
        let unblock = [&[0x00, 0x2C, 0x01, 0x81, 0x08][..], &[0x35; 8]].concat();
        for (command, response, spent) in [
            (initialize.as_slice(), [0x69, 0x85], true),
            (&initialize, [0x6A, 0x80], false),
            (&change, [0x63, 0xCE], true),
            (&change, [0x69, 0x85], false),
            (&unblock, [0x69, 0x83], true),
            (&SO_PIN_TRIES, [0x63, 0xCF], false),
            (&command::verify("000000"), [0x63, 0xC2], false),
        ] {
            assert_eq!(tells_of_a_try(command, &response), spent, "{command:02X?} {response:02X?}");
        }
    }
}
