//! Retention: values of changes whose time is over are dropped, and no leaf is.
//!
//! A run looks at the log first and is one act then: an event with what was dropped, held and left, and an
//! erasure of cause `retention` under it. A place goes only if its class's days have passed since the later of
//! recorded and changed, no hold keeps it, and the log itself shows that the clock can be believed: a wrong
//! clock would destroy what no correction brings back.

mod clock;
mod plan;
mod store;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::{Clock, Moment};
use crate::config::{Class, Retention};
use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::trail::{ActError, ActTx, Log, NewEvent, store as trail};

use super::{Cause, Ranges, erase};
pub use clock::Distrust;
use plan::Plan;
pub(super) use store::has_entry_within;

/// The event of a run.
pub const PRUNED: &str = "values.pruned";
/// The event of a run that did not trust the clock.
pub const REFUSED: &str = "prune.refused";
/// Runs listed on a report.
pub const RUNS_MAX: usize = 20;
/// Tries when holds change meanwhile.
const TRIES: usize = 3;

/// A number for each class, by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerClass {
    /// Of class `critical`.
    pub critical: i64,
    /// Of class `normal`.
    pub normal: i64,
    /// Of class `debug`.
    pub debug: i64,
}

impl PerClass {
    /// The number of a class.
    pub fn of(&self, class: Class) -> i64 {
        match class {
            Class::Critical => self.critical,
            Class::Normal => self.normal,
            Class::Debug => self.debug,
        }
    }

    fn of_mut(&mut self, class: Class) -> &mut i64 {
        match class {
            Class::Critical => &mut self.critical,
            Class::Normal => &mut self.normal,
            Class::Debug => &mut self.debug,
        }
    }

    /// All of them.
    pub fn total(&self) -> i64 {
        self.critical + self.normal + self.debug
    }
}

/// What a run did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The instant up to which it looked.
    pub as_of: String,
    /// Days that each class is kept.
    pub days: PerClass,
    /// Changes whose values it dropped.
    pub dropped: PerClass,
    /// Changes whose time is over and that a legal hold keeps, as far as it looked.
    pub held: i64,
    /// Whether more is due than one run drops: it goes on the next night.
    pub more: bool,
    /// Where the next run begins to look.
    pub resume: PerClass,
    /// What one run drops at most.
    pub cap: i64,
}

/// Periods as the settings say.
fn days(settings: &Retention) -> PerClass {
    let of = |class| i64::from(settings.days(class));
    PerClass { critical: of(Class::Critical), normal: of(Class::Normal), debug: of(Class::Debug) }
}

/// What a run would do now.
///
/// # Errors
/// `409 clock_distrusted`, and when the database cannot be read.
pub fn dry_run(db: &Db, settings: &Retention, now: Moment) -> Result<Run, ActError> {
    let plan: Result<Plan, Distrust> = db.read(|conn| conn.snapshot(|conn| Plan::make(conn, settings, now)))?;
    plan.map(|plan| plan.run).map_err(refused)
}

/// Drops what is due. Where the clock is not believed, an event says so and nothing goes.
///
/// # Errors
/// `409 clock_distrusted`, and when the database fails.
pub fn prune(db: &Db, log: &Log, settings: &Retention, clock: &Clock) -> Result<(Seq, Run), ActError> {
    for _ in 0..TRIES {
        let now = clock.now();
        let plan: Result<Plan, Distrust> = db.read(|conn| conn.snapshot(|conn| Plan::make(conn, settings, now)))?;
        let plan = match plan {
            Ok(plan) => plan,
            Err(distrust) => {
                log.append(NewEvent::public(REFUSED, json!({ "reason": distrust.code, "now": now.to_string() })))?;
                return Err(refused(distrust));
            }
        };
        if let Some(done) = log.act(move |tx| carry_out(tx, plan))? {
            return Ok(done);
        }
    }
    Err(ActError::refused(409, "holds_changed", "legal holds, or what is stored, changed meanwhile; run it again"))
}

fn refused(distrust: Distrust) -> ActError {
    ActError::refused(409, "clock_distrusted", distrust.detail)
}

/// `None` if other holds are in force than those that were looked at, or if another run has dropped all of it.
fn carry_out(tx: &mut ActTx<'_>, plan: Plan) -> Result<Option<(Seq, Run)>, ActError> {
    if store::active_holds(tx.conn)?.iter().map(|hold| hold.id).ne(plan.holds.iter().copied()) {
        return Ok(None);
    }
    let places = Ranges::of(plan.places);
    if places.places() > 0 && super::store::still_there(tx.conn, &places)?.is_empty() {
        return Ok(None);
    }
    let body = serde_json::to_value(&plan.run).map_err(|e| DbError::Corrupt(e.to_string()))?;
    let run = tx.append(NewEvent::public(PRUNED, body))?;
    if places.places() > 0 {
        erase(tx, Cause::Retention { run }, &places)?;
    }
    Ok(Some((run, plan.run)))
}

/// A run as its event says it; `None` if it is none of ours.
pub fn read(body: &Value) -> Option<Run> {
    serde_json::from_value(body.clone()).ok()
}

/// A run, or why there was none, as the report lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The event.
    pub event: Seq,
    /// When.
    pub at: Moment,
    /// What it did; else why it did not.
    pub done: Result<Run, String>,
}

/// Runs of the events from `from` to before `to`, the newest first, at most [`RUNS_MAX`].
///
/// # Errors
/// When the database cannot be read.
pub fn runs(conn: &mut Conn, (from, to): (Seq, Seq)) -> DbResult<Vec<Listed>> {
    let rows = trail::events_of(conn, &[PRUNED, REFUSED], Some(to), RUNS_MAX as i64)?;
    let listed = rows.into_iter().filter(|row| row.seq >= from).map(|row| {
        let body: Value = serde_json::from_str(&row.body).unwrap_or_default();
        let reason = || body["reason"].as_str().unwrap_or("unreadable").to_owned();
        Listed { event: row.seq, at: Moment(row.recorded_at), done: read(&body).ok_or_else(reason) }
    });
    Ok(listed.collect())
}
