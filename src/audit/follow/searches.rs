//! Searches of the last day: their rows go when a later one is made.

use std::collections::{BTreeMap, BTreeSet};

use crate::access::searches::{KEPT, store::SearchRow};
use crate::clock::Moment;
use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;

use super::super::event::Event;
use super::super::findings::Findings;
use super::{extra, missing, same, store};

#[derive(Default)]
pub(super) struct Searches {
    made: BTreeMap<String, (Seq, SearchRow)>,
    /// When searches were made whose words are erased.
    erased: BTreeSet<i64>,
}

impl Searches {
    pub(super) fn made(&mut self, event: &Event) {
        let since = Moment(event.at).plus(-KEPT).0;
        self.made.retain(|_, (_, row)| row.created_at >= since);
        self.erased.retain(|at| *at >= since);
        let (Some(id), Some(query)) = (event.private("id"), event.private("query")) else {
            self.erased.insert(event.at);
            return;
        };
        let (user_id, kind) = (event.number("user"), event.text("kind"));
        let row = SearchRow { id: id.to_owned(), user_id, kind, query: query.to_owned(), created_at: event.at };
        self.made.insert(id.to_owned(), (event.seq, row));
    }

    /// The searches that are kept, as they follow from the log.
    pub(super) fn build(self, conn: &mut Conn) -> DbResult<()> {
        bulk::append(conn, &self.made.into_values().map(|(_, row)| row).collect::<Vec<_>>())
    }

    pub(super) fn finish(mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        for row in store::searches(conn)? {
            match self.made.remove(&row.id) {
                Some((seq, expected)) => same("searches", seq, &row, &expected, findings),
                None if self.erased.contains(&row.created_at) => {}
                None => extra("searches", None, findings),
            }
        }
        self.made.values().for_each(|(seq, _)| missing("searches", *seq, findings));
        Ok(())
    }
}
