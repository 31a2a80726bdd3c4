//! L3: continuity replayed over every entry, against what the leaves commit to; L4: the table of
//! breaks against the same.

use std::collections::HashMap;

use counterfoil_verify::EntryLeaf;

use crate::db::bulk::BulkRow;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::continuity::{Break, Changes};
use crate::ledger::store::BreakRow;
use crate::ledger::{BreakKind, BreakState};

use super::L4;
use super::event::Event;
use super::findings::Findings;
use super::joining::Joining;
use super::outcomes::Outcomes;
use super::settings::Settings;
use super::store;

/// Breaks held in memory; more of them are not compared, and that is said.
const BREAKS_MAX: usize = 4_000_000;
/// Breaks read at once.
const ROWS: i64 = 10_000;
/// What the replay of one entry gives and its leaf does not say, or the other way round.
pub(super) fn difference(entry: Seq, changes: &Changes, foreign: bool, outcomes: &Outcomes) -> Option<String> {
    let derived = |kind: BreakKind| {
        matches!(kind, BreakKind::Arithmetic | BreakKind::Chain | BreakKind::Sequence | BreakKind::RoundingDrift)
    };
    let said = outcomes.breaks.iter().filter(|b| derived(b.kind));
    let said =
        sorted(said.map(|b| Break { seq: b.seq, kind: b.kind, expected: b.expected, found: b.found }), |b| (b.seq, b.kind));
    let given = sorted(changes.opened.iter().copied(), |b| (b.seq, b.kind));
    if said != given {
        return Some(format!("breaks opened: the leaf says {}, the entries give {}", list(&said), list(&given)));
    }
    let said = sorted(outcomes.healed.iter().filter(|c| derived(c.kind)).map(|c| (c.seq, c.kind)), |c| *c);
    if said != sorted(changes.healed.iter().copied(), |c| *c) {
        return Some("breaks healed: the leaf says others than the entries give".to_owned());
    }
    if sorted(outcomes.frozen.iter().copied(), |seq| *seq) != sorted(changes.frozen.iter().copied(), |seq| *seq) {
        return Some("chains frozen: the leaf says others than the entries give".to_owned());
    }
    let said = outcomes.breaks.iter().any(|b| b.kind == BreakKind::ForeignSource && b.seq == entry);
    (said != foreign).then(|| "foreign source: the leaf says otherwise than entry and account give".to_owned())
}

fn sorted<T, K: Ord>(items: impl Iterator<Item = T>, key: impl FnMut(&T) -> K) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_by_key(key);
    items
}

fn list(breaks: &[Break]) -> String {
    let number = |n: Option<i64>| n.map_or_else(|| "none".to_owned(), |n| n.to_string());
    let words = |b: &Break| format!("{} at {} (expected {}, found {})", b.kind, b.seq, number(b.expected), number(b.found));
    if breaks.is_empty() { "none".to_owned() } else { breaks.iter().map(words).collect::<Vec<_>>().join(", ") }
}

/// A break as the leaves commit to it.
#[derive(Clone, Debug)]
struct Committed {
    account: Seq,
    currency: String,
    state: BreakState,
    expected: Option<i64>,
    found: Option<i64>,
    /// When it was first opened, and on which business date.
    first: (i64, i32),
    /// By whom it was last opened, and until when it then may stay open.
    opened_by: Seq,
    due_at: i64,
    closed_by: Option<Seq>,
}

/// Every break the leaves commit to.
#[derive(Debug, Default)]
pub(super) struct Breaks {
    committed: HashMap<(Seq, i16), Committed>,
    too_many: bool,
}

impl Breaks {
    /// Learns what an entry opened, healed and froze.
    pub(super) fn learn(&mut self, entry: &EntryLeaf<'_>, outcomes: &Outcomes, settings: &Settings) {
        if outcomes.breaks.is_empty() && outcomes.healed.is_empty() && outcomes.frozen.is_empty() {
            return;
        }
        let now = (entry.recorded_at, entry.business_date);
        for opened in &outcomes.breaks {
            let key = (opened.seq, opened.kind.code());
            let first = self.committed.get(&key).map_or(now, |before| before.first);
            if self.committed.len() >= BREAKS_MAX {
                self.too_many = true;
                continue;
            }
            let committed = Committed {
                account: entry.account,
                currency: entry.currency.to_owned(),
                state: BreakState::Open,
                expected: opened.expected,
                found: opened.found,
                first,
                opened_by: entry.seq,
                due_at: settings.due_at(entry),
                closed_by: None,
            };
            self.committed.insert(key, committed);
        }
        for closed in &outcomes.healed {
            self.close((closed.seq, closed.kind), BreakState::Healed, entry.seq);
        }
        for seq in &outcomes.frozen {
            self.close((*seq, BreakKind::Chain), BreakState::Frozen, entry.seq);
        }
    }

    /// Learns that officers explained one.
    pub(super) fn explained(&mut self, event: &Event) {
        if let Some(kind) = BreakKind::parse(&event.text("kind")) {
            self.close((event.number("break"), kind), BreakState::Explained, event.seq);
        }
    }

    fn close(&mut self, (seq, kind): (Seq, BreakKind), state: BreakState, by: Seq) {
        if let Some(committed) = self.committed.get_mut(&(seq, kind.code())) {
            (committed.state, committed.closed_by) = (state, Some(by));
        }
    }

    /// Compares with the table, or with the breaks of one account in it; which alert each is in,
    /// `joining` knows.
    pub(super) fn finish(
        mut self,
        conn: &mut Conn,
        only: Option<Seq>,
        joining: &Joining,
        findings: &mut Findings,
    ) -> DbResult<()> {
        if self.too_many {
            let text = format!("there are more than {BREAKS_MAX} breaks: they were not compared");
            findings.add((L4, "bound_reached"), "breaks", None, text);
            return Ok(());
        }
        let mut from = Seq::MIN;
        loop {
            let mut rows = store::breaks_from(conn, from, ROWS)?;
            let more = rows.len() as i64 == ROWS;
            if let Some(last) = rows.last().map(|row| row.seq).filter(|_| more) {
                // The breaks of one entry stay together: at most one of each kind.
                rows.retain(|row| row.seq != last);
                from = last;
            }
            for row in rows.iter().filter(|row| only.is_none_or(|account| row.account == account)) {
                findings.checked(L4, 1);
                self.compare(row, joining, findings);
            }
            if !more {
                break;
            }
        }
        let mut missing: Vec<(Seq, i16)> = self.committed.into_keys().collect();
        missing.sort_unstable();
        for (seq, kind) in missing {
            let kind = BreakKind::from_code(kind).map_or("unknown", BreakKind::text);
            let detail = format!("the {kind} break that a leaf commits to is not there");
            findings.add((L4, "break_missing"), "breaks", seq, detail);
        }
        Ok(())
    }

    fn compare(&mut self, row: &BreakRow, joining: &Joining, findings: &mut Findings) {
        let kind = BreakKind::from_code(row.kind).map_or("unknown", BreakKind::text);
        let Some(committed) = self.committed.remove(&(row.seq, row.kind)) else {
            findings.add((L4, "break_extra"), "breaks", row.seq, format!("no leaf commits to this {kind} break"));
            return;
        };
        let wrong = row.differing(&committed.row(row, joining.of_break(row)));
        if !wrong.is_empty() {
            let detail = format!("the {kind} break is not what the leaves commit to: {}", wrong.join(", "));
            findings.add((L4, "break_differs"), "breaks", row.seq, detail);
        }
    }
}

impl Committed {
    /// The row that this break must have.
    fn row(&self, row: &BreakRow, alert: Option<Seq>) -> BreakRow {
        BreakRow {
            seq: row.seq,
            kind: row.kind,
            account: self.account,
            currency: self.currency.clone(),
            state: self.state.code(),
            expected: self.expected,
            found: self.found,
            business_date: self.first.1,
            opened_by: self.opened_by,
            opened_at: self.first.0,
            due_at: self.due_at,
            closed_by: self.closed_by,
            alert,
        }
    }
}
