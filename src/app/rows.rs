//! Rows of a submission as text, for their way through the inbox.

use serde::{Deserialize, Serialize};

use crate::intake::{Receipt, ReceiptBreak, ReceiptHit, Refused, Row, RowResult, Told};
use crate::ledger::{Draft, Refusal};

/// A row: read, or refused when it was read.
#[derive(Debug, Serialize, Deserialize)]
pub struct WireRow {
    line: u64,
    entry: Option<Draft>,
    refused: Option<WireRefusal>,
    bytes: Option<String>,
    with_next: bool,
}

/// What became of a row.
#[derive(Debug, Serialize, Deserialize)]
pub enum WireResult {
    /// It is in the log.
    Recorded(WireReceipt),
    /// It was in the log.
    Duplicate(WireReceipt),
    /// It is not.
    Rejected(WireRefusal),
}

/// A receipt as text.
#[derive(Debug, Serialize, Deserialize)]
pub struct WireReceipt {
    seq: i64,
    leaf: String,
    position: i64,
    hits: Vec<ReceiptHit>,
    breaks: Vec<ReceiptBreak>,
    #[serde(default)]
    told: Told,
    #[serde(default)]
    masked: u32,
}

/// A refusal as text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WireRefusal {
    status: u16,
    code: String,
    field: Option<String>,
    detail: String,
    #[serde(default)]
    first: Option<i64>,
}

impl WireRow {
    /// For the way out.
    pub fn from_row(row: &Row) -> WireRow {
        let (entry, refused, bytes) = match &row.entry {
            Ok(entry) => (Some(Draft::from(entry)), None, None),
            Err(unread) => {
                let bytes = String::from_utf8_lossy(&unread.bytes).into_owned();
                (None, Some(WireRefusal::from(&unread.refusal)), Some(bytes))
            }
        };
        WireRow { line: row.line, entry, refused, bytes, with_next: row.with_next }
    }

    /// On arrival: read again, because text is not to be trusted.
    pub fn into_row(self) -> Row {
        let bytes = self.bytes.unwrap_or_default().into_bytes();
        let entry = match (self.entry, self.refused) {
            (Some(draft), _) => draft.check().map_err(|refusal| Refused { refusal, bytes }),
            (None, Some(refused)) => Err(Refused { refusal: refused.into(), bytes }),
            (None, None) => Err(Refused { refusal: Refusal::unreadable("an empty row"), bytes }),
        };
        Row { line: self.line, entry, with_next: self.with_next }
    }
}

impl From<&Refusal> for WireRefusal {
    fn from(refusal: &Refusal) -> WireRefusal {
        let Refusal { status, code, field, detail, first } = refusal.clone();
        WireRefusal { status, code: code.to_owned(), field, detail, first }
    }
}

/// Codes are a closed list, so that one that comes back as text finds its own again.
const CODES: &[&str] = &[
    "unreadable",
    "unknown_field",
    "field_type",
    "field_repeated",
    "field_required",
    "field_too_long",
    "control_character",
    "invisible_character",
    "value_unknown",
    "direction_required",
    "balance_after_required",
    "currency_unknown",
    "currency_without_minor_units",
    "currency_mismatch",
    "amount_negative",
    "amount_invalid",
    "amount_too_large",
    "too_many_decimals",
    "time_invalid",
    "time_too_fine",
    "date_invalid",
    "time_out_of_range",
    "number_invalid",
    "ip_invalid",
    "source_ref_conflict",
    "atomic_aborted",
    "paired_row_refused",
    "country_unknown",
    "business_date_implausible",
    "no_entry_fits",
    "column_count",
];

impl From<WireRefusal> for Refusal {
    fn from(wire: WireRefusal) -> Refusal {
        let code = CODES.iter().copied().find(|code| *code == wire.code).unwrap_or("refused");
        Refusal { status: wire.status, code, field: wire.field, detail: wire.detail, first: wire.first }
    }
}

impl From<RowResult> for WireResult {
    fn from(result: RowResult) -> WireResult {
        let wire = |r: Receipt| WireReceipt {
            seq: r.seq,
            leaf: hex::encode(r.leaf),
            position: r.position,
            hits: r.hits,
            breaks: r.breaks,
            told: r.told,
            masked: r.masked,
        };
        match result {
            RowResult::Recorded(receipt) => WireResult::Recorded(wire(receipt)),
            RowResult::Duplicate(receipt) => WireResult::Duplicate(wire(receipt)),
            RowResult::Rejected(refusal) => WireResult::Rejected(WireRefusal::from(&refusal)),
        }
    }
}

impl From<WireResult> for RowResult {
    fn from(result: WireResult) -> RowResult {
        let receipt = |w: WireReceipt| {
            let mut leaf = [0; 32];
            // The leader wrote it: 64 hexadecimal digits.
            let _ = hex::decode_to_slice(&w.leaf, &mut leaf);
            let WireReceipt { seq, position, hits, breaks, told, masked, .. } = w;
            Receipt { seq, leaf, position, hits, breaks, told, masked }
        };
        match result {
            WireResult::Recorded(wire) => RowResult::Recorded(receipt(wire)),
            WireResult::Duplicate(wire) => RowResult::Duplicate(receipt(wire)),
            WireResult::Rejected(wire) => RowResult::Rejected(wire.into()),
        }
    }
}
