//! A pcscd of one's own, with virtual readers.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Instant;

use tempfile::TempDir;

use crate::PATIENCE;
use crate::tool::installed;

/// The driver of Debian's package vsmartcard-vpcd.
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

/// Slots of one entry of `reader.conf`: fixed when Debian built the driver.
const SLOTS_PER_ENTRY: u16 = 2;

/// The configuration folder's name.
const CONF: &str = "reader.conf.d";

/// pcscd in a mount namespace of its own: its socket, whose path is compiled in, hides nobody's.
///
/// Clients reach it from outside through [`socket`](Self::socket). It ends when dropped.
#[derive(Debug)]
pub struct Pcscd {
    folder: TempDir,
    ports: Vec<u16>,
    daemon: Option<Child>,
}

impl Pcscd {
    /// Chooses ports for `slots` readers, but starts nothing yet.
    ///
    /// # Panics
    /// If the driver is not installed, or no ports are free.
    pub fn planned(slots: u16) -> Self {
        assert!(
            Path::new(DRIVER).is_file(),
            "{DRIVER} is missing: `apt-get install vsmartcard-vpcd`, or run `tests/run`"
        );
        let folder = TempDir::new().unwrap();
        // pcscd takes every file in its configuration folder for a list of readers.
        let conf = folder.path().join(CONF);
        fs::create_dir(&conf).unwrap();
        let mut entries = String::new();
        let mut ports = Vec::new();
        for entry in 0..slots.div_ceil(SLOTS_PER_ENTRY) {
            // Two entries that name the same file share the state of their slots.
            let driver = folder.path().join(format!("libifdvpcd{entry}.so"));
            fs::copy(DRIVER, &driver).unwrap();
            let port = free_ports();
            entries += &format!(
                "FRIENDLYNAME \"Virtual PCD {entry}\"\nDEVICENAME /dev/null:{port}\n\
                 LIBPATH {}\nCHANNELID {port}\n",
                driver.display()
            );
            ports.extend(port..port + SLOTS_PER_ENTRY);
        }
        fs::write(conf.join("reader.conf"), entries).unwrap();
        Self { folder, ports, daemon: None }
    }

    /// A running pcscd with `slots` readers.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn started(slots: u16) -> Self {
        let mut pcscd = Self::planned(slots);
        pcscd.start();
        pcscd
    }

    /// Starts the daemon and waits until it serves clients.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start(&mut self) {
        let log = self.folder.path().join("log");
        let said = File::create(&log).unwrap();
        let daemon = unshared()
            .args([
                "sh",
                "-c",
                "mount -t tmpfs tmpfs /run && mkdir /run/pcscd && exec \"$@\"",
                "sh",
            ])
            .arg(installed("pcscd"))
            .args(["--foreground", "--info", "--config"])
            .arg(self.configuration())
            .args(polkit_option())
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        // It opens its socket last of all.
        let socket = self.socket();
        let start = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            let ended = self
                .daemon
                .as_mut()
                .is_some_and(|daemon| daemon.try_wait().is_ok_and(|end| end.is_some()));
            assert!(
                !ended && start.elapsed() < PATIENCE,
                "pcscd does not start: {}",
                fs::read_to_string(&log).unwrap_or_default()
            );
            thread::yield_now();
        }
    }

    /// Ends the daemon at once, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }

    /// The folder with this pcscd's list of readers, as `/etc/reader.conf.d` is the machine's.
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join(CONF)
    }

    /// The address that the card for `slot` connects to, as `HOST:PORT`.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn address(&self, slot: usize) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.ports.get(slot).unwrap())
    }

    /// The name that clients know the reader of `slot` by.
    pub fn reader(slot: usize) -> String {
        let slots = usize::from(SLOTS_PER_ENTRY);
        format!("Virtual PCD {} 00 {:02X}", slot / slots, slot % slots)
    }

    /// The socket for clients outside the namespace, as `PCSCLITE_CSOCK_NAME`.
    ///
    /// # Panics
    /// If the daemon does not run.
    pub fn socket(&self) -> PathBuf {
        let pid = self.daemon.as_ref().unwrap().id();
        PathBuf::from(format!("/proc/{pid}/root/run/pcscd/pcscd.comm"))
    }
}

impl Drop for Pcscd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// `unshare` with a mount namespace, to which a program and its arguments are to be added.
///
/// A user who may not mount is root in a user namespace.
///
/// # Panics
/// If `unshare` is not installed.
pub fn unshared() -> Command {
    let mut command = Command::new(installed("unshare"));
    let mut trial = Command::new(installed("unshare"));
    let may_mount = trial.args(["--mount", "true"]).stderr(Stdio::null()).status().unwrap();
    command.arg("--mount");
    if !may_mount.success() {
        command.arg("--map-root-user");
    }
    command
}

/// pcscd 2 asks polkit who may use a card, which decides for the machine and not for a namespace.
fn polkit_option() -> Option<&'static str> {
    let help = Command::new(installed("pcscd")).arg("--help").output().unwrap();
    let option = "--disable-polkit";
    String::from_utf8_lossy(&help.stdout).contains(option).then_some(option)
}

/// The first of [`SLOTS_PER_ENTRY`] TCP ports in a row that nobody listens on.
///
/// Below the range that the system gives to outgoing connections; each is handed out once.
fn free_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let spread = u16::try_from(std::process::id() % 500).unwrap() * 16;
    loop {
        let offset = NEXT.fetch_add(SLOTS_PER_ENTRY, Ordering::Relaxed);
        assert!(offset < 4000, "no free TCP ports from {}", 20_000 + spread);
        let first = 20_000 + spread + offset;
        let free = |port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
        if (first..first + SLOTS_PER_ENTRY).all(free) {
            return first;
        }
    }
}
