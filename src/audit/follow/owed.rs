//! The outbox: every mail that an event owes has its row, and a row ends as the log says it ended.
//!
//! A mail that merely waits is no finding; one that is owed and neither waits nor ended is.

use std::collections::{HashMap, HashSet};

use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::detect::Severity;
use crate::ids::Seq;
use crate::notify::store::{ACKNOWLEDGED, DEAD, OutboxRow, PENDING, SENT};
use crate::notify::{MailKind, RECIPIENTS_MAX, WAIT_MAX, outbox_id};

use super::super::L4;
use super::super::event::Event;
use super::super::findings::Findings;
use super::{PAGE, extra, same, store};

#[derive(Default)]
pub(super) struct Owed {
    /// Events that owe mail, in order, and how many recipients.
    promised: Vec<(Seq, i64)>,
    /// Rows that ended, and the event that says so.
    settled: HashMap<i64, Seq>,
    /// Of those given up, the ones that somebody acknowledged.
    acknowledged: HashSet<i64>,
}

impl Owed {
    pub(super) fn promised(&mut self, event: &Event) {
        let count = event.number("mail");
        if count > 0 {
            self.promised.push((event.seq, count.min(RECIPIENTS_MAX as i64)));
        }
    }

    pub(super) fn settled(&mut self, event: &Event) {
        self.settled.extend(named(event).map(|id| (id, event.seq)));
    }

    /// What somebody had sent again waits, until an event says how that ended.
    pub(super) fn resent(&mut self, event: &Event) {
        for id in named(event) {
            self.settled.remove(&id);
            self.acknowledged.remove(&id);
        }
    }

    pub(super) fn acknowledged(&mut self, event: &Event) {
        self.acknowledged.extend(named(event));
    }

    pub(super) fn finish(mut self, conn: &mut Conn, now: Moment, findings: &mut Findings) -> DbResult<()> {
        let promised = std::mem::take(&mut self.promised);
        let mut next = promised.iter().flat_map(|(about, count)| (0..*count).map(|i| outbox_id(*about, i as usize))).peekable();
        let mut after = i64::MIN;
        loop {
            let rows = store::outbox_after(conn, after, PAGE)?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            let events = self.events_of(conn, &rows)?;
            for row in &rows {
                held(row, now, findings);
                while let Some(id) = next.next_if(|id| *id < row.id) {
                    self.missing(id, findings);
                }
                let about = row.id.div_euclid(RECIPIENTS_MAX as i64);
                match next.next_if_eq(&row.id).and_then(|_| events.get(&about)) {
                    Some(event) => same("outbox", about, row, &self.expected(event, row, &events), findings),
                    None => extra("outbox", about, findings),
                }
            }
        }
        next.for_each(|id| self.missing(id, findings));
        Ok(())
    }

    /// The mail that is owed and what became of it, as it follows from the log; rows of alerts are
    /// there already, as the engine made them.
    pub(super) fn build(mut self, conn: &mut Conn) -> DbResult<()> {
        let promised = std::mem::take(&mut self.promised);
        for page in promised.chunks(PAGE as usize) {
            let ids = page.iter().flat_map(|(about, count)| (0..*count).map(|i| outbox_id(*about, i as usize)));
            let blank: Vec<OutboxRow> =
                ids.map(|id| OutboxRow::owed(id, MailKind::Alert, 0, "", Severity::Low, Moment(0))).collect();
            let events = self.events_of(conn, &blank)?;
            for row in blank {
                let about = row.id.div_euclid(RECIPIENTS_MAX as i64);
                let Some(event) = events.get(&about) else { continue };
                let row = OutboxRow { not_before: event.at, ..row };
                store::put_owed(conn, &self.expected(event, &row, &events))?;
            }
        }
        Ok(())
    }

    fn events_of(&self, conn: &mut Conn, rows: &[OutboxRow]) -> DbResult<HashMap<Seq, Event>> {
        let mut seqs: Vec<Seq> = rows.iter().map(|row| row.id.div_euclid(RECIPIENTS_MAX as i64)).collect();
        seqs.extend(rows.iter().filter_map(|row| self.settled.get(&row.id)));
        store::events_at(conn, seqs)
    }

    fn missing(&self, id: i64, findings: &mut Findings) {
        let about = id.div_euclid(RECIPIENTS_MAX as i64);
        let text = match self.settled.contains_key(&id) {
            true => "the row of a mail that this event owed is gone; the log says what became of the mail",
            false => "mail that this event owes is in no outbox, and no event says that it was sent or given up",
        };
        findings.add((L4, "mail_missing"), "outbox", about, text);
    }

    /// What waits is tried when it can be; what ended is as the log says.
    fn expected(&self, event: &Event, row: &OutboxRow, events: &HashMap<Seq, Event>) -> OutboxRow {
        let index = row.id.rem_euclid(RECIPIENTS_MAX as i64) as usize;
        let (kind, severity) = match event.kind.as_str() {
            "alert.opened" => (MailKind::Alert, severity(&event.text("severity"))),
            "report.stored" => (MailKind::Report, Severity::Low.code()),
            "import.finished" => (MailKind::History, Severity::Low.code()),
            "night.passed" => (MailKind::Notice, Severity::Low.code()),
            "anchor.overdue" => (MailKind::Notice, Severity::High.code()),
            _ => (MailKind::Notice, Severity::Medium.code()),
        };
        let recipient = match event.mail_to() {
            Some(list) => list.get(index).cloned().unwrap_or_default(),
            None => row.recipient.clone(),
        };
        let waiting = OutboxRow {
            id: row.id,
            kind: kind.text().to_owned(),
            about: event.seq,
            recipient,
            severity,
            state: PENDING,
            created_at: event.at,
            not_before: row.not_before,
            attempts: row.attempts,
            last_error: row.last_error.clone(),
            message_id: row.message_id.clone(),
            done_at: None,
        };
        let Some(end) = self.settled.get(&row.id).and_then(|seq| events.get(seq)) else { return waiting };
        let dead = end.kind == "mail.dead";
        let given_up = if self.acknowledged.contains(&row.id) { ACKNOWLEDGED } else { DEAD };
        OutboxRow {
            state: if dead { given_up } else { SENT },
            attempts: i32::try_from(end.number("attempt")).unwrap_or(-1),
            last_error: if dead { end.private_or_null("reply", row.last_error.as_ref()) } else { None },
            message_id: end.text_or_null("message_id"),
            done_at: Some(end.at),
            ..waiting
        }
    }
}

/// The rows that an event names.
fn named(event: &Event) -> impl Iterator<Item = i64> {
    event.body["outbox"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_i64)
}

/// Mail that waits may be put off by the pause between two tries, and no longer.
fn held(row: &OutboxRow, now: Moment, findings: &mut Findings) {
    // What was owed under a clock that was ahead leaves all the same: it is in no mail yet.
    let as_owed = row.message_id.is_none() && row.not_before == row.created_at;
    if row.state == PENDING && row.not_before > now.plus(WAIT_MAX).0 && !as_owed {
        let text = format!("mail that waits is put off until {}, later than any pause between two tries", Moment(row.not_before));
        findings.add((L4, "mail_held"), "outbox", row.about, text);
    }
}

fn severity(text: &str) -> i16 {
    Severity::parse(text).map_or(0, Severity::code)
}
