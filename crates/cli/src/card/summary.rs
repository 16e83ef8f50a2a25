//! A summary of what is on a card, as text and as JSON.

mod description;

use crate::text::{hex, names};
use serde::Serialize;
use vschsm_card::Card;
use vschsm_card::state::{self, Fid, KeyId, Options};
use vschsm_host::pkcs15;
use vschsm_protocol::algorithm;
use vschsm_protocol::{cvc, tlv};

#[derive(Serialize)]
pub(crate) struct Summary {
    pub(crate) firmware: String,
    pub(crate) version: String,
    pub(crate) platform: String,
    /// Whether the AES keys that the firmware generates can be guessed.
    pub(crate) generates_weak_aes_keys: bool,
    pub(crate) serial: String,
    pub(crate) label: Option<String>,
    pub(crate) certificates: Vec<CertificateSummary>,
    /// The firmware before each update, the latest last.
    pub(crate) former: Vec<PreviousFirmwareSummary>,
    pub(crate) options: String,
    #[serde(skip)]
    pub(crate) options_in_words: Vec<&'static str>,
    pub(crate) user_pin: Option<PinSummary>,
    pub(crate) so_pin: Option<PinSummary>,
    pub(crate) public_keys: Option<PublicKeys>,
    /// By number; null for a key domain that was not created.
    pub(crate) key_domains: Vec<Option<KeyDomainSummary>>,
    pub(crate) keys: Vec<KeySummary>,
    pub(crate) files: Vec<FileSummary>,
    pub(crate) memory: MemorySummary,
}

impl Summary {
    /// Its firmware, its serial number and its label.
    pub(crate) fn into_identity(self) -> (String, String, Option<String>) {
        (self.firmware, self.serial, self.label)
    }
}

#[derive(Serialize)]
pub(crate) struct CertificateSummary {
    pub(crate) role: CertificateRole,
    pub(crate) authority: String,
    pub(crate) holder: String,
    pub(crate) from: String,
    pub(crate) to: String,
    /// The certified key, x and y.
    pub(crate) key: String,
}

/// A firmware before an update, and the card's device certificate with it.
#[derive(Serialize)]
pub(crate) struct PreviousFirmwareSummary {
    pub(crate) firmware: String,
    pub(crate) certificate: Option<CertificateSummary>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CertificateRole {
    Device,
    Issuer,
}

impl CertificateRole {
    /// The names of the line and of the certificate in the vendor's key manager.
    pub(crate) fn in_words(self) -> (&'static str, &'static str) {
        match self {
            Self::Device => ("Device Certificate", "id-SC-HSM Device"),
            Self::Issuer => ("Issuer Certificate", "id-SC-HSM DICA"),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct PinSummary {
    pub(crate) tries_left: u8,
    pub(crate) tries: u8,
}

/// Public keys that authenticate the user.
#[derive(Serialize)]
pub(crate) struct PublicKeys {
    pub(crate) required: u8,
    /// By number: the names of the registered ones, null for those that are missing.
    pub(crate) names: Vec<Option<String>>,
}

#[derive(Serialize)]
pub(crate) struct KeyDomainSummary {
    #[serde(flatten)]
    pub(crate) scheme: KeyDomainScheme,
    /// Null until the key-encryption key is complete.
    pub(crate) key_check_value: Option<String>,
}

/// Where a domain's key-encryption key comes from.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum KeyDomainScheme {
    Shares {
        /// 0 if the DKEK is random.
        dkek_shares: u8,
        missing_shares: u8,
    },
    Exchange {
        exchange_uid: String,
    },
}

#[derive(Serialize)]
pub(crate) struct KeySummary {
    /// Its number: P1 of the commands that use it.
    pub(crate) id: u8,
    /// Its ID and its label in PKCS#15 and PKCS#11, the ID in hexadecimal; null for a key without a
    /// description.
    pub(crate) pkcs11_id: Option<String>,
    pub(crate) label: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) bits: usize,
    pub(crate) curve: Option<&'static str>,
    pub(crate) domain: Option<u8>,
    /// The algorithms that the key is limited to; empty if it is not limited.
    pub(crate) algorithms: Vec<AlgorithmSummary>,
    pub(crate) uses_left: Option<u32>,
    /// The number of the only key that may wrap it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wrapping_key: Option<u8>,
    /// Whether it can be guessed.
    pub(crate) weak: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quota: Option<QuotaSummary>,
}

/// The quota of a use counter, its own or shared with another key. Only keys of an extension have
/// one.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum QuotaSummary {
    Own { identifier: String, refills: u32, refill_key: String },
    Shared { shared_with_key: u8 },
}

#[derive(Serialize)]
pub(crate) struct AlgorithmSummary {
    pub(crate) id: String,
    pub(crate) name: String,
}

#[derive(Serialize)]
pub(crate) struct FileSummary {
    pub(crate) fid: String,
    pub(crate) size: usize,
    pub(crate) kind: &'static str,
}

#[derive(Serialize)]
pub(crate) struct MemorySummary {
    pub(crate) total: usize,
    pub(crate) used: usize,
    pub(crate) free: usize,
    /// The free memory that the card reports to clients.
    #[serde(skip)]
    pub(crate) reported: usize,
}

impl Summary {
    pub(crate) fn of(card: &Card) -> Self {
        let (profile, state) = (card.profile(), card.state());
        let (major, minor) = profile.version();
        let configuration = state.configuration();
        let (total, used) = (profile.memory(), state.used());
        let free = total.saturating_sub(used);
        let content = |fid| state.files().content(fid).unwrap_or_default();
        let files = state.files().iter().map(|file| FileSummary {
            fid: file.fid().to_string(),
            size: file.content().len(),
            kind: kind(file.fid()),
        });
        Self {
            firmware: profile.name().into(),
            version: format!("{major}.{minor}"),
            platform: profile.platform().into(),
            generates_weak_aes_keys: profile.generates_weak_aes_keys(),
            serial: text(state.device().serial()),
            label: label(content(LABEL)),
            certificates: certificates(content(Fid::DEVICE_CERTIFICATES)),
            former: state.previous_firmwares().iter().map(PreviousFirmwareSummary::of).collect(),
            options: format!("{:04X}", configuration.options.0),
            options_in_words: options(configuration.options),
            user_pin: state.pins().user().map(PinSummary::of),
            so_pin: state.pins().so_pin().map(PinSummary::of),
            public_keys: configuration.authentication_keys.as_ref().map(PublicKeys::of),
            key_domains: state
                .domains()
                .iter()
                .map(|(_, it)| it.map(KeyDomainSummary::of))
                .collect(),
            keys: state.keys().map(|(id, key)| KeySummary::of(state, id, key)).collect(),
            files: files.collect(),
            memory: MemorySummary {
                total,
                used,
                free,
                reported: profile.reported_memory(free) as usize,
            },
        }
    }
}

impl PreviousFirmwareSummary {
    fn of(former: &state::PreviousFirmware) -> Self {
        let certificate = certificates(&former.certificate).into_iter().next();
        Self { firmware: former.firmware.clone(), certificate }
    }
}

impl PublicKeys {
    fn of(keys: &state::AuthenticationKeys) -> Self {
        let name = |key: &state::AuthenticationKey| text(key.holder());
        let names = keys.slots().iter().map(|slot| slot.as_ref().map(name)).collect();
        Self { required: keys.required(), names }
    }
}

impl PinSummary {
    fn of(pin: &vschsm_card::state::Pin) -> Self {
        Self { tries_left: pin.tries(), tries: pin.limit() }
    }
}

impl KeyDomainSummary {
    fn of(domain: &vschsm_card::state::KeyDomain) -> Self {
        Self {
            scheme: match domain.kek_source() {
                state::KekSource::Shares { number, missing } => {
                    KeyDomainScheme::Shares { dkek_shares: *number, missing_shares: *missing }
                }
                state::KekSource::Exchange { uid } => {
                    KeyDomainScheme::Exchange { exchange_uid: hex::upper(uid) }
                }
            },
            key_check_value: domain.check_value().map(|value| hex::upper(&value)),
        }
    }
}

impl KeySummary {
    /// Whether it has that ID in PKCS#15 and PKCS#11, in upper-case hexadecimal.
    pub(crate) fn has_pkcs11_id(&self, id: &str) -> bool {
        self.pkcs11_id.as_deref() == Some(id)
    }

    pub(crate) fn of(state: &state::State, id: KeyId, key: &state::Key) -> Self {
        let algorithm = |identifier: u8| {
            let id = format!("{identifier:02X}");
            let name = algorithm::name(identifier).map_or_else(|| id.clone(), str::to_owned);
            AlgorithmSummary { id, name }
        };
        let description = Fid(u16::from_be_bytes([pkcs15::DESCRIPTION, id.number()]));
        let description = state.files().content(description).unwrap_or_default();
        let (pkcs11_id, label) = pkcs15::names(description);
        Self {
            id: id.number(),
            pkcs11_id: pkcs11_id.map(|id| hex::upper(&id)),
            label: label.map(|label| text(label.as_bytes())),
            kind: key.key_type().name(),
            bits: key.bits(),
            curve: key.curve().and_then(vschsm_protocol::crypto::curve::Curve::name),
            domain: key.domain(),
            algorithms: key.algorithms().iter().copied().map(algorithm).collect(),
            uses_left: state.uses_left(key),
            wrapping_key: key.wrapping_key().map(KeyId::number),
            weak: key.is_weak(),
            quota: key.quota().map(QuotaSummary::of),
        }
    }
}

impl QuotaSummary {
    fn of(quota: &state::Quota) -> Self {
        match quota {
            state::Quota::Own { identifier, refills, refill_key } => Self::Own {
                identifier: hex::upper(identifier),
                refills: *refills,
                refill_key: text(refill_key.holder()),
            },
            state::Quota::Shared { master, .. } => {
                Self::Shared { shared_with_key: master.number() }
            }
        }
    }
}

/// EF.CIAInfo, where clients write the card's label. Source: OpenSC `pkcs15-sc-hsm.c`.
const LABEL: Fid = Fid(0x2F03);

/// The label in EF.CIAInfo, which has tag 80. Source: ISO 7816-15, `CIAInfo`.
fn label(content: &[u8]) -> Option<String> {
    let sequence = tlv::parse(content).ok()?;
    let objects = tlv::parse(tlv::find(&sequence, 0x30)?).ok()?;
    tlv::find(&objects, 0x80).map(text)
}

/// The device certificate and its issuer's.
fn certificates(mut content: &[u8]) -> Vec<CertificateSummary> {
    let mut certificates = Vec::new();
    for role in [CertificateRole::Device, CertificateRole::Issuer] {
        let Some((certificate, rest)) = cvc::Certificate::take(content) else { break };
        let (from, to) = certificate.validity();
        certificates.push(CertificateSummary {
            role,
            authority: text(certificate.authority()),
            holder: text(certificate.holder()),
            from: names::date(from),
            to: names::date(to),
            key: hex::upper(certificate.point().get(1..).unwrap_or_default()),
        });
        content = rest;
    }
    certificates
}

fn options(options: Options) -> Vec<&'static str> {
    let words = [
        (Options::RESET_RETRY_COUNTER, "User PIN reset with SO-PIN enabled"),
        (Options::TRANSPORT_PIN, "User PIN is a transport PIN, to be changed before use"),
        (Options::REPLACE_AUTHENTICATION_KEYS, "Public keys for authentication may be replaced"),
        (Options::PIN_AND_KEYS, "User PIN and public keys are both required"),
        (Options::NO_PIN_RESET, "SO-PIN unblocks the user PIN but sets no new one"),
    ];
    words.iter().filter(|(option, _)| options.has(*option)).map(|(_, words)| *words).collect()
}

/// What a file is for, by its identifier.
fn kind(fid: Fid) -> &'static str {
    match (fid, fid.prefix()) {
        (Fid::DEVICE_CERTIFICATES, _) => "device certificates",
        (LABEL, _) => "label",
        (_, pkcs15::DESCRIPTION) => "key description",
        (_, 0xC8) => "certificate description",
        (_, 0xC9) => "data description",
        (_, 0xCA) => "CA certificate",
        (_, 0xCB) => "configuration",
        (_, 0xCD) => "protected data",
        (_, 0xCE) => "certificate or request",
        (_, 0xCF) => "public data",
        _ => "",
    }
}

/// Text from the card, without control characters that would reach the terminal.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
        .collect()
}
