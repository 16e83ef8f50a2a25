//! `vschsm check import-bug`: firmware 3.1 exports a key with an algorithm list, and does not
//! import it again.

use crate::failure::Failure;
use crate::seed::Seed;
use crate::{hex, new_card, output, words};
use card::factory::Order;
use card::profile::{BUILT_IN, Profile};
use card::{Card, Curve, tlv};
use clap::Args;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{DerSignature, VerifyingKey};
use std::fmt;

/// Check whether keys with an algorithm list survive export and import
///
/// On firmware 3.1 a key that was generated with an algorithm list can be exported, but UNWRAP KEY
/// answers 6F00 to the blob; keys without a list are not affected, and 3.2 imports what 3.1 has
/// exported. The check makes both kinds of key on a new card in memory, exports, deletes and
/// imports them, and has them sign.
///
/// Exit codes: 0 fine, 3 defect present, 1 the check could not be done.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm check import-bug
  vschsm check import-bug --firmware 3.1
  vschsm check import-bug --firmware 3.1 --import-on 3.2")]
pub(crate) struct ImportBug {
    /// Firmware of the card, again for each one: a name from `vschsm firmware`, or a file
    /// [default: all that there are]
    #[arg(long, value_name = "NAME|FILE")]
    firmware: Vec<String>,

    /// Import the blobs on a second card, of this firmware, under the same DKEK
    #[arg(long, value_name = "NAME|FILE")]
    import_on: Option<String>,
}

/// User PIN, SO-PIN and DKEK share of the cards that are made for the check.
const INITIALIZE: &str = "80500000 1C 80020001 8106363438323139 82083537363231383830 910103 920101";
const SHARE: &str =
    "80520000 20 A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5 00";
const LOGIN: &str = "00200081 06 363438323139";
/// Deletes CC01, the key that the check makes.
const DELETE: &str = "00E40200 02 CC01";
/// Algorithm list: ECDSA with SHA-256, and WRAP.
const LIST: [u8; 4] = [0x91, 0x02, 0x73, 0x92];
/// What is signed.
const MESSAGE: &[u8] = b"vschsm check import-bug";

/// Checks each firmware; fails with the verdict if one has the defect.
pub(crate) fn run(options: &ImportBug) -> Result<(), Failure> {
    let firmwares: Vec<&str> = if options.firmware.is_empty() {
        BUILT_IN.iter().map(|(name, _)| *name).collect()
    } else {
        options.firmware.iter().map(String::as_str).collect()
    };
    let mut defective = Vec::new();
    for name in firmwares {
        let exporting = new_card::firmware(Some(name))?;
        let importing = match &options.import_on {
            Some(name) => new_card::firmware(Some(name))?,
            None => exporting.clone(),
        };
        let [without, with] = [&[][..], &LIST].map(|list| carry_over(&exporting, &importing, list));
        let (without, with) = (without?, with?);
        let (from, to) = (exporting.name(), importing.name());
        output::print(format_args!(
            "{from} to {to}\n  without an algorithm list  {without}\n  \
             with the list 73 92        {with}\n"
        ))?;
        match (without, with) {
            (Outcome::Works, Outcome::Works) => {}
            (Outcome::Works, Outcome::Refused(_)) => defective.push(to.to_owned()),
            (Outcome::Refused(status), _) => {
                let sentence =
                    format!("{to} does not import a key without a list either: {status}");
                return Err(Failure::Failed(sentence));
            }
        }
    }
    if defective.is_empty() {
        return output::print("Fine: keys are imported with an algorithm list and without one.\n");
    }
    defective.dedup();
    let defective = defective.join(", ");
    Err(Failure::Defect(format!(
        "defect present: firmware {defective} does not import a key that has an algorithm list"
    )))
}

/// What came of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It was imported and signs for the same public key.
    Works,
    /// UNWRAP KEY refused its blob.
    Refused(Status),
}

/// A status word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Status(u16);

/// Makes a key on a card of one firmware, exports it, and imports it on a card of the other.
fn carry_over(exporting: &Profile, importing: &Profile, list: &[u8]) -> Result<Outcome, Failure> {
    let mut home = CheckedCard::new(exporting)?;
    let request = home.ask("GENERATE ASYMMETRIC KEY PAIR", &generate(list))?;
    let public_key = public_key(&request)
        .ok_or_else(|| Failure::Failed("the card's certificate request has no key".into()))?;
    home.ask_hex("VERIFY", LOGIN)?;
    let blob = home.ask_hex("WRAP KEY", "80720192 000000")?;
    home.ask_hex("DELETE FILE", DELETE)?;

    let mut away = if exporting == importing { home } else { CheckedCard::new(importing)? };
    let status = away.import(&blob);
    if status != Status(0x9000) {
        // A card that gave up goes on working, and has made nothing of the blob.
        let signed = away.transmit(&sign());
        if signed != [0x6A, 0x88] {
            let answer = hex::upper(&signed);
            let sentence = format!("after UNWRAP KEY answered {status}, SIGN answered {answer}");
            return Err(Failure::Failed(sentence));
        }
        return Ok(Outcome::Refused(status));
    }
    let signature = away.ask("SIGN", &sign())?;
    let genuine = DerSignature::from_bytes(&signature)
        .is_ok_and(|signature| public_key.verify(MESSAGE, &signature).is_ok());
    if genuine {
        Ok(Outcome::Works)
    } else {
        Err(Failure::Failed("the imported key is not the one that was exported".into()))
    }
}

/// A card in memory that is initialised for the check; the user is logged in.
struct CheckedCard(Card);

impl CheckedCard {
    fn new(firmware: &Profile) -> Result<Self, Failure> {
        let card = Card::new(&Order::default(), firmware.clone(), Seed::random()?.into());
        let card = card.map_err(|error| Failure::because("cannot make the card", error))?;
        let mut card = Self(card);
        card.ask_hex("INITIALIZE DEVICE", INITIALIZE)?;
        card.ask_hex("MANAGE KEY DOMAIN", SHARE)?;
        card.ask_hex("VERIFY", LOGIN)?;
        Ok(card)
    }

    fn transmit(&mut self, apdu: &[u8]) -> Vec<u8> {
        // Nothing of a card in memory is kept.
        self.0.transmit(apdu).response
    }

    /// The response to a command that must succeed.
    fn ask(&mut self, command: &str, apdu: &[u8]) -> Result<Vec<u8>, Failure> {
        let response = self.transmit(apdu);
        match response.strip_suffix(&[0x90, 0x00]) {
            Some(data) => Ok(data.to_vec()),
            None => {
                let firmware = self.0.profile().name();
                let answer = hex::upper(&response);
                Err(Failure::Failed(format!("{command} on {firmware} answers {answer}")))
            }
        }
    }

    fn ask_hex(&mut self, command: &str, apdu: &str) -> Result<Vec<u8>, Failure> {
        self.ask(command, &hex::parse(apdu).map_err(Failure::Usage)?)
    }

    fn import(&mut self, blob: &[u8]) -> Status {
        let response = self.transmit(&extended([0x80, 0x74, 0x01, 0x93], blob, &[]));
        Status(response.last_chunk().copied().map_or(0, u16::from_be_bytes))
    }
}

/// GENERATE ASYMMETRIC KEY PAIR of CC01 on secp256r1, which returns the request.
fn generate(list: &[u8]) -> Vec<u8> {
    let curve = Curve::from_name("secp256r1").expect("it is built in");
    let domain = curve.domain();
    let public_key = [
        tlv::encode(0x06, &[0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03]),
        tlv::encode(0x81, &domain.p),
        tlv::encode(0x82, &domain.a),
        tlv::encode(0x83, &domain.b),
        tlv::encode(0x84, &domain.g),
        tlv::encode(0x85, &domain.n),
        tlv::encode(0x87, &[0x01]),
    ];
    let template = [
        tlv::encode(0x5F29, &[0x00]),
        tlv::encode(0x42, b"UTCA00001"),
        tlv::encode(0x7F49, &public_key.concat()),
        tlv::encode(0x5F20, b"UTIMPORT00001"),
        list.to_vec(),
    ];
    extended([0x00, 0x46, 0x01, 0x00], &template.concat(), &[0x00, 0x00])
}

fn sign() -> Vec<u8> {
    extended([0x80, 0x68, 0x01, 0x73], MESSAGE, &[0x00, 0x00])
}

/// A command APDU with extended lengths.
fn extended(header: [u8; 4], data: &[u8], le: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("blobs and templates are short");
    [&header[..], &[0x00], &length.to_be_bytes(), data, le].concat()
}

/// The key in a certificate request.
fn public_key(request: &[u8]) -> Option<VerifyingKey> {
    let inside = |bytes, tag| tlv::find(&tlv::parse(bytes).ok()?, tag);
    let point = [0x67, 0x7F21, 0x7F4E, 0x7F49, 0x86].into_iter().try_fold(request, inside)?;
    VerifyingKey::from_sec1_bytes(point).ok()
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Works => f.write_str("exported, imported, signs"),
            Self::Refused(status) => write!(f, "exported; UNWRAP KEY answers {status}"),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)?;
        words::status(self.0).map_or(Ok(()), |words| write!(f, " {words}"))
    }
}
