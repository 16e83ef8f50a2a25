//! The commands of a card manager, in short form and not protected.

use super::{APPLET, CARD_MANAGER, HostPackage, MODULE, PACKAGE};

/// The most data of a LOAD that can be protected with encryption.
pub const LARGEST_BLOCK: usize = 239;

/// SELECT.
#[must_use]
pub fn select(application: &[u8]) -> Vec<u8> {
    with_le([0x00, 0xA4, 0x04, 0x00], application)
}

/// GET DATA.
#[must_use]
pub fn get_data(tag: u16) -> Vec<u8> {
    let [high, low] = tag.to_be_bytes();
    vec![0x80, 0xCA, high, low, 0x00]
}

/// GET STATUS of the card manager (80), applications (40), packages (20) or packages and their
/// modules (10), as data objects.
#[must_use]
pub fn get_status(scope: u8) -> Vec<u8> {
    with_le([0x80, 0xF2, scope, 0x02], &[0x4F, 0x00])
}

/// INITIALIZE UPDATE for the keys of that version.
#[must_use]
pub fn initialize_update(version: u8, challenge: &[u8; 8]) -> Vec<u8> {
    with_le([0x80, 0x50, version, 0x00], challenge)
}

/// DELETE of what has that name and all that came with it.
#[must_use]
pub fn delete(name: &[u8]) -> Vec<u8> {
    with_le([0x80, 0xE4, 0x00, 0x80], &[&[0x4F], field(name).as_slice()].concat())
}

/// INSTALL [for load] of the package with that hash.
#[must_use]
pub fn install_for_load(hash: &[u8]) -> Vec<u8> {
    let fields = [&PACKAGE[..], &CARD_MANAGER, hash, &[], &[]].map(field);
    with_le([0x80, 0xE6, 0x02, 0x00], &fields.concat())
}

/// LOAD of a block that is, or is not, the last one.
#[must_use]
pub fn load(place: BlockPosition, number: u8, block: &[u8]) -> Vec<u8> {
    with_le([0x80, 0xE8, place as u8, number], block)
}

/// Where in a package a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockPosition {
    /// Before others.
    Within = 0x00,
    /// At the end.
    Last = 0x80,
}

/// The LOADs of a package in blocks of that size.
///
/// # Panics
///
/// If they are more than 256.
#[must_use]
pub fn loads(package: &HostPackage, size: usize) -> Vec<Vec<u8>> {
    let blocks = package.blocks(size);
    let last = blocks.len() - 1;
    let place = |number| if number == last { BlockPosition::Last } else { BlockPosition::Within };
    let numbered = blocks.iter().enumerate();
    numbered.map(|(n, block)| load(place(n), u8::try_from(n).unwrap(), block)).collect()
}

/// INSTALL [for install and make selectable] of the applet.
#[must_use]
pub fn install() -> Vec<u8> {
    let fields = [&PACKAGE[..], &MODULE, &APPLET, &[0x00], &[0xC9, 0x00], &[]].map(field);
    with_le([0x80, 0xE6, 0x0C, 0x00], &fields.concat())
}

/// All the commands of an update, one after the other, in an open channel.
#[must_use]
pub fn update(package: &HostPackage, size: usize) -> Vec<Vec<u8>> {
    let mut commands = vec![delete(&PACKAGE), install_for_load(&package.hash())];
    commands.extend(loads(package, size));
    commands.push(install());
    commands
}

/// A value with its length, in one byte, before it.
#[must_use]
pub fn field(value: &[u8]) -> Vec<u8> {
    [&[u8::try_from(value.len()).expect("a short field")], value].concat()
}

/// A command with data that asks for all there is.
#[must_use]
pub fn with_le(header: [u8; 4], data: &[u8]) -> Vec<u8> {
    [&header[..], &field(data), &[0x00]].concat()
}
