//! What is sent, as the text it is sent as: the same bytes each time.

use crate::change::Change;
use crate::entry::Entry;
use crate::error::Error;
use crate::time::rfc3339;

/// The longest row, in bytes: what the server takes of a line.
pub const ROW_MAX: usize = 128 * 1024;

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowKind {
    /// A balance change.
    Entry,
    /// A change of any other record.
    Change,
}

impl RowKind {
    /// `entry` or `change`
    pub fn text(self) -> &'static str {
        match self {
            RowKind::Entry => "entry",
            RowKind::Change => "change",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<RowKind> {
        [RowKind::Entry, RowKind::Change].into_iter().find(|kind| kind.text() == text)
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            RowKind::Entry => "/api/v1/entries",
            RowKind::Change => "/api/v1/changes?atomic=true",
        }
    }

    /// Rows of one request at most. Those of changes are recorded together or not at all, so that a change which must
    /// wait holds back those after it.
    pub(crate) fn rows_max(self) -> usize {
        match self {
            RowKind::Entry => 1_000,
            RowKind::Change => 200,
        }
    }
}

/// An entry or a change on its way, as JSON text on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    kind: RowKind,
    source_ref: String,
    json: String,
}

impl Row {
    /// An entry as it is sent.
    ///
    /// # Errors
    /// When it is longer than any row may be.
    pub fn entry(entry: &Entry) -> Result<Row, Error> {
        Row::of(RowKind::Entry, &entry.source_ref, serde_json::to_string(entry))
    }

    /// A change as it is sent.
    ///
    /// # Errors
    /// When it is longer than any row may be.
    pub fn change(change: &Change) -> Result<Row, Error> {
        Row::of(RowKind::Change, &change.source_ref, serde_json::to_string(change))
    }

    /// A change that may wait before it is sent: one without an instant gets that of now.
    ///
    /// # Errors
    /// As [`Row::change`].
    pub fn waiting_change(change: &Change) -> Result<Row, Error> {
        if change.changed_at.is_some() {
            return Row::change(change);
        }
        Row::change(&change.clone().at(rfc3339(std::time::SystemTime::now())))
    }

    /// A row that was kept as text, for example in an outbox table.
    ///
    /// # Errors
    /// When it is no JSON object with a `source_ref`, or longer than any row may be.
    pub fn parse(kind: RowKind, json: &str) -> Result<Row, Error> {
        #[derive(serde::Deserialize)]
        struct Head {
            source_ref: String,
        }
        let head: Head = serde_json::from_str(json).map_err(|e| Error::Invalid(format!("the row is not readable: {e}")))?;
        // Line breaks in JSON stand between its parts only.
        Row::of(kind, &head.source_ref, Ok(json.replace(['\n', '\r'], " ")))
    }

    fn of(kind: RowKind, source_ref: &str, json: serde_json::Result<String>) -> Result<Row, Error> {
        let json = json.map_err(|e| Error::Invalid(format!("it has no JSON: {e}")))?;
        if json.len() > ROW_MAX {
            return Err(Error::Invalid(format!("{source_ref} has {} bytes; a row has at most {ROW_MAX}", json.len())));
        }
        Ok(Row { kind, source_ref: source_ref.to_owned(), json })
    }

    /// What it is.
    pub fn kind(&self) -> RowKind {
        self.kind
    }

    /// The sender's reference of it.
    pub fn source_ref(&self) -> &str {
        &self.source_ref
    }

    /// Its JSON, on one line.
    pub fn json(&self) -> &str {
        &self.json
    }
}
