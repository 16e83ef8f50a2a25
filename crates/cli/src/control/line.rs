//! A request's line. Clients may take their time to send its start, but not a long rest.

use super::LONGEST;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest line in bytes, unless a field in these bytes announces a longer one.
const SHORT: u64 = 64 << 10;

/// The fields that announce a longer line.
const LONG: [&[u8]; 2] = [b"\"image\"", b"\"faults\""];

/// How long a client may take to send a long line, while others wait to send theirs.
const LONG_LINE_TIMEOUT: Duration = Duration::from_secs(10);

/// A received line.
pub(super) struct Received<'a> {
    pub(super) line: Vec<u8>,
    /// Held for a long line or response.
    pub(super) long: Option<MutexGuard<'a, ()>>,
    /// False if the line is longer than what was read.
    pub(super) is_whole: bool,
}

/// The next line of a client; `None` when it has hung up.
pub(super) fn receive<'a>(
    incoming: &mut BufReader<&UnixStream>,
    long: &'a Mutex<()>,
) -> io::Result<Option<Received<'a>>> {
    let mut line = Vec::new();
    if incoming.by_ref().take(SHORT).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let is_whole = (line.len() as u64) < SHORT || line.ends_with(b"\n");
    let is_announced = |field: &&[u8]| line.windows(field.len()).any(|here| here == *field);
    if is_whole || !LONG.iter().any(is_announced) {
        return Ok(Some(Received { line, long: None, is_whole }));
    }
    let guard = lock(long);
    let is_whole = receive_rest(incoming, &mut line)?;
    Ok(Some(Received { line, long: Some(guard), is_whole }))
}

/// Waits until no other client has a long line or response.
pub(super) fn lock(long: &Mutex<()>) -> MutexGuard<'_, ()> {
    long.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads the rest of a long line; false if it is longer than allowed. Fails after a timeout.
fn receive_rest(incoming: &mut BufReader<&UnixStream>, line: &mut Vec<u8>) -> io::Result<bool> {
    let begun = Instant::now();
    let stream = *incoming.get_ref();
    while (line.len() as u64) < LONGEST && !line.ends_with(b"\n") {
        let left = LONG_LINE_TIMEOUT.checked_sub(begun.elapsed()).filter(|left| !left.is_zero());
        stream.set_read_timeout(Some(left.ok_or(io::ErrorKind::TimedOut)?))?;
        let here = incoming.fill_buf()?;
        if here.is_empty() {
            return Ok(true);
        }
        let end = here.iter().position(|byte| *byte == b'\n').map_or(here.len(), |end| end + 1);
        line.extend(here.iter().take(end));
        incoming.consume(end);
    }
    stream.set_read_timeout(None)?;
    Ok(line.ends_with(b"\n"))
}
