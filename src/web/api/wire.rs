//! What entries look like on the wire, in and out. The vocabulary is the contract's.

use serde::Serialize;
use utoipa::ToSchema;

use crate::intake::{Receipt, ReceiptBreak, ReceiptHit, RowResult, Told};
use crate::ledger::BreakKind;
use crate::web::problem::{Problem, ProblemBody};

/// One booked credit or debit on one account. Every value is text; money is decimal text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct EntryBody {
    /// Your id of this entry, unique per source for ever: sending it again is safe.
    #[schema(example = "T-1001", max_length = 200)]
    pub source_ref: String,
    /// The account's number.
    #[schema(example = "12345", max_length = 64)]
    pub account: String,
    /// ISO 4217; an account has one currency.
    #[schema(example = "USD")]
    pub currency: String,
    /// `deposit withdrawal transfer payment card fee interest adjustment reversal`
    #[schema(example = "deposit")]
    pub kind: String,
    /// `credit` or `debit`; may be absent where the kind says it (deposit, interest: credit; withdrawal, payment, card, fee: debit).
    #[schema(required = false, example = "credit")]
    pub direction: Option<String>,
    /// Decimal text, zero or more, no more decimals than the currency has.
    #[schema(example = "500.00", pattern = r"^(0|[1-9]\d*)(\.\d+)?$")]
    pub amount: String,
    /// The holder's balance before; with `balance_after` or not at all.
    #[schema(example = "1000.00")]
    pub balance_before: Option<String>,
    /// The holder's balance after; credit raises, debit lowers.
    #[schema(example = "1500.00")]
    pub balance_after: Option<String>,
    /// RFC 3339 with an offset, at most microseconds.
    #[schema(example = "2026-11-20T14:03:22Z")]
    pub booked_at: String,
    /// `YYYY-MM-DD`.
    pub value_date: Option<String>,
    /// `YYYY-MM-DD`; otherwise decided from `booked_at`, the bank's time zone and cut-off.
    pub business_date: Option<String>,
    /// Joins the legs of one transaction.
    pub transaction_ref: Option<String>,
    /// Your own order on the account: a whole number.
    pub account_seq: Option<i64>,
    /// An identifier of the session, never a live token.
    pub session_id: Option<String>,
    /// The customer's IPv4 or IPv6 address.
    pub ip: Option<String>,
    /// The customer's user agent.
    pub user_agent: Option<String>,
    /// The customer's device.
    pub device_id: Option<String>,
    /// Who acted.
    pub actor: Option<String>,
    /// `customer staff system`
    pub actor_kind: Option<String>,
    /// `branch atm online mobile card api batch`
    pub channel: Option<String>,
    /// `cash transfer card cheque other`
    pub instrument: Option<String>,
    /// The holder.
    pub party: Option<String>,
    /// The other side's account or id.
    pub counterparty: Option<String>,
    /// The other side's name.
    pub counterparty_name: Option<String>,
    /// The other side's country.
    pub counterparty_country: Option<String>,
    /// Remittance text or reason.
    pub reason: Option<String>,
    /// The `source_ref` of the entry this one cancels.
    pub reverses: Option<String>,
    /// `booked` (default) or `attempted`, which moves nothing.
    #[schema(required = false)]
    pub status: Option<String>,
}

/// A hit on a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HitBody {
    /// The rule's code.
    #[schema(example = "high-value")]
    pub rule: String,
    /// `low medium high critical`
    pub severity: String,
    /// The alert it joined; `null` while the rule runs dry.
    #[schema(example = "ALR-2026-000123")]
    pub alert: Option<String>,
}

/// A break of continuity on a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BreakBody {
    /// `arithmetic chain sequence statement conservation foreign_source record rounding_drift`
    #[schema(example = "chain")]
    pub kind: String,
    /// What should have been there. Of a record only a key that may read is told.
    #[schema(example = "1500.00")]
    pub expected: Option<String>,
    /// What is there.
    #[schema(example = "990.00")]
    pub found: Option<String>,
    /// `found` − `expected`.
    #[schema(example = "-510.00")]
    pub difference: Option<String>,
    /// Of a record: where.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "/address/city")]
    pub path: Option<String>,
}

/// What you keep of a recorded entry. It was durable before this was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReceiptBody {
    /// Its place in the log.
    #[schema(example = 4711)]
    pub seq: i64,
    /// The RFC 6962 hash of its leaf, lower-case hex.
    #[schema(example = "5f2d6e2a1c0b7d9a4e6f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5")]
    pub leaf: String,
    /// Our number of the entry on its account, or of the change on its record, from 1; `null` on an account
    /// of another source.
    #[schema(example = 3)]
    pub position: Option<i64>,
    /// `recorded`, or `duplicate`: the same content came before, this is its first receipt.
    #[schema(example = "recorded")]
    pub status: &'static str,
    /// Rules it hit, as at recording; empty for a key without scope `receipt:full`.
    pub hits: Vec<HitBody>,
    /// Breaks it opened, as at recording.
    pub breaks: Vec<BreakBody>,
    /// Card numbers that were masked in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub masked: Option<u32>,
}

/// A row that was not recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RejectedBody {
    /// Always `rejected`.
    #[schema(example = "rejected")]
    pub status: &'static str,
    /// Its line, or its number in the array, from 1.
    #[schema(example = 2)]
    pub line: u64,
    /// Why, and what to do.
    #[schema(value_type = ProblemBody)]
    pub problem: Problem,
}

/// What became of one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum RowBody {
    /// It is in the log.
    Receipt(ReceiptBody),
    /// It changes nothing, so it is not.
    Unchanged(UnchangedBody),
    /// It is not.
    Rejected(RejectedBody),
}

/// A change that changes nothing: it is answered and not recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnchangedBody {
    /// Always `unchanged`.
    #[schema(example = "unchanged")]
    pub status: &'static str,
    /// The record's newest change, if it has one.
    #[schema(example = 4711)]
    pub seq: Option<i64>,
}

/// Rows by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Summary {
    /// New in the log.
    pub recorded: u64,
    /// There already, with the same content.
    pub duplicates: u64,
    /// Changes that change nothing.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pub unchanged: u64,
    /// Not recorded.
    pub rejected: u64,
}

/// What became of an array, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BatchBody {
    /// One for each element.
    pub results: Vec<RowBody>,
    /// How many of each.
    pub summary: Summary,
}

/// An atomic array of which nothing was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AtomicRefusal {
    /// The problem of the whole request.
    #[serde(flatten)]
    #[schema(value_type = ProblemBody)]
    pub problem: Problem,
    /// One for each element.
    pub results: Vec<RowBody>,
    /// How many of each.
    pub summary: Summary,
}

/// Whether a break of this kind follows from the entry alone and from whose account it is on: whether the others are there
/// tells of the account's balance.
pub(super) fn is_of_itself(kind: &str) -> bool {
    [BreakKind::Arithmetic, BreakKind::ForeignSource].iter().any(|known| known.to_string() == kind)
}

impl From<ReceiptHit> for HitBody {
    fn from(hit: ReceiptHit) -> HitBody {
        HitBody { rule: hit.rule, severity: hit.severity, alert: hit.alert }
    }
}

impl From<ReceiptBreak> for BreakBody {
    fn from(found: ReceiptBreak) -> BreakBody {
        BreakBody { kind: found.kind, expected: found.expected, found: found.found, difference: found.difference, path: None }
    }
}

impl ReceiptBody {
    /// A receipt as this key may see it: of an account that is another source's, nothing but what was sent.
    pub fn new(receipt: Receipt, status: &'static str, full: bool) -> ReceiptBody {
        let foreign = receipt.told == Told::Nothing;
        let hits = if full && !foreign { receipt.hits } else { Vec::new() };
        let breaks = receipt.breaks.into_iter().filter(|found| !foreign || is_of_itself(&found.kind));
        let told = |found: ReceiptBreak| match receipt.told {
            Told::All => found,
            Told::NoBalance | Told::Nothing => ReceiptBreak { expected: None, difference: None, ..found },
        };
        ReceiptBody {
            seq: receipt.seq,
            leaf: hex::encode(receipt.leaf),
            position: (!foreign).then_some(receipt.position),
            status,
            hits: hits.into_iter().map(HitBody::from).collect(),
            breaks: breaks.map(told).map(BreakBody::from).collect(),
            masked: Some(receipt.masked).filter(|masked| *masked > 0),
        }
    }
}

impl RowBody {
    /// The result of the row at `line` as this key may see it.
    pub fn new(line: u64, result: RowResult, full: bool) -> RowBody {
        match result {
            RowResult::Recorded(receipt) => RowBody::Receipt(ReceiptBody::new(receipt, "recorded", full)),
            RowResult::Duplicate(receipt) => RowBody::Receipt(ReceiptBody::new(receipt, "duplicate", full)),
            RowResult::Rejected(refusal) => RowBody::rejected(line, refusal.into()),
        }
    }

    /// A row that was not recorded.
    pub fn rejected(line: u64, problem: Problem) -> RowBody {
        RowBody::Rejected(RejectedBody { status: "rejected", line, problem: problem.at_line(line) })
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Summary {
    /// Counts rows.
    pub fn of(rows: &[RowBody]) -> Summary {
        let mut summary = Summary::default();
        rows.iter().for_each(|row| summary.count(row));
        summary
    }

    /// Counts one row more.
    pub fn count(&mut self, row: &RowBody) {
        let count = match row {
            RowBody::Rejected(_) => &mut self.rejected,
            RowBody::Unchanged(_) => &mut self.unchanged,
            RowBody::Receipt(receipt) if receipt.status == "duplicate" => &mut self.duplicates,
            RowBody::Receipt(_) => &mut self.recorded,
        };
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ledger::{FIELDS, Refusal};

    fn receipt() -> Receipt {
        let hit = ReceiptHit { rule: "high-value".into(), severity: "high".into(), alert: Some("ALR-2026-000001".into()) };
        let found = ReceiptBreak {
            kind: "chain".into(),
            expected: Some("1500.00".into()),
            found: Some("990.00".into()),
            difference: Some("-510.00".into()),
        };
        Receipt { seq: 7, leaf: [0xab; 32], position: 3, hits: vec![hit], breaks: vec![found], told: Told::All, masked: 0 }
    }

    #[test]
    fn the_wire_has_the_fields_of_the_contract() {
        let json = serde_json::to_value(EntryBody::default()).unwrap();
        let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, FIELDS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    #[test]
    fn a_receipt_is_the_contract_s_to_the_letter() {
        let json = serde_json::to_string(&ReceiptBody::new(receipt(), "recorded", true)).unwrap();
        let expected = format!(
            "{{\"seq\":7,\"leaf\":\"{}\",\"position\":3,\"status\":\"recorded\",\
             \"hits\":[{{\"rule\":\"high-value\",\"severity\":\"high\",\"alert\":\"ALR-2026-000001\"}}],\
             \"breaks\":[{{\"kind\":\"chain\",\"expected\":\"1500.00\",\"found\":\"990.00\",\"difference\":\"-510.00\"}}]}}",
            "ab".repeat(32)
        );
        assert_eq!(json, expected);
        assert!(ReceiptBody::new(receipt(), "recorded", false).hits.is_empty());
    }

    #[test]
    fn rows_are_counted_and_named_by_line() {
        let rows = vec![
            RowBody::new(1, RowResult::Recorded(receipt()), true),
            RowBody::new(2, RowResult::Duplicate(receipt()), true),
            RowBody::new(3, RowResult::Rejected(Refusal::conflict(Some(7), "first recorded as 7")), true),
        ];
        assert_eq!(Summary::of(&rows), Summary { recorded: 1, duplicates: 1, unchanged: 0, rejected: 1 });
        let json = serde_json::to_value(&rows[2]).unwrap();
        assert_eq!((&json["status"], &json["line"]), (&"rejected".into(), &3.into()));
        assert_eq!((&json["problem"]["code"], &json["problem"]["line"]), (&"source_ref_conflict".into(), &3.into()));
        assert_eq!((&json["problem"]["first_seq"], &json["problem"]["seq"]), (&7.into(), &7.into()));
    }
}
