//! Files and standard input, read up to a limit: a device or a pipe without an end does not fill
//! the memory.

use crate::text::failure::Failure;
use crate::text::secret::Secret;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// The longest file in bytes, except for cards. Firmware files, scripts, certificates and keys are
/// much shorter.
const LONGEST: u64 = 1 << 20;

/// The content of a file that an option names.
pub(crate) fn bytes(path: &Path) -> Result<Secret<Vec<u8>>, Failure> {
    bytes_up_to(path, LONGEST)
}

/// The same with another limit in bytes.
pub(crate) fn bytes_up_to(path: &Path, longest: u64) -> Result<Secret<Vec<u8>>, Failure> {
    let read = File::open(path).and_then(|file| read(file, longest));
    read.map_err(|error| Failure::because(format_args!("cannot read {}", path.display()), error))
}

/// The text in a file that an option names.
pub(crate) fn text(path: &Path) -> Result<Secret, Failure> {
    text_of(&bytes(path)?)
        .map_err(|error| Failure::because(format_args!("cannot read {}", path.display()), error))
}

/// All of standard input, which is text.
pub(crate) fn standard() -> Result<Secret, Failure> {
    read(io::stdin().lock(), LONGEST)
        .and_then(|bytes| text_of(&bytes))
        .map_err(|error| Failure::because("cannot read standard input", error))
}

/// The lines of an input, up to `longest` bytes each.
pub(crate) fn lines(
    mut input: impl BufRead,
    longest: u64,
) -> impl Iterator<Item = io::Result<String>> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match input.by_ref().take(longest + 1).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) if line.len() as u64 > longest => Some(Err(too_long(longest))),
            Ok(_) => {
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                Some(text_of(line).map(|line| line.to_string()))
            }
            Err(error) => Some(Err(error)),
        }
    })
}

/// The lines of standard input.
pub(crate) fn standard_lines() -> impl Iterator<Item = Result<String, Failure>> {
    let failed = |error| Failure::because("cannot read standard input", error);
    lines(io::stdin().lock(), LONGEST).map(move |line| line.map_err(failed))
}

fn read(input: impl Read, longest: u64) -> io::Result<Secret<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    input.take(longest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        return Err(too_long(longest));
    }
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

fn too_long(longest: u64) -> io::Error {
    let sentence = format!("it is longer than the limit of {longest} bytes");
    io::Error::new(io::ErrorKind::FileTooLarge, sentence)
}

fn text_of(bytes: &[u8]) -> io::Result<Secret> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))?;
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_without_an_end_is_read_to_the_limit() {
        for longest in [0, 1, 100] {
            let mut input = io::repeat(b'x');
            assert!(read(&mut input, longest).is_err(), "{longest}");
            assert!(read((&mut input).take(longest), longest).is_ok(), "{longest}");
        }
        assert!(bytes(Path::new("/dev/zero")).is_err());
    }

    #[test]
    fn lines_are_as_long_as_they_may_be() {
        let read = |text: &str| {
            let lines = lines(io::Cursor::new(text.to_owned()), 3);
            lines.map(|line| line.map_err(|error| error.kind())).collect::<Vec<_>>()
        };
        assert_eq!(read(""), []);
        assert_eq!(read("a\n\nb\r\ncd"), ["a", "", "b", "cd"].map(|line| Ok(line.into())));
        assert_eq!(read("abc"), [Ok("abc".into())]);
        assert_eq!(read("abcd").first(), Some(&Err(io::ErrorKind::FileTooLarge)));
    }
}
