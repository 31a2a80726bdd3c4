//! Holds: what was placed and what was released.

use std::collections::BTreeMap;

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::privacy::store::{self as privacy, HoldRow};

use super::super::event::Event;
use super::super::findings::Findings;
use super::{extra, missing, same};

#[derive(Default)]
pub(super) struct Holds {
    placed: BTreeMap<Seq, (Event, Option<Event>)>,
}

impl Holds {
    pub(super) fn meet(&mut self, event: Event) {
        if event.kind == "hold.placed" {
            self.placed.insert(event.seq, (event, None));
        } else if let Some((_, released)) = self.placed.get_mut(&event.number("hold")) {
            *released = Some(event);
        }
    }

    pub(super) fn finish(mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        for row in privacy::every_hold(conn)? {
            match self.placed.remove(&row.id) {
                Some((placed, released)) => same("holds", row.id, &row, &expected(&placed, released.as_ref()), findings),
                None => extra("holds", row.id, findings),
            }
        }
        self.placed.into_keys().for_each(|seq| missing("holds", seq, findings));
        Ok(())
    }
}

/// The row that the events give; a subject that was erased is gone from it.
fn expected(placed: &Event, released: Option<&Event>) -> HoldRow {
    HoldRow {
        id: placed.seq,
        scope: placed.text("scope"),
        subject: placed.private("subject").map(str::to_owned),
        account: placed.body["account"].as_i64(),
        placed_at: placed.at,
        released_at: released.map(|event| event.at),
        released_seq: released.map(|event| event.seq),
    }
}
