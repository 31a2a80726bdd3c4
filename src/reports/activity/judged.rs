//! What the rules on changes said on a date, counted from the changes themselves.

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::records::event::Public;

use super::{Day, store};

/// Changes taken from the database at a time.
const SLICE: i64 = 2_000;

impl Day {
    /// Counts the changes from place `first` to before `end`: those recorded on the date.
    pub(in super::super) fn add_changes(&mut self, conn: &mut Conn, (first, end): (Seq, Seq)) -> DbResult<()> {
        let mut from = first;
        loop {
            let slice = store::changes(conn, (from, end), SLICE)?;
            for (seq, body) in &slice {
                let (begun, _) = self.changes.unwrap_or((*seq, *seq));
                self.changes = Some((begun, *seq));
                let Some(public) = Public::read(body) else { continue };
                self.add_change(&public);
            }
            match slice.last() {
                Some((seq, _)) if slice.len() as i64 == SLICE => from = seq + 1,
                _ => return Ok(()),
            }
        }
    }

    /// One that was recorded before there were rules on changes was looked at by none.
    fn add_change(&mut self, public: &Public) {
        let Some(rules) = public.rules else { return };
        let evaluated = self.rules.entry(rules).or_default();
        evaluated.changes += 1;
        for said in &public.outcomes {
            let counts = evaluated.outcomes.entry(said.rule.clone()).or_default();
            match said.outcome.as_str() {
                "not_applicable" => counts.not_applicable += 1,
                "insufficient_history" => counts.insufficient_history += 1,
                "error" => counts.errors += 1,
                _ => {} // hits are counted from their table
            }
        }
    }
}
