//! Attempts: what was begun, what was denied, who signed in, and how each ended.

use std::collections::BTreeMap;

use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;
use crate::trail::attempts::store::{self as attempts, ActRow};
use crate::trail::attempts::{Outcome, READ, SIGN_IN, refused_at};

use super::super::event::Event;
use super::super::findings::Findings;
use super::{PAGE, extra, missing, same};

#[derive(Default)]
pub(super) struct Attempts {
    made: BTreeMap<Seq, ActRow>,
}

impl Attempts {
    pub(super) fn meet(&mut self, event: &Event) {
        let of_user = event.body["user"].is_i64();
        match event.kind.as_str() {
            "act.attempted" => self.add(event, event.text("act"), Outcome::Open),
            "act.ended" => self.end(event),
            "access.denied" if of_user => self.add(event, event.text_or_null("act").unwrap_or(READ.to_owned()), Outcome::Denied),
            "session.opened" => self.add(event, SIGN_IN.to_owned(), Outcome::Succeeded),
            "session.refused" if of_user => self.add(event, refused_at(&event.body).to_owned(), Outcome::Denied),
            _ => {}
        }
    }

    fn add(&mut self, event: &Event, act: String, outcome: Outcome) {
        let ended = outcome != Outcome::Open;
        let row = ActRow {
            id: event.seq,
            user_id: event.body["user"].as_i64(),
            act,
            attempted_at: event.at,
            outcome: outcome.code(),
            status: None,
            ended_at: ended.then_some(event.at),
            ended_seq: ended.then_some(event.seq),
        };
        self.made.insert(row.id, row);
    }

    fn end(&mut self, event: &Event) {
        let Some(row) = self.made.get_mut(&event.number("attempt")) else { return };
        row.outcome = Outcome::parse(&event.text("outcome")).map_or(-1, Outcome::code);
        row.status = event.body["status"].as_i64().and_then(|status| i16::try_from(status).ok());
        (row.ended_at, row.ended_seq) = (Some(event.at), Some(event.seq));
    }

    pub(super) fn build(self, conn: &mut Conn) -> DbResult<()> {
        bulk::append(conn, &self.made.into_values().collect::<Vec<_>>())
    }

    pub(super) fn finish(mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        let mut after = i64::MIN;
        loop {
            let rows = attempts::after(conn, after, PAGE)?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            for row in &rows {
                match self.made.remove(&row.id) {
                    Some(expected) => same("acts", row.id, row, &expected, findings),
                    None => extra("acts", row.id, findings),
                }
            }
        }
        self.made.into_keys().for_each(|seq| missing("acts", seq, findings));
        Ok(())
    }
}
