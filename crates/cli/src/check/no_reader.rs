//! In place of readers, where the program was built without PC/SC.

use crate::failure::Failure;
use vectors::Medium;

/// There is none.
pub(crate) enum Reader {}

impl Reader {
    pub(crate) fn open(_name: &str) -> Result<Self, Failure> {
        let sentence = "this vschsm was built without PC/SC: its feature `pcsc` is missing";
        Err(Failure::Usage(sentence.into()))
    }

    pub(crate) fn name(&self) -> &str {
        match *self {}
    }
}

impl Medium for Reader {
    fn transmit(&mut self, _command: &[u8]) -> Result<Vec<u8>, String> {
        match *self {}
    }

    fn reset(&mut self) -> Result<(), String> {
        match *self {}
    }
}
