//! A package as the issuer loads it: the components of a CAP file, one after the other.
//!
//! | component          | tag  | content                                                         |
//! |--------------------|------|-----------------------------------------------------------------|
//! | Header             | `01` | `DECAFFED`, format 2.1, flags, version of the package, its AID  |
//! | Applet             | `03` | the AID of the module, which the applet is an instance of       |
//! | Method             | `07` | where a real card has code: the firmware's file, TOML           |
//! | Reference Location | `09` | SHA-256 of all that stands before this component, the last one  |
//!
//! Each component is its tag, two bytes of length, and the content. It comes once; others than
//! these are passed over. The version of the package is that of the firmware.
//!
//! Source: Java Card Virtual Machine Specification 2.2.2, chapter 6, for components and header;
//! what is in Method and Reference Location is ours.

use crate::aid::{MODULE, PACKAGE};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

const HEADER: u8 = 1;
const DIRECTORY: u8 = 2;
const APPLET_COMPONENT: u8 = 3;
const METHOD: u8 = 7;
const REFERENCE_LOCATION: u8 = 9;

/// What begins a header, with the version of the format, and the flag that there is an applet.
const MAGIC: [u8; 7] = [0xDE, 0xCA, 0xFF, 0xED, 0x01, 0x02, 0x04];

/// A package of the applet: which firmware it is, and the content of its Method component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package<'a> {
    /// The version of the package and of the firmware, major and minor.
    pub version: (u8, u8),
    /// The content of the Method component: a firmware's file.
    pub method: &'a [u8],
}

/// The load file data block of a package, which [`parse`] takes.
///
/// # Panics
/// If the content of the Method component has more than 65,535 bytes.
#[must_use]
pub fn encode(package: Package<'_>) -> Vec<u8> {
    let Package { version: (major, minor), method } = package;
    let header = [&MAGIC[..], &[minor, major], &length_value(&PACKAGE)].concat();
    let applet = [&[1][..], &length_value(&MODULE), &[0x00, 0x00]].concat();
    let mut file = Vec::new();
    file.extend(component(HEADER, &header));
    file.extend(component(DIRECTORY, &directory([header.len(), applet.len(), method.len()])));
    file.extend(component(APPLET_COMPONENT, &applet));
    file.extend(component(METHOD, method));
    let digest = Sha256::digest(&file);
    file.extend(component(REFERENCE_LOCATION, &digest));
    file
}

/// The package in a load file data block; none if it is not whole, or another package.
#[must_use]
pub fn parse(file: &[u8]) -> Option<Package<'_>> {
    let mut components = BTreeMap::new();
    let mut rest = file;
    while !components.contains_key(&REFERENCE_LOCATION) {
        let before = file.get(..file.len() - rest.len())?;
        let (tag, content, after) = take(rest)?;
        let is_whole = || after.is_empty() && content == Sha256::digest(before).as_slice();
        if (tag == REFERENCE_LOCATION && !is_whole()) || components.insert(tag, content).is_some() {
            return None;
        }
        rest = after;
    }
    let found = |tag| components.get(&tag).copied();
    let header = found(HEADER)?.strip_prefix(&MAGIC)?;
    let [minor, major, package @ ..] = header else { return None };
    let applet = found(APPLET_COMPONENT)?.strip_prefix(&[1])?;
    let applet = applet.strip_prefix(length_value(&MODULE).as_slice())?;
    if !package.starts_with(&length_value(&PACKAGE)) || applet.len() != 2 {
        return None;
    }
    Some(Package { version: (*major, *minor), method: found(METHOD)? })
}

/// Bytes, up to 255, after a byte with their length, as GlobalPlatform writes names and hashes.
///
/// # Panics
/// If there are more.
#[must_use]
pub fn length_value(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("names and hashes are short");
    [&[length], bytes].concat()
}

/// The first component, tag and content, and the rest.
fn take(file: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, high, low, rest @ ..] = file else { return None };
    let (content, rest) = rest.split_at_checked(u16::from_be_bytes([*high, *low]).into())?;
    Some((*tag, content, rest))
}

fn component(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag][..], &length(content.len()), content].concat()
}

/// The sizes of the twelve components, and of what the package brings besides, which is an applet.
fn directory([header, applet, method]: [usize; 3]) -> Vec<u8> {
    // Its own size: twelve sizes, sizes of the static fields, counts of imports, applets, others.
    const SIZE: usize = 12 * 2 + 6 + 3;
    const DIGEST: usize = 32;
    let sizes = [header, SIZE, applet, 0, 0, 0, method, 0, DIGEST, 0, 0, 0];
    let sizes = sizes.iter().flat_map(|size| length(*size));
    sizes.chain([0; 6]).chain([0, 1, 0]).collect()
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).expect("a firmware's file is below 64 KiB").to_be_bytes()
}
