//! L4: tables that follow from events, each row derived again and compared column by column.
//!
//! [`Follow`] meets every event in order and keeps what it promises; [`Follow::finish`] reads the
//! tables and holds them against it, both ways. A row whose private parts were erased is compared in
//! what is left. The columns that are left out are in [`super::exempt`].

mod access;
mod alerts;
mod anchors;
mod attempts;
mod holds;
mod imports;
mod keys;
mod names;
mod owed;
mod proposals;
mod record_fields;
mod records;
mod refusals;
mod reports;
mod searches;
mod sessions;
mod store;

/// Rows that replay compares too.
pub(super) mod rows {
    pub(in super::super) use super::store::{ImportRunRow, RefusalRow, import_runs, refusals};
}

use crate::clock::Moment;
use crate::db::bulk::BulkRow;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::BREAK_EXPLAINED;
use crate::trail::sealing::Opener;
use crate::trail::store::{EventPartRow, EventRow};

use super::L4;
use super::event::Event;
use super::findings::Findings;
use super::joining::Joining;

/// Rows read at once.
const PAGE: i64 = 500;

/// What events promise.
#[derive(Default)]
pub(super) struct Follow {
    access: access::Access,
    sessions: sessions::Sessions,
    searches: searches::Searches,
    owed: owed::Owed,
    reports: reports::Stored,
    imports: imports::Imports,
    refusals: refusals::Refusals,
    anchors: anchors::Anchors,
    keys: keys::Keys,
    holds: holds::Holds,
    proposals: proposals::Proposals,
    names: names::Names,
    records: records::Records,
    attempts: attempts::Attempts,
}

impl Follow {
    /// Meets the next event.
    pub(super) fn meet(&mut self, row: &EventRow, part: Option<&EventPartRow>) {
        let event = || Event::read(row, part);
        if matches!(row.kind.as_str(), "act.attempted" | "act.ended" | "access.denied" | "session.opened" | "session.refused") {
            self.attempts.meet(&event());
        }
        match row.kind.as_str() {
            "user.added" | "user.reset" | "user.disabled" | "key.issued" | "key.revoked" => {
                let event = event();
                self.access.meet(&row.kind, &event);
                self.sessions.ended(&row.kind, &event);
            }
            "session.opened" => self.sessions.opened(event()),
            "session.closed" => self.sessions.closed(&event()),
            "search.made" => self.searches.made(&event()),
            "mail.sent" | "mail.dead" => self.owed.settled(&event()),
            "mail.resent" => self.owed.resent(&event()),
            "mail.acknowledged" => self.owed.acknowledged(&event()),
            "alert.opened" | "settings.changed" | "anchor.overdue" | "approval.announced" => self.owed.promised(&event()),
            "report.stored" => {
                let event = event();
                self.owed.promised(&event);
                self.reports.reports.insert(event.seq, event);
            }
            "anchor.returned" => {
                self.reports.ran(event(), &row.body);
                self.anchors.returned.insert(row.seq, event());
            }
            "approval.submitted"
            | "approval.approved"
            | "approval.refused"
            | "approval.withdrawn"
            | "approval.expired"
            | "approval.carried_out" => self.proposals.meet(event()),
            "log.created" | "log.recovered" | "log.key_rotated" => self.names.meet(event()),
            "feed.closed" => drop(self.reports.closings.insert(row.seq, event())),
            "log.verified" | "witness.refused" | "witness.agreed" | "anchor.contradicted" => self.reports.ran(event(), &row.body),
            "night.passed" => {
                let event = event();
                self.owed.promised(&event);
                self.reports.ran(event, &row.body);
            }
            "import.started" => self.imports.started(&event()),
            "import.finished" => {
                let event = event();
                self.owed.promised(&event);
                self.imports.finished(event);
            }
            "hold.placed" | "hold.released" => self.holds.meet(event()),
            "recovery.made" | "recovery.tested" | "datakey.made" | "keys.rewrapped" => self.keys.meet(event()),
            "record.defined" => self.records.defined(&event()),
            "record.changed" => self.records.changed(row.seq),
            BREAK_EXPLAINED => {
                let event = event();
                self.records.explained(&event);
                self.proposals.explained(event);
            }
            "entries.refused" => self.refusals.meet(&event()),
            _ => {}
        }
    }

    /// After the last leaf: writes the tables that follow from events alone into a database that has
    /// the log and none of them.
    pub(super) fn build(self, conn: &mut Conn) -> DbResult<()> {
        self.access.build(conn)?;
        self.searches.build(conn)?;
        self.reports.build(conn)?;
        self.imports.build(conn)?;
        self.refusals.build(conn)?;
        self.anchors.build(conn)?;
        self.names.build(conn)?;
        self.records.build(conn)?;
        self.attempts.build(conn)?;
        self.owed.build(conn)
    }

    /// After the last leaf.
    pub(super) fn finish(
        self,
        conn: &mut Conn,
        (joining, opener): (&Joining, &mut Opener),
        now: Moment,
        findings: &mut Findings,
    ) -> DbResult<()> {
        self.access.finish(conn, findings)?;
        self.sessions.finish(conn, now, findings)?;
        self.searches.finish(conn, findings)?;
        self.reports.finish(conn, findings)?;
        self.imports.finish(conn, findings)?;
        self.refusals.finish(conn, findings)?;
        self.anchors.finish(conn, findings)?;
        self.keys.finish(conn, findings)?;
        self.holds.finish(conn, findings)?;
        self.proposals.finish(conn, findings)?;
        self.names.finish(conn, findings)?;
        self.records.finish(conn, opener, findings)?;
        self.attempts.finish(conn, findings)?;
        alerts::compare(conn, joining, findings)?;
        self.owed.finish(conn, now, findings)
    }
}

/// Compares one row with what the log gives for it.
fn same<R: BulkRow>(table: &'static str, seq: impl Into<Option<Seq>>, row: &R, expected: &R, findings: &mut Findings) {
    findings.checked(L4, 1);
    let names = row.differing(expected);
    if !names.is_empty() {
        let detail = format!("not what the log gives: {}", names.join(", "));
        findings.add((L4, "row_differs"), table, seq, detail);
    }
}

fn missing(table: &'static str, seq: Seq, findings: &mut Findings) {
    findings.add((L4, "row_missing"), table, seq, "the event at this place has no row");
}

fn extra(table: &'static str, seq: impl Into<Option<Seq>>, findings: &mut Findings) {
    findings.add((L4, "row_extra"), table, seq, "no event gives this row");
}
