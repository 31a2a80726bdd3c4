//! L4: the ranges of places between which the entries of a date lie.

use crate::ids::Seq;
use crate::intake::Map;

use super::L4;
use super::findings::Findings;
use super::store::RangeRow;

/// Ranges held in memory; more of them are not compared, and that is said.
pub(super) const RANGES_MAX: usize = 4_000_000;

/// The ranges of each date, met by the entries in order.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    dates: Map<i32, Date>,
    count: usize,
    too_many: bool,
}

#[derive(Debug, Default)]
struct Date {
    ranges: Vec<RangeRow>,
    /// The range that entries are in now, and how many were.
    at: usize,
    seen: i64,
    /// The first and the last of them.
    ends: Option<(Seq, Seq)>,
}

impl Ranges {
    /// Adds the ranges of one date, in order.
    pub(super) fn add_date(&mut self, date: i32, rows: Vec<RangeRow>) {
        self.count += rows.len();
        if self.count > RANGES_MAX {
            self.too_many = true;
            self.dates.clear();
        } else {
            self.dates.insert(date, Date { ranges: rows, ..Date::default() });
        }
    }

    /// How many more rows may be added.
    pub(super) fn room(&self) -> usize {
        (RANGES_MAX + 1).saturating_sub(self.count)
    }

    /// Meets the next entry of the log.
    pub(super) fn meet(&mut self, date: i32, seq: Seq, findings: &mut Findings) {
        if self.too_many {
            return;
        }
        let of = self.dates.entry(date).or_default();
        while of.ranges.get(of.at).is_some_and(|range| range.last_seq < seq) {
            of.leave(findings);
        }
        match of.ranges.get(of.at) {
            Some(range) if range.first_seq <= seq => {
                of.seen += 1;
                of.ends = Some((of.ends.map_or(seq, |(first, _)| first), seq));
            }
            _ => findings.add((L4, "day_range_missing"), "day_ranges", seq, "no range of its business date covers this entry"),
        }
    }

    /// After the last entry.
    pub(super) fn finish(mut self, findings: &mut Findings) {
        findings.checked(L4, self.count);
        if self.too_many {
            let text = format!("there are more than {RANGES_MAX} ranges: they were not compared");
            findings.add((L4, "bound_reached"), "day_ranges", None, text);
        }
        for date in self.dates.values_mut() {
            while date.at < date.ranges.len() {
                date.leave(findings);
            }
        }
    }
}

impl Date {
    /// Goes on to the next range; the one that is left must have had as many entries as it says.
    fn leave(&mut self, findings: &mut Findings) {
        let range = &self.ranges[self.at];
        if range.entries != self.seen {
            let detail = format!("the range says {} entries, {} of its business date lie in it", range.entries, self.seen);
            findings.add((L4, "day_range_differs"), "day_ranges", range.first_seq, detail);
        }
        if self.ends.is_some_and(|ends| ends != (range.first_seq, range.last_seq)) {
            let detail = "the range does not begin and end at entries of its business date";
            findings.add((L4, "day_range_differs"), "day_ranges", range.first_seq, detail);
        }
        (self.at, self.seen, self.ends) = (self.at + 1, 0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(rows: &[(i64, i64, i64)], entries: &[i64]) -> Vec<(&'static str, Option<i64>)> {
        let row = |&(first_seq, last_seq, entries)| RangeRow { business_date: 7, first_seq, last_seq, entries };
        let (mut ranges, mut findings) = (Ranges::default(), Findings::default());
        ranges.add_date(7, rows.iter().map(row).collect());
        entries.iter().for_each(|seq| ranges.meet(7, *seq, &mut findings));
        ranges.finish(&mut findings);
        findings.outcome(0, &[]).findings.into_iter().map(|f| (f.kind, f.seq)).collect()
    }

    #[test]
    fn every_entry_lies_in_a_range_that_counts_it() {
        assert_eq!(findings(&[(3, 5, 2), (8, 8, 1)], &[3, 5, 8]), []);
        assert_eq!(findings(&[(3, 6, 2)], &[3, 5]), [("day_range_differs", Some(3))]);
        assert_eq!(findings(&[(2, 5, 2)], &[3, 5]), [("day_range_differs", Some(2))]);
        assert_eq!(findings(&[(3, 5, 3)], &[3, 5]), [("day_range_differs", Some(3))]);
        assert_eq!(findings(&[(3, 5, 2)], &[3, 5, 8]), [("day_range_missing", Some(8))]);
        assert_eq!(findings(&[(3, 5, 2), (9, 9, 1)], &[3, 5]), [("day_range_differs", Some(9))]);
    }
}
