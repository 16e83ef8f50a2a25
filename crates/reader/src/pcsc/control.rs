//! What a reader says of itself.
//!
//! Source: PC/SC part 10 (features, TLV properties); pcsc-lite, `src/PCSC/reader.h.in`.

use super::Code;
use super::reader::{Description, Reader};

/// Asks for the list of features.
const FEATURE_REQUEST: u32 = 0x4200_0D48;
/// Asks for the TLV properties: a code of our choice, which the list of features tells.
const TLV_PROPERTIES: u32 = 0x4233_0012;

/// The list: a tag, the length of a control code, and the code, here in network order. No PIN pad:
/// with one, clients would have the reader ask for PINs.
const FEATURES: [u8; 6] = [0x12, 0x04, 0x42, 0x33, 0x00, 0x12];
/// The longest APDU data, 65,536 bytes, here with the low byte first: OpenSC then uses extended
/// APDUs throughout.
const PROPERTIES: [u8; 6] = [0x0A, 0x04, 0x00, 0x00, 0x01, 0x00];

const VENDOR_NAME: u32 = 0x0001_0100;
const SERIAL_NUMBER: u32 = 0x0001_0103;
const ATR: u32 = 0x0009_0303;
const FRIENDLY_NAME: u32 = 0x7FFF_0003;
const SYSTEM_NAME: u32 = 0x7FFF_0004;

/// What CONTROL brings.
pub(super) fn control(code: u32, extended: bool) -> Result<Vec<u8>, Code> {
    match code {
        FEATURE_REQUEST if extended => Ok(FEATURES.into()),
        FEATURE_REQUEST => Ok(Vec::new()),
        TLV_PROPERTIES if extended => Ok(PROPERTIES.into()),
        _ => Err(Code::UNSUPPORTED_FEATURE),
    }
}

/// What GET_ATTRIB brings.
///
/// The driver of real readers answers the first ones, without a zero at the end; pcscd answers
/// those with the reader's name, and has the zero.
pub(super) fn attribute(attribute: u32, reader: &Reader) -> Result<Vec<u8>, Code> {
    let Description { name, vendor, serial } = &reader.description;
    match attribute {
        VENDOR_NAME => Ok(vendor.as_bytes().into()),
        SERIAL_NUMBER => Ok(serial.as_bytes().into()),
        ATR => reader.atr().map(Into::into).ok_or(Code::NO_SMARTCARD),
        FRIENDLY_NAME | SYSTEM_NAME => Ok([name.as_bytes(), &[0]].concat()),
        _ => Err(Code::UNSUPPORTED_FEATURE),
    }
}
