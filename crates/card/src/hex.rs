//! Bytes that a text file has as hexadecimal digits.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use vschsm_protocol::apdu::Status;
use zeroize::Zeroizing;

/// A value that stands in a file as a string of hexadecimal digits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hex<T>(pub(crate) T);

impl Serialize for Hex<Zeroizing<Vec<u8>>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = Zeroizing::new(base16ct::upper::encode_string(&self.0));
        serializer.serialize_str(&digits)
    }
}

impl<'de> Deserialize<'de> for Hex<Zeroizing<Vec<u8>>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = base16ct::mixed::decode_vec(digits.as_bytes());
        let bytes = bytes.map_err(|_| de::Error::custom("not pairs of hexadecimal digits"))?;
        Ok(Self(Zeroizing::new(bytes)))
    }
}

impl<'de> Deserialize<'de> for Hex<Vec<u8>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Hex::<Zeroizing<Vec<u8>>>::deserialize(deserializer).map(|bytes| Self(bytes.0.to_vec()))
    }
}

impl<'de> Deserialize<'de> for Hex<Status> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Hex(bytes) = Hex::<Vec<u8>>::deserialize(deserializer)?;
        let status = <[u8; 2]>::try_from(bytes.as_slice());
        let status = status.map_err(|_| de::Error::custom("not a status word of four digits"))?;
        Ok(Self(Status(u16::from_be_bytes(status))))
    }
}
