//! `FILE.rejects.csv`: the refused rows with line, field, code and reason, for whoever sent them.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::export::cells::{Cell, write_csv};
use crate::ledger::Refusal;

/// Rows listed; more are counted only, and the last line says so.
const LISTED_MAX: u64 = 100_000;

const HEADER: [&str; 5] = ["line", "field", "code", "reason", "row"];

/// The list, made with its first row.
pub(super) struct Rejects {
    path: PathBuf,
    /// Of an interrupted run: rows up to this line stay listed.
    keep_to: Option<u64>,
    open: Option<(PathBuf, BufWriter<File>)>,
    listed: u64,
    failed: Option<io::Error>,
}

impl Rejects {
    /// For a file; a run that starts over removes the list of the last one.
    pub fn new(file: &Path, keep_to: Option<u64>) -> Rejects {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(".rejects.csv");
        let path = file.with_file_name(name);
        if keep_to.is_none() {
            // Not there is the usual case; one that cannot be removed is heard of when it is made.
            let _ = std::fs::remove_file(&path);
        }
        Rejects { path, keep_to, open: None, listed: 0, failed: None }
    }

    /// Lists a row. A list that cannot be written does not stop the import.
    pub fn add(&mut self, line: u64, refusal: &Refusal, raw: &[u8]) {
        self.listed += 1;
        if self.failed.is_some() || self.listed > LISTED_MAX + 1 {
            return;
        }
        let row = match self.listed > LISTED_MAX {
            true => reject_cells("", "", "more", "further rows were refused; correct these and import again", ""),
            false => {
                let raw: String = String::from_utf8_lossy(raw).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                reject_cells(&line.to_string(), refusal.field.as_deref().unwrap_or(""), refusal.code, &refusal.detail, &raw)
            }
        };
        if let Err(error) = self.writer().and_then(|out| write_csv(out, &row)) {
            self.failed = Some(error);
        }
    }

    fn writer(&mut self) -> io::Result<&mut BufWriter<File>> {
        if self.open.is_none() {
            let kept = self.kept();
            let made = create(&self.path).map(|file| (self.path.clone(), file));
            // The folder may be one that can only be read: then beside whoever runs the command.
            let beside = || self.path.file_name().map(PathBuf::from).ok_or(io::ErrorKind::NotFound);
            let (path, file) = made.or_else(|_| beside().map_err(io::Error::from).and_then(|p| Ok((p.clone(), create(&p)?))))?;
            let mut out = BufWriter::new(file);
            out.write_all(HEADER.join(",").as_bytes())?;
            out.write_all(b"\r\n")?;
            for row in kept {
                write_csv(&mut out, &row)?;
            }
            self.open = Some((path, out));
        }
        match &mut self.open {
            Some((_, out)) => Ok(out),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// What an interrupted run listed, up to the line where this one goes on.
    fn kept(&self) -> Vec<[Cell; 5]> {
        let Some(keep_to) = self.keep_to else { return Vec::new() };
        let Ok(reader) = csv::Reader::from_path(&self.path) else { return Vec::new() };
        let rows = reader.into_records().map_while(Result::ok).take(LISTED_MAX as usize);
        let before = rows.filter(|row| row.get(0).and_then(|n| n.parse::<u64>().ok()).is_some_and(|line| line <= keep_to));
        let cell = |row: &csv::StringRecord, at| row.get(at).unwrap_or("").to_owned();
        let kept = before.map(|row| {
            [0, 1, 2, 3, 4].map(|at| if at == 0 { Cell::Plain(cell(&row, at)) } else { Cell::Written(cell(&row, at)) })
        });
        kept.collect()
    }

    /// Ends the list: where it is, or why it is not.
    pub fn finish(mut self) -> (Option<PathBuf>, Option<String>) {
        if let Some((_, out)) = &mut self.open
            && let Err(error) = out.flush()
        {
            self.failed.get_or_insert(error);
        }
        let kept_only = self.open.is_none() && self.keep_to.is_some() && self.path.is_file();
        let path = self.open.map(|(path, _)| path).or(kept_only.then_some(self.path));
        (path, self.failed.map(|error| error.to_string()))
    }
}

fn reject_cells(line: &str, field: &str, code: &str, reason: &str, row: &str) -> [Cell; 5] {
    let text = |text: &str| Cell::Text(text.to_owned());
    [Cell::Plain(line.to_owned()), text(field), text(code), text(reason), text(row)]
}

/// A new file that only its owner reads; what lay there, even a link, is removed first.
fn create(path: &Path) -> io::Result<File> {
    if path.symlink_metadata().is_ok() {
        std::fs::remove_file(path)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refusal() -> Refusal {
        Refusal::field("amount_invalid", "amount", "`=1+1` is not a decimal amount")
    }

    #[test]
    fn the_list_is_private_guarded_and_only_made_when_there_is_something_to_list() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("day.csv.zst");
        assert_eq!(Rejects::new(&file, None).finish(), (None, None));
        let mut rejects = Rejects::new(&file, None);
        rejects.add(7, &refusal(), b"=cmd()|x,\"a\"\0,\xff");
        let (path, error) = rejects.finish();
        let path = path.unwrap();
        assert_eq!((path.file_name().unwrap().to_str().unwrap(), error), ("day.csv.zst.rejects.csv", None));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "line,field,code,reason,row\r\n7,amount,amount_invalid,`=1+1` is not a decimal amount,\"'=cmd()|x,\"\"a\"\" ,\u{fffd}\"\r\n"
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_resumed_run_keeps_what_was_listed_before_its_first_row() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("day.csv");
        let mut first = Rejects::new(&file, None);
        first.add(2, &refusal(), b"=kept");
        first.add(9, &refusal(), b"listed again");
        first.finish();
        let mut second = Rejects::new(&file, Some(5));
        second.add(9, &refusal(), b"listed again");
        let text = std::fs::read_to_string(second.finish().0.unwrap()).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains(",'=kept\r\n9,"), "{text}");
        let (path, _) = Rejects::new(&file, Some(99)).finish();
        assert!(path.is_some(), "nothing new, but the list is still there");
        Rejects::new(&file, None).finish();
        assert!(!folder.path().join("day.csv.rejects.csv").exists(), "a run that starts over starts with no list");
    }
}
