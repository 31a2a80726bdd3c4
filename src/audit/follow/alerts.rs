//! The table of alerts: what the event that opened each says, what joined it, and how it was closed.

use std::collections::HashMap;

use crate::alerts::CONTINUITY;
use crate::alerts::store::{AlertRow, CLOSED, Opening};
use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::detect::Severity;
use crate::ids::Seq;
use crate::ledger::store::{EntryRow, entries_at};

use super::super::event::Event;
use super::super::findings::Findings;
use super::super::joining::{Joined, Joining};
use super::{PAGE, extra, missing, same, store};

/// Compares the table with what was joined, both ways, in order.
pub(super) fn compare(conn: &mut Conn, joining: &Joining, findings: &mut Findings) -> DbResult<()> {
    let mut promised = joining.alerts().peekable();
    let mut after = i64::MIN;
    loop {
        let rows = store::alerts_after(conn, after, PAGE)?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        let facts = Facts::of(conn, joining, &rows)?;
        for row in &rows {
            while let Some((id, _)) = promised.next_if(|(id, _)| **id < row.id) {
                missing("alerts", *id, findings);
            }
            match promised.next_if(|(id, _)| **id == row.id) {
                Some((_, joined)) => {
                    if let Some(expected) = facts.expected(row, joined) {
                        same("alerts", row.id, row, &expected, findings);
                    }
                }
                None => extra("alerts", row.id, findings),
            }
        }
    }
    promised.for_each(|(id, _)| missing("alerts", *id, findings));
    Ok(())
}

/// The events and entries of a page of alerts.
struct Facts {
    events: HashMap<Seq, Event>,
    changes: HashMap<Seq, Event>,
    entries: HashMap<Seq, EntryRow>,
}

impl Facts {
    fn of(conn: &mut Conn, joining: &Joining, rows: &[AlertRow]) -> DbResult<Facts> {
        let known: Vec<(Seq, &Joined)> = rows.iter().filter_map(|row| Some((row.id, joining.alert(row.id)?))).collect();
        let seqs = known.iter().flat_map(|(id, joined)| std::iter::once(*id).chain(joined.closed)).collect();
        let mut entries: Vec<Seq> = known.iter().map(|(_, joined)| joined.entry).collect();
        entries.sort_unstable();
        entries.dedup();
        let found: HashMap<Seq, EntryRow> = entries_at(conn, &entries)?.into_iter().map(|row| (row.seq, row)).collect();
        let changes = entries.into_iter().filter(|seq| !found.contains_key(seq)).collect();
        Ok(Facts { events: store::events_at(conn, seqs)?, changes: store::events_at(conn, changes)?, entries: found })
    }

    fn expected(&self, row: &AlertRow, joined: &Joined) -> Option<AlertRow> {
        let event = self.events.get(&row.id)?;
        // An alert of a rule on changes is about the change of its first hit.
        let (booked_at, business_date) = match (self.entries.get(&joined.entry), self.changes.get(&joined.entry)) {
            (Some(entry), _) => (entry.booked_at, entry.business_date),
            (None, Some(change)) => (joined.first_booked_at, change.day("date")?),
            (None, None) => return None,
        };
        let closed = joined.closed.and_then(|seq| self.events.get(&seq));
        let rule = event.text("rule");
        // An alert of breaks is about the entry of the first; one of hits, about the entry of its first.
        let first_booked_at = if rule == CONTINUITY { booked_at } else { joined.first_booked_at };
        let severity = Severity::parse(&event.text("severity")).map_or(0, Severity::code);
        let of = Opening {
            reference: event.text("ref"),
            rule,
            rules: event.number("rules"),
            account: event.number("account"),
            severity: severity.max(joined.severity),
            business_date,
            first_booked_at,
            last_seq: joined.last_seq,
            hits: joined.count,
            explanation: event.body["explanation"].to_string(),
            previous: event.body["previous"].as_i64(),
        };
        let opened = AlertRow::opened((row.id, Moment(event.at)), of);
        let Some(closed) = closed else { return Some(opened) };
        Some(AlertRow {
            state: CLOSED,
            disposition: closed.text_or_null("disposition"),
            comment: closed.private("comment").map(str::to_owned),
            duplicate_of: closed.text_or_null("duplicate_of"),
            closed_at: Some(closed.at),
            closed_by: Some(closed.number("user")),
            closed_seq: joined.closed,
            ..opened
        })
    }
}
