//! Card images: a card's state as a file that people can read and compare.
//!
//! The first line is `vschsm-card`, the format's version, the length of the image in bytes and a
//! checksum; then comes JSON of that length with bytes in hexadecimal, and a line feed. The
//! checksum is the SHA-256 of what is before it in the first line and of the JSON. Before version 7
//! there was no length, and before version 3 the checksum was that of the JSON alone. Every version
//! that was ever released can be loaded.
//!
//! Behind the image there may be records, a line for each command that has changed the card since:
//! see [`ImageEnd`]. The card is that of the last whole record. A record that was not stored
//! completely can only be the last one, and is as if it were not there; any other damage is
//! refused.
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
mod change;
mod configuration;
mod domains;
mod files;
mod format;
mod issuer;
mod keys;
mod pins;
mod quota;
mod saved;

pub use format::{ImageError, MAGIC};
pub use saved::ImageEnd;

use crate::profile::{BUILT_IN, EXTENSIONS, Profile};
use crate::state::{DeviceKey, Fid, Files, KeyDomains, Keys, State, TrackedState};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use authentication_keys::AuthenticationKeysImage;
use change::ChangeImage;
use configuration::ConfigurationImage;
use domains::DomainImage;
use files::FileImage;
use format::{HexBytes, bytes, invalid, streams};
use issuer::{IssuerKeysImage, PreviousFirmwareImage};
use keys::KeyImage;
use pins::{PinImage, PinsImage};
use saved::Saved;
use serde::{Deserialize, Serialize};
use vschsm_protocol::crypto::curve::Curve;
use vschsm_protocol::crypto::ec::EcKey;
use vschsm_protocol::cvc::Certificate;
use vschsm_protocol::scp02::IssuerKeys;
use zeroize::Zeroizing;

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

/// The image of a card.
pub(crate) fn encode(profile: &Profile, state: &State) -> Vec<u8> {
    let image = CardImage::of(profile, state);
    let image = serde_json::to_vec_pretty(&image).expect("the image has string keys only");
    saved::with_header(&Zeroizing::new(image))
}

/// What the last command has changed, as a record behind `end`, and the end from then on; `None` if
/// only a new image can say what has changed.
pub(crate) fn record(
    state: &TrackedState,
    end: ImageEnd,
) -> Option<(Zeroizing<Vec<u8>>, ImageEnd)> {
    let change = ChangeImage::of(state)?;
    let change = serde_json::to_vec(&change).expect("the keys of its maps are strings or numbers");
    Some(end.record(&Zeroizing::new(change)))
}

/// The card of an image and the records behind it.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Profile, State), ImageError> {
    let Saved { image, changes, .. } = Saved::parse(bytes)?;
    let image: CardImage = serde_json::from_slice(image).map_err(invalid)?;
    let (profile, mut state) = (image.firmware.profile()?, image.state()?);
    for change in changes {
        let change: ChangeImage = serde_json::from_slice(change).map_err(invalid)?;
        change.apply(&mut state)?;
    }
    Ok((profile, state))
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
        let ConfigurationImage { options, authentication_keys } =
            ConfigurationImage::of(configuration);
        let PinsImage { user_pin, initialisation_code } = PinsImage::of(pins);
        Self {
            firmware: FirmwareImage::of(profile),
            streams: *streams,
            device_key: bytes(device.key().scalar()),
            issuer_keys: IssuerKeysImage::unless_delivered(issuer_keys, device),
            former: previous.iter().map(PreviousFirmwareImage::of).collect(),
            options,
            authentication_keys,
            user_pin,
            initialisation_code,
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
            let file = file.file()?;
            if files.content(file.fid()).is_some() {
                return Err(ImageError::Invalid(format!("file {} exists twice", file.fid())));
            }
            files.push(file);
        }
        let certificates = files.content(Fid::DEVICE_CERTIFICATES).unwrap_or_default();
        let (certificate, _) = Certificate::take(certificates)
            .ok_or_else(|| invalid("file 2F02 does not begin with a certificate"))?;
        let key = EcKey::from_scalar(&Curve::of_device_keys(), &self.device_key.0)
            .ok_or_else(|| invalid("the device key is out of range"))?;
        if !DeviceKey::REFERENCE_LENGTH.contains(&certificate.holder().len()) {
            return Err(invalid(
                "the holder reference of the device certificate has a wrong length",
            ));
        }
        let device = DeviceKey::new(key, certificate.holder().to_vec());
        let issuer_keys = match self.issuer_keys {
            Some(keys) => keys.keys()?,
            None => IssuerKeys::of_delivery(device.serial()),
        };
        let Self { options, authentication_keys, user_pin, initialisation_code, .. } = self;
        let configuration = ConfigurationImage { options, authentication_keys };
        let pins = PinsImage { user_pin, initialisation_code };
        let mut keys = Keys::default();
        for key in self.keys {
            let (id, key) = key.key(&keys)?;
            keys.insert(id, key);
        }
        Ok(State {
            device,
            issuer_keys,
            previous: self.former.into_iter().map(PreviousFirmwareImage::previous).collect(),
            streams: streams(self.streams)?,
            configuration: configuration.configuration()?,
            pins: pins.pins()?,
            domains,
            files,
            keys,
        })
    }

    fn domains(&mut self) -> Result<KeyDomains, ImageError> {
        if let Some(shares) = self.dkek_shares {
            let shares = DomainImage::Shares { shares, missing: shares, sum_of_shares: None };
            return Ok(KeyDomains::one(shares.domain()?));
        }
        if let Some(slots) = self.key_domains {
            return Ok(KeyDomains::empty(slots));
        }
        let slots = core::mem::take(&mut self.domains).into_iter();
        let slots = slots.map(|domain| domain.map(DomainImage::domain).transpose());
        let slots: Vec<_> = slots.collect::<Result<_, _>>()?;
        if slots.len() > usize::from(u8::MAX) {
            return Err(invalid("there are more key domains than a card can have"));
        }
        Ok(KeyDomains::restored(slots))
    }
}
