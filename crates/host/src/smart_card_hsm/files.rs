//! Elementary files.

use super::SmartCardHsm;
use crate::command;
use crate::error::HostError;
use crate::transport::Transport;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::tlv;

/// How many bytes of a file go into one command or response: they fit the shortest that some
/// firmware takes, protected ones too.
const PIECE: u16 = 900;

/// What SELECT says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileInformation {
    /// The length of its content in bytes; of a key 0.
    pub length: u16,
    /// What the card says in its own tag A5: of a key its attributes.
    pub proprietary: Vec<u8>,
}

impl<T: Transport> SmartCardHsm<T> {
    /// The file identifiers of all files and keys: `CCnn` is key nn, `CC00` the device key.
    ///
    /// # Errors
    /// If the card refuses.
    pub fn enumerate(&mut self) -> Result<Vec<u16>, HostError> {
        let list = self.ask(&command::ENUMERATE)?;
        Ok(list.as_chunks().0.iter().map(|fid| u16::from_be_bytes(*fid)).collect())
    }

    /// What SELECT says of a file or key; `None` if there is none of that identifier.
    ///
    /// # Errors
    /// If the card refuses with another status word than `6A82`.
    pub fn select_file(&mut self, fid: u16) -> Result<Option<FileInformation>, HostError> {
        let [high, low] = fid.to_be_bytes();
        let select = [0x00, 0xA4, 0x00, 0x00, 0x02, high, low, 0x00];
        let information = match self.send(&select)? {
            (Status::OK, information) => information,
            (Status::FILE_NOT_FOUND, _) => return Ok(None),
            (status, _) => return Err(HostError::Refused { command: "SELECT", status }),
        };
        let length = tlv::at(&information, &[0x6F, 0x80]).and_then(|length| length.try_into().ok());
        let proprietary = tlv::at(&information, &[0x6F, 0xA5]).unwrap_or_default().to_vec();
        let length = length.map(u16::from_be_bytes).unwrap_or_default();
        Ok(Some(FileInformation { length, proprietary }))
    }

    /// Whether there is a file or key of that identifier.
    ///
    /// # Errors
    /// If the card refuses with another status word than `6A82`.
    pub fn file_exists(&mut self, fid: u16) -> Result<bool, HostError> {
        Ok(self.select_file(fid)?.is_some())
    }

    /// The content of a file.
    ///
    /// # Errors
    /// `6A82` if there is no such file, `6982` if only the user may read it.
    pub fn read_file(&mut self, fid: u16) -> Result<Vec<u8>, HostError> {
        let mut content = Vec::new();
        while let Ok(offset) = u16::try_from(content.len()) {
            let read = command::read_binary(fid, offset, PIECE);
            let (status, piece) = self.send(&read)?;
            let is_last = piece.len() < usize::from(PIECE);
            content.extend(piece);
            match status {
                Status::OK if is_last => break,
                Status::OK => {}
                // End of file.
                Status(0x6282) => break,
                status => return Err(HostError::Refused { command: "READ BINARY", status }),
            }
        }
        Ok(content)
    }

    /// Writes into a file from an offset on. The file is created if there is none, and grows if it
    /// must.
    ///
    /// # Errors
    /// `6982` without login, `6A84` if the memory is full.
    pub fn update_file(&mut self, fid: u16, offset: u16, data: &[u8]) -> Result<(), HostError> {
        let mut offset = offset;
        let pieces = if data.is_empty() { vec![data] } else { data.chunks(PIECE.into()).collect() };
        for piece in pieces {
            self.ask(&command::write_at(fid, offset, piece))?;
            let next = u16::try_from(piece.len()).ok().and_then(|more| offset.checked_add(more));
            offset = next.ok_or(HostError::Unsupported("files end at offset 65,535"))?;
        }
        Ok(())
    }

    /// Writes a file, whose earlier content is deleted if it was longer.
    ///
    /// # Errors
    /// `6982` without login, `6A84` if the memory is full.
    pub fn write_file(&mut self, fid: u16, content: &[u8]) -> Result<(), HostError> {
        let earlier = self.select_file(fid)?;
        if earlier.is_some_and(|earlier| usize::from(earlier.length) > content.len()) {
            self.delete_file(fid)?;
        }
        self.update_file(fid, 0, content)
    }

    /// Deletes a file or key. One that is not there is no error.
    ///
    /// # Errors
    /// `6982` without login, `6985` for the device key and its certificates.
    pub fn delete_file(&mut self, fid: u16) -> Result<(), HostError> {
        self.delete(fid, 0x00)
    }

    /// Deletes a file or key, and leaves its memory for a later [`delete_file`](Self::delete_file)
    /// to free: faster where many are deleted.
    ///
    /// # Errors
    /// As [`delete_file`](Self::delete_file).
    pub fn delete_file_fast(&mut self, fid: u16) -> Result<(), HostError> {
        self.delete(fid, 0x80)
    }

    fn delete(&mut self, fid: u16, p2: u8) -> Result<(), HostError> {
        let [high, low] = fid.to_be_bytes();
        match self.send(&[0x00, 0xE4, 0x02, p2, 0x02, high, low])?.0 {
            Status::OK | Status::FILE_NOT_FOUND => Ok(()),
            status => Err(HostError::Refused { command: "DELETE FILE", status }),
        }
    }
}
