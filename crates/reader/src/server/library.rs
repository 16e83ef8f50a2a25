//! The libpcsclite that clients load, examined by its file.

use crate::pcsc::{MAX_READERS_CONTEXTS, SOCKET_VARIABLE};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The library that clients are linked with.
const NAME: &str = "libpcsclite.so.1";

/// From 2.1.0 on that one only loads this one, which does the work.
const REAL: &str = "libpcsclite_real.so.1";

/// Folders that the loader searches for a library that is not in its cache, on various systems.
const FOLDERS: [&str; 6] =
    ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib", "/usr/local/lib64"];

/// The size of a reader's state in bytes, of which old libraries have an array.
const STATE_LENGTH: u64 = 184;

/// The number of readers that clients can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderLimits {
    /// The number of reader states that clients of version 4:5 or older read: see
    /// [`MAX_READERS_CONTEXTS`].
    pub max_readers_contexts: usize,
    /// The maximum of readers.
    pub max_readers: usize,
}

impl ReaderLimits {
    /// The limits of clients whose library was built for so many.
    #[must_use]
    pub const fn of(max_readers_contexts: usize) -> Self {
        Self { max_readers_contexts, max_readers: max_readers_contexts }
    }

    /// The limits of clients that load the installed library, or [`MAX_READERS_CONTEXTS`] if its
    /// file does not tell.
    #[must_use]
    pub fn installed() -> Self {
        PcscLibrary::find()
            .and_then(|library| library.reader_limits())
            .unwrap_or(Self::of(MAX_READERS_CONTEXTS))
    }
}

/// As many readers as two hexadecimal digits in their names can number.
const MANY: usize = 256;

/// A libpcsclite.
#[derive(Debug)]
pub struct PcscLibrary {
    /// The path of its file.
    pub path: PathBuf,
    image: Vec<u8>,
    redirection: Redirection,
}

/// How clients of `libpcsclite.so.1` reach the library that does the work. From version 2.1.0 on
/// that one only loads another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirection {
    /// It does the work itself.
    None,
    /// It loads the library that is installed with it.
    Usual,
    /// It loads the library that [`DELEGATE`](Self::DELEGATE) names.
    Delegate,
    /// There is no library of this name to load.
    NotFound(OsString),
}

impl Redirection {
    /// The environment variable that names another library.
    pub const DELEGATE: &str = "LIBPCSCLITE_DELEGATE";
}

impl PcscLibrary {
    /// The library that the loader finds for a program of this machine's architecture.
    #[must_use]
    pub fn find() -> Option<Self> {
        Self::find_with(|variable| env::var_os(variable))
    }

    /// The library that it finds with these environment variables.
    pub fn find_with(variable: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let folders = variable("LD_LIBRARY_PATH").unwrap_or_default();
        let path = search(NAME.as_ref(), &folders)?;
        let first = Self { image: fs::read(&path).ok()?, path, redirection: Redirection::None };
        if !first.mentions(Redirection::DELEGATE) {
            return Some(first);
        }
        let named = variable(Redirection::DELEGATE);
        let redirection = if named.is_some() { Redirection::Delegate } else { Redirection::Usual };
        let name = named.unwrap_or_else(|| REAL.into());
        let found = search(&name, &folders).and_then(|path| Some((fs::read(&path).ok()?, path)));
        Some(match found {
            Some((image, path)) => Self { path, image, redirection },
            None => Self { redirection: Redirection::NotFound(name), ..first },
        })
    }

    /// How clients reach it.
    #[must_use]
    pub const fn redirection(&self) -> &Redirection {
        &self.redirection
    }

    /// The number of readers that its clients can see; `None` if it does not connect to a server.
    ///
    /// Up to version 2.4.1 its zeroed memory is an array of the readers' states and little else:
    /// less than four states, and the number was a multiple of four in all builds examined. From
    /// 2.5 on it has no array, and asks the server.
    #[must_use]
    pub fn reader_limits(&self) -> Option<ReaderLimits> {
        if !self.mentions(SOCKET_VARIABLE) {
            return None;
        }
        let most = usize::try_from(zeroed(&self.image)? / STATE_LENGTH).ok()?;
        Some(match most / 4 * 4 {
            0 => ReaderLimits { max_readers_contexts: MAX_READERS_CONTEXTS, max_readers: MANY },
            count => ReaderLimits::of(count),
        })
    }

    /// Whether it ignores PCSCLITE_CSOCK_NAME in set-user-ID and set-group-ID programs: from
    /// version 2.1.0 on, when it came to be loaded by another library. That it uses `secure_getenv`
    /// tells nothing: 2.0 does for another variable.
    #[must_use]
    pub fn ignores_variable_when_privileged(&self) -> bool {
        self.redirection != Redirection::None
    }

    /// Whether `name` is a zero-terminated string in it.
    fn mentions(&self, name: &str) -> bool {
        let text = [name.as_bytes(), &[0]].concat();
        self.image.windows(text.len()).any(|window| window == text)
    }
}

/// Where the loader finds the library `name`, after a search in these folders; a name with a slash
/// is a path.
fn search(name: &OsStr, folders: &OsStr) -> Option<PathBuf> {
    if name.as_encoded_bytes().contains(&b'/') {
        return Some(PathBuf::from(name)).filter(|path| is_native(path));
    }
    let named = env::split_paths(folders).map(|folder| folder.join(name));
    let usual = FOLDERS.iter().map(|folder| Path::new(folder).join(name));
    let mut places = named.chain(cached(name)).chain(usual);
    places.find(|path| is_native(path))
}

/// The paths that the loader's cache has for a library: zero-terminated strings among other data.
fn cached(name: &OsStr) -> Vec<PathBuf> {
    let cache = fs::read("/etc/ld.so.cache").unwrap_or_default();
    let texts = cache.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok());
    let paths = texts.filter(|text| text.starts_with('/')).map(PathBuf::from);
    paths.filter(|path| path.file_name() == Some(name)).collect()
}

/// Whether a file is a library for programs like this one.
fn is_native(path: &Path) -> bool {
    // Class, byte order and machine: the rest of the first 20 bytes may differ.
    let kind = |path: &Path| -> io::Result<([u8; 6], [u8; 2])> {
        let (mut kind, mut between, mut machine) = ([0; 6], [0; 12], [0; 2]);
        let mut file = File::open(path)?;
        file.read_exact(&mut kind)?;
        file.read_exact(&mut between)?;
        file.read_exact(&mut machine)?;
        Ok((kind, machine))
    };
    let own = kind(Path::new("/proc/self/exe"));
    matches!((own, kind(path)), (Ok(own), Ok(library)) if own == library)
}

/// The size of a library's zeroed memory in bytes: what its segments have in memory beyond what
/// they have in the file.
///
/// Source: System V ABI, "Program Header".
fn zeroed(image: &[u8]) -> Option<u64> {
    let word = |at: usize, size: usize| {
        let bytes = image.get(at..at.checked_add(size)?)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let at = |at: u64| usize::try_from(at).ok();
    // Little-endian, of 64 or 32 bits.
    let is_wide = match image.get(..6)? {
        [0x7F, b'E', b'L', b'F', 2, 1] => true,
        [0x7F, b'E', b'L', b'F', 1, 1] => false,
        _ => return None,
    };
    let (table, size, count, in_file, in_memory, width) = if is_wide {
        (word(32, 8)?, word(54, 2)?, word(56, 2)?, 32, 40, 8)
    } else {
        (word(28, 4)?, word(42, 2)?, word(44, 2)?, 16, 20, 4)
    };
    let mut zeroed = 0;
    for header in 0..count {
        let header = at(table.checked_add(header * size)?)?;
        // PT_LOAD.
        if word(header, 4)? == 1 {
            let file = word(header + in_file, width)?;
            zeroed += word(header + in_memory, width)?.saturating_sub(file);
        }
    }
    Some(zeroed)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    /// A library of 64 bits with two segments, the second of which has `zeroed` bytes more in
    /// memory than in the file, and with a text in it.
    fn image(zeroed: u64, text: &str) -> Vec<u8> {
        let mut image = vec![0x7F, b'E', b'L', b'F', 2, 1];
        image.resize(64 + 2 * 56, 0);
        let mut put = |at: usize, bytes: &[u8]| {
            image.get_mut(at..at + bytes.len()).unwrap().copy_from_slice(bytes);
        };
        put(32, &64_u64.to_le_bytes());
        put(54, &56_u16.to_le_bytes());
        put(56, &2_u16.to_le_bytes());
        for (at, more) in [(64, 0), (120, zeroed)] {
            put(at, &1_u32.to_le_bytes());
            put(at + 32, &0x39A_u64.to_le_bytes());
            put(at + 40, &(0x39A + more).to_le_bytes());
        }
        image.extend(text.bytes().chain([0]));
        image
    }

    fn library(image: Vec<u8>) -> PcscLibrary {
        PcscLibrary { path: "/".into(), image, redirection: Redirection::None }
    }

    #[test]
    fn the_number_of_readers_is_in_the_size_of_the_library_s_memory() {
        let room = |zeroed| library(image(zeroed, SOCKET_VARIABLE)).reader_limits();
        // Debian's 1.9.9; upstream's 2.0.3, 2.3.3 and 2.4.1, built for several.
        for (zeroed, max_readers_contexts) in [
            (3302, 16),
            (3398, 16),
            (4134, 20),
            (3406, 16),
            (4878, 24),
            (3470, 16),
            (48 * STATE_LENGTH + 342, 48),
        ] {
            assert_eq!(room(zeroed), Some(ReaderLimits::of(max_readers_contexts)), "{zeroed}");
        }
        // 2.5.1 has no array: it asks how many there are.
        assert_eq!(room(550), Some(ReaderLimits { max_readers_contexts: 16, max_readers: 256 }));
        // A library that forwards all calls, as those that log do.
        assert_eq!(library(image(550, Redirection::DELEGATE)).reader_limits(), None);
    }

    /// A folder with libraries in it, which ends with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = env::temp_dir().join(format!("libraries-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        /// A library for this machine.
        fn put(&self, name: &str, image: Vec<u8>) -> PathBuf {
            let own = fs::read("/proc/self/exe").unwrap();
            let mut native = image;
            native.splice(..6, own.get(..6).unwrap().iter().copied());
            native.splice(18..20, own.get(18..20).unwrap().iter().copied());
            let path = self.0.join(name);
            fs::write(&path, native).unwrap();
            path
        }

        fn find(&self, delegate: Option<&OsStr>) -> PcscLibrary {
            let found = PcscLibrary::find_with(|variable| match variable {
                "LD_LIBRARY_PATH" => Some(self.0.clone().into()),
                Redirection::DELEGATE => delegate.map(Into::into),
                _ => None,
            });
            found.unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn a_library_before_2_1_minds_the_variable_in_every_program() {
        let folder = Folder::new("old");
        // As 2.0 does, which uses the function for another variable.
        let old = format!("{SOCKET_VARIABLE}\0secure_getenv");
        let path = folder.put(NAME, image(3398, &old));

        let found = folder.find(Some("/nowhere".as_ref()));

        assert_eq!((&found.path, found.ignores_variable_when_privileged()), (&path, false));
        assert_eq!(found.redirection(), &Redirection::None);
    }

    #[test]
    fn a_library_from_2_1_on_is_found_where_the_first_one_looks_for_it() {
        let folder = Folder::new("new");
        folder.put(NAME, image(24, Redirection::DELEGATE));
        let nowhere = folder.find(None);
        // Another one may be installed where the loader looks in the end.
        if nowhere.path.starts_with(&folder.0) {
            assert_eq!(nowhere.redirection(), &Redirection::NotFound(REAL.into()));
        }

        let real = folder.put(REAL, image(3406, SOCKET_VARIABLE));
        let other = folder.put("other.so", image(4878, SOCKET_VARIABLE));
        let usual = folder.find(None);
        let by_name = folder.find(Some("other.so".as_ref()));
        let by_path = folder.find(Some(other.as_os_str()));
        let missing = folder.find(Some("/nowhere/at all.so".as_ref()));

        assert_eq!((&usual.path, usual.redirection()), (&real, &Redirection::Usual));
        assert!(usual.ignores_variable_when_privileged());
        assert_eq!(usual.reader_limits(), Some(ReaderLimits::of(16)));
        for found in [by_name, by_path] {
            assert_eq!((&found.path, found.redirection()), (&other, &Redirection::Delegate));
            assert_eq!(found.reader_limits(), Some(ReaderLimits::of(24)));
        }
        assert_eq!(missing.redirection(), &Redirection::NotFound("/nowhere/at all.so".into()));
        assert_eq!(missing.reader_limits(), None);
    }

    #[test]
    fn no_file_is_too_odd_to_be_looked_at() {
        let whole = image(3302, SOCKET_VARIABLE);
        let headers = whole.len() - SOCKET_VARIABLE.len() - 1;
        // The last header ends with an alignment that is not read.
        for cut in 0..headers - 8 {
            assert_eq!(zeroed(whole.get(..cut).unwrap()), None, "cut at {cut}");
            assert_eq!(
                library(whole.get(..cut).unwrap().to_vec()).reader_limits(),
                None,
                "cut at {cut}"
            );
        }
        assert_eq!(zeroed(&[0xFF; 4096]), None);
    }
}
