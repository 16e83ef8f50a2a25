//! Elementary files.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use vschsm_protocol::apdu::Status;
use zeroize::Zeroizing;

/// A file identifier. The applet has no directories: it names a file, or a key as CCxx.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fid(pub u16);

impl Fid {
    /// Device certificate and the certificate of its issuer; stays for the card's life.
    pub const DEVICE_CERTIFICATES: Self = Self(0x2F02);
    /// The device key; stays for the card's life.
    pub const DEVICE_KEY: Self = Self(0xCC00);
    /// Work buffer for command data that is too long for one APDU.
    pub const WORK_BUFFER: Self = Self(0x2F10);
    /// The label that clients give the card.
    pub(crate) const LABEL: Self = Self(0x2F03);

    /// The high byte, which says what kind of object this is: C4 key description, C8 certificate
    /// description, C9 data description, CA other certificate, CB configuration, CC key, CD
    /// protected data, CE certificate or request, CF public data.
    #[must_use]
    pub fn prefix(self) -> u8 {
        self.0.to_be_bytes()[0]
    }
}

impl TryFrom<&[u8]> for Fid {
    type Error = Status;

    /// Two bytes; anything else is `6700`.
    fn try_from(bytes: &[u8]) -> Result<Self, Status> {
        let bytes = <[u8; 2]>::try_from(bytes).map_err(|_| Status::WRONG_LENGTH)?;
        Ok(Self(u16::from_be_bytes(bytes)))
    }
}

impl fmt::Display for Fid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for Fid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An elementary file.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    fid: Fid,
    /// It may be protected data, so it is wiped.
    content: Arc<Zeroizing<Vec<u8>>>,
}

impl File {
    /// The longest content, in bytes: with a status word it fits the longest response that readers
    /// carry.
    pub(crate) const LONGEST: usize = 65_533;

    pub(crate) fn new(fid: Fid, content: Vec<u8>) -> Self {
        Self { fid, content: Arc::new(content.into()) }
    }

    /// Its identifier.
    #[must_use]
    pub fn fid(&self) -> Fid {
        self.fid
    }

    /// Its content, up to 65,533 bytes.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }
}

/// Contents may be protected data.
impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.fid, self.content.len())
    }
}

/// The files, in the order in which they were created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(Vec<File>);

impl Files {
    /// The files, in the order in which they were created.
    pub fn iter(&self) -> impl Iterator<Item = &File> {
        self.0.iter()
    }

    /// The content of a file.
    #[must_use]
    pub fn content(&self, fid: Fid) -> Option<&[u8]> {
        self.iter().find(|file| file.fid == fid).map(File::content)
    }

    /// Appends a file to the list. The caller knows that there is none with its identifier.
    pub(crate) fn push(&mut self, file: File) {
        self.0.push(file);
    }

    /// The content of a file, which is created if there is none.
    pub(crate) fn content_mut(&mut self, fid: Fid) -> &mut Vec<u8> {
        let index = self.0.iter().position(|file| file.fid == fid).unwrap_or(self.0.len());
        if index == self.0.len() {
            self.0.push(File::new(fid, Vec::new()));
        }
        let file = self.0.get_mut(index).expect("the file was found or has just been created");
        let content: &mut Zeroizing<Vec<u8>> = Arc::make_mut(&mut file.content);
        content
    }

    /// A file and its place among the others.
    pub(super) fn with_place(&self, fid: Fid) -> Option<(usize, File)> {
        let (place, file) = self.iter().enumerate().find(|(_, file)| file.fid == fid)?;
        Some((place, file.clone()))
    }

    /// Makes the file with an identifier this one, in its place, or none.
    pub(super) fn put(&mut self, fid: Fid, file: Option<(usize, File)>) {
        let current = self.0.iter_mut().find(|file| file.fid == fid);
        match (current, file) {
            (Some(current), Some((_, file))) => *current = file,
            (None, Some((place, file))) => self.0.insert(place.min(self.0.len()), file),
            (_, None) => drop(self.remove(fid)),
        }
    }

    /// Removes a file; whether there was one.
    pub(crate) fn remove(&mut self, fid: Fid) -> bool {
        let before = self.0.len();
        self.0.retain(|file| file.fid != fid);
        self.0.len() < before
    }

    /// Keeps one file and removes all others.
    pub(crate) fn keep_only(&mut self, fid: Fid) {
        self.0.retain(|file| file.fid == fid);
    }
}

/// Writes to a place of a file's content, and zeros between its end and that.
pub(crate) fn write(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if content.len() < end {
        content.resize(end, 0x00);
    }
    if let Some(place) = content.get_mut(offset..end) {
        place.copy_from_slice(data);
    }
}
