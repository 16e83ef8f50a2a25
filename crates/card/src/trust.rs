//! Whom the card believes: roots, and who they have vouched for since the last reset.

use crate::cvc::{Role, VerificationKey};
use crate::factory;
use alloc::vec::Vec;
use hex_literal::hex;

/// The holder of a key that certificates are verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trusted {
    /// The holder reference (CHR) of their certificate.
    pub(crate) holder: Vec<u8>,
    pub(crate) role: Role,
    pub(crate) key: VerificationKey,
}

/// The vendor's roots, of its products and of its tests: names and points.
///
/// Source: the vendor's card service for Java has their certificates, which are self-signed.
const VENDORS_ROOTS: [(&[u8], [u8; 65]); 2] = [
    (
        b"DESRCACC100001",
        hex!(
            "04 6D025A8026CDBA245F10DF1B72E9880FFF746DAB40A43A3D5C6BEBF27707C30F"
            "6DEA72430EE3287B0665C1EAA6EAA4FA26C46303001983F82BD1AA31E03DA062"
        ),
    ),
    (
        b"UTSRCACC100001",
        hex!(
            "04 A041FEB2FD116B2AD19CA6B7EACD71C9892F941BB88D67DCEEC92501F0700119"
            "57E22122BA6C2CF5FF02936F482E35A6129CCBBA8E9383836D3106879C408EF0"
        ),
    ),
];

/// The root of that name: one of the vendor's, or the test root.
pub(crate) fn root(holder: &[u8]) -> Option<Trusted> {
    let vendors = VENDORS_ROOTS.iter().find(|(name, _)| *name == holder);
    let point = match vendors {
        Some((_, point)) => point.to_vec(),
        None if holder == factory::ROOT => factory::root_point(),
        None => return None,
    };
    let key = VerificationKey::on_device_curve(point);
    Some(Trusted { holder: holder.to_vec(), role: Role::Root, key })
}
