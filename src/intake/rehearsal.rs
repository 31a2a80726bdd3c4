//! What recording would give: rows evaluated as live over what is stored, and never written.
//!
//! A dry run has an engine of its own, whose batches are thrown away; what later rows may ask of
//! earlier ones (their content, their place on the account, the breaks they opened) is remembered,
//! some hundred bytes an entry, for at most [`ENTRIES_MAX`]. It takes no lease and writes nothing: a
//! database that is not there yet is played by an empty one in memory.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::config::Config;
use crate::db::{self, Address, Conn, Db, DbError, DbResult, migrate};
use crate::ids::{SOURCE_NAME_RULE, Seq, is_source_name};
use crate::ledger::store::sources;
use crate::ledger::{BreakState, Movement, NewEntry, PAST_MAX};
use crate::trail::store as trail_store;

use super::batch::Batch;
use super::engine::{Engine, Settings};
use super::{Delivery, DeliveryKind, Row, RowResult, Submission, load};

/// Entries that one dry run takes.
pub const ENTRIES_MAX: usize = 10_000_000;
/// The source of the rehearsal, when the log does not know it.
const NEW_SOURCE: Seq = -1;

/// What later rows may ask of the entries rehearsed so far.
#[derive(Default)]
pub(super) struct Rehearsed {
    contents: HashMap<Seq, [u8; 16]>,
    /// By account: its last stored entry, and those rehearsed, in their order.
    past: HashMap<Seq, (Option<Seq>, Vec<Movement>)>,
    /// Breaks that rehearsed entries opened, and whether each is still open.
    breaks: HashMap<(Seq, i16), bool>,
}

impl Rehearsed {
    /// An entry got the place `seq`; `prev` is the entry before it on its account.
    pub fn learn(&mut self, seq: Seq, (account, prev): (Seq, Option<Seq>), entry: &NewEntry, business_date: i32) {
        self.contents.insert(seq, content(entry, business_date));
        let (_, past) = self.past.entry(account).or_insert((prev, Vec::new()));
        past.push(Movement::of(seq, entry));
        if past.len() > 2 * PAST_MAX {
            past.drain(..PAST_MAX);
        }
    }

    /// Whether the rehearsed entry at `seq` says the same; `None` when that is a stored one.
    pub fn same(&self, seq: Seq, entry: &NewEntry, business_date: i32) -> Option<bool> {
        self.contents.get(&seq).map(|known| *known == content(entry, business_date))
    }

    /// The rehearsed entries of an account, newest first, and the stored one before them.
    pub fn past(&self, account: Seq) -> Option<(Option<Seq>, impl Iterator<Item = &Movement>)> {
        self.past.get(&account).map(|(before, past)| (*before, past.iter().rev()))
    }

    fn breaks_of(&mut self, batch: &Batch) {
        for (name, state, opened) in batch.break_states() {
            let open = matches!(state, BreakState::Open | BreakState::Frozen);
            match self.breaks.get_mut(&name) {
                Some(known) => *known = open,
                None if opened => drop(self.breaks.insert(name, open)),
                None => {}
            }
        }
    }
}

fn content(entry: &NewEntry, business_date: i32) -> [u8; 16] {
    // A date that is stated as the one derived is no change.
    let entry = NewEntry { business_date: Some(business_date), ..entry.clone() };
    let digest = Sha256::digest(format!("{entry:?}"));
    let mut first = [0; 16];
    first.copy_from_slice(&digest[..16]);
    first
}

/// One dry run.
pub struct Rehearsal {
    engine: Engine,
    source: Seq,
}

impl Rehearsal {
    /// Over the database of `config`, for a source.
    ///
    /// # Errors
    /// When the database cannot be read or has the schema of another version.
    pub fn begin(config: &Config, clock: Clock, source: &str) -> DbResult<Rehearsal> {
        let address = Address::parse(&config.database.url)?;
        let settings = Arc::new(Settings::new(config, &address, clock)?);
        let conn = match stored(config, &address)? {
            Some(conn) => conn,
            None => empty(&settings, config)?,
        };
        let mut engine = load::engine(None, conn, &settings)?;
        engine.warm_now()?;
        let known = sources(&mut engine.conn)?.into_iter().find(|row| row.name == source);
        if known.is_none() && !is_source_name(source) {
            let shown: String = source.chars().take(80).collect();
            return Err(DbError::Unfit(format!("`{shown}` cannot be the name of a source: {SOURCE_NAME_RULE}")));
        }
        let id = known.map_or(NEW_SOURCE, |row| row.id);
        engine.sources.insert(id, source.to_owned());
        engine.rehearsed = Some(Rehearsed::default());
        Ok(Rehearsal { engine, source: id })
    }

    /// What recording these rows of a file would give.
    pub fn record(&mut self, rows: Vec<Row>, history: bool) -> DbResult<Vec<RowResult>> {
        let rehearsed = self.engine.rehearsed.get_or_insert_default();
        if rehearsed.contents.len() > ENTRIES_MAX {
            let what = format!("a dry run takes at most {ENTRIES_MAX} entries; split the file, or import it");
            return Err(DbError::Unfit(what));
        }
        let delivery = Delivery { kind: DeliveryKind::Import, api_key: None, origin: None };
        let reply = Box::new(|_| {});
        self.engine.submit(Submission { source: self.source, delivery, rows, atomic: false, history, reply })?;
        let results = self.engine.waiting.pop().map(|waiting| waiting.results).unwrap_or_default();
        let batch = std::mem::take(&mut self.engine.open);
        if let Some(rehearsed) = &mut self.engine.rehearsed {
            rehearsed.breaks_of(&batch);
        }
        drop(self.engine.tail.take_full_tiles());
        self.engine.batch_no += 1;
        self.engine.dictionary.trim(self.engine.tail.next_seq());
        Ok(results)
    }

    /// Breaks that the rows so far would open and leave open.
    pub fn open_breaks(&self) -> u64 {
        let breaks = self.engine.rehearsed.iter().flat_map(|rehearsed| rehearsed.breaks.values());
        breaks.filter(|open| **open).count() as u64
    }
}

/// A connection to the log, if there is one.
fn stored(config: &Config, address: &Address) -> DbResult<Option<Conn>> {
    if address.file().is_some_and(|file| !file.exists()) {
        return Ok(None);
    }
    let mut conn = Db::open(&config.database.url, 1)?.connect()?;
    let applied = migrate::status(&mut conn)?.into_iter().any(|(_, applied)| applied);
    if !applied {
        return Ok(None);
    }
    migrate::require_current(&mut conn)?;
    Ok(trail_store::state(&mut conn)?.map(|_| conn))
}

/// An empty log in memory.
fn empty(settings: &Settings, config: &Config) -> DbResult<Conn> {
    let mut conn = db::in_memory()?;
    migrate::up(&mut conn)?;
    // Nothing of it is kept: no key is made for secrets that nobody will compare.
    let mut config = config.clone();
    (config.mail, config.keys) = (Default::default(), Default::default());
    load::take_over(&mut conn, settings, &config, &Address::Sqlite("rehearsal".into()))?;
    Ok(conn)
}
