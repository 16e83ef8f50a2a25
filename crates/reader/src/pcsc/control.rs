//! Features and attributes of a reader: the facts of one device, and what its driver makes of them.
//!
//! A Nitrokey HSM is its own reader, and libccid its driver: this returns what
//! `IFDHGetCapabilities` and `IFDHControl` of libccid return.
//!
//! Source: libccid, `src/ifdhandler.c` of 1.5.2 and 1.8.2, and `readers/Nitrokey_HSM.txt`; PC/SC
//! part 10 (features, TLV properties); pcsc-lite, `src/PCSC/reader.h.in` and `ifdhandler.h`.

use super::ReturnCode;
use super::reader::{ReaderContext, ReaderDescription};

/// A USB device, from its descriptors.
struct UsbDevice {
    id_vendor: u16,
    id_product: u16,
    bcd_device: u16,
    max_slot_index: u8,
    max_ccid_message_length: u32,
    /// 0: there is no display.
    lcd_layout: u16,
    /// A virtual bus.
    bus: u8,
}

const NITROKEY_HSM: UsbDevice = UsbDevice {
    id_vendor: 0x20A0,
    id_product: 0x4230,
    bcd_device: 0x0100,
    max_slot_index: 0,
    max_ccid_message_length: 271,
    lcd_layout: 0,
    bus: 1,
};

/// The length of the header of a CCID message.
const CCID_HEADER: u32 = 10;

/// USB in CHANNEL_ID.
const USB: u32 = 0x0020;

/// CM_IOCTL_GET_FEATURE_REQUEST; the second is that of Windows, for its remote desktops.
const FEATURE_REQUEST: u32 = 0x4200_0D48;
const FEATURE_REQUEST_OF_WINDOWS: u32 = 0x0031_3520;
/// An escape command to the reader.
const ESCAPE: u32 = 0x4200_0001;
/// libccid's control codes of features: this plus the number of the feature.
const FEATURE: u32 = 0x4233_0000;
const PIN_PROPERTIES: u32 = FEATURE + 0x0A;
const TLV_PROPERTIES: u32 = FEATURE + 0x12;

/// The result of CONTROL. With `extended`, the data length of extended APDUs is announced, which
/// OpenSC then uses throughout; 0 otherwise.
pub(super) fn control(code: u32, extended: bool) -> Result<Vec<u8>, ReturnCode> {
    let device = &NITROKEY_HSM;
    match code {
        // A tag, the length of a control code, and the code in network byte order. No PIN pad: with
        // one, clients would let the reader ask for PINs.
        FEATURE_REQUEST | FEATURE_REQUEST_OF_WINDOWS => {
            Ok([&[0x12, 4], TLV_PROPERTIES.to_be_bytes().as_slice()].concat())
        }
        TLV_PROPERTIES => {
            let longest = if extended { 0x1_0000_u32 } else { 0 };
            let properties: [(u8, &[u8]); 6] = [
                (0x01, &device.lcd_layout.to_le_bytes()),
                // bTimeOut2: there is one timeout.
                (0x03, &[0]),
                // bPPDUSupport: escape commands are not forwarded.
                (0x09, &[0]),
                (0x0B, &device.id_vendor.to_le_bytes()),
                (0x0C, &device.id_product.to_le_bytes()),
                (0x0A, &longest.to_le_bytes()),
            ];
            let tlv = |(tag, value): (u8, &[u8])| {
                let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
                [&[tag, length], value].concat()
            };
            Ok(properties.into_iter().flat_map(tlv).collect())
        }
        PIN_PROPERTIES => {
            let [low, high] = device.lcd_layout.to_le_bytes();
            // Any way to end the entry of a PIN, and one timeout.
            Ok(vec![low, high, 7, 0])
        }
        ESCAPE => Err(ReturnCode::NOT_TRANSACTED),
        _ => Err(ReturnCode::UNSUPPORTED_FEATURE),
    }
}

/// The value of an attribute.
///
/// Strings end with a zero. Numbers have four bytes, in the byte order of the host.
pub(super) fn attribute(attribute: u32, reader: &ReaderContext) -> Result<Vec<u8>, ReturnCode> {
    let device = &NITROKEY_HSM;
    let ReaderDescription { name, vendor, serial } = &reader.description;
    let text = |text: &str| [text.as_bytes(), &[0]].concat();
    let number = |number: u32| Vec::from(number.to_ne_bytes());
    Ok(match attribute {
        // VENDOR_NAME, VENDOR_IFD_VERSION, VENDOR_IFD_SERIAL_NO
        0x0001_0100 => text(vendor),
        0x0001_0102 => number(u32::from(device.bcd_device) << 16),
        0x0001_0103 => text(serial),
        // CHANNEL_ID; no two devices of a bus have the same address, and none has 0 or 1.
        0x0002_0110 => {
            let address = reader.id.0 % 126 + 2;
            number(USB << 16 | u32::from(device.bus) << 8 | address)
        }
        // MAXINPUT
        0x0007_A007 => number(device.max_ccid_message_length - CCID_HEADER),
        // ICC_PRESENCE, ICC_INTERFACE_STATUS
        0x0009_0300 => vec![if reader.has_card() { 2 } else { 0 }],
        0x0009_0301 => vec![u8::from(reader.has_card())],
        // ATR_STRING, and the driver's own number for it; empty without a card.
        0x0009_0303 | 0x0303 => reader.atr().unwrap_or_default().into(),
        // The driver's own: whether it and its slots are thread-safe, the number of slots, and the
        // maximum of readers.
        0x0FAC | 0x0FAD => vec![1],
        0x0FAE => vec![device.max_slot_index + 1],
        0x0FAF => vec![255],
        // DEVICE_FRIENDLY_NAME and DEVICE_SYSTEM_NAME, which are pcscd's.
        0x7FFF_0003 | 0x7FFF_0004 => text(name),
        _ => return Err(ReturnCode::UNSUPPORTED_FEATURE),
    })
}
