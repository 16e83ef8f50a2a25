//! In place of readers, where the program was built without PC/SC.

use crate::text::failure::Failure;
use std::fmt;
use std::marker::PhantomData;
use vschsm_host::{Transport, TransportError};

/// There is none.
pub(crate) enum Reader {}

/// Nor anybody who comes to one.
pub(crate) struct SharedReader<'a>(Reader, PhantomData<&'a ()>);

/// Why there is no reader: the program was built without PC/SC.
pub(crate) struct ReaderError;

impl fmt::Display for ReaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this vschsm was built without PC/SC: its feature `pcsc` is missing")
    }
}

impl From<ReaderError> for Failure {
    fn from(error: ReaderError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl Reader {
    pub(crate) fn open(_name: &str) -> Result<Self, ReaderError> {
        Err(ReaderError)
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

pub(crate) fn with_shared<R, E: From<ReaderError>>(
    _name: &str,
    _talk: impl FnOnce(SharedReader<'_>) -> Result<R, E>,
) -> Result<R, E> {
    Err(ReaderError.into())
}

impl SharedReader<'_> {
    pub(crate) fn name(&self) -> &str {
        match self.0 {}
    }

    pub(crate) fn certificates(&mut self) -> Result<Vec<u8>, ReaderError> {
        match self.0 {}
    }
}

impl Transport for SharedReader<'_> {
    fn transmit(&mut self, _command: &[u8]) -> Result<Vec<u8>, TransportError> {
        match self.0 {}
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        match self.0 {}
    }
}

pub(crate) fn name_of(_name: &str) -> Result<String, ReaderError> {
    Err(ReaderError)
}
