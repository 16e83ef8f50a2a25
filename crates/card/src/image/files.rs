//! Files, as an image has them, and changes of files, as a record has them.

use super::format::{HexBytes, ImageError, bytes, invalid};
use crate::state::{Fid, File, Files, Part, TrackedState, files};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FileImage {
    fid: String,
    content: HexBytes,
}

/// A change of a file.
#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum FileChange {
    /// Some bytes of it were written; it was there before.
    Written {
        fid: String,
        offset: usize,
        bytes: HexBytes,
    },
    /// It has another content, or is new.
    Content(FileImage),
    Deleted {
        deleted: String,
    },
}

impl FileImage {
    pub(super) fn of(file: &File) -> Self {
        Self { fid: file.fid().to_string(), content: bytes(file.content()) }
    }

    pub(super) fn file(self) -> Result<File, ImageError> {
        let fid = self::fid(&self.fid)?;
        if self.content.0.len() > File::LONGEST {
            return Err(too_long(fid));
        }
        Ok(File::new(fid, self.content.0.to_vec()))
    }
}

impl FileChange {
    /// How the last command has changed a file; `None` if it has only been there meanwhile.
    pub(super) fn of(state: &TrackedState, fid: Fid) -> Option<Self> {
        let is_of_file = |part: &&Part| match part {
            Part::File { fid: other, .. } | Part::Written(other, _) => *other == fid,
            _ => false,
        };
        let changed: Vec<_> = state.changed().iter().filter(is_of_file).collect();
        let file = state.files.iter().find(|file| file.fid() == fid);
        match (changed.as_slice(), file) {
            ([Part::Written(_, place)], Some(file)) => Some(Self::Written {
                fid: fid.to_string(),
                offset: place.start,
                bytes: bytes(file.content().get(place.clone()).unwrap_or_default()),
            }),
            (_, Some(file)) => Some(Self::Content(FileImage::of(file))),
            ([Part::File { existed: false, .. }, ..], None) => None,
            (_, None) => Some(Self::Deleted { deleted: fid.to_string() }),
        }
    }

    pub(super) fn apply(self, files: &mut Files) -> Result<(), ImageError> {
        let absent = |fid| ImageError::Invalid(format!("file {fid} is changed and does not exist"));
        match self {
            Self::Written { fid, offset, bytes } => {
                let fid = changeable(&fid)?;
                files.content(fid).ok_or_else(|| absent(fid))?;
                if offset.checked_add(bytes.0.len()).is_none_or(|end| end > File::LONGEST) {
                    return Err(too_long(fid));
                }
                files::write(files.content_mut(fid), offset, &bytes.0);
            }
            Self::Content(image) => {
                let file = image.file()?;
                changeable(&file.fid().to_string())?;
                *files.content_mut(file.fid()) = file.content().to_vec();
            }
            Self::Deleted { deleted } => {
                let fid = changeable(&deleted)?;
                if !files.remove(fid) {
                    return Err(absent(fid));
                }
            }
        }
        Ok(())
    }
}

fn fid(digits: &str) -> Result<Fid, ImageError> {
    u16::from_str_radix(digits, 16).map(Fid).map_err(invalid)
}

/// The identifier of a file that a command may change.
fn changeable(digits: &str) -> Result<Fid, ImageError> {
    match fid(digits)? {
        Fid::DEVICE_CERTIFICATES => Err(invalid("file 2F02 is changed, which no command does")),
        fid => Ok(fid),
    }
}

fn too_long(fid: Fid) -> ImageError {
    ImageError::Invalid(format!("file {fid} is too long"))
}
