//! Fields of data, each a byte of length and as many bytes.

use vschsm_protocol::apdu::Status;

/// Splits data into the fields that it consists of, each a byte of length and as many bytes.
///
/// `6A80` if it does not, or they are not `N`.
pub(super) fn fields<const N: usize>(data: &[u8]) -> Result<[&[u8]; N], Status> {
    let mut fields = [&[][..]; N];
    let mut rest = data;
    for field in &mut fields {
        let (length, after) = rest.split_first().ok_or(Status::WRONG_DATA)?;
        (*field, rest) = after.split_at_checked(usize::from(*length)).ok_or(Status::WRONG_DATA)?;
    }
    if rest.is_empty() { Ok(fields) } else { Err(Status::WRONG_DATA) }
}
