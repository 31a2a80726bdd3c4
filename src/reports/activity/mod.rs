//! One pass over the entries of a date: sums, kinds, hours, balances, cash, outcomes.
//!
//! Everything is counted from the entries themselves, so that a report can be computed as of any
//! place in the log; the running `day_figures` are only compared with it. Memory grows with the
//! accounts of the date, not with its entries.
//!
//! Invariant: what `attempted` entries asked for is in no sum.

mod balances;
mod judged;
pub(super) mod store;

use std::collections::{BTreeMap, HashMap};

use crate::clock::{HOUR, Moment};
use crate::config::Mode;
use crate::db::{Conn, DbError, DbResult};
use crate::detect::RuleOutcome;
use crate::ids::Seq;
use crate::ledger::history::{self, Newest};
use crate::ledger::{Direction, Instrument, Status};

pub(super) use balances::{AccountDay, CashSums};
pub use store::{Cell, DayEntry, day_figures};

/// Sums of entries in minor units of one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many.
    pub entries: i64,
    /// Their credits.
    pub credits: i128,
    /// Their debits.
    pub debits: i128,
}

impl Sums {
    fn add(&mut self, cell: &Cell) {
        self.entries += cell.entries;
        self.credits += i128::from(cell.credits);
        self.debits += i128::from(cell.debits);
    }
}

/// A currency's day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurrencyDay {
    /// Booked entries.
    pub booked: Sums,
    /// Entries that moved nothing.
    pub attempted: i64,
    /// Booked entries by the code of their kind.
    pub kinds: BTreeMap<i16, Sums>,
    /// Booked entries by hour since 1970 UTC.
    pub hours: BTreeMap<i64, Sums>,
}

/// What a source sent in one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceDay {
    /// Booked entries.
    pub booked: Sums,
    /// Entries that moved nothing.
    pub attempted: i64,
}

/// The sums of a date: per currency, and per source and currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Per currency.
    pub currencies: BTreeMap<String, CurrencyDay>,
    /// Per source and currency.
    pub sources: BTreeMap<Seq, BTreeMap<String, SourceDay>>,
}

impl Activity {
    /// Adds entries of one source, currency, kind, status and hour.
    pub fn add(&mut self, cell: &Cell) {
        let currency = self.currencies.entry(cell.currency.clone()).or_default();
        let source = self.sources.entry(cell.source).or_default().entry(cell.currency.clone()).or_default();
        if cell.status != Status::Booked.code() {
            currency.attempted += cell.entries;
            source.attempted += cell.entries;
            return;
        }
        source.booked.add(cell);
        currency.booked.add(cell);
        currency.kinds.entry(cell.kind).or_default().add(cell);
        currency.hours.entry(cell.hour).or_default().add(cell);
    }
}

/// How often a rule answered something else than *clear* or *hit*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OutcomeCounts {
    pub not_applicable: i64,
    pub insufficient_history: i64,
    pub errors: i64,
}

/// The entries and changes that one rule set looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Evaluated {
    pub entries: i64,
    pub changes: i64,
    pub outcomes: BTreeMap<String, OutcomeCounts>,
}

/// Everything one pass over a date's entries finds.
#[derive(Debug, Default)]
pub(super) struct Day {
    pub activity: Activity,
    pub accounts: HashMap<Seq, AccountDay>,
    /// By the event that defined the rule set.
    pub rules: BTreeMap<Seq, Evaluated>,
    pub entries_checked: i64,
    /// First and last entry of the date.
    pub span: Option<(Seq, Seq)>,
    /// Between which places the changes of the date lie, both inclusive.
    pub changes: Option<(Seq, Seq)>,
}

/// Entries taken from the database at a time.
const SLICE: i64 = 10_000;

/// Passes over the entries with this business date up to `seq_to`.
pub(super) fn read_day(conn: &mut Conn, date: i32, seq_to: Seq, modes: &HashMap<Seq, Mode>) -> DbResult<Day> {
    let mut day = Day::default();
    for (first, last) in store::ranges(conn, date, seq_to)? {
        let mut from = first;
        loop {
            let slice = store::slice(conn, date, from, last, SLICE)?;
            for entry in &slice {
                day.add(entry, modes.get(&entry.source).copied().unwrap_or_default())?;
            }
            match slice.last() {
                Some(entry) if slice.len() as i64 == SLICE => from = entry.seq + 1,
                _ => break,
            }
        }
    }
    let newest = Newest::default();
    for (id, account) in &mut day.accounts {
        account.settle(|at| match history::instant(conn, &newest, *id, Moment(at), seq_to) {
            // What leads nowhere is for `verify` to name; the account's balances are not known then.
            Err(DbError::Corrupt(_)) => Ok(Vec::new()),
            found => found,
        })?;
    }
    Ok(day)
}

/// The texts of `entries.outcomes` that matter here.
#[derive(serde::Deserialize)]
struct Outcomes {
    #[serde(default)]
    rules: Vec<RuleOutcome<serde::de::IgnoredAny>>,
}

impl Day {
    /// Counts one entry whose source is checked as `mode` says.
    fn add(&mut self, entry: &DayEntry, mode: Mode) -> DbResult<()> {
        let direction = Direction::from_code(entry.direction).ok_or_else(|| entry.corrupt("unknown direction"))?;
        let status = Status::from_code(entry.status).ok_or_else(|| entry.corrupt("unknown status"))?;
        let (credits, debits) = if direction == Direction::Credit { (entry.amount, 0) } else { (0, entry.amount) };
        self.activity.add(&Cell {
            source: entry.source,
            currency: entry.currency.clone(),
            kind: entry.kind,
            status: entry.status,
            hour: entry.booked_at.div_euclid(HOUR),
            entries: 1,
            credits,
            debits,
        });
        let (first, last) = self.span.unwrap_or((entry.seq, entry.seq));
        self.span = Some((first.min(entry.seq), last.max(entry.seq)));
        self.add_outcomes(entry)?;
        if status == Status::Booked {
            let checked = is_checked(entry, mode);
            self.entries_checked += i64::from(checked);
            let account = self.accounts.entry(entry.account).or_insert_with(|| AccountDay::new(&entry.currency));
            account.add(entry, direction, checked);
            if entry.instrument == Some(Instrument::Cash.code()) {
                account.add_cash(direction, entry.amount);
            }
        }
        Ok(())
    }

    fn add_outcomes(&mut self, entry: &DayEntry) -> DbResult<()> {
        let evaluated = self.rules.entry(entry.rules).or_default();
        evaluated.entries += 1;
        let Some(text) = &entry.outcomes else { return Ok(()) };
        let read: Outcomes = serde_json::from_str(text).map_err(|e| entry.corrupt(&format!("outcomes: {e}")))?;
        for outcome in read.rules {
            let counts = evaluated.outcomes.entry(outcome.rule).or_default();
            match outcome.outcome.as_str() {
                "hit" => {} // counted from the hits, by the entry each is on
                "not_applicable" => counts.not_applicable += 1,
                "insufficient_history" => counts.insufficient_history += 1,
                "error" => counts.errors += 1,
                other => return Err(entry.corrupt(&format!("unknown outcome `{other}`"))),
            }
        }
        Ok(())
    }
}

/// Whether continuity could look at a booked entry at all.
fn is_checked(entry: &DayEntry, mode: Mode) -> bool {
    match mode {
        Mode::None => false,
        Mode::Sequenced | Mode::Daily => entry.account_seq.is_some(),
        Mode::Auto | Mode::PerEntry | Mode::AfterOnly => entry.account_seq.is_some() || entry.balance_after.is_some(),
    }
}

impl DayEntry {
    fn corrupt(&self, what: &str) -> DbError {
        DbError::Corrupt(format!("entry {}: {what}; run `counterfoil verify`", self.seq))
    }
}
