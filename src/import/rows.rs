//! The rows of a file, whatever its format: each is entries, skipped, or refused with a reason.

use crate::intake::Refused;
use crate::ledger::{NewEntry, Refusal};

use super::csv::CsvRows;
use super::lines::{Line, Lines};
use super::ndjson::NdjsonRows;
use super::{ImportError, Profile, Progress, ROW_BYTES_KEPT, SourceFile};

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// NDJSON if the first line begins with `{`, else CSV.
    #[default]
    Auto,
    /// Comma, semicolon or tab separated, with a header.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

impl Format {
    /// From its name.
    pub fn parse(text: &str) -> Option<Format> {
        match text {
            "auto" => Some(Format::Auto),
            "csv" => Some(Format::Csv),
            "ndjson" => Some(Format::Ndjson),
            _ => None,
        }
    }
}

/// One row of a file.
pub struct ReadRow {
    /// Its first line, from 1.
    pub line: u64,
    /// As it stands in the file, bounded to 2 KiB.
    pub raw: Vec<u8>,
    /// What it says.
    pub read: Read,
}

/// What a row says.
pub enum Read {
    /// One or more entries, recorded together or not at all.
    Entries(Vec<NewEntry>),
    /// A rule of the profile leaves it out.
    Skipped,
    /// It cannot be taken.
    Refused(Refused),
}

impl ReadRow {
    pub(super) fn new(line: u64, mut raw: Vec<u8>, read: Result<Option<Vec<NewEntry>>, Refusal>) -> ReadRow {
        raw.truncate(ROW_BYTES_KEPT);
        let read = match read {
            Ok(Some(entries)) => Read::Entries(entries),
            Ok(None) => Read::Skipped,
            Err(refusal) => Read::Refused(Refused { refusal, bytes: raw.clone() }),
        };
        ReadRow { line, raw, read }
    }

    pub(super) fn too_long(line: Line) -> ReadRow {
        ReadRow::new(line.number, line.bytes, Err(Refusal::unreadable("the line is longer than 1 MiB; is a line end missing?")))
    }
}

/// The rows of one file, in its order. After an error there are no more.
pub struct Rows<'a> {
    kind: Kind<'a>,
}

enum Kind<'a> {
    Csv(CsvRows<'a>),
    Ndjson(NdjsonRows<'a>),
    Ended,
}

impl<'a> Rows<'a> {
    /// Begins at the top: finds out the format and checks the header.
    pub fn open(
        file: &SourceFile,
        format: Format,
        profile: Option<&'a Profile>,
        progress: &'a dyn Progress,
    ) -> Result<Rows<'a>, ImportError> {
        let mut lines = Lines::new(file.text(progress)?);
        let Some(first) = lines.next_filled()? else {
            return Err(ImportError::Header("the file holds nothing but empty lines".into()));
        };
        let start = first.bytes.iter().find(|b| !b.is_ascii_whitespace()).copied();
        if format == Format::Auto && start == Some(b'[') {
            let text = "the file is a JSON list; write one object a line (NDJSON), without brackets and commas around them";
            return Err(ImportError::Header(text.into()));
        }
        let ndjson = format == Format::Ndjson || (format == Format::Auto && start == Some(b'{'));
        let kind = if ndjson {
            if profile.is_some() {
                return Err(ImportError::Header(
                    "a profile maps columns of CSV; NDJSON carries the fields of the contract".into(),
                ));
            }
            lines.put_back(vec![first]);
            Kind::Ndjson(NdjsonRows::new(lines))
        } else {
            Kind::Csv(CsvRows::new(first, lines, profile)?)
        };
        Ok(Rows { kind })
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<ReadRow, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.kind {
            Kind::Csv(rows) => rows.next(),
            Kind::Ndjson(rows) => rows.next(),
            Kind::Ended => return None,
        };
        if !matches!(next, Ok(Some(_))) {
            self.kind = Kind::Ended;
        }
        next.transpose()
    }
}
