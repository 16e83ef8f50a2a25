//! Writes the seeds of the corpora, and the dictionaries, where they belong; what fuzzing has
//! found, `found-…`, stays.

use std::path::Path;
use std::{fs, io};
use vschsm_testing::fuzzing::dictionaries::dictionaries;
use vschsm_testing::fuzzing::{TARGETS, seeds};

fn main() -> io::Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (target, _) in TARGETS {
        let folder = fuzz.join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with("found-") {
                fs::remove_file(entry.path())?;
            }
        }
    }
    for seeds::FuzzSeed { target, name, bytes } in seeds::all() {
        fs::write(fuzz.join("corpus").join(target).join(name), bytes)?;
    }
    fs::create_dir_all(fuzz.join("dictionaries"))?;
    for (name, text) in dictionaries() {
        fs::write(fuzz.join("dictionaries").join(name), text)?;
    }
    Ok(())
}
