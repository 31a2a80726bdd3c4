//! `anchor.file`: every checkpoint that was signed, one after the other, in a place of the operator's choosing,
//! which may be another disk. Read back at each start, beside the one that is kept with the key.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use counterfoil_verify::Note;

/// Read from its end: some hundred notes, of which the newest of a log is wanted.
const TAIL: u64 = 64 * 1024;

/// The file, if one is configured.
#[derive(Clone, Debug)]
pub struct AnchorFile(Option<PathBuf>);

impl AnchorFile {
    /// The one of the setting `anchor.file`; empty: none.
    pub fn of(setting: &str) -> AnchorFile {
        AnchorFile(Some(setting).filter(|setting| !setting.is_empty()).map(PathBuf::from))
    }

    /// Appends a note; it is on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written, in words that name the file.
    pub fn append(&self, note: &str) -> Result<(), String> {
        let Some(path) = &self.0 else { return Ok(()) };
        let append = || {
            let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
            // What was half written before it keeps a line of its own.
            file.write_all(format!("\n{note}").as_bytes())?;
            file.sync_data()
        };
        append().map_err(|e| format!("anchor.file {}: {e}", path.display()))
    }

    /// The newest note of the log named `origin` among the last of the file, not yet trusted. One that was half
    /// written when power failed is passed over; a file that cannot be read is said in the program's log.
    pub fn newest(&self, origin: &str) -> Option<Note> {
        let path = self.0.as_deref()?;
        let bytes = tail(path).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "anchor.file cannot be read back: it tells nothing at this start");
            Vec::new()
        });
        let of_log = |note: &Note| note.unverified_text().lines().next() == Some(origin);
        Note::each(&bytes).iter().rev().find_map(|part| Note::find(part).filter(of_log))
    }
}

fn tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use counterfoil_verify::{Checkpoint, SignerKey};

    use super::*;

    fn note(origin: &str, size: u64) -> String {
        let key = SignerKey::from_seed(origin, [5; 32]).unwrap();
        Checkpoint::new(origin, size, [size as u8; 32]).sign(&[&key]).unwrap().to_string()
    }

    #[test]
    fn the_newest_note_of_a_log_is_found_at_the_end_of_a_long_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("anchors");
        let file = AnchorFile::of(path.to_str().unwrap());
        let newest = |origin: &str| file.newest(origin).map(|note| Checkpoint::parse(note.unverified_text()).unwrap().size);
        assert_eq!((newest("bank/a"), AnchorFile::of("").newest("bank/a")), (None, None), "no file yet, and none configured");
        (1..=1_000).for_each(|size| file.append(&note("bank/a", size)).unwrap());
        file.append(&note("bank/b", 7)).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() > TAIL);
        assert_eq!((newest("bank/a"), newest("bank/b"), newest("bank/c")), (Some(1_000), Some(7), None));
        // Power fails within a write.
        let half: String = note("bank/a", 1_001).chars().take(90).collect();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(half.as_bytes()).unwrap();
        assert_eq!(newest("bank/a"), Some(1_000));
        file.append(&note("bank/a", 1_002)).unwrap();
        assert_eq!(newest("bank/a"), Some(1_002), "what follows the torn one is found");
    }
}
