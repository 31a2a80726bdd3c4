//! What a run would drop: changes whose time is over and that no hold keeps, class by class, from where the
//! run before ended.

use serde_json::Value;

use crate::clock::{DAY, Moment};
use crate::config::{Class, Retention};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::records::class_code;
use crate::records::store::{self as records, ChangeRow, FieldRow};
use crate::trail::store as trail;

use super::super::scope::says;
use super::super::store::{HoldRow, still_there};
use super::super::subject::folded;
use super::super::{Range, Ranges, Scope};
use super::clock::{self, Distrust};
use super::{PRUNED, PerClass, Run, days, read, store};

/// Changes read at once.
const PAGE: i64 = 500;
/// Changes looked at in one run, for each that it may drop: the rest may be held.
const LOOKED_AT: i64 = 10;

/// What is to go, and what is said of it.
pub(super) struct Plan {
    pub run: Run,
    pub places: Vec<Seq>,
    /// The holds that were looked at.
    pub holds: Vec<Seq>,
}

impl Plan {
    /// Over one state of the database.
    pub fn make(conn: &mut Conn, settings: &Retention, now: Moment) -> DbResult<Result<Plan, Distrust>> {
        if let Err(distrust) = clock::look(conn, settings, now)? {
            return Ok(Err(distrust));
        }
        let holds = store::active_holds(conn)?;
        let run = Run {
            as_of: now.to_string(),
            days: days(settings),
            dropped: PerClass::default(),
            held: 0,
            more: false,
            resume: last_resume(conn)?,
            cap: i64::from(settings.per_run),
        };
        let mut plan = Plan { run, places: Vec::new(), holds: holds.iter().map(|hold| hold.id).collect() };
        let holds = Holds::of(&holds);
        let size = trail::state(conn)?.map_or(0, |state| state.size);
        for class in [Class::Debug, Class::Normal, Class::Critical] {
            plan.add(conn, class, &holds, (now, size))?;
        }
        Ok(Ok(plan))
    }

    /// Adds what is due of a class.
    fn add(&mut self, conn: &mut Conn, class: Class, holds: &Holds, (now, size): (Moment, Seq)) -> DbResult<()> {
        let over = now.0.saturating_sub(self.run.days.of(class).saturating_mul(DAY));
        // What was recorded later is not due, whatever its sender says.
        let end = store::first_place_at(conn, over.saturating_add(1), size)?;
        let (mut from, mut first_left, mut looked_at) = (self.run.resume.of(class), None::<Seq>, 0);
        'pages: while from < end {
            let page = records::changes_of_class(conn, class_code(class), (from, end), PAGE)?;
            let Some(last) = page.last().map(|row| row.seq) else { break };
            let places = Ranges::of(page.iter().map(|row| row.seq).collect());
            let there = Ranges::of(still_there(conn, &places)?);
            for row in page.iter().filter(|row| there.has(row.seq)) {
                if self.places.len() as i64 >= self.run.cap || looked_at >= self.run.cap * LOOKED_AT {
                    self.run.more = true;
                    first_left = first_left.or(Some(row.seq));
                    break 'pages;
                }
                looked_at += 1;
                let due = row.recorded_at.max(row.changed_at) <= over;
                let kept = due && holds.keep(conn, row)?;
                self.run.held += i64::from(kept);
                if !due || kept {
                    first_left = first_left.or(Some(row.seq));
                    continue;
                }
                self.places.push(row.seq);
                *self.run.dropped.of_mut(class) += 1;
            }
            from = last + 1;
        }
        *self.run.resume.of_mut(class) = first_left.unwrap_or(end);
        Ok(())
    }
}

/// Where the newest run says that the next begins.
fn last_resume(conn: &mut Conn) -> DbResult<PerClass> {
    let newest = trail::events_of(conn, &[PRUNED], None, 1)?.pop();
    let run = newest.and_then(|row| read(&serde_json::from_str(&row.body).ok()?));
    Ok(run.map(|run| run.resume).unwrap_or_default())
}

/// The holds in force, as far as they can keep a change.
struct Holds {
    /// [`folded`].
    names: Vec<String>,
    ranges: Vec<Range>,
}

impl Holds {
    fn of(rows: &[HoldRow]) -> Holds {
        let of_range = |row: &&HoldRow| row.scope == Scope::Range.text();
        let ranges = rows.iter().filter(of_range).filter_map(|row| Range::parse(row.subject.as_deref()?)).collect();
        let named = rows.iter().filter(|row| !of_range(row));
        Holds { names: named.filter_map(|row| row.subject.as_deref()).map(folded).collect(), ranges }
    }

    /// Whether one of them keeps a change: by its time, or because its record, its actor, its reason or a value
    /// in the clear names the subject, however it is capitalised.
    fn keep(&self, conn: &mut Conn, row: &ChangeRow) -> DbResult<bool> {
        if self.ranges.iter().any(|range| range.has(row.recorded_at) || range.has(row.changed_at)) {
            return Ok(true);
        }
        if self.names.is_empty() {
            return Ok(false);
        }
        let record = records::record(conn, row.record)?.map(|record| record.reference);
        let private = trail::event(conn, row.seq)?.and_then(|(_, part)| part).map(|part| part.body);
        let fields = records::fields_of(conn, &[row.seq])?;
        let values = fields.iter().flat_map(|FieldRow { old, new, .. }| [old.as_deref(), new.as_deref()]).flatten();
        let texts = record.iter().chain(&private).map(String::as_str).chain(values);
        let said: Vec<Value> = texts.map(folded).map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))).collect();
        Ok(self.names.iter().any(|name| said.iter().any(|said| says(said, name))))
    }
}
