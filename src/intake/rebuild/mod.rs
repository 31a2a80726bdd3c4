//! The log made again from its leaves, by the code that wrote it: every entry is evaluated anew (its
//! place, continuity, rules, hits, alerts, figures) at the time it was recorded, and must give the
//! same leaf. Batches are of another size, caches are empty, nothing is taken from the tables.
//!
//! What an officer, a command or a job did is not done again: its event is taken as it is, and has
//! on the engine the effect it had. Private parts that are gone are stood in for by texts that no
//! sender could have sent; their commitments stand, and are counted.

mod entries;
mod events;

use std::sync::Arc;

use counterfoil_verify::decode::{Leaf as Decoded, decode};
use counterfoil_verify::export::Opening;
use counterfoil_verify::generation::Recovery;
use counterfoil_verify::{Hash, Tiles, leaf};

use crate::alerts::again as alerts_again;
use crate::clock::{Clock, Moment};
use crate::config::{Config, SessionKind};
use crate::db::segments::Segments;
use crate::db::{Address, Conn, Db, DbError, DbResult, migrate};
use crate::detect::RuleSetBody;
use crate::ids::Seq;
use crate::ledger::Context;
use crate::trail::generations::RECOVERED;
use crate::trail::store::{self as trail_store, EventPartRow, EventRow};
use crate::trail::{Blind, Recorded, Side, Tail};

use super::engine::{Engine, Sealed, Settings};
use super::indexer::Indexer;
use super::references::References;
use super::{Delivery, maps::Map, warming};

/// Numbers of accounts, contexts and deliveries held each; beyond it all are read again.
const KEPT_MAX: usize = 100_000;

/// A leaf, and what is left of its private part.
#[derive(Clone, Debug)]
pub struct RecordedLeaf {
    /// Its place.
    pub seq: Seq,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Salt and private parts, as long as they are there.
    pub opening: Option<Opening>,
}

/// A leaf that came out another: what follows builds on it, so nothing more can be made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differs {
    /// Its place.
    pub seq: Seq,
    /// `entries` or `events`.
    pub table: &'static str,
    /// What differs.
    pub column: String,
    /// As recorded.
    pub recorded: String,
    /// As made again.
    pub rebuilt: String,
}

/// Why it cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A leaf came out another.
    #[error("leaf {} is not what its content gives", .0.seq)]
    Differs(Box<Differs>),
}

/// What was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Entries evaluated anew.
    pub entries: u64,
    /// Events of the engine that were made anew: definitions, alerts of hits.
    pub made: u64,
    /// Events that were taken as they are.
    pub taken: u64,
    /// Private parts that are gone: the commitment stands.
    pub expired: u64,
    /// Commits it took.
    pub commits: u64,
}

/// A log that is being made again.
pub struct Rebuild {
    engine: Engine,
    db: Db,
    writer: Conn,
    clock: Clock,
    base: Config,
    batch: usize,
    waiting: usize,
    pending: Option<(RecordedLeaf, Vec<RecordedLeaf>)>,
    effects: Vec<Side>,
    numbers: Map<Seq, String>,
    contexts: Map<Seq, Context>,
    deliveries: Map<Seq, Delivery>,
    segments: Segments,
    met: Met,
}

impl Rebuild {
    /// Into an empty database, in commits of `batch` leaves; `config` says what the log does not.
    ///
    /// # Errors
    /// When the database is not empty or cannot be written.
    pub fn begin(db: &Db, config: &Config, origin: &str, batch: usize) -> DbResult<Rebuild> {
        let mut writer = db.connect()?;
        migrate::up(&mut writer)?;
        if trail_store::state(&mut writer)?.is_some() || trail_store::rows(&mut writer)? > 0 {
            return Err(DbError::Unfit("the database to build into holds a log: name an empty one".into()));
        }
        writer.relax()?;
        let clock = Clock::fixed(Moment(0), 0);
        let base = plain(config);
        let settings = Arc::new(Settings::new(&base, db.address(), clock.clone())?);
        trail_store::create_state(&mut writer, &Tail::new(origin.to_owned(), 0, Tiles::new(), Moment(0)))?;
        let tail = Tail::new(origin.to_owned(), 0, Tiles::new(), Moment(i64::MIN));
        let compiled = RuleSetBody::first().compile(0).map_err(DbError::Corrupt)?;
        let conn = db.connect()?;
        let references = References::over(Vec::new());
        let mut engine = Engine::at(conn, settings, tail, Arc::new(compiled), references);
        engine.remade = true;
        Ok(Rebuild {
            engine,
            db: db.clone(),
            writer,
            clock,
            base,
            batch: batch.max(1),
            waiting: 0,
            pending: None,
            effects: Vec::new(),
            numbers: Map::default(),
            contexts: Map::default(),
            deliveries: Map::default(),
            segments: Segments::default(),
            met: Met::default(),
        })
    }

    /// Takes the next leaf.
    ///
    /// # Errors
    /// When it comes out another, cannot be read, or the database refuses.
    pub fn add(&mut self, leaf: RecordedLeaf) -> Result<(), RebuildError> {
        let decoded = decode(&leaf.bytes).map_err(|e| self.differs(leaf.seq, "entries", "leaf", &e.to_string(), ""))?;
        if let Decoded::Event(_, event) = &decoded {
            self.renamed(event.kind, event.body)?;
        }
        if decoded.origin() != self.engine.tail.origin() || decoded.seq() != leaf.seq {
            let found = format!("{} of {}", decoded.seq(), decoded.origin());
            return Err(self.differs(leaf.seq, "entries", "origin, seq", &found, self.engine.tail.origin()));
        }
        match decoded {
            Decoded::Entry(..) => {
                self.settle()?;
                self.pending = Some((leaf, Vec::new()));
                Ok(())
            }
            Decoded::Event(_, event) => {
                let opened = event.kind == "alert.opened" && !alerts_again::is_of_breaks(&json(event.body));
                if let (true, Some((_, following))) = (opened, &mut self.pending) {
                    following.push(leaf);
                    return Ok(());
                }
                let row = EventRow::of(&event);
                self.settle()?;
                self.event(&leaf, row)
            }
        }
    }

    /// A log that went on after a loss has another name from there on.
    fn renamed(&mut self, kind: &str, body: &str) -> Result<(), RebuildError> {
        let recovery = (kind == RECOVERED).then(|| Recovery::parse(body)).flatten();
        let Some(Recovery { previous, origin, .. }) = recovery.filter(|r| r.previous == self.engine.tail.origin()) else {
            return Ok(());
        };
        // What waits was recorded under the name before.
        self.settle()?;
        self.engine.tail.rename(origin.clone());
        self.effects.push(Box::new(move |conn| trail_store::rename(conn, &previous, &origin)));
        Ok(())
    }

    /// After the last leaf: everything is committed; answers what was met, the size and the root.
    ///
    /// # Errors
    /// When the last entry comes out another or the database refuses.
    pub fn finish(mut self) -> Result<(Met, (Seq, Hash)), RebuildError> {
        self.settle()?;
        self.flush()?;
        Ok((self.met, (self.engine.tail.next_seq(), self.engine.tail.root())))
    }

    /// Evaluates the entry that waits for the alerts behind it.
    fn settle(&mut self) -> Result<(), RebuildError> {
        let Some((leaf, following)) = self.pending.take() else { return Ok(()) };
        let count = following.len() + 1;
        self.entry(&leaf, &following)?;
        self.waited(count)
    }

    fn waited(&mut self, leaves: usize) -> Result<(), RebuildError> {
        self.waiting += leaves;
        if self.waiting >= self.batch { Ok(self.flush()?) } else { Ok(()) }
    }

    /// Commits what waits, as the committer does.
    fn flush(&mut self) -> DbResult<()> {
        self.waiting = 0;
        self.engine.tail.blinds.clear();
        if !self.engine.has_work() && self.effects.is_empty() {
            return Ok(());
        }
        let Sealed { batch, size_before, tail, .. } = self.engine.seal()?;
        let effects = std::mem::take(&mut self.effects);
        self.segments.keep_ahead(&mut self.writer, size_before);
        self.writer.write(|conn| {
            match tail.next_seq() == size_before {
                true => batch.write_without_leaves(conn, tail.epoch())?,
                false => batch.write(conn, size_before, &tail)?,
            }
            effects.into_iter().try_for_each(|effect| effect(conn))
        })?;
        drop(batch);
        self.engine.committed();
        self.met.commits += 1;
        self.index()
    }

    /// Sorts closed segments into index runs, here and now.
    fn index(&mut self) -> DbResult<()> {
        let segment = self.engine.settings.segment_entries;
        while self.engine.size_before - self.engine.indexed_to >= segment {
            let (first, last) = (self.engine.indexed_to, self.engine.indexed_to + segment - 1);
            let writer = std::cell::RefCell::new(&mut self.writer);
            let write = |side: Side| writer.borrow_mut().write(side);
            let runs = (Indexer { db: self.db.clone(), write }).index(first, last)?;
            self.engine.indexed_to = last + 1;
            if self.engine.references.close_segment(runs, last) {
                self.engine.references.grown(Some(warming::larger_filter(&self.db)?));
            }
        }
        Ok(())
    }

    /// The clock stands where it stood when this was recorded.
    fn at(&self, recorded_at: i64) {
        self.clock.advance(recorded_at - self.clock.now().0);
    }

    /// Says how a leaf that is about to be made again was blinded.
    fn expect(&mut self, leaf: &RecordedLeaf, blind: &[u8]) -> Result<(), RebuildError> {
        let blind = Blind::of(blind).ok_or_else(|| DbError::Corrupt(format!("leaf {} is not blinded", leaf.seq)))?;
        let salt = leaf.opening.as_ref().map(|opening| opening.salt);
        if salt.is_none() && matches!(blind, Blind::Commitment(_)) {
            self.met.expired += 1;
        }
        self.engine.tail.blinds.expect(leaf.seq, Recorded { blind, salt });
        Ok(())
    }

    fn differs(&self, seq: Seq, table: &'static str, column: &str, recorded: &str, rebuilt: &str) -> RebuildError {
        let (column, recorded, rebuilt) = (column.to_owned(), recorded.to_owned(), rebuilt.to_owned());
        RebuildError::Differs(Box::new(Differs { seq, table, column, recorded, rebuilt }))
    }
}

/// Settings under which nothing that was hidden already is hidden again.
fn plain(config: &Config) -> Config {
    let mut config = config.clone();
    config.source.iter_mut().for_each(|source| source.session = SessionKind::default());
    config
}

fn settings(config: &Config, address: &Address, clock: &Clock) -> DbResult<Arc<Settings>> {
    Ok(Arc::new(Settings::new(config, address, clock.clone())?))
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// The private text of an event, if it is there.
fn private(leaf: &RecordedLeaf) -> Option<&str> {
    leaf.opening.as_ref()?.parts.first()?.as_deref()
}

fn part(leaf: &RecordedLeaf) -> Option<EventPartRow> {
    let salt = leaf.opening.as_ref()?.salt.to_vec();
    Some(EventPartRow { seq: leaf.seq, salt, body: private(leaf)?.to_owned() })
}

fn hash(bytes: &[u8]) -> Hash {
    leaf::hash(bytes)
}
