//! Sessions: who is signed in. One that was not used for a while may be gone or not be gone yet.

use std::collections::HashMap;

use crate::access::sessions::{ABSOLUTE, IDLE, commitment};
use crate::access::store::SessionRow;
use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;

use super::super::event::Event;
use super::super::findings::Findings;
use super::{extra, missing, same, store};

/// Sessions that may have a row, by user and then by their reference.
#[derive(Default)]
pub(super) struct Sessions {
    users: HashMap<Seq, HashMap<String, Event>>,
}

/// What the log calls a session.
fn reference(token_hash: &[u8]) -> String {
    hex::encode(&token_hash[..token_hash.len().min(8)])
}

impl Sessions {
    pub(super) fn opened(&mut self, event: Event) {
        let of_user = self.users.entry(event.number("user")).or_default();
        // Opening one removes those of the user that are over for certain.
        of_user.retain(|_, earlier| Moment(earlier.at).plus(ABSOLUTE) > Moment(event.at));
        of_user.insert(event.text("session"), event);
    }

    pub(super) fn closed(&mut self, event: &Event) {
        if let Some(of_user) = self.users.get_mut(&event.number("user")) {
            of_user.remove(&event.text("session"));
        }
    }

    /// A new password and being disabled end every session of a user.
    pub(super) fn ended(&mut self, kind: &str, event: &Event) {
        if kind == "user.reset" || kind == "user.disabled" {
            self.users.remove(&event.number("user"));
        }
    }

    pub(super) fn finish(mut self, conn: &mut Conn, now: Moment, findings: &mut Findings) -> DbResult<()> {
        let mut unmatched = Vec::new();
        for row in store::sessions(conn)? {
            let of_user = self.users.get_mut(&row.user_id);
            match of_user.and_then(|of_user| of_user.remove(&reference(&row.token_hash))) {
                Some(event) => same("sessions", event.seq, &row, &expected(&event, &row), findings),
                None => unmatched.push(row),
            }
        }
        let mut left: Vec<Event> = self.users.into_values().flat_map(HashMap::into_values).collect();
        left.sort_by_key(|event| event.seq);
        for row in unmatched {
            // What was opened when this row says it was is what it was made from.
            let from = left.iter().find(|event| event.at == row.created_at).map(|event| event.seq);
            extra("sessions", from, findings);
        }
        let alive = |event: &&Event| now < Moment(event.at).plus(IDLE);
        left.iter().filter(alive).for_each(|event| missing("sessions", event.seq, findings));
        Ok(())
    }
}

fn expected(event: &Event, row: &SessionRow) -> SessionRow {
    let recognised = event.text("credential") == commitment(&row.token_hash, &row.csrf);
    SessionRow {
        token_hash: row.token_hash.clone(),
        user_id: event.number("user"),
        // What the digest does not recognise differs from whatever is there.
        csrf: if recognised { row.csrf.clone() } else { format!("{}\0", row.csrf) },
        created_at: event.at,
        seen_at: row.seen_at,
        ip: event.private_or_null("ip", row.ip.as_ref()),
        user_agent: event.private_or_null("user_agent", row.user_agent.as_ref()),
    }
}
