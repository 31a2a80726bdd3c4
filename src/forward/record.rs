//! What leaves the house of one leaf: what it holds in clear, and what proves it.

use counterfoil_verify::TooLong;
use serde_json::{Value, json};

use crate::clock::Moment;
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::store::{self as ledger, EntryRow};
use crate::ledger::{Direction, Kind};
use crate::money::Money;
use crate::trail::generations::Origins;
use crate::trail::store::{self as trail, CheckpointRow};

/// Kinds of events that only say what numbers in other leaves stand for: they go with the entries.
const DEFINITIONS: [&str; 3] = ["account.defined", "context.defined", "delivery.defined"];

/// One leaf for a receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its place in the log.
    pub seq: Seq,
    /// Its RFC 6962 hash.
    pub leaf: [u8; 32],
    /// The name that the log had at this leaf.
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
    let (events, changes) =
        (trail::events_between(conn, from, to, to - from)?, ledger::entries_between(conn, from, to, to - from)?);
    if (events.len() + changes.len()) as i64 != to - from {
        let text = format!("leaves are missing between {from} and {to}: nothing is forwarded; run `counterfoil verify`");
        return Err(DbError::Corrupt(text));
    }
    let origins = Origins::of(conn)?;
    let long = |e: TooLong| DbError::Corrupt(e.to_string());
    let record = |seq, leaf, recorded_at, kind: String, body| Record {
        seq,
        leaf,
        log: origins.at(seq).to_owned(),
        checkpoint: signed.size,
        recorded_at: Moment(recorded_at),
        kind,
        body,
    };
    let mut records = Vec::new();
    for row in events.into_iter().filter(|row| entries || !DEFINITIONS.contains(&row.kind.as_str())) {
        let leaf = row.leaf_hash(origins.at(row.seq)).map_err(long)?;
        let body = serde_json::from_str(&row.body).unwrap_or(Value::String(row.body));
        records.push(record(row.seq, leaf, row.recorded_at, row.kind, body));
    }
    for row in changes.iter().filter(|_| entries) {
        let leaf = row.leaf_hash(origins.at(row.seq)).map_err(long)?;
        records.push(record(row.seq, leaf, row.recorded_at, "entry".to_owned(), entry(row)?));
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
