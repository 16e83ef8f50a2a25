//! `vschsm update`: replaces the firmware of a card, as the card's issuer does.

use crate::card::card_defaults::CardOptions;
use crate::card::personalisation;
use crate::host::connection::Reader;
use crate::store::disk;
use crate::text::failure::Failure;
use crate::text::{hex, names, output};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use vschsm_card::profile::Profile;
use vschsm_host::certificates::Verifier;
use vschsm_host::update::{self, IssuerKeySet, UpdateError};
use vschsm_host::{HostError, SmartCardHsm, Transport, TransportError};
use vschsm_protocol::apdu::Status;
use vschsm_protocol::cvc::Certificate;
use vschsm_protocol::test_root::ROOT;
use zeroize::Zeroizing;

/// Replace the firmware of a card, as its issuer does
///
/// The firmware is loaded and installed by the card manager, in an SCP02 secure channel. As with
/// real cards, the card must be empty, and the new firmware must be for the same platform, which
/// `vschsm firmware` lists. Afterwards the card is as delivered, with the same serial number, and a
/// new device key and certificate. If the update is interrupted before its last command but one,
/// the card is unchanged.
///
/// With --reader the card is in a PC/SC reader. Real cards are never updated: the certificates must
/// be issued under the published test root.
#[derive(Debug, Args)]
#[command(mut_group("CardOptions", |group| group.conflicts_with("reader")), after_help = "\
Examples:
  vschsm update alice --to 3.4
  vschsm update ./ci.card --to ./mine.toml
  vschsm update --reader 'Virtual PCD 00 00' --to 3.4")]
pub(crate) struct UpdateOptions {
    /// The card: a path, or the name of a card in the data folder
    #[arg(value_name = "CARD", value_parser = disk::card())]
    #[arg(required_unless_present = "reader", conflicts_with = "reader")]
    card: Option<PathBuf>,

    /// The card in this PC/SC reader: its name, or a part of it that only one has
    #[arg(long, value_name = "NAME")]
    reader: Option<String>,

    /// The new firmware: a name from `vschsm firmware`, or a file
    #[arg(long, value_name = "NAME|FILE")]
    to: String,

    /// The issuer's keys, if they were changed since delivery: 32 hexadecimal digits if all three
    /// are the same, or 96 for encryption, MAC and data encryption
    #[arg(long, value_name = "HEX", value_parser = keys)]
    keys: Option<IssuerKeySet>,

    #[command(flatten)]
    card_options: CardOptions,
}

/// Updates the card.
pub(crate) fn run(options: &UpdateOptions) -> Result<(), Failure> {
    let firmware = personalisation::firmware(Some(&options.to))?;
    let (mut virtual_card, mut reader);
    let (name, card): (String, &mut dyn Transport) = match (&options.card, &options.reader) {
        (Some(path), _) => {
            virtual_card = options.card_options.open(path)?;
            let name = path.display().to_string();
            if *virtual_card.card().profile() == firmware {
                let firmware = firmware.name();
                return Err(Failure::Usage(format!("{name} already has firmware {firmware}")));
            }
            (name, &mut virtual_card)
        }
        (None, name) => {
            reader = Reader::open(name.as_deref().unwrap_or_default())?;
            (format!("the card in {}", reader.name()), &mut reader)
        }
    };
    let before = CardIdentity::of(card, &name)?;
    before.refuse(&firmware, &name)?;
    update(card, &name, &firmware, options.keys.clone())?;
    let after = CardIdentity::of(card, &name)?;
    output::print(format_args!(
        "{name} now has firmware {}; it had {}. It has to be initialised.\n\
         before  {}\n\
         after   {}\n",
        firmware.name(),
        before.version,
        before.certificate,
        after.certificate
    ))
}

/// Sends the commands of an update.
fn update(
    card: &mut dyn Transport,
    name: &str,
    firmware: &Profile,
    keys: Option<IssuerKeySet>,
) -> Result<(), Failure> {
    let failed = |error| Failure::Failed(sentence(name, firmware, error));
    let package = update::package(firmware.version(), firmware.source()).map_err(failed)?;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:40} {pos} of {len} commands")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    update::update(card, &package, keys, |sent, length| {
        bar.set_length(length as u64);
        bar.set_position(sent as u64);
    })
    .map_err(|error| match error {
        HostError::Update(error) => failed(error),
        error => Failure::failed(error),
    })?;
    bar.finish_and_clear();
    Ok(())
}

/// Why a card was not updated, and what to do.
fn sentence(name: &str, firmware: &Profile, error: UpdateError) -> String {
    let why = match error {
        UpdateError::OtherKeys => {
            "its issuer's keys were changed since delivery: give them with --keys"
        }
        UpdateError::Refused("DELETE", Status::CONDITIONS_NOT_SATISFIED) => {
            "it has keys or files, or its certificate is not from the test issuer, which has to \
             sign the new one"
        }
        UpdateError::Refused("LOAD", Status::FUNCTION_NOT_SUPPORTED) => {
            let (firmware, platform) = (firmware.name(), firmware.platform());
            return format!("cannot update {name}: {firmware} is for {platform}, which it is not");
        }
        error => return format!("cannot update {name}: {error}"),
    };
    format!("cannot update {name}: {why}")
}

/// What anybody can read from a card.
struct CardIdentity {
    /// Major and minor, as in `3.4`.
    version: String,
    /// The device certificate in words.
    certificate: String,
    is_virtual: bool,
    /// Files and keys, except those that every card has.
    objects: Vec<String>,
}

impl CardIdentity {
    fn of(card: &mut dyn Transport, name: &str) -> Result<Self, Failure> {
        Self::read(card).map_err(|error| match error {
            HostError::Transport(TransportError::NotSelected(_))
            | HostError::Refused { .. }
            | HostError::Malformed { .. } => Failure::Failed(format!("cannot identify {name}")),
            error => Failure::failed(error),
        })
    }

    fn read(card: &mut dyn Transport) -> Result<Self, HostError> {
        let mut card = SmartCardHsm::select(card)?;
        let version = card.version()?.to_string();
        let certificates = card.device_certificates()?;
        let mut objects = card.enumerate()?;
        objects.retain(|fid| ![0x2F02, 0xCC00].contains(fid));
        Ok(Self {
            version,
            certificate: in_words(&certificates),
            is_virtual: is_from_test_root(&certificates),
            objects: objects.iter().map(|fid| format!("{fid:04X}")).collect(),
        })
    }

    /// Fails if the card may not have that firmware.
    fn refuse(&self, firmware: &Profile, name: &str) -> Result<(), Failure> {
        let refused = |why: String| Err(Failure::Failed(format!("cannot update {name}: {why}")));
        if !self.is_virtual {
            let sentence = "its certificates are not from the test root, so it may be a real card";
            return refused(sentence.into());
        }
        if !self.objects.is_empty() {
            let count = names::count(self.objects.len(), "object");
            let objects = self.objects.join(" ");
            return refused(format!(
                "it has {count} ({objects}), which would be lost; delete them first, or initialise \
                 the card"
            ));
        }
        match Profile::built_in(&self.version) {
            Some(old) if old.platform() != firmware.platform() => refused(format!(
                "it is {} with firmware {}, and {} is for {}, which is other hardware",
                old.platform(),
                old.name(),
                firmware.name(),
                firmware.platform()
            )),
            _ => Ok(()),
        }
    }
}

/// The device certificate in EF 2F02.
fn in_words(certificates: &[u8]) -> String {
    let Some((certificate, _)) = Certificate::take(certificates) else {
        return "no certificate".into();
    };
    let (from, to) = certificate.validity();
    format!(
        "{} by {}, {} to {}, key {}…",
        certificate.holder().escape_ascii(),
        certificate.authority().escape_ascii(),
        names::date(from),
        names::date(to),
        hex::upper(certificate.point().get(1..9).unwrap_or_default())
    )
}

/// Whether the certificates in EF 2F02 are those of a virtual card.
fn is_from_test_root(certificates: &[u8]) -> bool {
    let Some((device, rest)) = Certificate::take(certificates) else { return false };
    let Some((issuer, _)) = Certificate::take(rest) else { return false };
    let mut verifier = Verifier::default();
    issuer.authority() == ROOT
        && device.authority() == issuer.holder()
        && verifier.certificate(&issuer).is_ok()
        && verifier.certificate(&device).is_ok()
}

/// The keys of an argument.
fn keys(text: &str) -> Result<IssuerKeySet, String> {
    let bytes = Zeroizing::new(hex::parse(text)?);
    match bytes.as_chunks() {
        ([key], []) => Ok([*key; 3].into()),
        ([encryption, mac, data], []) => Ok([*encryption, *mac, *data].into()),
        _ => Err("keys are 32 hexadecimal digits, or 96".into()),
    }
}
