//! In place of readers, where the program was built without PC/SC.

use crate::text::failure::Failure;
use std::marker::PhantomData;
use vschsm_host::{Transport, TransportError};

/// There is none.
pub(crate) enum Reader {}

/// Nor anybody who comes to one.
pub(crate) struct Visit<'a>(Reader, PhantomData<&'a ()>);

impl Reader {
    pub(crate) fn open(_name: &str) -> Result<Self, Failure> {
        Err(missing())
    }

    pub(crate) fn name(&self) -> &str {
        match *self {}
    }

    pub(crate) fn certificates(&self) -> &[u8] {
        match *self {}
    }
}

impl Transport for Reader {
    fn transmit(&mut self, _command: &[u8]) -> Result<Vec<u8>, TransportError> {
        match *self {}
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        match *self {}
    }
}

pub(crate) fn visit<T>(
    _name: &str,
    _talk: impl FnOnce(Visit<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    Err(missing())
}

impl Visit<'_> {
    pub(crate) fn name(&self) -> &str {
        match self.0 {}
    }

    pub(crate) fn certificates(&mut self) -> Result<Vec<u8>, Failure> {
        match self.0 {}
    }
}

impl Transport for Visit<'_> {
    fn transmit(&mut self, _command: &[u8]) -> Result<Vec<u8>, TransportError> {
        match self.0 {}
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        match self.0 {}
    }
}

pub(crate) fn name_of(_name: &str) -> Result<String, Failure> {
    Err(missing())
}

fn missing() -> Failure {
    Failure::Usage("this vschsm was built without PC/SC: its feature `pcsc` is missing".into())
}
