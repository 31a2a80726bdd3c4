//! What keys read over a span of the log, counted again from its events.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::trail::store;

use super::READ;

/// Lines at most.
pub const LINES_MAX: usize = 2_000;
/// Events looked at, at most.
const LOOKED_AT_MAX: usize = 200_000;
/// Read at once.
const PAGE: i64 = 10_000;
/// Reads that show nothing of a customer.
const OF_THE_LOG: [&str; 4] = ["consistency", "proof", "report", "tile"];

/// What an event of reads says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ReadBy {
    /// Whose key; none: of those beyond the bound.
    pub key: Option<Seq>,
    /// Answered and not, by kind.
    pub kinds: BTreeMap<String, (i64, i64)>,
    /// Accounts that were shown, and how often.
    pub accounts: Vec<(Seq, i64)>,
    /// Records that were shown, and how often.
    pub records: Vec<(Seq, i64)>,
}

/// Reads of one key and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Whose key; none: of those beyond the bound.
    pub key: Option<Seq>,
    /// What was asked for.
    pub kind: String,
    /// Told.
    pub answered: i64,
    /// Not told: there was no such thing, or it could not be asked so.
    pub not_answered: i64,
}

/// Whether such a read shows something of a customer.
pub fn about_customers(kind: &str) -> bool {
    !OF_THE_LOG.contains(&kind)
}

/// What keys read from `from` to before `to`, by key and kind; and whether there is more than was looked at
/// or is listed.
///
/// # Errors
/// When the database cannot be read.
pub fn counts(conn: &mut Conn, (mut from, to): (Seq, Seq)) -> DbResult<(Vec<Counts>, bool)> {
    let (mut sums, mut left) = (BTreeMap::<(Option<Seq>, String), (i64, i64)>::new(), LOOKED_AT_MAX);
    let mut more = false;
    loop {
        let rows = store::bodies(conn, READ, (from, to), PAGE)?;
        let (read, last) = (rows.len(), rows.last().map(|(seq, _)| *seq));
        more |= read > left;
        for (_, body) in rows.into_iter().take(left) {
            let told: ReadBy = serde_json::from_str(&body).unwrap_or_default();
            for (kind, (answered, not)) in told.kinds {
                let sum = sums.entry((told.key, kind)).or_default();
                *sum = (sum.0.saturating_add(answered), sum.1.saturating_add(not));
            }
        }
        left -= read.min(left);
        match last.filter(|_| read as i64 == PAGE && !more) {
            Some(last) => from = last + 1,
            None => break,
        }
    }
    let line = |((key, kind), (answered, not_answered))| Counts { key, kind, answered, not_answered };
    let mut lines: Vec<Counts> = sums.into_iter().map(line).collect();
    more |= lines.len() > LINES_MAX;
    lines.truncate(LINES_MAX);
    Ok((lines, more))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Read, Reads, Subject};
    use super::*;
    use crate::trail::testing::Bench;

    #[test]
    fn reads_are_counted_again_from_their_events() {
        let (bench, reads) = (Bench::new(), Reads::default());
        let read = |kind, answered| Read { kind, answered, subjects: vec![Subject::Account(5)], ip: None };
        for key in [7, 8] {
            for answered in [true, true, false] {
                reads.note(bench.clock.now(), key, read("balance", answered));
            }
            reads.write(&bench.log, bench.clock.now()).unwrap();
        }
        reads.note(bench.clock.now(), 7, read("balance", true));
        reads.write(&bench.log, bench.clock.now()).unwrap();
        let line = |key, answered| Counts { key: Some(key), kind: "balance".into(), answered, not_answered: 1 };
        assert_eq!(bench.read(|c| counts(c, (0, 100))), (vec![line(7, 3), line(8, 2)], false));
        let (first, ..) = bench.events(READ).remove(0);
        assert_eq!(bench.read(|c| counts(c, (first + 1, first + 2))), (vec![line(8, 2)], false));
        let body = bench.events(READ).remove(0).1.to_string();
        let told: ReadBy = serde_json::from_str(&body).unwrap();
        assert_eq!((told.key, told.accounts), (Some(7), vec![(5, 3)]));
    }
}
