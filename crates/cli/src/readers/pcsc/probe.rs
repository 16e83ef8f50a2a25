//! What a client is, found out by serving it: the version that it speaks, and how many readers it
//! wants to be told of.

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

/// How long a client is silent that waits for more: it has nothing else to do.
const SILENCE: Duration = Duration::from_millis(300);

/// How long a client may take in all: one that waits for 48 readers is silent 32 times.
const PATIENCE: Duration = Duration::from_secs(60);

/// A library was never built for more readers.
const MOST: usize = 1024;

/// The size of a reader's state.
const STATE: usize = 184;

/// What a client has shown of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// It has come to the socket.
    pub(crate) came: bool,
    /// The minor version that it speaks, if that is one that the server speaks too.
    pub(crate) minor: Option<u32>,
    /// How many readers it has waited to be told of; unknown if it is told how many there are.
    pub(crate) entries: Option<usize>,
}

/// Lets a client come to the socket and shows it a server without readers.
pub(crate) fn probe(socket: &ListeningSocket, mut client: Command) -> Result<Findings, Failure> {
    let (report, findings) = mpsc::channel();
    let known = AtomicUsize::new(MAX_READERS_CONTEXTS);
    // An error is the end of the connection.
    socket.serve(move |stream| drop(serve(&stream, &report, &known)))?;
    let name = client.get_program().display().to_string();
    let client = client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let client =
        client.map_err(|error| Failure::because(format_args!("cannot run {name}"), error))?;
    wait(client);
    let mut found = Findings::default();
    // What it has shown last may still be on its way here.
    while let Ok(more) = findings.recv_timeout(SILENCE) {
        found.came = true;
        found.minor = more.minor.or(found.minor);
        found.entries = more.entries.max(found.entries);
    }
    Ok(found)
}

/// Waits for the client's end, and brings it about if that takes too long.
fn wait(mut client: Child) {
    let process = i32::try_from(client.id()).ok().and_then(Pid::from_raw);
    let (end, ended) = mpsc::channel::<()>();
    let waiting = thread::spawn(move || {
        // It fails for a client that somebody else has waited for.
        client.wait().ok();
        drop(end);
    });
    if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout)
        && let Some(process) = process
    {
        // It fails for a client that has just ended.
        kill_process(process, Signal::KILL).ok();
    }
    waiting.join().ok();
}

/// Serves a connection until it ends, and reports each thing that it shows. What is `known` of the
/// number of readers need not be found out again.
fn serve(stream: &UnixStream, report: &Sender<Findings>, known: &AtomicUsize) -> io::Result<()> {
    let mut found = Findings { came: true, ..Findings::default() };
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
        let is_states = reply.len() == MAX_READERS_CONTEXTS * STATE && found.minor != Some(6);
        let entries = known.load(Ordering::Acquire);
        if is_states {
            reply.resize(entries * STATE, 0);
        }
        outgoing.write_all(&reply)?;
        service.reply_sent(client);
        if is_states {
            let entries = feed(stream, &mut incoming, entries)?;
            known.fetch_max(entries, Ordering::Release);
            found.entries = Some(entries);
        }
        report.send(found).ok();
    }
    Ok(())
}

/// Sends more states, one by one, until the client has enough of them: how many that are, with
/// the `entries` that it has been sent.
fn feed(
    mut stream: &UnixStream,
    incoming: &mut BufReader<&UnixStream>,
    mut entries: usize,
) -> io::Result<usize> {
    stream.set_read_timeout(Some(SILENCE))?;
    while entries < MOST {
        match incoming.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.write_all(&[0; STATE])?;
                entries += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Another request, or the end.
            _ => break,
        }
    }
    stream.set_read_timeout(None)?;
    Ok(entries)
}
