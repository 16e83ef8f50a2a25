//! The paths that decide which file a path leads to.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The maximum of symbolic links that are followed, as in Linux.
const MAX_LINKS: usize = 40;

/// Every path on the way from `name`, which is absolute, to the file that it leads to: folders,
/// symbolic links and the file itself, each without links in its own path. When one of them is
/// added, removed or replaced, the name may lead to another file.
pub(super) fn path_elements(name: &Path) -> BTreeSet<PathBuf> {
    let mut elements = BTreeSet::new();
    let mut rest: VecDeque<OsString> = names(name).collect();
    let (mut here, mut links) = (PathBuf::from("/"), 0);
    while let Some(next) = rest.pop_front() {
        if next == ".." {
            here.pop();
            continue;
        }
        let element = here.join(&next);
        match fs::read_link(&element) {
            Ok(target) if links < MAX_LINKS => {
                links += 1;
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                rest = names(&target).chain(rest).collect();
            }
            // Not a link, or missing.
            _ => here.clone_from(&element),
        }
        elements.insert(element);
    }
    elements
}

fn names(path: &Path) -> impl Iterator<Item = OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_depends_on_every_folder_and_every_link_on_its_way() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        for path in ["one", "two"] {
            fs::create_dir(root.join(path)).expect("a folder");
        }
        fs::write(root.join("one/a.card"), "").expect("a file");
        symlink("one", root.join("data")).expect("a link");
        symlink("../two/../data/a.card", root.join("two/link.card")).expect("a link");
        symlink(root.join("two"), root.join("absolute")).expect("a link");

        let found = path_elements(&root.join("absolute/./link.card"));

        let of = |name: &&str| root.join(name);
        let wanted = ["absolute", "two", "two/link.card", "data", "one", "one/a.card"];
        let above = root.ancestors().filter(|above| *above != Path::new("/"));
        let wanted = wanted.iter().map(of).chain(above.map(Into::into));
        assert_eq!(found, wanted.collect());
    }

    #[test]
    fn links_in_a_circle_and_nothing_at_all_come_to_an_end() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        symlink("circle", root.join("circle")).expect("a link");
        assert!(path_elements(&root.join("circle/a.card")).contains(&root.join("circle")));
        assert!(path_elements(&root.join("no/where")).contains(&root.join("no/where")));
    }
}
