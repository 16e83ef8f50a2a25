//! A probe of a client, by serving it: the version that it speaks, and the number of reader states
//! that it reads.

use crate::text::failure::Failure;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};
use vschsm_reader::pcsc::{Action, MAX_READERS_CONTEXTS, Service, ServiceOptions, WinscardMessage};
use vschsm_reader::server::ListeningSocket;

/// How long a client is silent when it waits for more states: it does nothing else then.
const SILENCE: Duration = Duration::from_millis(300);

/// How long a client may take in all: one that reads 48 states is silent 32 times.
const TIMEOUT: Duration = Duration::from_secs(60);

/// More states than any library reads.
const MAX_STATES: usize = 1024;

/// The size of a reader's state in bytes.
const STATE_LENGTH: usize = 184;

/// What the probe has found out about a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProbeFindings {
    /// It has connected.
    pub(crate) connected: bool,
    /// The minor version that it speaks, if that is one that the server speaks too.
    pub(crate) minor: Option<u32>,
    /// The number of reader states that it reads; unknown if it asks how many there are.
    pub(crate) reader_states: Option<usize>,
}

/// Runs a client with the socket of a server without readers.
pub(crate) fn probe(
    socket: &ListeningSocket,
    mut client: Command,
) -> Result<ProbeFindings, Failure> {
    let (report, findings) = mpsc::channel();
    let known = AtomicUsize::new(MAX_READERS_CONTEXTS);
    // An error is the end of the connection.
    socket.serve(move |stream| drop(serve(&stream, &report, &known)))?;
    let name = client.get_program().display().to_string();
    let client = client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let client =
        client.map_err(|error| Failure::because(format_args!("cannot run {name}"), error))?;
    wait(client);
    let mut found = ProbeFindings::default();
    // The last findings may still be on their way.
    while let Ok(more) = findings.recv_timeout(SILENCE) {
        found.connected = true;
        found.minor = more.minor.or(found.minor);
        found.reader_states = more.reader_states.max(found.reader_states);
    }
    Ok(found)
}

/// Waits for the client's end, and kills it if that takes too long.
fn wait(mut client: Child) {
    let process = i32::try_from(client.id()).ok().and_then(Pid::from_raw);
    let (end, ended) = mpsc::channel::<()>();
    let waiting = thread::spawn(move || {
        // It fails for a client that was waited for already.
        client.wait().ok();
        drop(end);
    });
    if ended.recv_timeout(TIMEOUT) == Err(RecvTimeoutError::Timeout)
        && let Some(process) = process
    {
        // It fails for a client that has just ended.
        kill_process(process, Signal::KILL).ok();
    }
    waiting.join().ok();
}

/// Serves a connection until it ends, and reports each finding. The number of states that is
/// `known` need not be found out again.
fn serve(
    stream: &UnixStream,
    report: &Sender<ProbeFindings>,
    known: &AtomicUsize,
) -> io::Result<()> {
    let mut found = ProbeFindings { connected: true, ..ProbeFindings::default() };
    report.send(found).ok();
    let options =
        ServiceOptions { power_off_grace_period: Duration::MAX, ..ServiceOptions::default() };
    let mut number = 0;
    let mut service = Service::new(options, move || {
        number += 1;
        number
    });
    let client = service.add_client();
    let (mut incoming, mut outgoing) = (BufReader::new(stream), stream);
    while let Some(message) = WinscardMessage::receive(&mut incoming)? {
        let action = service.request(client, &message, Duration::MAX, Instant::now());
        let mut reply = match action {
            Action::Reply(reply) => reply,
            Action::NoReply => continue,
            _ => return Ok(()),
        };
        found.minor = service.minor_version(client);
        let is_states =
            reply.len() == MAX_READERS_CONTEXTS * STATE_LENGTH && found.minor != Some(6);
        let states = known.load(Ordering::Acquire);
        if is_states {
            reply.resize(states * STATE_LENGTH, 0);
        }
        outgoing.write_all(&reply)?;
        service.reply_sent(client);
        if is_states {
            let states = feed(stream, &mut incoming, states)?;
            known.fetch_max(states, Ordering::Release);
            found.reader_states = Some(states);
        }
        report.send(found).ok();
    }
    Ok(())
}

/// Sends more states, one by one, until the client stops waiting: returns their number, with the
/// `states` that it was sent before.
fn feed(
    mut stream: &UnixStream,
    incoming: &mut BufReader<&UnixStream>,
    mut states: usize,
) -> io::Result<usize> {
    stream.set_read_timeout(Some(SILENCE))?;
    while states < MAX_STATES {
        match incoming.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.write_all(&[0; STATE_LENGTH])?;
                states += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Another request, or the end.
            _ => break,
        }
    }
    stream.set_read_timeout(None)?;
    Ok(states)
}
