//! Receipts on their way out: written straight into the answer, where nothing is out of the ordinary.

use crate::intake::{Receipt, RowResult, Told};

use super::wire::{ReceiptBody, RowBody, Summary};

/// Writes what became of the row at `line`, as this key may see it, and counts it.
pub(super) fn put(out: &mut Vec<u8>, summary: &mut Summary, line: u64, result: RowResult, full: bool) {
    let (receipt, status) = match result {
        RowResult::Recorded(receipt) => (receipt, "recorded"),
        RowResult::Duplicate(receipt) => (receipt, "duplicate"),
        rejected @ RowResult::Rejected(_) => return put_row(out, summary, &RowBody::new(line, rejected, full)),
    };
    if receipt.told != Told::All || receipt.masked > 0 || !receipt.hits.is_empty() || !receipt.breaks.is_empty() {
        return put_row(out, summary, &RowBody::Receipt(ReceiptBody::new(receipt, status, full)));
    }
    match status {
        "recorded" => summary.recorded += 1,
        _ => summary.duplicates += 1,
    }
    put_clear(out, &receipt, status);
}

/// Writes a row by its type.
pub(super) fn put_row(out: &mut Vec<u8>, summary: &mut Summary, row: &RowBody) {
    summary.count(row);
    // A row always has a text; one without would shift those after it.
    let _ = serde_json::to_writer(out, row);
}

/// A receipt without hits and breaks, to the letter as [`ReceiptBody`] is written.
fn put_clear(out: &mut Vec<u8>, receipt: &Receipt, status: &str) {
    let mut leaf = [0; 64];
    // Twice as many characters as bytes: it always fits.
    let _ = hex::encode_to_slice(receipt.leaf, &mut leaf);
    out.extend_from_slice(br#"{"seq":"#);
    put_number(out, receipt.seq);
    out.extend_from_slice(br#","leaf":""#);
    out.extend_from_slice(&leaf);
    out.extend_from_slice(br#"","position":"#);
    put_number(out, receipt.position);
    out.extend_from_slice(br#","status":""#);
    out.extend_from_slice(status.as_bytes());
    out.extend_from_slice(br#"","hits":[],"breaks":[]}"#);
}

fn put_number(out: &mut Vec<u8>, number: i64) {
    let (mut digits, mut at, mut rest) = ([0; 20], 20, number.unsigned_abs());
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::intake::ReceiptHit;
    use crate::ledger::Refusal;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_what_the_document_says(
            seq in any::<i64>(), position in any::<i64>(), leaf in any::<[u8; 32]>(),
            told in 0..3_usize, full in any::<bool>(), hit in any::<bool>(), which in 0..3, masked in 0..2_u32,
        ) {
            let severity = "high".to_owned();
            let hits = hit.then(|| ReceiptHit { rule: "high-value".into(), severity, alert: None });
            let told = [Told::All, Told::NoBalance, Told::Nothing][told];
            let receipt = Receipt { seq, leaf, position, hits: hits.into_iter().collect(), breaks: Vec::new(), told, masked };
            let result = match which {
                0 => RowResult::Recorded(receipt),
                1 => RowResult::Duplicate(receipt),
                _ => RowResult::Rejected(Refusal::conflict(Some(7), "first recorded as 7")),
            };
            let (mut out, mut summary) = (Vec::new(), Summary::default());
            put(&mut out, &mut summary, 3, result.clone(), full);
            let row = RowBody::new(3, result, full);
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&row).unwrap());
            prop_assert_eq!(summary, Summary::of(&[row]));
        }
    }
}
