//! What leaves the house of one leaf: what it holds in clear, and what proves it.

use serde_json::{Value, json};

use crate::clock::Moment;
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::store::{self as ledger, EntryRow};
use crate::ledger::{Direction, Kind, leaves};
use crate::money::Money;
use crate::trail::store::{self as trail, CheckpointRow, EventRow};

/// Kinds of events that only say what numbers in other leaves stand for: they go with the entries.
const DEFINITIONS: [&str; 3] = ["account.defined", "context.defined", "delivery.defined"];

/// One leaf for a receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its place in the log.
    pub seq: Seq,
    /// Its RFC 6962 hash.
    pub leaf: [u8; 32],
    /// The name of the log.
    pub log: String,
    /// The size of a signed checkpoint that covers it.
    pub checkpoint: i64,
    /// When it was recorded.
    pub recorded_at: Moment,
    /// The event's kind; `entry` for a balance change.
    pub kind: String,
    /// What the leaf says in clear.
    pub body: Value,
}

impl Record {
    /// As our own JSON.
    pub fn plain(&self) -> Value {
        json!({
            "kind": self.kind, "recorded_at": self.recorded_at.to_string(), "body": self.body, "proof": self.proof(),
        })
    }

    /// With what the receiver can ask for a proof later (`/api/v1/log/proof/{seq}`).
    pub fn proof(&self) -> Value {
        json!({ "log": self.log, "seq": self.seq, "leaf": hex::encode(self.leaf), "checkpoint": self.checkpoint })
    }

    /// How serious it is.
    pub fn severity(&self) -> Severity {
        match self.kind.as_str() {
            "alert.opened" => match self.body["severity"].as_str() {
                Some("high" | "critical") => Severity::High,
                Some("low") => Severity::Low,
                _ => Severity::Medium,
            },
            "anchor.contradicted" | "log.recovered" | "states.rejected" => Severity::High,
            "access.denied" | "session.refused" | "mail.dead" | "alert.joined" | "queue.full" => Severity::Medium,
            "entries.refused" | "anchor.refused" | "alert.close_refused" => Severity::Low,
            _ => Severity::Informational,
        }
    }
}

/// How serious a record is, in OCSF's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing to act on.
    Informational,
    /// To be looked at when there is time.
    Low,
    /// To be looked at.
    Medium,
    /// To be looked at now.
    High,
}

/// The records of the places from the first to before the second, under `signed`.
///
/// # Errors
/// When the database cannot be read, or leaves are missing in it.
pub(super) fn between(conn: &mut Conn, (from, to): (Seq, Seq), signed: &CheckpointRow, entries: bool) -> DbResult<Vec<Record>> {
    let hashes = leaves::hashes(conn, from, to)?;
    if hashes.len() as i64 != to - from {
        let text = format!("leaves are missing between {from} and {to}: nothing is forwarded; run `counterfoil verify`");
        return Err(DbError::Corrupt(text));
    }
    let log = trail::state(conn)?.map(|state| state.origin).unwrap_or_default();
    let leaf = |seq: Seq| hashes.get((seq - from) as usize).copied().unwrap_or_default();
    let record = |seq, recorded_at, kind: String, body| Record {
        seq,
        leaf: leaf(seq),
        log: log.clone(),
        checkpoint: signed.size,
        recorded_at: Moment(recorded_at),
        kind,
        body,
    };
    let mut records = Vec::new();
    for EventRow { seq, recorded_at, kind, body, .. } in trail::events_between(conn, from, to, to - from)? {
        if entries || !DEFINITIONS.contains(&kind.as_str()) {
            let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
            records.push(record(seq, recorded_at, kind, body));
        }
    }
    if entries {
        for row in ledger::entries_between(conn, from, to, to - from)? {
            records.push(record(row.seq, row.recorded_at, "entry".to_owned(), entry(&row)?));
        }
    }
    records.sort_by_key(|record| record.seq);
    Ok(records)
}

/// What the leaf of an entry holds in clear: numbers of accounts and contexts, not names.
fn entry(row: &EntryRow) -> DbResult<Value> {
    let currency = row.money()?;
    let text = |minor: i64| Money::new(minor, currency).to_string();
    let outcomes: Option<Value> = row.outcomes.as_deref().and_then(|text| serde_json::from_str(text).ok());
    Ok(json!({
        "source": row.source,
        "source_ref": row.source_ref,
        "account": row.account,
        "position": row.position,
        "kind": Kind::from_code(row.kind).map(Kind::text),
        "direction": Direction::from_code(row.direction).map(Direction::text),
        "amount": text(row.amount),
        "currency": row.currency,
        "balance_before": row.balance_before.map(text),
        "balance_after": row.balance_after.map(text),
        "booked_at": Moment(row.booked_at).to_string(),
        "context": row.context,
        "outcomes": outcomes,
    }))
}
