//! NDJSON: one object of the contract a line.

use crate::ledger::{Draft, Refusal};

use super::ImportError;
use super::lines::Lines;
use super::rows::ReadRow;

/// The rows of an NDJSON file.
pub(super) struct NdjsonRows<'a> {
    lines: Lines<'a>,
}

impl<'a> NdjsonRows<'a> {
    pub fn new(lines: Lines<'a>) -> NdjsonRows<'a> {
        NdjsonRows { lines }
    }

    pub fn next(&mut self) -> Result<Option<ReadRow>, ImportError> {
        let Some(line) = self.lines.next_filled()? else { return Ok(None) };
        if !line.whole {
            return Ok(Some(ReadRow::too_long(line)));
        }
        // A list of texts in the order of the fields would be read as an entry: that is not the contract.
        if line.bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
            let refusal = Refusal::unreadable("a line is one JSON object in braces");
            return Ok(Some(ReadRow::new(line.number, line.bytes, Err(refusal))));
        }
        let entry = Draft::from_json(&line.bytes).and_then(Draft::check);
        Ok(Some(ReadRow::new(line.number, line.bytes, entry.map(|entry| Some(vec![entry])))))
    }
}
