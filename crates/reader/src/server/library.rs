//! The libpcsclite that clients find, as far as its file tells.

use crate::pcsc::ENTRIES;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What clients ask the loader for.
const NAME: &str = "libpcsclite.so.1";

/// Since 2.1 that only finds this one, which does the work.
const REAL: &str = "libpcsclite_real.so.1";

/// Folders that the loader searches when no cache has said where, on one system or another.
const FOLDERS: [&str; 6] =
    ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib", "/usr/local/lib64"];

/// The size of a reader's state, of which old libraries have an array.
const STATE: u64 = 184;

/// For how many readers the clients' library was built, if it is the one that is installed here:
/// for as many as usual, if its file does not tell.
#[must_use]
pub fn expected_entries() -> usize {
    Library::find().and_then(|library| library.entries()).unwrap_or(ENTRIES)
}

/// A library.
#[derive(Debug)]
pub struct Library {
    /// Where it is.
    pub path: PathBuf,
    image: Vec<u8>,
}

impl Library {
    /// The one that the loader finds for a program of this machine's architecture.
    pub fn find() -> Option<Self> {
        let named = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        let named = std::env::split_paths(&named).map(|folder| folder.join(NAME));
        let usual = FOLDERS.iter().map(|folder| Path::new(folder).join(NAME));
        let mut places = named.chain(cached()).chain(usual);
        let path = places.find(|path| is_native(path))?;
        let real = path.with_file_name(REAL);
        let path = if is_native(&real) { real } else { path };
        let image = fs::read(&path).ok()?;
        Some(Self { path, image })
    }

    /// How many readers it wants to be told of, by the size of what it keeps in memory: that is an
    /// array of the readers' states and little else. None for a library without such an array.
    pub fn entries(&self) -> Option<usize> {
        let most = zeroed(&self.image)? / STATE;
        // The number is a multiple of 16 wherever one has been seen.
        usize::try_from(most / 16 * 16).ok().filter(|entries| *entries > 0)
    }

    /// Whether it turns a deaf ear to PCSCLITE_CSOCK_NAME in programs with the rights of another
    /// user than the one who runs them.
    pub fn is_careful(&self) -> bool {
        let name = b"secure_getenv\0";
        self.image.windows(name.len()).any(|window| window == name)
    }
}

/// The places that the loader's cache has for the library: in it, among other things, are paths
/// with a zero at the end of each.
fn cached() -> Vec<PathBuf> {
    let cache = fs::read("/etc/ld.so.cache").unwrap_or_default();
    let texts = cache.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok());
    let paths = texts.filter(|text| text.starts_with('/')).map(PathBuf::from);
    paths.filter(|path| path.file_name().is_some_and(|name| name == NAME)).collect()
}

/// Whether a file is a library for programs like this one.
fn is_native(path: &Path) -> bool {
    // Class, byte order and machine: all else in the first 20 bytes may differ.
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

/// How much memory a library wants that is zero at first: what its segments have in memory beyond
/// what they have in the file.
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
    /// memory than in the file.
    fn library(zeroed: u64) -> Library {
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
        Library { path: "/".into(), image }
    }

    #[test]
    fn the_number_of_readers_is_in_the_size_of_the_library_s_memory() {
        // Debian's 1.9.9; as much beside the array, of another size.
        assert_eq!(library(3302).entries(), Some(16));
        assert_eq!(library(48 * STATE + 358).entries(), Some(48));
        // 2.5 has no array.
        assert_eq!(library(300).entries(), None);
    }

    #[test]
    fn no_file_is_too_odd_to_be_looked_at() {
        let whole = library(3302).image;
        // The last header ends with an alignment that nobody asks for.
        for cut in 0..whole.len() - 8 {
            let image = whole.get(..cut).unwrap().to_vec();
            assert_eq!(Library { path: "/".into(), image }.entries(), None, "cut at {cut}");
        }
        let image = vec![0xFF; 4096];
        assert_eq!(Library { path: "/".into(), image }.entries(), None);
    }
}
