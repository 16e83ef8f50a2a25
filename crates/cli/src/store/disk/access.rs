//! The owner and the permissions of a card's file: the same before a save and after it, or less.

use super::error::Cause;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

/// Gives `new` the owner, the group and the permissions of `old`, or fewer permissions.
pub(super) fn keep_access(old: &File, new: &File) -> Result<(), Cause> {
    let metadata = old.metadata()?;
    let (uid, gid, mode) = (metadata.uid(), metadata.gid(), metadata.permissions().mode());
    let kept = keep_owner((uid, gid), new, |uid, gid| fchown(new, Some(uid), Some(gid)))?;
    let mode = if kept && keep_list(old, new)? { mode & 0o7777 } else { without_group(mode) };
    Ok(new.set_permissions(Permissions::from_mode(mode))?)
}

/// Gives `new` its owner and group by `give`; false if it has another group.
///
/// A user need not be in the group of their own file, and then cannot give it to another one.
fn keep_owner(
    (uid, gid): (u32, u32),
    new: &File,
    give: impl FnOnce(u32, u32) -> io::Result<()>,
) -> Result<bool, Cause> {
    let created = new.metadata()?;
    if (uid, gid) == (created.uid(), created.gid()) {
        return Ok(true);
    }
    match give(uid, gid) {
        Ok(()) => Ok(true),
        Err(error) if uid == created.uid() && error.kind() == io::ErrorKind::PermissionDenied => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// The permissions of a file whose group could not be kept. Its members count as others now, so the
/// others' permissions are limited to the group's.
fn without_group(mode: u32) -> u32 {
    let others = mode & 0o007 & (mode >> 3);
    mode & 0o700 | others
}

/// Gives `new` the access control list of `old`, if it has one: its mask replaces the group's
/// permissions. False if the list could not be kept.
#[cfg(target_os = "linux")]
fn keep_list(old: &File, new: &File) -> Result<bool, Cause> {
    use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr};
    use rustix::io::Errno;
    const NAME: &str = "system.posix_acl_access";
    /// The longest extended attribute in Linux, in bytes.
    const LONGEST: usize = 64 << 10;

    let mut list = vec![0; LONGEST];
    match fgetxattr(old, NAME, list.as_mut_slice()) {
        Ok(length) => {
            let list = list.get(..length).unwrap_or_default();
            Ok(fsetxattr(new, NAME, list, XattrFlags::empty()).is_ok())
        }
        // One that the folder has given to the new file.
        Err(Errno::NODATA) => match fremovexattr(new, NAME) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(true),
            Err(error) => Err(error.into()),
        },
        Err(Errno::OPNOTSUPP) => Ok(true),
        Err(_) => Ok(false),
    }
}

#[cfg(not(target_os = "linux"))]
fn keep_list(_: &File, _: &File) -> Result<bool, Cause> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_its_owner_is_not_in_is_given_up_and_an_owner_is_not() {
        let file = tempfile::tempfile().expect("a file");
        let metadata = file.metadata().expect("it is open");
        let (uid, gid) = (metadata.uid(), metadata.gid());
        let refused = |_, _| Err(io::ErrorKind::PermissionDenied.into());
        let never = |_, _| unreachable!("it is theirs already");
        assert!(matches!(keep_owner((uid, gid), &file, never), Ok(true)));
        assert!(matches!(keep_owner((uid, gid + 1), &file, |_, _| Ok(())), Ok(true)));
        assert!(matches!(keep_owner((uid, gid + 1), &file, refused), Ok(false)));
        assert!(matches!(keep_owner((uid + 1, gid), &file, refused), Err(Cause::Io(_))));
    }

    /// The permissions of a user who is in the group, or in no group of the file.
    fn rights(mode: u32, is_in_group: bool) -> u32 {
        if is_in_group { mode >> 3 & 7 } else { mode & 7 }
    }

    #[test]
    fn without_its_group_nobody_may_more_than_before() {
        for mode in 0..=0o777 {
            let new = without_group(mode);
            assert_eq!(new & 0o700, mode & 0o700, "the owner, {mode:o}");
            for was_in in [false, true] {
                for is_in in [false, true] {
                    let (old, new) = (rights(mode, was_in), rights(new, is_in));
                    assert_eq!(new & !old, 0, "{mode:o}: {was_in} {is_in}");
                }
            }
        }
    }
}
