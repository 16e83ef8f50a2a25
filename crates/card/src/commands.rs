//! The commands, one file each, and which function runs for which instruction.

mod change_reference_data;
mod cipher;
mod decipher;
mod delete_file;
mod derive_ec_key;
mod derive_xkek;
mod enumerate_objects;
mod external_authenticate;
mod general_authenticate;
mod generate_asymmetric_key_pair;
mod generate_session_pin;
mod generate_symmetric_key;
mod get_challenge;
mod initialize_device;
mod manage_key_domain;
mod manage_public_key_authentication;
mod manage_security_environment;
mod read_binary;
mod refill_quota;
mod reset_retry_counter;
mod select;
mod sign;
mod unwrap_key;
mod update_binary;
mod verify;
mod verify_certificate;
mod wrap_key;

use crate::context::Context;
use crate::profile::Restriction;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::instruction::{APPLET, Class, Instruction};

/// What a command does. `Ok` commits what it changed; `Err` undoes it, except PIN tries and key
/// uses that were spent.
type AppletFunction = fn(&mut Context<'_>, &Command) -> Result<Response, Status>;

/// A declared command, and the function that does it.
struct AppletCommand {
    instruction: Instruction,
    run: AppletFunction,
}

const COMMANDS: &[AppletCommand] = &[
    row("VERIFY", verify::run),
    row("MANAGE SECURITY ENVIRONMENT", manage_security_environment::run),
    row("CHANGE REFERENCE DATA", change_reference_data::run),
    row("VERIFY CERTIFICATE", verify_certificate::run),
    row("RESET RETRY COUNTER", reset_retry_counter::run),
    row("REFILL QUOTA", refill_quota::run),
    row("GENERATE ASYMMETRIC KEY PAIR", generate_asymmetric_key_pair::run),
    row("GENERATE SYMMETRIC KEY", generate_symmetric_key::run),
    row("INITIALIZE DEVICE", initialize_device::run),
    row("MANAGE KEY DOMAIN", manage_key_domain::run),
    row("MANAGE PUBLIC KEY AUTHENTICATION", manage_public_key_authentication::run),
    row("ENUMERATE OBJECTS", enumerate_objects::run),
    row("GENERATE SESSION PIN", generate_session_pin::run),
    row("DERIVE XKEK", derive_xkek::run),
    row("DECIPHER", decipher::run),
    row("SIGN", sign::run),
    row("WRAP KEY", wrap_key::run),
    row("UNWRAP KEY", unwrap_key::run),
    row("DERIVE EC KEY", derive_ec_key::run),
    row("CIPHER", cipher::run),
    row("EXTERNAL AUTHENTICATE", external_authenticate::run),
    row("GET CHALLENGE", get_challenge::run),
    row("GENERAL AUTHENTICATE", general_authenticate::run),
    row("SELECT", select::run),
    row("READ BINARY", read_binary::run),
    row("UPDATE BINARY", update_binary::run),
    row("DELETE FILE", delete_file::run),
];

/// No command is declared without a function.
const _: () = assert!(COMMANDS.len() == APPLET.len());

const fn row(name: &str, run: AppletFunction) -> AppletCommand {
    AppletCommand { instruction: Instruction::named(APPLET, name), run }
}

/// Whether a command selects an application, which works in either application.
pub(crate) fn selects_application(command: &Command) -> bool {
    select::is_by_name(command)
}

/// Runs the command, which is unprotected already; `6D00` for an instruction that the
/// firmware does not have, and for a proprietary one in class `00` what the firmware says.
pub(crate) fn dispatch(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    let row = COMMANDS.iter().find(|row| row.instruction.matches(command.ins, command.p2));
    let row = row.filter(|_| cx.profile.knows(command.ins));
    let row = row.ok_or(Status::INSTRUCTION_NOT_SUPPORTED)?;
    if row.instruction.class == Class::Proprietary && command.cla == 0x00 {
        cx.profile.restrict(Restriction::ProprietaryInClass00)?;
    }
    (row.run)(cx, command)
}
