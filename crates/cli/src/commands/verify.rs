//! `vschsm verify`: verifies certificates and requests up to a root.

mod evidence;

use crate::card::image;
use crate::host::connection::{Connection, Protection};
use crate::host::known_roots;
use crate::store::passphrase::PassphraseSource;
use crate::store::{disk, image_file};
use crate::text::failure::Failure;
use crate::text::{hex, input, names, output};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use evidence::{Certified, Evidence};
use serde::Serialize;
use std::path::{Path, PathBuf};
use vschsm_host::HostError;
use vschsm_host::certificates::{VerifiedRequest, Verifier};
use vschsm_protocol::crypto::public_key::PublicKey;
use vschsm_protocol::cvc::Role;

/// Verify the certificates of a card, and the requests of its keys, up to a root
///
/// The vendor's two roots are trusted, and so is the published test root of vschsm's cards. A file
/// is a card file, or has certificates (7F21) and requests (67) in it, one after the other as in EF
/// 2F02, in binary or hexadecimal; several files are verified together. A name without `/` is first
/// looked up among the cards in the data folder. From a card in a reader, which may be a real one,
/// EF 2F02 and the CE files are read, and nothing is changed. Anybody can copy these files: with
/// --secure-messaging the card has to prove that it has the private key of its certificate. The
/// exit code is 3 if a certificate or request is not verified.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm verify alice
  vschsm verify ./ci.card
  vschsm verify --reader 'Nitrokey HSM' --secure-messaging
  vschsm verify 2F02.bin CE01.bin --json")]
pub(crate) struct Verify {
    /// Cards and other files: paths, or names of cards in the data folder
    #[arg(value_name = "CARD|FILE", required_unless_present = "reader")]
    #[arg(value_parser = card_or_file())]
    #[arg(conflicts_with_all = ["reader", "secure_messaging"])]
    files: Vec<PathBuf>,

    /// The card in this PC/SC reader: its name, or a part of it that only one has
    #[arg(long, value_name = "NAME")]
    reader: Option<String>,

    #[command(flatten)]
    protection: Protection,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// What was found.
#[derive(Serialize)]
struct VerifyReport {
    /// The root that the first certificate's chain ends in.
    root: Option<&'static str>,
    certificates: Vec<VerifiedObject>,
    requests: Vec<VerifiedObject>,
}

/// What was found of a certificate or a request.
#[derive(Serialize)]
struct VerifiedObject {
    holder: String,
    authority: String,
    /// The holder: a root, an issuer, a device; or the type of a key.
    of: String,
    /// First and last day.
    #[serde(skip_serializing_if = "Option::is_none")]
    validity: Option<[String; 2]>,
    /// Why it is not verified.
    flaw: Option<String>,
}

/// The card of the data folder that has the name, as every command has it, or the file.
fn card_or_file() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(|name| {
        let card = disk::locate(&name).ok().filter(|card| card.exists());
        card.unwrap_or_else(|| name.into())
    })
}

/// Verifies, and reports the result.
pub(crate) fn run(options: &Verify) -> Result<(), Failure> {
    let evidence = match &options.reader {
        Some(name) => of_reader(name, &options.protection)?,
        None => {
            let mut evidence = Evidence::default();
            options
                .files
                .iter()
                .try_for_each(|path| of_file(path, &options.passphrase, &mut evidence))?;
            evidence
        }
    };
    let findings = VerifyReport::of(&evidence);
    if options.json {
        output::print_json(&findings)?;
    } else {
        findings.print()?;
    }
    let all = findings.certificates.iter().chain(&findings.requests);
    match all.filter(|finding| finding.flaw.is_some()).count() {
        0 => Ok(()),
        flaws => Err(Failure::Defect(format!("{} not verified", names::count(flaws, "object")))),
    }
}

fn of_file(
    path: &Path,
    passphrase: &PassphraseSource,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    let content = input::bytes_up_to(path, disk::LONGEST)?;
    if content.starts_with(vschsm_card::image::MAGIC.as_bytes()) {
        let (_, image) = image_file::decrypt(path, &content, passphrase)?;
        let card = image::load(path, &image)?;
        let files = card.state().files().iter();
        files.for_each(|file| evidence.add_file(file.fid().0, file.content()));
        return Ok(());
    }
    let digits = std::str::from_utf8(&content).ok().and_then(|text| hex::parse(text).ok());
    if !evidence.add(digits.as_deref().unwrap_or(&content)) {
        let path = path.display();
        return Err(Failure::Failed(format!(
            "{path} is not a card file, nor does it consist of certificates and requests"
        )));
    }
    Ok(())
}

/// The files with certificates and requests on the card in a reader.
fn of_reader(name: &str, protection: &Protection) -> Result<Evidence, Failure> {
    let mut card = Connection::open(name, protection)?;
    let mut evidence = Evidence::default();
    let listed = card.card().enumerate();
    let listed = unless_refused(&card, listed)?.unwrap_or_default();
    for fid in [0x2F02].into_iter().chain(listed.into_iter().filter(|fid| fid >> 8 == 0xCE)) {
        let content = card.card().read_file(fid);
        if let Some(content) = unless_refused(&card, content)? {
            evidence.add_file(fid, &content);
        }
    }
    Ok(evidence)
}

/// What the card returns; `None` if it refuses.
fn unless_refused<R>(
    card: &Connection,
    result: Result<R, HostError>,
) -> Result<Option<R>, Failure> {
    match result {
        Ok(result) => Ok(Some(result)),
        Err(HostError::Refused { .. }) => Ok(None),
        Err(error) => Err(card.failure(error)),
    }
}

impl VerifyReport {
    fn of(evidence: &Evidence) -> Self {
        let mut verifier = Verifier::default();
        let certified = evidence.verify(&mut verifier);
        let requests = evidence.requests().map(|request| match verifier.request(request) {
            Ok(VerifiedRequest { holder, device, key }) => VerifiedObject {
                holder: text(&holder),
                authority: text(&device),
                of: kind(&key),
                validity: None,
                flaw: None,
            },
            Err(flaw) => {
                let (holder, authority) = evidence::names(request);
                VerifiedObject {
                    holder,
                    authority,
                    of: "key".into(),
                    validity: None,
                    flaw: Some(flaw.to_string()),
                }
            }
        });
        let requests = requests.collect();
        let certificates: Vec<_> = certified.iter().map(VerifiedObject::of).collect();
        Self { root: root(&certified), certificates, requests }
    }

    fn print(&self) -> Result<(), Failure> {
        for finding in self.certificates.iter().chain(&self.requests) {
            let VerifiedObject { holder, authority, of, validity, flaw } = finding;
            let validity = match validity {
                Some([from, to]) => format!(", {from} to {to}"),
                None => String::new(),
            };
            let verdict = flaw.as_deref().unwrap_or("verified");
            output::print(format_args!("{holder}, {of}, by {authority}{validity}: {verdict}\n"))?;
        }
        let conclusion = self.root.unwrap_or("No certificate chain ends in a known root.");
        output::print(format_args!("{conclusion}\n"))
    }
}

impl VerifiedObject {
    fn of(certified: &Certified<'_>) -> Self {
        let Certified { certificate, flaw } = certified;
        let (from, to) = certificate.validity();
        let of = match certificate.role() {
            Some(Role::Root) => "root",
            Some(Role::Issuer) => "issuer",
            Some(Role::Device) => "device",
            None => "unknown role",
        };
        Self {
            holder: text(certificate.holder()),
            authority: text(certificate.authority()),
            of: of.into(),
            validity: Some([names::date(from), names::date(to)]),
            flaw: flaw.map(|flaw| flaw.to_string()),
        }
    }
}

/// What the root of the first device's chain says about the card.
fn root(certified: &[Certified<'_>]) -> Option<&'static str> {
    let verified = || certified.iter().filter(|certified| certified.flaw.is_none());
    let device = verified().find(|it| it.certificate.role() == Some(Role::Device))?;
    let issuer = verified().find(|it| it.certificate.holder() == device.certificate.authority())?;
    known_roots::root_in_words(issuer.certificate.authority())
}

fn kind(key: &PublicKey) -> String {
    match key {
        PublicKey::Rsa { modulus, .. } => format!("key, RSA {}", modulus.len() * 8),
        PublicKey::Ec { curve, .. } => {
            format!("key, EC {}", curve.name().unwrap_or("on a curve without a name"))
        }
    }
}

/// A name from a certificate, safe to print on a terminal.
fn text(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}
