//! The check on new cards in this process.

use super::{KEY, Transfer, state, stopped};
use crate::card::personalisation;
use crate::commands::check::flows::{Dialogue, ImportOutcome, LIST, carry_over, export, import};
use crate::process::seed::Seed;
use crate::text::failure::Failure;
use vschsm_card::Card;
use vschsm_card::personalisation::PersonalisationData;
use vschsm_card::profile::{BUILT_IN, Profile};

/// Checks cards of these firmwares, or of all; on each, or from it to one of `import_on`.
pub(super) fn check(names: &[String], import_on: Option<&str>) -> Result<Vec<Transfer>, Failure> {
    let names: Vec<&str> = match names {
        [] => BUILT_IN.iter().map(|(name, _)| *name).collect(),
        names => names.iter().map(String::as_str).collect(),
    };
    let transfer = |name| {
        let exporting = personalisation::firmware(Some(name))?;
        let importing = import_on.map(|name| personalisation::firmware(Some(name))).transpose()?;
        let importing = importing.as_ref().unwrap_or(&exporting);
        Ok(Transfer {
            from: firmware(&exporting),
            to: firmware(importing),
            without_list: carried(&exporting, importing, &[])?,
            with_list: carried(&exporting, importing, &LIST)?,
        })
    };
    names.into_iter().map(transfer).collect()
}

/// Makes a key on a card of one firmware, exports it, and imports it on a card of the other.
fn carried(
    exporting: &Profile,
    importing: &Profile,
    attributes: &[u8],
) -> Result<ImportOutcome, Failure> {
    let mut home = prepared(exporting)?;
    let mut home = Dialogue::with(&mut home);
    if exporting == importing {
        let outcome = carry_over(&mut home, KEY, attributes);
        return outcome.map_err(|trouble| stopped(exporting.name(), trouble));
    }
    let exported = export(&mut home, KEY, attributes);
    let exported = exported.map_err(|trouble| stopped(exporting.name(), trouble))?;
    let mut away = prepared(importing)?;
    let outcome = import(&mut Dialogue::with(&mut away), KEY, &exported);
    outcome.map_err(|trouble| stopped(importing.name(), trouble))
}

fn prepared(firmware: &Profile) -> Result<Card, Failure> {
    let card = Card::new(&PersonalisationData::default(), firmware.clone(), Seed::random()?.into());
    let mut card = card.map_err(|error| Failure::because("cannot make the card", error))?;
    let prepared = state()?.prepare(&mut card);
    prepared.map_err(|trouble| stopped(firmware.name(), trouble))?;
    Ok(card)
}

fn firmware(profile: &Profile) -> String {
    format!("firmware {}", profile.name())
}
