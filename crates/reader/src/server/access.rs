//! Who may connect to the server's socket: its user, root, and other users and groups by name.

use super::ServerError;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The users and groups that may connect to a socket, besides its own user and root.
///
/// None by default. The socket's permissions then enforce this, except for a server of root: what
/// root runs often becomes another user later on, as web servers do, and would fail without a
/// visible reason. There, and where others may connect, everybody can open the socket, and is
/// rejected by the peer credentials that the kernel reports, before a byte is read. Only Linux
/// reports them, so others cannot be named on other systems.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketAccess {
    /// User IDs.
    pub users: Vec<u32>,
    /// Group IDs; supplementary groups of a process count as well.
    pub groups: Vec<u32>,
}

/// A process that has connected.
pub(super) struct Peer {
    pub(super) user: u32,
    pub(super) is_admitted: bool,
}

impl SocketAccess {
    fn names_others(&self) -> bool {
        !self.users.is_empty() || !self.groups.is_empty()
    }

    /// Whether everybody may open the socket, and the server decides.
    fn is_decided_by_server(&self) -> bool {
        cfg!(target_os = "linux") && (self.names_others() || rustix::process::geteuid().is_root())
    }

    /// The permissions of the socket.
    pub(super) fn socket_mode(&self) -> u32 {
        if self.is_decided_by_server() { 0o666 } else { 0o600 }
    }

    /// The permissions of a folder for the socket alone, which others may never list.
    pub(super) fn folder_mode(&self) -> u32 {
        if self.is_decided_by_server() { 0o711 } else { 0o700 }
    }

    /// The first folder on the way to `path` that the named users and groups cannot pass, according
    /// to its permissions.
    #[must_use]
    pub fn first_closed_folder(&self, path: &Path) -> Option<PathBuf> {
        let path = std::path::absolute(path).ok()?;
        let is_closed = |folder: &&Path| {
            fs::metadata(folder).is_ok_and(|metadata| {
                let mode = metadata.mode();
                let is_theirs = mode & 0o100 != 0 && self.users.contains(&metadata.uid())
                    || mode & 0o010 != 0 && self.groups.contains(&metadata.gid());
                mode & 0o001 == 0 && !is_theirs
            })
        };
        let closed = path.ancestors().skip(1).filter(is_closed).last();
        closed.filter(|_| self.names_others()).map(Path::to_path_buf)
    }

    /// Fails where the kernel does not tell whether a process is of a named user or group.
    pub(super) fn check(&self) -> Result<(), ServerError> {
        if !self.names_others() {
            return Ok(());
        }
        if cfg!(not(target_os = "linux")) {
            return Err(ServerError::NoOtherUsers);
        }
        let own = rustix::process::geteuid().as_raw();
        let users = self.users.iter().copied().chain([own]).collect::<Vec<_>>();
        for (kind, ids) in [("uid", &users), ("gid", &self.groups)] {
            if let Some(id) = overflow_id(kind).filter(|id| ids.contains(id)) {
                return Err(ServerError::UnmappedId { kind, id });
            }
        }
        Ok(())
    }

    /// The process at the other end, and whether it may connect, if the kernel tells.
    #[cfg(target_os = "linux")]
    pub(super) fn examine(&self, stream: &UnixStream) -> Option<Peer> {
        use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
        // Not by `rustix`, where every process has a number: one of another PID namespace, as in a
        // container, may have the number 0 here.
        let peer = getsockopt(stream, PeerCredentials).ok()?;
        let (user, own) = (peer.uid(), rustix::process::geteuid().as_raw());
        let is_admitted = user == own
            || user == 0
            || self.users.contains(&user)
            || self.groups.contains(&peer.gid())
            || self.is_member(peer.pid(), user);
        Some(Peer { user, is_admitted })
    }

    /// The socket's permissions decide who may connect.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn examine(&self, _: &UnixStream) -> Option<Peer> {
        Some(Peer { user: rustix::process::geteuid().as_raw(), is_admitted: true })
    }

    /// Whether that process has one of the groups as a supplementary group.
    ///
    /// The peer credentials are of the moment when the process connected, and this is of now: if
    /// the process has ended and another has its number, that has to be of the same user, who could
    /// connect with it as well.
    #[cfg(target_os = "linux")]
    fn is_member(&self, process: i32, user: u32) -> bool {
        if self.groups.is_empty() {
            return false;
        }
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let numbers = |name: &str| -> Vec<u32> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().split_whitespace().flat_map(str::parse).collect()
        };
        // Real, effective, saved, and of the file system.
        numbers("Uid:").iter().all(|number| *number == user)
            && numbers("Groups:").iter().any(|group| self.groups.contains(group))
    }
}

/// The ID that stands for all users or groups that are not mapped here, if there are any.
///
/// Source: user_namespaces(7), "Unmapped user and group IDs".
fn overflow_id(kind: &str) -> Option<u32> {
    let map = fs::read_to_string(format!("/proc/self/{kind}_map")).ok()?;
    let lengths = map.lines().filter_map(|line| line.split_whitespace().nth(2));
    let mapped: u64 = lengths.flat_map(str::parse::<u64>).sum();
    if mapped >= u64::from(u32::MAX) {
        return None;
    }
    let number = fs::read_to_string(format!("/proc/sys/kernel/overflow{kind}")).ok()?;
    number.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn temporary(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("vschsm-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_folder_that_others_cannot_pass_is_found() -> std::io::Result<()> {
        let outer = temporary("first_closed_folder");
        let inner = outer.join("inner");
        fs::create_dir_all(&inner)?;
        let metadata = fs::metadata(&outer)?;
        let named = |users: &[u32], groups: &[u32]| {
            let access = SocketAccess { users: users.into(), groups: groups.into() };
            access.first_closed_folder(&inner.join("socket"))
        };
        let stranger = metadata.uid().wrapping_add(1);
        for (mode, users, groups, expected) in [
            (0o711, vec![stranger], vec![], None),
            (0o700, vec![], vec![], None),
            (0o700, vec![stranger], vec![], Some(&outer)),
            (0o710, vec![stranger], vec![], Some(&outer)),
            (0o710, vec![], vec![metadata.gid()], None),
            (0o700, vec![metadata.uid()], vec![], None),
        ] {
            fs::set_permissions(&outer, fs::Permissions::from_mode(mode))?;
            assert_eq!(named(&users, &groups).as_ref(), expected, "{mode:o} {users:?} {groups:?}");
        }
        fs::remove_dir_all(outer)
    }

    #[test]
    fn nobody_else_is_admitted_by_default_and_a_group_is_by_any_of_a_process_s()
    -> std::io::Result<()> {
        let (stream, _other) = UnixStream::pair()?;
        let is_admitted =
            |access: SocketAccess| access.examine(&stream).is_some_and(|peer| peer.is_admitted);
        assert!(is_admitted(SocketAccess::default()));
        let status = fs::read_to_string("/proc/self/status")?;
        let groups = status.lines().find_map(|line| line.strip_prefix("Groups:"));
        let (process, user) = (std::process::id(), rustix::process::geteuid().as_raw());
        let process = i32::try_from(process).unwrap_or_default();
        for group in groups.unwrap_or_default().split_whitespace().flat_map(str::parse) {
            let access = SocketAccess { users: Vec::new(), groups: vec![group] };
            assert!(access.is_member(process, user));
            // Another process has the number now, of another user.
            assert!(!access.is_member(process, user.wrapping_add(1)));
        }
        let access = SocketAccess { users: Vec::new(), groups: vec![u32::MAX - 1] };
        assert!(!access.is_member(process, user));
        Ok(())
    }
}
