//! The protocols of chip authentication.

/// How keys are agreed on, and what is done with them: a protocol of chip authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// id-CA-ECDH-3DES-CBC-CBC.
    TripleDes,
    /// id-CA-ECDH-AES-CBC-CMAC-128.
    Aes,
}

impl Protocol {
    /// Those that some firmware has.
    pub const ALL: [Self; 2] = [Self::TripleDes, Self::Aes];

    /// Its object identifier. Source: TR-03110 part 3, A.1.1.2.
    #[must_use]
    pub fn identifier(self) -> [u8; 10] {
        let last = match self {
            Self::TripleDes => 0x01,
            Self::Aes => 0x02,
        };
        [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x03, 0x02, last]
    }
}
