//! Card images: a card's state as a file that people can read and compare.
//!
//! The first line is `vschsm-card`, the format's version and a checksum; then comes JSON with bytes
//! in hexadecimal. The checksum is the SHA-256 of everything after it and, from version 3 on, of
//! what is before it, too. Every version that was ever released can be loaded.
//!
//! ```
//! use vschsm_card::Card;
//! use vschsm_card::image::{ImageError, MAGIC};
//! use vschsm_card::personalisation::PersonalisationData;
//! use vschsm_card::profile::{DEFAULT, Profile};
//!
//! let firmware = Profile::built_in(DEFAULT).ok_or("no such firmware")?;
//! let card = Card::new(&PersonalisationData::default(), firmware, [0; 32])?;
//! let image = card.image();
//! assert!(image.starts_with(MAGIC.as_bytes()));
//! let half = image.get(..image.len() / 2).unwrap_or_default();
//! assert_eq!(Card::load(half, [1; 32]).err(), Some(ImageError::Damaged));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod authentication_keys;
mod format;
mod issuer;
mod quota;

pub use format::ImageError;

use crate::hex::Hex;
use crate::profile::{BUILT_IN, EXTENSIONS, Profile};
use crate::state::{
    Configuration, DeviceKey, Fid, File, Files, KekSource, Key, KeyAttributes, KeyDomain,
    KeyDomains, KeyId, Keys, Options, Pin, Pins, State,
};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use authentication_keys::AuthenticationKeysImage;
use format::{HexBytes, VERSION, bytes, invalid};
use issuer::{IssuerKeysImage, PreviousFirmwareImage};
use quota::QuotaImage;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vschsm_protocol::crypto::aes::AesKey;
use vschsm_protocol::crypto::curve::{Curve, CurveParameters};
use vschsm_protocol::crypto::ec::EcKey;
use vschsm_protocol::crypto::key_material::KeyMaterial;
use vschsm_protocol::crypto::rsa::RsaKey;
use vschsm_protocol::cvc::Certificate;
use vschsm_protocol::key_blob::KeyEncryptionKey;
use vschsm_protocol::scp02::IssuerKeys;
use zeroize::Zeroizing;

/// How every image begins.
pub const MAGIC: &str = "vschsm-card";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CardImage {
    firmware: FirmwareImage,
    streams: u64,
    device_key: HexBytes,
    /// Absent while they are those that the card was delivered with, and have opened no channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer_keys: Option<IssuerKeysImage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<PreviousFirmwareImage>,
    options: HexBytes,
    authentication_keys: Option<AuthenticationKeysImage>,
    user_pin: Option<PinImage>,
    initialisation_code: Option<PinImage>,
    #[serde(default)]
    domains: Vec<Option<DomainImage>>,
    /// In images from before key domains, when no share could have been imported.
    #[serde(default, skip_serializing)]
    dkek_shares: Option<u8>,
    #[serde(default, skip_serializing)]
    key_domains: Option<u8>,
    files: Vec<FileImage>,
    keys: Vec<KeyImage>,
}

/// A built-in firmware by its name, so that a card gets later corrections of it; any other with its
/// whole file, so that the card is complete.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum FirmwareImage {
    BuiltIn(String),
    Lines(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PinImage {
    value: HexBytes,
    limit: u8,
    tries: u8,
}

/// A domain of shares, or one for key exchange.
#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum DomainImage {
    #[serde(rename_all = "kebab-case")]
    Shares { shares: u8, missing: u8, sum_of_shares: Option<HexBytes> },
    #[serde(rename_all = "kebab-case")]
    Exchange { uid: HexBytes, agreed_key: Option<HexBytes> },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileImage {
    fid: String,
    content: HexBytes,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct KeyImage {
    id: u8,
    private: PrivateKeyImage,
    uses: Option<u32>,
    algorithms: HexBytes,
    domain: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrapping_key: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quota: Option<QuotaImage>,
    /// The same number for all keys that share a use counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counter: Option<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PrivateKeyImage {
    Rsa { p: HexBytes, q: HexBytes, exponent: u64 },
    Ec { curve: CurveImage, scalar: HexBytes },
    Aes { key: HexBytes },
}

/// A curve by its name, or by its parameters if it has none.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum CurveImage {
    Named(String),
    Explicit { p: HexBytes, a: HexBytes, b: HexBytes, g: HexBytes, n: HexBytes },
}

/// The image of a card.
pub(crate) fn encode(profile: &Profile, state: &State) -> Vec<u8> {
    let image = CardImage::of(profile, state);
    let content = serde_json::to_vec_pretty(&image).expect("the image has string keys only");
    let content = Zeroizing::new(content);
    let mut bytes = header(VERSION, &content).into_bytes();
    bytes.extend_from_slice(&content);
    bytes.push(b'\n');
    bytes
}

/// The card of an image.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Profile, State), ImageError> {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (first, content) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let first = str::from_utf8(first).map_err(|_| ImageError::Foreign)?;
    let mut words = first.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(ImageError::Foreign);
    }
    let version: u32 =
        words.next().and_then(|word| word.parse().ok()).ok_or(ImageError::Damaged)?;
    match version {
        0 => return Err(ImageError::Damaged),
        1..=VERSION => {}
        _ => return Err(ImageError::Newer(version)),
    }
    let content = content.strip_suffix(b"\n").ok_or(ImageError::Damaged)?;
    if header(version, content).strip_suffix('\n') != Some(first) {
        return Err(ImageError::Damaged);
    }
    let image: CardImage = serde_json::from_slice(content).map_err(invalid)?;
    Ok((image.firmware.profile()?, image.state()?))
}

fn header(version: u32, content: &[u8]) -> String {
    let before = format!("{MAGIC} {version} ");
    let covered = if version < 3 { "" } else { before.as_str() };
    let checksum = Sha256::new().chain_update(covered).chain_update(content).finalize();
    format!("{before}{}\n", base16ct::lower::encode_string(&checksum))
}

impl FirmwareImage {
    fn of(profile: &Profile) -> Self {
        // A profile is its file, and comparing that is faster than parsing it.
        let mut known = BUILT_IN.iter().chain(EXTENSIONS);
        if known.any(|known| *known == (profile.name(), profile.source())) {
            Self::BuiltIn(profile.name().into())
        } else {
            Self::Lines(profile.source().lines().map(Into::into).collect())
        }
    }

    fn profile(&self) -> Result<Profile, ImageError> {
        match self {
            Self::BuiltIn(name) => Profile::built_in(name)
                .ok_or_else(|| ImageError::Invalid(format!("firmware {name} is not built in"))),
            // Each line has its end: the last may be an empty one.
            Self::Lines(lines) => Profile::restored(&(lines.join("\n") + "\n")).map_err(invalid),
        }
    }
}

impl CardImage {
    fn of(profile: &Profile, state: &State) -> Self {
        let State {
            device,
            issuer_keys,
            previous,
            streams,
            configuration,
            pins,
            domains,
            files,
            keys,
        } = state;
        Self {
            firmware: FirmwareImage::of(profile),
            streams: *streams,
            device_key: bytes(device.key().scalar()),
            issuer_keys: IssuerKeysImage::of(issuer_keys, device),
            former: previous.iter().map(PreviousFirmwareImage::of).collect(),
            options: bytes(&configuration.options.0.to_be_bytes()),
            authentication_keys: configuration
                .authentication_keys
                .as_ref()
                .map(AuthenticationKeysImage::of),
            user_pin: pins.user.as_ref().map(PinImage::of),
            initialisation_code: pins.so_pin.as_ref().map(PinImage::of),
            domains: domains.iter().map(|(_, domain)| domain.map(DomainImage::of)).collect(),
            dkek_shares: None,
            key_domains: None,
            files: files.iter().map(FileImage::of).collect(),
            keys: keys.iter().map(|(id, key)| KeyImage::of(id, key)).collect(),
        }
    }

    fn state(mut self) -> Result<State, ImageError> {
        let domains = self.domains()?;
        let mut files = Files::default();
        for file in self.files {
            let fid = u16::from_str_radix(&file.fid, 16).map(Fid).map_err(invalid)?;
            if files.content(fid).is_some() {
                return Err(ImageError::Invalid(format!("file {fid} exists twice")));
            }
            if file.content.0.len() > File::LONGEST {
                return Err(ImageError::Invalid(format!("file {fid} is too long")));
            }
            files.push(File::new(fid, file.content.0.to_vec()));
        }
        let certificates = files.content(Fid::DEVICE_CERTIFICATES).unwrap_or_default();
        let (certificate, _) = Certificate::take(certificates)
            .ok_or_else(|| invalid("file 2F02 does not begin with a certificate"))?;
        let key = EcKey::from_scalar(&Curve::of_device_keys(), &self.device_key.0)
            .ok_or_else(|| invalid("the device key is out of range"))?;
        let options = self.options.0.as_slice().try_into();
        let options = options.map_err(|_| invalid("the options are not two bytes"))?;
        if !DeviceKey::REFERENCE_LENGTH.contains(&certificate.holder().len()) {
            return Err(invalid(
                "the holder reference of the device certificate has a wrong length",
            ));
        }
        if self.streams == u64::MAX {
            return Err(invalid("its counter of random streams has overflowed"));
        }
        let device = DeviceKey::new(key, certificate.holder().to_vec());
        let issuer_keys = match self.issuer_keys {
            Some(keys) => keys.keys().ok_or_else(|| invalid("the issuer's keys are malformed"))?,
            None => IssuerKeys::of_delivery(device.serial()),
        };
        let mut keys = Keys::default();
        for key in self.keys {
            let (id, key) = key.key(&keys)?;
            keys.insert(id, key);
        }
        Ok(State {
            device,
            issuer_keys,
            previous: self.former.into_iter().map(PreviousFirmwareImage::previous).collect(),
            streams: self.streams,
            configuration: Configuration {
                options: Options(u16::from_be_bytes(options)),
                authentication_keys: self
                    .authentication_keys
                    .map(AuthenticationKeysImage::keys)
                    .transpose()?,
            },
            pins: Pins {
                user: self.user_pin.map(PinImage::pin).transpose()?,
                so_pin: self.initialisation_code.map(PinImage::pin).transpose()?,
            },
            domains,
            files,
            keys,
        })
    }

    fn domains(&mut self) -> Result<KeyDomains, ImageError> {
        let bad = || invalid("a key domain has more shares missing than it has, or a wrong key");
        if let Some(shares) = self.dkek_shares {
            let domain =
                KeyDomain::restored(KekSource::Shares { number: shares, missing: shares }, None)
                    .ok_or_else(bad)?;
            return Ok(KeyDomains::one(domain));
        }
        if let Some(slots) = self.key_domains {
            return Ok(KeyDomains::empty(slots));
        }
        let slots = core::mem::take(&mut self.domains).into_iter();
        let slots = slots.map(|domain| domain.map(|domain| domain.domain().ok_or_else(bad)));
        let slots: Vec<_> = slots.map(Option::transpose).collect::<Result<_, _>>()?;
        if slots.len() > usize::from(u8::MAX) {
            return Err(invalid("there are more key domains than a card can have"));
        }
        Ok(KeyDomains::restored(slots))
    }
}

impl DomainImage {
    fn of(domain: &KeyDomain) -> Self {
        let kek = domain.unfinished_kek().map(|kek| bytes(kek.bytes()));
        match domain.kek_source() {
            KekSource::Shares { number, missing } => {
                Self::Shares { shares: *number, missing: *missing, sum_of_shares: kek }
            }
            KekSource::Exchange { uid } => Self::Exchange { uid: bytes(uid), agreed_key: kek },
        }
    }

    fn domain(self) -> Option<KeyDomain> {
        let (source, kek) = match self {
            Self::Shares { shares: number, missing, sum_of_shares } => {
                (KekSource::Shares { number, missing }, sum_of_shares)
            }
            Self::Exchange { uid: Hex(uid), .. } if uid.len() > Curve::LONGEST_POINT => {
                return None;
            }
            Self::Exchange { uid: Hex(uid), agreed_key } => {
                (KekSource::Exchange { uid: uid.to_vec() }, agreed_key)
            }
        };
        let kek = kek.map(|Hex(kek)| kek.as_slice().try_into().map(KeyEncryptionKey::new));
        KeyDomain::restored(source, kek.transpose().ok()?)
    }
}

impl PinImage {
    fn of(pin: &Pin) -> Self {
        Self { value: bytes(pin.value()), limit: pin.limit(), tries: pin.tries() }
    }

    fn pin(self) -> Result<Pin, ImageError> {
        let Self { value: Hex(value), limit, tries } = self;
        if !(1..=15).contains(&limit) || tries > limit {
            return Err(ImageError::Invalid(format!("a PIN has {tries} of {limit} tries left")));
        }
        Ok(Pin::restored(&value, limit, tries))
    }
}

impl FileImage {
    fn of(file: &File) -> Self {
        Self { fid: file.fid().to_string(), content: bytes(file.content()) }
    }
}

impl KeyImage {
    fn of(id: KeyId, key: &Key) -> Self {
        let (secret, attributes) = key.parts();
        let private = match secret {
            KeyMaterial::Rsa(key) => {
                let (p, q) = key.primes();
                PrivateKeyImage::Rsa { p: bytes(p), q: bytes(q), exponent: key.exponent() }
            }
            KeyMaterial::Ec(key) => PrivateKeyImage::Ec {
                curve: CurveImage::of(key.curve()),
                scalar: bytes(key.scalar()),
            },
            KeyMaterial::Aes(key) => PrivateKeyImage::Aes { key: bytes(key.bytes()) },
        };
        Self {
            id: id.number(),
            private,
            uses: attributes.uses,
            algorithms: bytes(&attributes.algorithms),
            domain: attributes.domain,
            wrapping_key: attributes.wrapping_key.map(KeyId::number),
            quota: attributes.quota.as_ref().map(QuotaImage::of),
            counter: attributes.counter,
        }
    }

    /// The key; on a curve of one of `others`, it shares that.
    fn key(self, others: &Keys) -> Result<(KeyId, Key), ImageError> {
        let bad = || ImageError::Invalid(format!("key {} is malformed", self.id));
        let private = match &self.private {
            PrivateKeyImage::Rsa { p, q, exponent } => {
                KeyMaterial::Rsa(RsaKey::from_primes(&p.0, &q.0, *exponent).ok_or_else(bad)?)
            }
            PrivateKeyImage::Ec { curve, scalar } => {
                let curve = curve.curve(others).ok_or_else(bad)?;
                KeyMaterial::Ec(EcKey::from_scalar(&curve, &scalar.0).ok_or_else(bad)?)
            }
            PrivateKeyImage::Aes { key } => {
                KeyMaterial::Aes(AesKey::from_bytes(&key.0).ok_or_else(bad)?)
            }
        };
        let id = KeyId::try_from(self.id).map_err(|_| bad())?;
        let algorithms = self.algorithms.0.to_vec();
        let quota = self.quota.map(QuotaImage::quota).transpose()?;
        let wrapping_key = self.wrapping_key.map(KeyId::try_from).transpose();
        let wrapping_key = wrapping_key.map_err(|_| bad())?;
        let Self { uses, domain, counter, .. } = self;
        if algorithms.len() > KeyAttributes::LONGEST_LIST || counter.is_some() && uses.is_none() {
            return Err(bad());
        }
        let attributes = KeyAttributes { uses, counter, algorithms, domain, wrapping_key, quota };
        Ok((id, Key::new(private, attributes)))
    }
}

impl CurveImage {
    fn of(curve: &Curve) -> Self {
        let CurveParameters { p, a, b, g, n } = curve.parameters();
        match curve.name() {
            Some(name) => Self::Named(name.into()),
            None => {
                Self::Explicit { p: bytes(p), a: bytes(a), b: bytes(b), g: bytes(g), n: bytes(n) }
            }
        }
    }

    fn curve(&self, keys: &Keys) -> Option<Curve> {
        match self {
            Self::Named(name) => Curve::from_name(name),
            Self::Explicit { p, a, b, g, n } => {
                keys.curve(CurveParameters::new(&p.0, &a.0, &b.0, &g.0, &n.0)?)
            }
        }
    }
}
