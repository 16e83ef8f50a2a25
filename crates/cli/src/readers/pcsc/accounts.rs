//! Users and groups, by name or number.

use nix::unistd::{Group, Uid, User};

/// The number of the user that `text` names.
pub(super) fn user(text: &str) -> Result<u32, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let user = User::from_name(text).map_err(|error| error.to_string())?;
    user.map(|user| user.uid.as_raw()).ok_or_else(|| "there is no such user".into())
}

/// The number of the group that `text` names.
pub(super) fn group(text: &str) -> Result<u32, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let group = Group::from_name(text).map_err(|error| error.to_string())?;
    group.map(|group| group.gid.as_raw()).ok_or_else(|| "there is no such group".into())
}

/// A user with its name: `user 33 (www-data)`.
pub(crate) fn describe_user(number: u32) -> String {
    match User::from_uid(Uid::from_raw(number)) {
        Ok(Some(user)) => format!("user {number} ({})", user.name.escape_default()),
        _ => format!("user {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::Gid;

    #[test]
    fn users_and_groups_have_names_and_numbers() {
        assert_eq!(user("root"), Ok(0));
        assert_eq!(group("0"), Ok(0));
        let name = Group::from_gid(Gid::from_raw(0)).ok().flatten().map(|group| group.name);
        assert_eq!(group(&name.unwrap_or_default()), Ok(0));
        assert_eq!((user("100032"), group("100032")), (Ok(100_032), Ok(100_032)));
        for unknown in ["", "no such name", "-1", "4294967296"] {
            assert!(user(unknown).is_err() && group(unknown).is_err(), "{unknown:?}");
        }
        assert_eq!(describe_user(0), "user 0 (root)");
        assert_eq!(describe_user(4_000_000_000), "user 4000000000");
    }
}
