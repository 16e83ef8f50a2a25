//! The names of what is on a card: application identifiers (AID) of card manager and applet.

/// The card manager, in GlobalPlatform's words the issuer security domain.
///
/// Source: JCOP's, as the vendor's scripts select it.
pub const CARD_MANAGER: [u8; 8] = [0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00];

/// The applet: ISO "E8" and the object identifier 1.3.6.1.4.1.24991.2.1.
pub const APPLET: [u8; 11] = [0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x01];

/// The package of the applet.
///
/// Source: the vendor's scripts for GlobalPlatform cards, `gp/explore-core.js` in scsh-scripts,
/// which know package, module and instance by name.
pub const PACKAGE: [u8; 12] =
    [0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x7F, 0x01];

/// The module in the package of which the applet is the instance. Source: the same.
pub const MODULE: [u8; 13] =
    [0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x7F, 0x01, 0x01];
