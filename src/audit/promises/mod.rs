//! Rows that an event promises: an alert that was opened, a user that was added, a key, a closing, a
//! stored report. Each must be there, each such row must have its event, and a stored report must
//! have the bytes whose digest the log holds.

mod store;

use std::collections::HashMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::db::{Conn, DbResult};
use crate::ids::Seq;

use super::L4;
use super::findings::Findings;

/// Kinds of events, and the table that has one row for each, by the event's place.
const PROMISES: &[(&str, &str)] = &[
    ("alert.opened", "alerts"),
    ("user.added", "users"),
    ("key.issued", "api_keys"),
    ("feed.closed", "feed_closings"),
    ("report.stored", "reports"),
];

/// Compares events and rows, both ways.
pub(super) fn check(conn: &mut Conn, size: Seq, findings: &mut Findings) -> DbResult<()> {
    for (kind, table) in PROMISES {
        let promised = store::events_of(conn, kind, size)?;
        let rows = store::rows_of(conn, table)?;
        findings.checked(L4, promised.len());
        for seq in promised.keys().filter(|seq| !rows.contains_key(seq)) {
            findings.add((L4, "row_missing"), table, *seq, format!("event {kind} at this place has no row"));
        }
        for (seq, role) in &rows {
            match promised.get(seq) {
                None => findings.add((L4, "row_extra"), table, *seq, format!("no event {kind} at this place made this row")),
                Some(body) => role_differs(table, *seq, body, role.as_deref(), findings),
            }
        }
        if *table == "reports" {
            reports(conn, &promised, findings)?;
        }
    }
    let (closed, events) = (store::closed_alerts(conn)?, store::events_of(conn, "alert.closed", size)?);
    for seq in closed.iter().filter(|seq| !events.contains_key(seq)) {
        findings.add((L4, "row_differs"), "alerts", *seq, "an alert is closed by this place, which is no event alert.closed");
    }
    for seq in events.keys().filter(|seq| !closed.contains(seq)) {
        findings.add((L4, "row_differs"), "alerts", *seq, "the alert that this event closed is not closed by it");
    }
    Ok(())
}

fn role_differs(table: &'static str, seq: Seq, body: &Value, role: Option<&str>, findings: &mut Findings) {
    if table == "users" && body["role"].as_str() != role {
        findings.add((L4, "row_differs"), table, seq, "the user does not have the role that the log gave them");
    }
}

/// The frozen bytes of every stored report against the digests in its event.
fn reports(conn: &mut Conn, promised: &HashMap<Seq, Value>, findings: &mut Findings) -> DbResult<()> {
    for (seq, event) in promised {
        let Some((body, html)) = store::report(conn, *seq)? else { continue };
        for (what, bytes) in [("body_sha256", body), ("html_sha256", html)] {
            let digest = hex::encode(Sha256::digest(bytes.as_bytes()));
            if event[what].as_str() != Some(&digest) {
                findings.add((L4, "report_differs"), "reports", *seq, format!("its bytes do not have the {what} in the log"));
            }
        }
    }
    Ok(())
}
