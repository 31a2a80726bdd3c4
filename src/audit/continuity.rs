//! L3: continuity replayed over every entry, against what the leaves commit to; L4: the table of
//! breaks against the same.

use std::collections::HashMap;

use crate::config::Source;
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::continuity::{Break, Changes, Strictness};
use crate::ledger::store::{BreakRow, EntryRow};
use crate::ledger::{BreakKind, BreakState};
use crate::money::Currency;

use super::L4;
use super::findings::Findings;
use super::hits::Hits;
use super::outcomes::Outcomes;
use super::store;

/// Breaks held in memory; more of them are not compared, and that is said.
const BREAKS_MAX: usize = 4_000_000;
/// Breaks read at once.
const ROWS: i64 = 10_000;

/// The settings of sources, by name.
#[derive(Debug, Default)]
pub(super) struct Settings {
    sources: HashMap<String, Source>,
}

impl Settings {
    /// Reads `[[source]]`; refuses an amount that its currency cannot have.
    pub(super) fn read(sources: &[Source]) -> DbResult<Settings> {
        for source in sources {
            for code in source.tolerance.keys().chain(source.tolerance_per_day.keys()) {
                let read = Currency::parse(code).and_then(|currency| Strictness::of(Some(source), currency));
                read.map_err(|e| DbError::Unfit(format!("tolerances of source {}: {e}", source.name)))?;
            }
        }
        Ok(Settings { sources: sources.iter().map(|source| (source.name.clone(), source.clone())).collect() })
    }

    /// How strict the check of entries of `source` is. Every tolerance was read before.
    pub(super) fn of(&self, source: &str, currency: &str) -> Strictness {
        let read = Currency::parse(currency).and_then(|currency| Strictness::of(self.sources.get(source), currency));
        read.unwrap_or_default()
    }
}

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
    /// By whom, when, on which date it was last opened.
    opened_by: Seq,
    last: (i64, i32),
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
    pub(super) fn learn(&mut self, entry: &EntryRow, outcomes: &Outcomes) {
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
                currency: entry.currency.clone(),
                state: BreakState::Open,
                expected: opened.expected,
                found: opened.found,
                first,
                opened_by: entry.seq,
                last: now,
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

    fn close(&mut self, (seq, kind): (Seq, BreakKind), state: BreakState, by: Seq) {
        if let Some(committed) = self.committed.get_mut(&(seq, kind.code())) {
            (committed.state, committed.closed_by) = (state, Some(by));
        }
    }

    /// Compares with the table; `only` limits it to the breaks of one account.
    pub(super) fn finish(mut self, conn: &mut Conn, only: Option<Seq>, hits: &mut Hits, findings: &mut Findings) -> DbResult<()> {
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
                hits.name_alert(row.alert);
                self.compare(row, findings);
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

    fn compare(&mut self, row: &BreakRow, findings: &mut Findings) {
        let kind = BreakKind::from_code(row.kind).map_or("unknown", BreakKind::text);
        let Some(committed) = self.committed.remove(&(row.seq, row.kind)) else {
            findings.add((L4, "break_extra"), "breaks", row.seq, format!("no leaf commits to this {kind} break"));
            return;
        };
        let wrong = committed.wrong(row);
        if !wrong.is_empty() {
            let detail = format!("the {kind} break is not what the leaves commit to: {}", wrong.join(", "));
            findings.add((L4, "break_differs"), "breaks", row.seq, detail);
        }
    }
}

impl Committed {
    fn wrong(&self, row: &BreakRow) -> Vec<String> {
        let state = BreakState::from_code(row.state).map_or("unknown", BreakState::text);
        let opened = (row.opened_at, row.business_date);
        let checks = [
            (row.state == self.state.code(), format!("state is {state}, should be {}", self.state)),
            (row.expected == self.expected, "expected".to_owned()),
            (row.found == self.found, "found".to_owned()),
            (row.account == self.account, "account".to_owned()),
            (row.currency == self.currency, "currency".to_owned()),
            (row.opened_by == self.opened_by, "opened_by".to_owned()),
            // A break that was healed and opened again may keep when it was opened first.
            (opened == self.first || opened == self.last, "opened_at or business_date".to_owned()),
            (row.due_at >= row.opened_at, "due_at".to_owned()),
            (row.closed_by == self.closed_by, "closed_by".to_owned()),
        ];
        checks.into_iter().filter(|(right, _)| !right).map(|(_, name)| name).collect()
    }
}
