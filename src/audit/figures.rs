//! L4: the figures of each date, summed up from the entries again.

use counterfoil_verify::EntryLeaf;

use crate::clock::HOUR;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::intake::Map;
use crate::ledger::Direction;

use super::L4;
use super::findings::Findings;
use super::store::{self, FigureRow};

/// Figures held in memory; more of them are not compared, and that is said.
const FIGURES_MAX: usize = 4_000_000;

/// Date, source, currency (by its number in [`Figures`]), kind, status, hour.
type Key = (i32, i64, usize, i16, i16, i64);

/// Entries, credits and debits, minor units.
type Sums = [i128; 3];

#[derive(Debug, Default)]
pub(super) struct Figures {
    /// With the first entry that counts in it.
    sums: Map<Key, (Sums, Seq)>,
    currencies: Vec<String>,
    too_many: bool,
}

impl Figures {
    /// Counts an entry.
    pub(super) fn add(&mut self, row: &EntryLeaf<'_>) {
        let currency = self.currency(row.currency);
        let key = (row.business_date, row.source, currency, row.kind, row.status, row.booked_at.div_euclid(HOUR));
        if self.sums.len() >= FIGURES_MAX && !self.sums.contains_key(&key) {
            self.too_many = true;
            return;
        }
        let (sums, first) = self.sums.entry(key).or_insert((Sums::default(), row.seq));
        *first = (*first).min(row.seq);
        sums[0] += 1;
        let side = if row.direction == Direction::Credit.code() { 1 } else { 2 };
        sums[side] += i128::from(row.amount);
    }

    /// Adds what other entries give.
    pub(super) fn merge(&mut self, other: Figures) {
        self.too_many |= other.too_many;
        let currencies: Vec<usize> = other.currencies.iter().map(|code| self.currency(code)).collect();
        for ((date, source, currency, kind, status, hour), (sums, first)) in other.sums {
            let key = (date, source, currencies[currency], kind, status, hour);
            if self.sums.len() >= FIGURES_MAX && !self.sums.contains_key(&key) {
                self.too_many = true;
                return;
            }
            let (all, earliest) = self.sums.entry(key).or_insert((Sums::default(), first));
            all.iter_mut().zip(sums).for_each(|(all, some)| *all += some);
            *earliest = (*earliest).min(first);
        }
    }

    /// Compares with the table.
    pub(super) fn finish(mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        if self.too_many {
            let text = format!("there are more than {FIGURES_MAX} figures: they were not compared");
            findings.add((L4, "bound_reached"), "day_figures", None, text);
            return Ok(());
        }
        for date in store::figure_dates(conn)? {
            for row in store::figures_of(conn, date)? {
                findings.checked(L4, 1);
                self.compare(&row, findings);
            }
        }
        let mut missing: Vec<(Key, Seq)> = self.sums.into_iter().map(|(key, (_, first))| (key, first)).collect();
        missing.sort_unstable();
        for (key, first) in missing {
            let detail = format!("no figures for {}", words(&key, &self.currencies[key.2]));
            findings.add((L4, "day_figure_missing"), "day_figures", first, detail);
        }
        Ok(())
    }

    fn compare(&mut self, row: &FigureRow, findings: &mut Findings) {
        let currency = self.currency(&row.currency);
        let key = (row.business_date, row.source, currency, row.kind, row.status, row.hour);
        let stored = [row.entries, row.credits, row.debits].map(i128::from);
        let name = words(&key, &row.currency);
        match self.sums.remove(&key) {
            None => findings.add((L4, "day_figure_extra"), "day_figures", None, format!("no entries for the figures of {name}")),
            Some((sums, first)) if sums != stored => {
                let detail = format!("{name}: stored {}, the entries give {}", list(&stored), list(&sums));
                findings.add((L4, "day_figure_differs"), "day_figures", first, detail);
            }
            Some(_) => {}
        }
    }

    fn currency(&mut self, code: &str) -> usize {
        if let Some(at) = self.currencies.iter().position(|known| known == code) {
            return at;
        }
        self.currencies.push(code.to_owned());
        self.currencies.len() - 1
    }
}

fn words(key: &Key, currency: &str) -> String {
    let (date, source, _, kind, status, hour) = key;
    let date = crate::clock::day_date(*date);
    format!("{date}, source {source}, {currency}, kind {kind}, status {status}, hour {hour}")
}

fn list(sums: &Sums) -> String {
    format!("{} entries, credits {}, debits {}", sums[0], sums[1], sums[2])
}
