//! `anchor.file`: every checkpoint that was signed, one after the other, in a place of the operator's choosing,
//! which may be another disk. Looked at before the log goes on at each start, and whenever somebody else wrote to
//! it; [`filing`](super::filing) appends.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Take, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use counterfoil_verify::{Checkpoint, Note, Notes, Origin, VerifierKey};

/// A look takes in so much of the end: some ten thousand notes. `counterfoil verify` reads all.
const LOOK_MAX: u64 = 8 * 1024 * 1024;

/// The file, if one is configured.
#[derive(Clone, Debug)]
pub struct AnchorFile(Option<PathBuf>);

/// What the end of the file holds of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The checkpoint of most leaves that one of the log's keys signed.
    pub largest: Option<(Checkpoint, Note)>,
    /// Notes under the log's name, of more leaves than that one, that none of its keys signed.
    pub foreign: usize,
    /// How long the file was, in bytes.
    pub end: u64,
}

impl Look {
    /// What is to be said of those that none of the log's keys signed.
    pub fn warning(&self) -> Option<String> {
        (self.foreign > 0).then(|| {
            format!(
                "{} of its newest notes bear the name of this log and no key of it signed them: who wrote them?",
                self.foreign
            )
        })
    }
}

impl AnchorFile {
    /// The one of the setting `anchor.file`; empty: none.
    pub fn of(setting: &str) -> AnchorFile {
        AnchorFile(Some(setting).filter(|setting| !setting.is_empty()).map(PathBuf::from))
    }

    /// Whether one is configured.
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// How long it is, in bytes: 0 where it is not there yet; `None` if none is configured.
    ///
    /// # Errors
    /// When it is no plain file or cannot be looked at, in words that name it.
    pub fn end(&self) -> Result<Option<u64>, String> {
        let Some(path) = &self.0 else { return Ok(None) };
        match fs::metadata(path) {
            Ok(found) if found.is_file() => Ok(Some(found.len())),
            Ok(found) if found.is_dir() => Err(self.named("it is a folder; name a file")),
            // Opening a pipe would wait for whoever is at its other end.
            Ok(_) => Err(self.named("it is no plain file")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(0)),
            Err(error) => Err(self.named(error)),
        }
    }

    /// Appends a note; it is on the disk when this returns. Answers how long the file is then.
    ///
    /// # Errors
    /// When it cannot be written, in words that name the file.
    pub fn append(&self, note: &str) -> Result<u64, String> {
        let (Some(path), Some(_)) = (&self.0, self.end()?) else { return Ok(0) };
        let append = || {
            let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
            // What was half written before it keeps a line of its own.
            file.write_all(format!("\n{note}").as_bytes())?;
            file.sync_data()?;
            file.stream_position()
        };
        append().map_err(|error| self.named(error))
    }

    /// The notes between two places of the file, not yet trusted. One that was half written when power failed is passed
    /// over.
    ///
    /// # Errors
    /// When it cannot be opened, in words that name it.
    pub fn notes(&self, from: u64, to: u64) -> Result<Option<Notes<BufReader<Take<File>>>>, String> {
        let (Some(path), Some(1..)) = (&self.0, self.end()?) else { return Ok(None) };
        let open = || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(from))?;
            Ok(Notes::of(BufReader::with_capacity(1 << 16, file.take(to.saturating_sub(from)))))
        };
        open().map(Some).map_err(|error: std::io::Error| self.named(error))
    }

    /// The largest checkpoint of the log named `origin`, signed by one of its keys, in what stands behind `after`; of a
    /// file that is shorter than that, in all of it. `None` if no file is configured.
    ///
    /// # Errors
    /// When it cannot be read, in words that name it.
    pub fn look(&self, origin: &str, after: u64, keys: &[VerifierKey]) -> Result<Option<Look>, String> {
        let Some(end) = self.end()? else { return Ok(None) };
        let after = if after <= end { after } else { 0 };
        let mut notes = Vec::new();
        for note in self.notes(after.max(end.saturating_sub(LOOK_MAX)), end)?.into_iter().flatten() {
            let note = note.map_err(|error| self.named(error))?;
            let size = Checkpoint::parse(note.unverified_text()).ok().filter(|said| said.origin == origin).map(|said| said.size);
            notes.extend(size.map(|size| (size, note)));
        }
        notes.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
        let mut foreign = 0;
        for (_, note) in notes {
            match Checkpoint::open(&note, keys, Origin::OfKey) {
                Ok(signed) => return Ok(Some(Look { largest: Some((signed.checkpoint, note)), foreign, end })),
                Err(_) => foreign += 1,
            }
        }
        Ok(Some(Look { largest: None, foreign, end }))
    }

    /// The largest checkpoint in all of it of any log whose name begins so, whoever signed it: where no log is, none of
    /// its keys may be either.
    ///
    /// # Errors
    /// When it cannot be read, in words that name it.
    pub fn largest_named(&self, prefix: &str) -> Result<Option<Checkpoint>, String> {
        let Some(end) = self.end()? else { return Ok(None) };
        let mut largest: Option<Checkpoint> = None;
        for note in self.notes(0, end)?.into_iter().flatten() {
            let said = Checkpoint::parse(note.map_err(|error| self.named(error))?.unverified_text()).ok();
            let said = said.filter(|said| said.origin.starts_with(prefix));
            largest = said.filter(|said| largest.as_ref().is_none_or(|largest| largest.size < said.size)).or(largest);
        }
        Ok(largest)
    }

    /// Words that name the file.
    pub fn named(&self, what: impl std::fmt::Display) -> String {
        format!("anchor.file {}: {what}", self.0.as_deref().unwrap_or_else(|| std::path::Path::new("")).display())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use counterfoil_verify::SignerKey;

    use super::*;

    fn key(origin: &str) -> SignerKey {
        SignerKey::from_seed(origin, [5; 32]).unwrap()
    }

    fn note(origin: &str, size: u64) -> String {
        Checkpoint::new(origin, size, [size as u8; 32]).sign(&[&key(origin)]).unwrap().to_string()
    }

    struct Desk {
        _folder: tempfile::TempDir,
        path: PathBuf,
        file: AnchorFile,
    }

    impl Desk {
        fn new() -> Desk {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("anchors");
            Desk { file: AnchorFile::of(path.to_str().unwrap()), path, _folder: folder }
        }

        fn write(&self, text: &str) {
            OpenOptions::new().append(true).create(true).open(&self.path).unwrap().write_all(text.as_bytes()).unwrap();
        }

        fn look(&self, origin: &str) -> (Option<u64>, usize) {
            let look = self.file.look(origin, 0, &[key(origin).verifier()]).unwrap().unwrap();
            (look.largest.map(|(said, _)| said.size), look.foreign)
        }
    }

    #[test]
    fn the_largest_of_a_log_is_found_wherever_it_stands() {
        let desk = Desk::new();
        assert_eq!(desk.look("bank/a"), (None, 0), "no file yet");
        assert_eq!(AnchorFile::of("").look("bank/a", 0, &[]), Ok(None), "none configured");
        (1..=1_000).for_each(|size| assert!(desk.file.append(&note("bank/a", size)).is_ok()));
        let end = desk.file.append(&note("bank/b", 7)).unwrap();
        assert_eq!(end, fs::metadata(&desk.path).unwrap().len());
        assert_eq!((desk.look("bank/a"), desk.look("bank/b"), desk.look("bank/c")), ((Some(1_000), 0), (Some(7), 0), (None, 0)));
        // A genuine older one, and much else, hide nothing.
        desk.write(&note("bank/a", 3));
        desk.write(&"what others write\n".repeat(20_000));
        assert_eq!(desk.look("bank/a"), (Some(1_000), 0));
        // Power fails within a write.
        desk.write(&note("bank/a", 1_001).chars().take(90).collect::<String>());
        assert_eq!(desk.look("bank/a"), (Some(1_000), 0));
        desk.file.append(&note("bank/a", 1_002)).unwrap();
        assert_eq!(desk.look("bank/a"), (Some(1_002), 0), "what follows the torn one is found");
        let later = desk.file.look("bank/a", end, &[key("bank/a").verifier()]).unwrap().unwrap();
        assert_eq!(later.largest.unwrap().0.size, 1_002);
        assert_eq!(desk.file.look("bank/a", later.end, &[]).unwrap().unwrap().largest, None, "nothing since");
    }

    #[test]
    fn what_no_key_of_the_log_signed_is_counted_and_passed_over() {
        let desk = Desk::new();
        desk.write(&note("bank/a", 9));
        let stranger = SignerKey::from_seed("bank/a", [6; 32]).unwrap();
        (20..23).for_each(|size| desk.write(&Checkpoint::new("bank/a", size, [1; 32]).sign(&[&stranger]).unwrap().to_string()));
        assert_eq!(desk.look("bank/a"), (Some(9), 3));
    }

    #[test]
    fn what_is_no_plain_file_is_refused_before_it_is_opened() {
        let desk = Desk::new();
        // As a pipe would be, but made without another process, which would hold the locks of tests beside this one.
        let _listening = std::os::unix::net::UnixListener::bind(&desk.path).unwrap();
        for refused in [desk.file.append("x").err(), desk.file.look("bank/a", 0, &[]).err()] {
            assert!(refused.unwrap().contains("no plain file"));
        }
        let folder = AnchorFile::of(desk.path.parent().unwrap().to_str().unwrap());
        assert!(folder.append("x").unwrap_err().contains("it is a folder"));
    }

    #[test]
    fn a_log_is_known_by_how_its_name_begins() {
        let desk = Desk::new();
        desk.write(&format!(
            "{}\n{}\n{}",
            note("counterfoil/main/ab/g1", 4),
            note("counterfoil/main/ab/g1", 9),
            note("other", 30)
        ));
        let size = |prefix| desk.file.largest_named(prefix).unwrap().map(|said| said.size);
        assert_eq!((size("counterfoil/main/"), size("counterfoil/second/")), (Some(9), None));
    }
}
