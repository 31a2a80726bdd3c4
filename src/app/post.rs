//! Who writes the log: this process, or another that is asked.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;

use crate::clock::Clock;
use crate::db::Db;
use crate::ids::Seq;
use crate::intake::Intake;
use crate::trail::{Act, ActError, Acts, NewEvent, Side};

use super::inbox::{LeaderError, ask};
use super::requests::{APPENDED, Asked, Request, WireEvent};

/// How long whoever looks at a page waits for the leader to record that.
const RECORD_WITHIN: Duration = Duration::from_secs(10);

/// Another process writes the log, or none does at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StandBy {
    /// Where the leader answers; `None` when that is not known, or a command has the log for a while.
    pub leader: Option<String>,
}

impl std::fmt::Display for StandBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.leader {
            Some(url) => write!(f, "this instance stands by; the leader is at {url}"),
            None => f.write_str("this instance stands by until it leads or finds the leader; try again in a second"),
        }
    }
}

/// The place of the one writer, held by this process or not.
pub(super) struct Post {
    place: RwLock<Place>,
    db: Db,
    clock: Clock,
}

enum Place {
    Leading(Intake),
    Standing(StandBy),
}

impl Post {
    pub fn standing(db: Db, clock: Clock) -> Arc<Post> {
        Arc::new(Post { place: RwLock::new(Place::Standing(StandBy::default())), db, clock })
    }

    /// This process writes, from now on.
    pub fn lead(&self, intake: Intake) {
        *self.place.write().unwrap_or_else(PoisonError::into_inner) = Place::Leading(intake);
    }

    /// Another does. Answers what wrote until now.
    pub fn stand(&self, by: StandBy) -> Option<Intake> {
        let mut place = self.place.write().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *place, Place::Standing(by)) {
            Place::Leading(intake) => Some(intake),
            Place::Standing(_) => None,
        }
    }

    /// The way into the log, if this process writes it.
    pub fn intake(&self) -> Result<Intake, StandBy> {
        match &*self.place.read().unwrap_or_else(PoisonError::into_inner) {
            Place::Leading(intake) => Ok(intake.clone()),
            Place::Standing(by) => Err(by.clone()),
        }
    }

    fn leading(&self) -> Result<Intake, ActError> {
        self.intake().map_err(|_| ActError::NotWriting)
    }
}

impl Acts for Post {
    fn act(&self, act: Act) -> Result<(), ActError> {
        self.leading()?.log().act(act)
    }

    /// Where another process leads, it is asked to append them.
    fn append(&self, events: Vec<NewEvent>) -> Result<Vec<Seq>, ActError> {
        match self.intake() {
            Ok(intake) => intake.log().append_all(events),
            Err(_) if !events.iter().all(|event| APPENDED.contains(&event.kind)) => Err(ActError::NotWriting),
            Err(_) => {
                let events = events.into_iter().map(WireEvent::from).collect();
                let asked = Asked { request: Request::Append { events }, whence: None };
                let answer = ask(&self.db, &self.clock, &asked, RECORD_WITHIN, || Ok(false));
                places(answer)
            }
        }
    }

    fn acts(&self) -> u64 {
        self.intake().map_or(0, |intake| intake.log().acts())
    }

    fn side(&self, side: Side) -> Result<(), ActError> {
        Acts::side(&self.leading()?.log(), side)
    }
}

fn places(answer: Result<Value, LeaderError>) -> Result<Vec<Seq>, ActError> {
    let value = answer.map_err(|error| {
        tracing::warn!(%error, "the leader did not record an event of this instance");
        ActError::NotWriting
    })?;
    serde_json::from_value(value).map_err(|e| ActError::refused(500, "inbox_answer", e.to_string()))
}
