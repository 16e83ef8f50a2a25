//! The APDUs that CardContact's scripts for the Smart Card Shell send, in their order and with
//! their Le: extended where Lc or Le is, no GET RESPONSE, and any status word that a script does
//! not expect is an error to it.
//!
//! Source: scsh-scripts `sc-hsm/lib/smartcardhsm.js`.

use vschsm_testing::hex;
use vschsm_testing::test_card::{TestCard, domain, ec_template, extended, tlv};

/// The firmwares around the one that does not import keys with an algorithm list.
const FIRMWARES: [&str; 4] = ["2.6", "3.1", "3.2", "3.4"];

const SHARE: &str = "4444444444444444444444444444444444444444444444444444444444444444";

/// The error of a script: "Unexpected SW1/SW2", `CARD_INVALID_SW` and the status word in decimal.
#[derive(Debug, PartialEq, Eq)]
struct CardInvalidSw(u16);

/// A script's view of a card.
struct Script(TestCard);

impl Script {
    /// Sends a command of which the script expects 9000.
    fn send(&mut self, apdu: &[u8]) -> Result<Vec<u8>, CardInvalidSw> {
        let response = self.0.transmit(apdu);
        if response.status == 0x9000 {
            Ok(response.data)
        } else {
            Err(CardInvalidSw(response.status))
        }
    }

    fn hex(&mut self, apdu: &str) -> Result<Vec<u8>, CardInvalidSw> {
        self.send(&hex(apdu))
    }

    /// The constructor, `initDevice`, `importKeyShare` and `verifyUserPIN` on a card as delivered.
    fn with_dkek(firmware: &str) -> Self {
        let mut script = Self(TestCard::new(firmware));
        // Case 1: any response but 6E00 and 6900 means that the applet is there.
        assert_eq!(script.hex("00200081"), Err(CardInvalidSw(0x6A88)));
        // No Le, and no 61xx.
        assert!(script.hex("00A40404 0B E82B0601040181C31F0201").is_ok());
        assert_eq!(script.hex("00200081 00"), Err(CardInvalidSw(0x6A88)));
        let initialise = "80500000 1C 80020001 8106363438323139 82083537363231383830 910103 920101";
        assert_eq!(script.hex(initialise), Ok(vec![]));
        let complete = hex("01 00 BB391415C05E39D7");
        assert_eq!(script.hex(&format!("80520000 20 {SHARE} 00")), Ok(complete));
        assert_eq!(script.hex("00200081 06 363438323139"), Ok(vec![]));
        script
    }

    /// `generateAsymmetricKeyPair`: key 1 on secp256r1; the request.
    fn generate(&mut self, list: &[u8]) -> Result<Vec<u8>, CardInvalidSw> {
        let template = ec_template(&domain("secp256r1"), list);
        self.send(&extended(0x00, 0x46, 0x01, 0x00, &template, true))
    }

    /// `wrapKey`.
    fn wrap(&mut self) -> Result<Vec<u8>, CardInvalidSw> {
        self.hex("80720192 000000")
    }

    /// `unwrapKey`: Lc is extended, and there is no Le.
    fn unwrap(&mut self, blob: &[u8]) -> Result<Vec<u8>, CardInvalidSw> {
        self.send(&extended(0x80, 0x74, 0x01, 0x93, blob, false))
    }

    /// `deleteFile` of the key, and of its description and certificate, which may not be there.
    fn delete(&mut self) -> Result<Vec<u8>, CardInvalidSw> {
        let deleted = self.hex("00E40200 02 CC01");
        for file in ["C401", "CE01"] {
            let absent = self.hex(&format!("00E40200 02 {file}"));
            assert!(matches!(absent, Ok(_) | Err(CardInvalidSw(0x6A82))));
        }
        deleted
    }

    /// `sign` with ECDSA and SHA-256; its Le is short.
    fn sign(&mut self) -> Result<Vec<u8>, CardInvalidSw> {
        self.hex("80680173 03 616263 00")
    }
}

#[test]
fn a_key_without_a_list_is_backed_up_and_restored_by_scripts() {
    for firmware in FIRMWARES {
        let mut script = Script::with_dkek(firmware);
        let request = script.generate(&[]).unwrap();
        assert_eq!(request.first(), Some(&0x67));
        // Description and request, as a script writes and reads them: all of a file in one reply.
        let description = hex("00D7C401 0B 54020000 53053003020101");
        assert_eq!(script.send(&description), Ok(vec![]));
        assert_eq!(script.hex("00B1C401 000004 54020000 0000"), Ok(hex("3003020101")));
        assert_eq!(script.hex("80580000 000000"), Ok(hex("2F02 C401 CC00 CC01")));

        let blob = script.wrap().unwrap();
        assert_eq!(script.delete(), Ok(vec![]));
        assert_eq!(script.sign(), Err(CardInvalidSw(0x6A88)));
        assert_eq!(script.unwrap(&blob), Ok(vec![]), "{firmware}");
        assert!(script.sign().is_ok(), "{firmware}");
        // Only CC01 comes back: the description is the script's to write.
        assert_eq!(script.hex("80580000 000000"), Ok(hex("2F02 CC00 CC01")));
    }
}

#[test]
fn a_script_sees_28416_where_3_1_imports_a_key_with_a_list() {
    let mut exported = Vec::new();
    for firmware in FIRMWARES {
        let mut script = Script::with_dkek(firmware);
        script.generate(&tlv(0x91, &[0x73, 0x92])).unwrap();
        assert!(script.sign().is_ok());
        let blob = script.wrap().unwrap();
        assert_eq!(script.delete(), Ok(vec![]));
        let imported = script.unwrap(&blob);
        if firmware == "3.1" {
            assert_eq!(imported, Err(CardInvalidSw(28_416)));
            assert_eq!(script.sign(), Err(CardInvalidSw(0x6A88)));
            exported = blob;
            // The card goes on working, and makes, exports and imports keys without a list.
            script.generate(&[]).unwrap();
            let blob = script.wrap().unwrap();
            assert_eq!(script.delete(), Ok(vec![]));
            assert_eq!(script.unwrap(&blob), Ok(vec![]));
        } else {
            assert_eq!(imported, Ok(vec![]), "{firmware}");
        }
        assert!(script.sign().is_ok(), "{firmware}");
    }
    for firmware in ["3.2", "3.4"] {
        let mut script = Script::with_dkek(firmware);
        assert_eq!(script.unwrap(&exported), Ok(vec![]), "{firmware}");
        assert!(script.sign().is_ok());
        let hash = format!("80680170 20 {SHARE} 00");
        assert_eq!(script.hex(&hash), Err(CardInvalidSw(0x6A81)), "the list came along");
    }
}

#[test]
fn selecting_the_applet_logs_a_script_out() {
    for firmware in FIRMWARES {
        let mut script = Script::with_dkek(firmware);
        assert_eq!(script.hex("00200081 00"), Ok(vec![]));
        assert!(script.hex("00A40404 0B E82B0601040181C31F0201").is_ok());
        assert_eq!(script.hex("00200081 00"), Err(CardInvalidSw(0x63C3)));
    }
}
