//! Weak AES keys, as firmware 3.1 and 3.2 generate them: a warning, or strong ones instead.

use crate::text::output;
use clap::Args;
use std::fmt;
use vschsm_card::Card;

/// The option of every command that makes or opens a card for use.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct AesKeys {
    /// Generate strong AES keys on firmware 3.1 and 3.2 too, where those of genuine cards are weak;
    /// the card's file does not remember it
    #[arg(long)]
    strong_aes: bool,
}

impl AesKeys {
    /// Lets a card generate strong keys if the option is given, and warns of weak ones otherwise.
    pub(crate) fn apply(self, card: &mut Card, name: impl fmt::Display) {
        if !card.profile().generates_weak_aes_keys() {
            return;
        }
        if self.strong_aes {
            card.use_strong_aes_keys();
            return;
        }
        output::warn(format_args!(
            "{name}: firmware {} generates weak AES keys, which anybody can guess, as genuine \
             cards do; --strong-aes makes them strong",
            card.profile().name()
        ));
    }
}
