//! Firmware in the form of a Java Card package.

use super::{MODULE, PACKAGE};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use vschsm_card::profile::BUILT_IN;

/// What a CAP file begins with, version 2.1 of the format, and that there is an applet.
const FORMAT: [u8; 7] = [0xDE, 0xCA, 0xFF, 0xED, 0x01, 0x02, 0x04];

/// Tags of the components of a CAP file that a firmware has. Source: Java Card Virtual Machine
/// Specification 2.2, chapter 6.
const COMPONENTS: [u8; 4] = [1, 2, 3, METHODS];
/// The component with the firmware.
const METHODS: u8 = 7;
/// The component with a digest of all before it.
const DIGEST: u8 = 9;

/// A package to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPackage {
    load_file: Vec<u8>,
}

impl HostPackage {
    /// A package of this firmware, a file as in `firmware/`, that says of itself that it is of that
    /// version.
    #[must_use]
    pub fn new(firmware: &str, major: u8, minor: u8) -> Self {
        let header = [&FORMAT[..], &[minor, major, 0x0C], &PACKAGE].concat();
        let applets = [&[0x01, 0x0D][..], &MODULE, &[0x00, 0x00]].concat();
        let sizes = [header.len(), 0x1F, applets.len(), 0, 0, 0, firmware.len(), 0, 0x20, 0, 0];
        let sizes = sizes.iter().flat_map(|size| u16::try_from(*size).unwrap().to_be_bytes());
        // No static fields, no imports, one applet, and nothing of one's own.
        let directory = sizes.chain([0, 0, 0, 0, 0, 0, 0, 1, 0]).collect();
        let contents = [header, directory, applets, firmware.as_bytes().to_vec()];
        let components = COMPONENTS.iter().zip(&contents);
        Self::closed(components.flat_map(|(tag, content)| component(*tag, content)).collect())
    }

    /// A package of these components, or of any bytes, and the one with their digest.
    #[must_use]
    pub fn closed(mut components: Vec<u8>) -> Self {
        let digest = Sha256::digest(&components);
        components.extend(component(DIGEST, &digest));
        Self::from(components)
    }

    /// The package of a firmware that is built in.
    ///
    /// # Panics
    ///
    /// If it is not.
    #[must_use]
    pub fn of(firmware: &str) -> Self {
        let (_, text) = BUILT_IN.iter().find(|(name, _)| *name == firmware).expect("a firmware");
        let (major, minor) = firmware.split_once('.').expect("a version");
        Self::new(text, major.parse().unwrap(), minor.parse().unwrap())
    }

    /// Its components, one after the other: also a file of the form IJC.
    #[must_use]
    pub fn load_file(&self) -> &[u8] {
        &self.load_file
    }

    /// What INSTALL [for load] may say of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 20] {
        Sha1::digest(&self.load_file).into()
    }

    /// The data of the LOADs, in blocks of that size but for the last.
    #[must_use]
    pub fn blocks(&self, size: usize) -> Vec<Vec<u8>> {
        let [high, low] = u16::try_from(self.load_file.len()).unwrap().to_be_bytes();
        let length = match (high, low) {
            (0, ..=0x7F) => vec![low],
            (0, _) => vec![0x81, low],
            _ => vec![0x82, high, low],
        };
        let data = [&[0xC4], length.as_slice(), &self.load_file].concat();
        data.chunks(size).map(<[u8]>::to_vec).collect()
    }
}

/// A package of any bytes, with no digest of them.
impl From<Vec<u8>> for HostPackage {
    fn from(load_file: Vec<u8>) -> Self {
        Self { load_file }
    }
}

/// A component: tag, size and content.
fn component(tag: u8, content: &[u8]) -> Vec<u8> {
    let size = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag], &size[..], content].concat()
}
