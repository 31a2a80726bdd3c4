//! A small engine for unit tests: every act at once, in a transaction of its own, on a temporary
//! SQLite database.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use counterfoil_verify::Tiles;
use serde_json::{Value, json};

use crate::clock::{Clock, Moment};
use crate::db::{Conn, Db, DbError, bulk, migrate};
use crate::ids::Seq;

use super::{Act, ActError, ActTx, Acts, Log, NewEvent, Side, Tail, store};

/// A database with an empty log, a clock that stands still, and a log that runs acts.
pub struct Bench {
    /// The database.
    pub db: Db,
    /// The log.
    pub log: Log,
    /// Stands at 2026-11-20T12:00:00Z until it is advanced.
    pub clock: Clock,
    _folder: tempfile::TempDir,
}

struct AtOnce {
    clock: Clock,
    state: Mutex<(Conn, Tail)>,
}

impl Acts for AtOnce {
    fn act(&self, act: Act) -> Result<(), ActError> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (conn, tail) = &mut *state;
        let mut next = tail.clone();
        let size = tail.next_seq();
        conn.write(|conn| {
            act(&mut ActTx::new(conn, &self.clock, &mut next))?;
            bulk::append(conn, &next.take_full_tiles())?;
            store::advance(conn, size, &next).map_err(ActError::from)
        })?;
        *tail = next;
        Ok(())
    }

    fn side(&self, side: Side) -> Result<(), ActError> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(state.0.write(side)?)
    }
}

impl Bench {
    /// A fresh one.
    pub fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}", folder.path().join("log.db").display()), 2).unwrap();
        let clock = Clock::fixed(Moment::parse("2026-11-20T12:00:00Z").unwrap(), 7);
        let mut conn = db.connect().unwrap();
        migrate::up(&mut conn).unwrap();
        let mut tail = Tail::new("test.example/log".into(), 1, Tiles::new(), Moment(0));
        conn.write(|conn| {
            ActTx::new(conn, &clock, &mut tail).append(NewEvent::public("log.created", json!({})))?;
            store::create_state(conn, &tail).map_err(ActError::from)
        })
        .unwrap();
        let engine = AtOnce { clock: clock.clone(), state: Mutex::new((conn, tail)) };
        Bench { db, log: Log::new(Arc::new(engine)), clock, _folder: folder }
    }

    /// Asks the database.
    pub fn read<T>(&self, work: impl FnOnce(&mut Conn) -> Result<T, DbError>) -> T {
        self.db.read(work).unwrap()
    }

    /// The events so far of one kind: place, public body and private part.
    pub fn events(&self, kind: &str) -> Vec<(Seq, Value, Option<Value>)> {
        let rows = self.read(|c| store::events_between(c, 0, Seq::MAX, 10_000));
        let parts = self.read(|c| store::event_parts_between(c, 0, Seq::MAX));
        let part = |seq| parts.iter().find(|p| p.seq == seq).map(|p| serde_json::from_str(&p.body).unwrap());
        let wanted = rows.iter().filter(|row| row.kind == kind);
        wanted.map(|row| (row.seq, serde_json::from_str(&row.body).unwrap(), part(row.seq))).collect()
    }
}

/// An engine that writes nothing.
pub struct Nowhere;

impl Acts for Nowhere {
    fn act(&self, _: Act) -> Result<(), ActError> {
        Err(ActError::NotWriting)
    }

    fn side(&self, _: Side) -> Result<(), ActError> {
        Err(ActError::NotWriting)
    }
}

/// The stable code of a refused act.
pub fn code<T: std::fmt::Debug>(result: Result<T, ActError>) -> &'static str {
    match result {
        Err(ActError::Refused { code, .. }) => code,
        other => panic!("not refused: {other:?}"),
    }
}
