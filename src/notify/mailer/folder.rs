//! Mail into files, for a demonstration or for another program to fetch.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::notify::messages::Letter;

use super::{Answer, MailerError};

/// Files of one mail (tries whose result was not recorded) at most.
const COPIES_MAX: u32 = 1_000;

/// A folder that mails are written to, one `.eml` file each, readable by the owner only.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder if it is not there.
    pub fn open(path: PathBuf) -> Result<Folder, MailerError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        match made {
            Ok(()) => Ok(Folder { path }),
            Err(error) => Err(MailerError::Folder(path, error.to_string())),
        }
    }

    /// Writes a mail so that a reader sees all of it or nothing, and a power cut leaves it there.
    pub fn keep(&self, letter: &Letter, raw: &[u8]) -> Answer {
        match self.write(letter, raw) {
            Ok(name) => Answer::Accepted(format!("written to {name}")),
            Err(error) => Answer::Unreachable(format!("the mail folder cannot be written to: {error}")),
        }
    }

    fn write(&self, letter: &Letter, raw: &[u8]) -> io::Result<String> {
        let stem = stem(letter);
        let half = self.path.join(format!(".{stem}.part"));
        // A half-written file of an earlier try is in the way.
        match fs::remove_file(&half) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
        file.write_all(raw)?;
        file.sync_all()?;
        let name = self.free_name(&stem)?;
        fs::rename(&half, self.path.join(&name))?;
        sync_folder(&self.path)?;
        Ok(name)
    }

    fn free_name(&self, stem: &str) -> io::Result<String> {
        let copies = (2..=COPIES_MAX).map(|copy| format!("{stem}.{copy}.eml"));
        let mut names = std::iter::once(format!("{stem}.eml")).chain(copies);
        let free = names.find(|name| !self.path.join(name).exists());
        free.ok_or_else(|| io::Error::other("too many copies of one mail; empty the folder"))
    }
}

/// `20261122T010203-alert.450.1`: time and the Message-ID's own part.
fn stem(letter: &Letter) -> String {
    let own = letter.message_id.trim_start_matches('<').split('@').next().unwrap_or_default();
    let plain: String = own.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
    format!("{}-{plain}", letter.date.utc().format("%Y%m%dT%H%M%S"))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::clock::Moment;

    #[test]
    fn a_mail_becomes_one_private_file_and_is_never_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path().join("out/going")).unwrap();
        let letter = Letter {
            message_id: "<alert.450.1.2@bank.example>".into(),
            recipient: "officer@bank.example".into(),
            subject: String::new(),
            text: String::new(),
            html: String::new(),
            date: Moment::parse("2026-11-22T01:02:03Z").unwrap(),
        };
        let first = folder.keep(&letter, b"one");
        assert_eq!(first, Answer::Accepted("written to 20261122T010203-alert.450.1.2.eml".into()));
        assert_eq!(folder.keep(&letter, b"two"), Answer::Accepted("written to 20261122T010203-alert.450.1.2.2.eml".into()));
        let mut names: Vec<_> =
            fs::read_dir(&folder.path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["20261122T010203-alert.450.1.2.2.eml", "20261122T010203-alert.450.1.2.eml"]);
        let file = folder.path.join("20261122T010203-alert.450.1.2.eml");
        assert_eq!(fs::read(&file).unwrap(), b"one");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder.path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_cannot_be_is_said() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), b"").unwrap();
        assert!(matches!(Folder::open(home.path().join("file/under")), Err(MailerError::Folder(..))));
    }
}
