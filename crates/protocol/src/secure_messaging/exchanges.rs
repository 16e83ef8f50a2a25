//! Exchanges of a host and a card, byte for byte, for the tests of both sides.

use hex_literal::hex;

/// The host's ephemeral key, 11 32 times, as a point.
pub(super) const POINT: [u8; 65] = hex!(
    "04 0117A18051447117D2D529054EF0136E8FF6BD2602F2F8ABA5AB3D74E72AAA70"
    "60BC4EFA21F12BF007EE36DAE9720975E2F54CDA9CEB403A241FA977124B1AA2"
);
pub(super) const NONCE: [u8; 8] = hex!("0102030405060708");

/// A command protected, its header and its data; the response to it, protected and not.
pub(super) struct Exchange {
    pub(super) protected: &'static [u8],
    pub(super) header: [u8; 4],
    pub(super) data: &'static [u8],
    pub(super) ne: Option<usize>,
    pub(super) plain_response: (&'static [u8], u16),
    pub(super) response: &'static [u8],
}

/// Computed with other implementations of both sides; what the vendor's card service for Java and
/// OpenSC with OpenPACE compute is the same.
pub(super) const WITH_AES: [Exchange; 3] = [
    Exchange {
        protected: &hex!(
            "0C200081 1D 8711 01 21B5DB3C2559135837C9FEDBD0567966 8E08 5080628451F3F4FC 00"
        ),
        header: hex!("00200081"),
        data: b"648219",
        ne: None,
        plain_response: (&[], 0x9000),
        response: &hex!("99029000 8E08 64A16C4F1D48482E 9000"),
    },
    Exchange {
        protected: &hex!(
            "0CB12F02 1F 8510 253EAAB8A36339389A33F44E36BA511C 9701 00 8E08 7292688166FA6010 00"
        ),
        header: hex!("00B12F02"),
        data: &hex!("54020000"),
        ne: Some(0x100),
        plain_response: (&hex!("0102030405"), 0x9000),
        response: &hex!(
            "8711 01 0F849509D10F67E2BB9A9E335A610BA2 9902 9000 8E08 10A8124707614EF4 9000"
        ),
    },
    Exchange {
        protected: &hex!("0C200081 0A 8E08 BB9E9C966D715B99 00"),
        header: hex!("00200081"),
        data: &[],
        ne: None,
        plain_response: (&[], 0x63C3),
        response: &hex!("9902 63C3 8E08 DB73F27000F7FFE2 9000"),
    },
];

pub(super) const WITH_3DES: [Exchange; 3] = [
    Exchange {
        protected: &hex!("0C200081 15 8709 01 D2C2527685D1A914 8E08 F5FE0F055E396D5B 00"),
        response: &hex!("9902 9000 8E08 048C484A0D373797 9000"),
        ..WITH_AES[0]
    },
    Exchange {
        protected: &hex!("0CB12F02 17 8508 CA94D972075BEA5F 9701 00 8E08 6A4E0D8EE58B544C 00"),
        response: &hex!("8709 01 5582BB617F1D1D0B 9902 9000 8E08 4444C58FD4474485 9000"),
        ..WITH_AES[1]
    },
    Exchange {
        protected: &hex!("0C200081 0A 8E08 25C7FB3D11280D82 00"),
        response: &hex!("9902 63C3 8E08 83DC49016C33C2E7 9000"),
        ..WITH_AES[2]
    },
];
