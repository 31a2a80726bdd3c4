//! What comes in to be recorded, and what its sender gets back.

use serde_json::Value;

use crate::ids::Seq;
use crate::ledger::Refusal;

use super::change::NewChange;
use super::event::Told;
use super::judge::ReceiptHit;
use super::kinds::Kinds;

/// Bytes of a row that are at hand if it is refused.
const KEPT_BYTES: usize = 2_048;

/// A row of a submission.
pub struct Row {
    /// Its line or number, from 1.
    pub line: u64,
    /// What was read.
    pub change: Result<NewChange, Refusal>,
    /// As it was sent, bounded.
    pub bytes: Vec<u8>,
    /// Of one that could not be read: what can be told of it all the same.
    pub unread: Option<Unread>,
}

impl Row {
    /// Reads a row.
    pub fn read(line: u64, bytes: &[u8], kinds: &Kinds) -> Row {
        let change = NewChange::read(bytes, kinds);
        let unread = change.is_err().then(|| Unread::of(bytes));
        Row { line, change, bytes: kept(bytes), unread }
    }

    /// One that is none.
    pub fn refused(line: u64, refusal: Refusal, bytes: &[u8]) -> Row {
        Row { line, change: Err(refusal), bytes: kept(bytes), unread: Some(Unread::of(bytes)) }
    }
}

fn kept(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len().min(KEPT_BYTES)].to_vec()
}

/// What is told of a row that is no change, so that nothing sensitive of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Whether it declares something sensitive, or nobody can tell.
    pub declares: bool,
    /// The type and id that it names.
    pub names: Option<(String, String)>,
}

impl Unread {
    /// Of all that was sent, not only of what is kept of it.
    pub fn of(bytes: &[u8]) -> Unread {
        let word = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
        match serde_json::from_slice::<Value>(bytes) {
            Ok(Value::Object(members)) => {
                let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
                Unread { declares: members.contains_key("sensitive"), names: text("type").zip(text("id")) }
            }
            // Names may be written with escapes.
            _ => Unread { declares: word(b"sensitive") || word(b"\\u"), names: None },
        }
    }
}

/// From whom changes come.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The source.
    pub source: Seq,
    /// With which key.
    pub key: Option<Seq>,
    /// From which address or file.
    pub origin: Option<String>,
}

/// What became of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeResult {
    /// It is in the log.
    Recorded(ChangeReceipt),
    /// It was in the log: the first receipt.
    Duplicate(ChangeReceipt),
    /// It changes nothing, so it is not recorded; the record's newest change, if there is one.
    Unchanged(Option<Seq>),
    /// It is not.
    Rejected(Refusal),
}

/// What the sender keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeReceipt {
    /// Its place in the log.
    pub seq: Seq,
    /// The leaf's RFC 6962 hash.
    pub leaf: [u8; 32],
    /// The number of the change on the record, from 1.
    pub version: i64,
    /// Where `before` is not our last state: path, what we have, what was sent.
    pub mismatches: Vec<Told>,
    /// Card numbers that were masked.
    pub masked: u32,
    /// Rules it hit.
    pub hits: Vec<ReceiptHit>,
}
