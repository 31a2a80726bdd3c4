//! What page Trail says of private parts: whether they can be sealed, what was erased, what waits.

use crate::app::App;
use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::privacy::{self, Done, Waiting};
use crate::reports::page::words::{LocalTime, UNKNOWN, count, counted, fact, link, mono, tag};
use crate::trail::sealing::{self, Status};

use super::views::{ErasureRow, Fact, Link};

/// Erasures listed on the page; the report lists those of its date.
const LISTED: usize = 20;

/// See the module.
pub(super) struct Private {
    status: Status,
    recovery: Option<String>,
    master: Option<String>,
    done: Vec<Done>,
    done_total: i64,
    waiting: Vec<Waiting>,
    waiting_total: i64,
    holds: i64,
}

impl Private {
    pub(super) fn read(conn: &mut Conn, app: &App, end: Seq) -> DbResult<Private> {
        let (done, done_total) = privacy::done_newest(conn, LISTED as i64)?;
        let (waiting, waiting_total) = privacy::waiting(conn, end)?;
        Ok(Private {
            status: app.sealing(conn)?,
            recovery: sealing::store::recovery_rows(conn)?.pop().map(|row| row.name),
            master: sealing::store::data_keys(conn)?.pop().map(|row| row.master),
            holds: privacy::holds_in_force(conn, end)?,
            done,
            done_total,
            waiting,
            waiting_total,
        })
    }

    pub(super) fn sealing(&self) -> Vec<Fact> {
        let name = |name: &Option<String>| name.clone().unwrap_or_else(|| UNKNOWN.to_owned());
        let state = if self.status.is_ready() { tag("Ready", "good") } else { tag("Nothing is sealed", "warn") };
        vec![
            fact("State", format!("{}: {}", state.word, self.status.text())),
            mono("Recovery key made last", name(&self.recovery)),
            mono("Master key in use", name(&self.master)),
        ]
    }

    pub(super) fn summary(&self) -> String {
        format!(
            "{} carried out, {} waiting, {} in force.",
            counted(self.done_total, "erasure", "erasures"),
            count(self.waiting_total),
            counted(self.holds, "legal hold", "legal holds")
        )
    }

    pub(super) fn rows(&self, time: LocalTime) -> Vec<ErasureRow> {
        let waiting = self.waiting.iter().take(LISTED).map(|waiting| row_waiting(waiting, time));
        waiting.chain(self.done.iter().map(|done| row_done(done, time))).collect()
    }
}

fn proposal(id: Seq) -> Link {
    link(format!("Proposal {id}"), format!("/approvals/{id}"))
}

fn row_waiting(waiting: &Waiting, time: LocalTime) -> ErasureRow {
    let at = |at: Moment, before: &str| format!("{before} {}", time.second(at));
    let (at, state) = match waiting.ready_at {
        Some(ready) => (at(ready, "from"), tag("Approved", "warn")),
        None => (at(waiting.submitted_at, "asked"), tag("Waiting", "neutral")),
    };
    let about = Some(proposal(waiting.proposal));
    ErasureRow { what: "To be carried out".to_owned(), at, places: UNKNOWN.to_owned(), state, about }
}

fn row_done(done: &Done, time: LocalTime) -> ErasureRow {
    let state = if done.cause == "register" { tag("Older copy put right", "warn") } else { tag("Done", "good") };
    ErasureRow {
        what: format!("Event {}", count(done.event)),
        at: time.second(done.at),
        places: count(done.places),
        state,
        about: done.proposal.map(proposal),
    }
}
