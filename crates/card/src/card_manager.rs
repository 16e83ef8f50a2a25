//! The card manager: the application with which a card's issuer replaces the applet.
//!
//! SELECT chooses between it and the applet. After power-on and reset the card manager is selected,
//! so that a client begins with SELECT of the applet (the vendor in Nitrokey support thread 2169;
//! `sc_hsm_login` in sc-hsm-embedded, which had to select it once more after a reset).
//!
//! The issuer opens a channel, and in that deletes the applet, loads a package and installs it. All
//! of that is staged: until INSTALL has created the new applet the card is unchanged, also after a
//! reset at any moment before. INSTALL also acts as the issuer's certification authority, since a
//! card needs a certificate: it generates a new device key and signs the certificate for it.
//!
//! Source: GlobalPlatform Card Specification 2.1.1, chapter 9, for the commands. Which of them the
//! vendor's update service sends is not published: order, conditions, and status words where the
//! specification leaves a choice are a guess, and so is that a card without keys and files is a
//! condition of DELETE (the vendor says that it is one of the update).

mod context;
mod delete;
mod external_authenticate;
mod fields;
mod get_data;
mod get_status;
mod initialize_update;
mod install;
mod load;
mod loading;
mod put_key;
pub(crate) mod session;

pub(crate) use context::CardManagerContext;

use alloc::vec::Vec;
use session::CardManagerSession;
use vschsm_protocol::aid;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::instruction::{CARD_MANAGER, Instruction};
use vschsm_protocol::tlv;

/// What a command does. `Ok` commits what it changed; `Err` undoes it.
type CardManagerFunction = fn(&mut CardManagerContext<'_>, &Command) -> Result<Response, Status>;

/// A declared command, whether only an issuer who has authenticated may send it, and the function
/// that does it.
struct CardManagerCommand {
    instruction: Instruction,
    in_channel: InChannel,
    run: CardManagerFunction,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum InChannel {
    /// Opens a channel, and is not protected by it.
    Before,
    /// Protected as the channel's level requires, or without a channel.
    Maybe,
    Only,
}

const COMMANDS: &[CardManagerCommand] = &[
    row("INITIALIZE UPDATE", InChannel::Before, initialize_update::run),
    row("EXTERNAL AUTHENTICATE", InChannel::Before, external_authenticate::run),
    row("GET DATA", InChannel::Maybe, get_data::run),
    row("PUT KEY", InChannel::Only, put_key::run),
    row("DELETE", InChannel::Only, delete::run),
    row("INSTALL", InChannel::Only, install::run),
    row("LOAD", InChannel::Only, load::run),
    row("GET STATUS", InChannel::Only, get_status::run),
];

/// No command is declared without a function.
const _: () = assert!(COMMANDS.len() == CARD_MANAGER.len());

const fn row(name: &str, in_channel: InChannel, run: CardManagerFunction) -> CardManagerCommand {
    CardManagerCommand { instruction: Instruction::named(CARD_MANAGER, name), in_channel, run }
}

/// Whether SELECT by name with this data selects the card manager; without data it does.
///
/// Source: GlobalPlatform Card Specification 2.2, section 6.4.2.
#[must_use]
pub fn is_named_by(name: &[u8]) -> bool {
    name.is_empty() || (name.len() >= 5 && aid::CARD_MANAGER.starts_with(name))
}

/// Its FCI.
///
/// Source: the response of a JCOP in GlobalPlatformPro issue 192.
pub(crate) fn information() -> Vec<u8> {
    let proprietary = tlv::encode(0x9F65, &[0xFF]);
    [tlv::encode(0x84, &aid::CARD_MANAGER), tlv::encode(0xA5, &proprietary)].concat()
}

/// Unprotects a command in the channel, and runs it.
///
/// `6E00` for a class that is not 00, 80 or, with a MAC, 84; for an unknown instruction what the
/// profile says, `6D00` or `6E00`; `6982` for a command that needs a channel and is outside of one,
/// or is not protected as its level requires. A command with a wrong protection ends the channel,
/// and discards everything that is staged.
pub(crate) fn dispatch(
    cx: &mut CardManagerContext<'_>,
    command: &Command,
) -> Result<Response, Status> {
    if !matches!(command.cla, 0x00 | 0x80 | 0x84) {
        return Err(Status::CLASS_NOT_SUPPORTED);
    }
    let row = COMMANDS.iter().find(|row| row.instruction.ins == command.ins);
    let row = row.ok_or_else(|| cx.profile.behaviour().unknown_to_card_manager)?;
    if row.in_channel == InChannel::Before {
        return (row.run)(cx, command);
    }
    match &mut cx.session.channel {
        Some(channel) => {
            let opened = channel
                .unprotect(command)
                .inspect_err(|_| *cx.session = CardManagerSession::default())?;
            (row.run)(cx, &opened)
        }
        None if row.in_channel == InChannel::Maybe && command.cla != 0x84 => (row.run)(cx, command),
        None => Err(Status::SECURITY_STATUS_NOT_SATISFIED),
    }
}
