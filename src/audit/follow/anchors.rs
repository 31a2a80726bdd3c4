//! Checkpoints that came back from outside and were states of this log.

use std::collections::BTreeMap;

use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;
use crate::trail::store::{AnchorRow, checkpoint_of_size};

use super::super::event::Event;
use super::super::findings::Findings;
use super::{extra, missing, same, store};

#[derive(Default)]
pub(super) struct Anchors {
    pub(super) returned: BTreeMap<Seq, Event>,
}

impl Anchors {
    /// The returns as they follow from the log, which does not say when what came back was signed.
    pub(super) fn build(self, conn: &mut Conn) -> DbResult<()> {
        let row = |event: &Event| AnchorRow {
            id: event.seq,
            kind: event.text("how"),
            size: event.number("size"),
            signed_at: event.at,
            returned_at: event.at,
        };
        bulk::append(conn, &self.returned.values().map(row).collect::<Vec<_>>())
    }

    pub(super) fn finish(mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        for row in store::anchors(conn)? {
            let Some(event) = self.returned.remove(&row.id) else {
                extra("anchors", row.id, findings);
                continue;
            };
            // When it was signed is what the stored one says; one that is not stored was there by then.
            let stored = checkpoint_of_size(conn, event.number("size"))?;
            let expected = AnchorRow {
                id: event.seq,
                kind: event.text("how"),
                size: event.number("size"),
                signed_at: stored.map_or(event.at, |stored| stored.signed_at),
                returned_at: event.at,
            };
            same("anchors", row.id, &row, &expected, findings);
        }
        self.returned.keys().for_each(|seq| missing("anchors", *seq, findings));
        Ok(())
    }
}
