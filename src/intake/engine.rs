//! What the sequencer holds between batches, all of it read from the database and read again after
//! any failure.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use crate::clock::{Clock, MINUTE, Moment};
use crate::config::{Config, SessionKind, Source};
use crate::db::{Address, Conn, DbError, DbResult};
use crate::detect::RuleSet;
use crate::ids::Seq;
use crate::ledger::continuity::Strictness;
use crate::ledger::store::{self as ledger_store, AccountRow};
use crate::ledger::{BusinessCalendar, Context, LookBacks};
use crate::money::Currency;
use crate::trail::Tail;
use crate::trail::generations::Origins;
use crate::trail::keys::KeyFolder;
use crate::trail::sealing::{Fields, Sealer};

use super::Row;
use super::accounts::{Accounts, Hasher, KnownNumbers, Slot};
use super::ahead::Repeated;
use super::alerting::Alerting;
use super::batch::Batch;
use super::dictionary::{Dictionary, Growing};
use super::entries::Entries;
use super::figures::Figures;
use super::load;
use super::maps::Map;
use super::queue::TurnedAway;
use super::references::References;
use super::refusals::{self, Refusals};
use super::rehearsal::Rehearsed;
use super::session_key::SessionKey;
use super::state::{AccountState, Body};
use super::waiting::{Answer, Waiting};

/// Entries after which changed account states begin to be stored.
const STATES_EVERY: i64 = 1_000_000;
/// Account states stored per batch while that goes on.
const STATES_PER_BATCH: usize = 4_000;

/// What does not change while the process runs.
pub(super) struct Settings {
    pub clock: Clock,
    pub calendar: BusinessCalendar,
    /// The book's name, of which a new log is named.
    pub book: String,
    pub alerts_to: Vec<String>,
    pub grace: i64,
    pub accounts_cached: usize,
    pub segment_entries: i64,
    /// The epoch this process writes in; 0 until it has begun one.
    pub epoch: AtomicI64,
    /// Leaves that this process knows to be committed.
    pub reached: AtomicI64,
    /// How account numbers are digested.
    pub hasher: Hasher,
    session_key: Option<SessionKey>,
    sources: HashMap<String, Source>,
    keys: KeyFolder,
}

impl Settings {
    pub fn new(config: &Config, address: &Address, clock: Clock) -> DbResult<Settings> {
        Ok(Settings {
            session_key: SessionKey::load(config, address, &clock)?,
            clock,
            calendar: BusinessCalendar::new(&config.bank),
            book: config.book_name().to_owned(),
            alerts_to: config.mail.alerts_to.clone(),
            grace: i64::from(config.continuity.grace_minutes) * MINUTE,
            accounts_cached: config.limits.accounts_cached.max(1_000),
            segment_entries: config.limits.segment_entries as i64,
            keys: KeyFolder::of(config, address),
            epoch: AtomicI64::new(0),
            reached: AtomicI64::new(0),
            hasher: Hasher::default(),
            sources: config.source.iter().map(|s| (s.name.clone(), s.clone())).collect(),
        })
    }

    /// Whether a source sends live tokens.
    pub fn hides_sessions(&self, source: &str) -> bool {
        self.sources.get(source).is_some_and(|s| s.session == SessionKind::Secret)
    }

    /// The private fields of a source's entries that are sealed.
    pub fn sensitive(&self, source: &str) -> Fields {
        self.sources.get(source).map_or(Fields::default(), |s| Fields::named(&s.sensitive))
    }

    /// Seals for the log named `origin`.
    pub fn sealer(&self, origin: &str) -> Sealer {
        Sealer::new(self.keys.clone(), origin)
    }

    /// Replaces a live token of a source that sends such by its digest.
    pub fn hide_session(&self, source: &str, context: &mut Context) {
        if let (Some(key), Some(token)) = (&self.session_key, context.session_id.as_ref()) {
            context.session_id = key.digest(source, token);
        }
    }

    /// How strictly entries of a source are checked in a currency.
    pub fn strictness(&self, source: &str, currency: Currency) -> DbResult<Strictness> {
        let unfit = |e| DbError::Unfit(format!("[[source]] {source}: tolerance: {e}"));
        Strictness::of(self.sources.get(source), currency).map_err(unfit)
    }
}

/// A batch on its way to the disk.
pub(super) struct InFlight {
    pub batch: Arc<Batch>,
    pub leaving: Map<Seq, AccountState>,
}

pub(super) struct Engine {
    pub settings: Arc<Settings>,
    pub conn: Conn,
    pub tail: Tail,
    /// The names of the log: what was recorded before a loss has an earlier one.
    pub origins: Origins,
    pub size_before: Seq,
    pub rules: Arc<RuleSet>,
    pub sources: HashMap<Seq, String>,
    pub accounts: Accounts,
    /// Digests of account numbers: once all are there, a new one asks no database.
    pub known: KnownNumbers,
    /// What the database held when this was read from it.
    pub loaded: Loaded,
    /// The newest entries of the accounts in the segment that was open then.
    pub open_heads: Map<Seq, Seq>,
    /// Whether all stored states were held against the log.
    pub states_held: bool,
    /// An account whose stored state was not what the log says, to be told.
    pub rejected: Option<Seq>,
    pub look_backs: LookBacks,
    /// Whether a log is made again: what it took once is taken.
    pub remade: bool,
    /// In a dry run: what was evaluated so far and is not stored anywhere.
    pub rehearsed: Option<Rehearsed>,
    pub dictionary: Dictionary,
    pub references: References,
    /// Stored entries that the next rows may repeat.
    pub repeated: Repeated,
    pub figures: Figures,
    pub alerting: Alerting,
    pub refusals: Refusals,
    pub sealer: Sealer,
    pub open: Batch,
    /// Memory for the entries of the batch after the open one.
    pub spare: Entries,
    /// What was evaluated into the open batch.
    pub waiting: Vec<Waiting>,
    pub in_flight: Option<InFlight>,
    pub leaving: Map<Seq, AccountState>,
    /// What nobody needs any more: let go while the committer works, not while it waits.
    pub spent: (Vec<Vec<Row>>, Option<Batch>),
    pub batch_no: u64,
    pub states_from: Seq,
    pub indexed_to: Seq,
    /// Account states still to be stored, and the place they then cover.
    pub snapshot: Option<(Vec<Seq>, Seq)>,
}

/// How far what was read aside must reach at least.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loaded {
    /// Leaves in the log.
    pub size: Seq,
    /// References before this place were in closed segments.
    pub closed_to: Seq,
}

/// What the committer is handed.
pub(super) struct Sealed {
    pub batch: Arc<Batch>,
    pub size_before: Seq,
    pub tail: Tail,
    pub replies: Vec<Answer>,
}

impl Engine {
    /// One that knows the end of the log and its rules, and nothing else yet.
    pub fn at(conn: Conn, settings: Arc<Settings>, tail: Tail, rules: Arc<RuleSet>, references: References) -> Engine {
        let sealer = settings.sealer(tail.origin());
        let known = KnownNumbers::new(settings.hasher.clone());
        Engine {
            settings,
            conn,
            origins: Origins::one(tail.origin()),
            size_before: tail.next_seq(),
            tail,
            rules,
            sources: HashMap::new(),
            accounts: Accounts::default(),
            known,
            loaded: Loaded::default(),
            open_heads: Map::default(),
            states_held: false,
            rejected: None,
            look_backs: LookBacks::default(),
            remade: false,
            rehearsed: None,
            dictionary: Dictionary::default(),
            references,
            repeated: Repeated::default(),
            figures: Figures::default(),
            alerting: Alerting::default(),
            refusals: Refusals::default(),
            sealer,
            open: Batch::default(),
            spare: Entries::default(),
            waiting: Vec::new(),
            in_flight: None,
            leaving: Map::default(),
            spent: Default::default(),
            batch_no: 1,
            states_from: 0,
            indexed_to: 0,
            snapshot: None,
        }
    }

    /// The account with this number, in memory or read.
    pub fn account(&mut self, number: &str) -> DbResult<Option<Slot>> {
        if let Some(at) = self.accounts.by_number(number) {
            return Ok(Some(at));
        }
        if !self.known.may_have(number) {
            return Ok(None);
        }
        let Some(row) = ledger_store::account_by_number(&mut self.conn, number)? else { return Ok(None) };
        if let Some(state) = self.left(row.id) {
            return Ok(Some(self.accounts.insert(row.number, state)));
        }
        let stored = load::stored_state(&mut self.conn, row.id)?;
        let body = stored.and_then(|bytes| Body::decode(row.id, &bytes).ok());
        if !self.trusts(row.id, body.as_ref())? {
            self.rejected = Some(row.id);
            return Err(load::distrusted(row.id));
        }
        self.remember_account(row, body.unwrap_or_default()).map(Some)
    }

    /// A state that left memory but is not on the disk yet.
    fn left(&mut self, id: Seq) -> Option<AccountState> {
        if let Some(state) = self.leaving.remove(&id) {
            return Some(state);
        }
        let flying = self.in_flight.as_ref()?;
        flying.leaving.get(&id).cloned()
    }

    /// Holds an account in memory.
    pub fn remember_account(&mut self, row: AccountRow, body: Body) -> DbResult<Slot> {
        let currency = Currency::parse(&row.currency).map_err(|e| DbError::Corrupt(format!("account {}: {e}", row.id)))?;
        // Nothing is on an account without a state.
        let stranger = body.head().is_none().then_some(None);
        let state =
            AccountState { id: row.id, source: row.source, currency, touched: self.batch_no, dirty: false, stranger, body };
        self.known.add(&row.number);
        Ok(self.accounts.insert(row.number, state))
    }

    /// Moves recorded time on; to be called before anything is evaluated.
    pub fn tick(&mut self) -> Moment {
        self.tail.tick(self.settings.clock.now())
    }

    /// Splits off what appending needs.
    pub fn growing<'a>(tail: &'a mut Tail, settings: &'a Settings, batch: &'a mut Batch) -> Growing<'a> {
        Growing { tail, clock: &settings.clock, batch }
    }

    /// Tells of every flood of refusals, e.g. before a clean stop.
    pub fn tell_floods(&mut self) -> DbResult<()> {
        let mut to = Engine::growing(&mut self.tail, &self.settings, &mut self.open);
        self.refusals.tell_floods(&mut to, Moment(i64::MAX))
    }

    /// Tells that the queue was full for a time.
    pub fn tell_turned_away(&mut self, episode: &TurnedAway) -> DbResult<()> {
        self.tick();
        let mut to = Engine::growing(&mut self.tail, &self.settings, &mut self.open);
        refusals::tell_turned_away(&mut to, episode)
    }

    /// Closes the open batch for the committer.
    pub fn seal(&mut self) -> DbResult<Sealed> {
        self.store_states()?;
        let mut batch = std::mem::take(&mut self.open);
        self.open.entries = std::mem::take(&mut self.spare);
        batch.tiles = self.tail.take_full_tiles();
        batch.figures = self.figures.take_changed();
        let batch = Arc::new(batch);
        self.in_flight = Some(InFlight { batch: batch.clone(), leaving: std::mem::take(&mut self.leaving) });
        let size_before = self.size_before;
        self.size_before = self.tail.next_seq();
        self.batch_no += 1;
        let answered = std::mem::take(&mut self.waiting).into_iter().map(Waiting::answer);
        let (rows, replies): (Vec<_>, Vec<_>) = answered.unzip();
        self.spent.0.extend(rows);
        Ok(Sealed { batch, size_before, tail: self.tail.clone(), replies })
    }

    /// The batch in flight is on the disk.
    pub fn committed(&mut self) {
        if let Some(flying) = self.in_flight.take() {
            self.states_from = flying.batch.states_from.unwrap_or(self.states_from);
            // The committer has let go of it.
            self.spent.1 = Arc::into_inner(flying.batch);
            let entries = self.spent.1.as_mut().map(|batch| std::mem::take(&mut batch.entries));
            self.spare = entries.map(Entries::recycled).unwrap_or_default();
        }
        self.dictionary.trim(self.size_before);
        self.figures.trim();
    }

    /// Whether there is anything to commit.
    pub fn has_work(&self) -> bool {
        !self.open.is_empty() || !self.waiting.is_empty()
    }

    /// Marks every changed state for storing, e.g. before a clean stop.
    pub fn begin_snapshot(&mut self) {
        let dirty = self.accounts.states().iter().filter(|s| s.dirty).map(|s| s.id).collect();
        self.snapshot = Some((dirty, self.tail.next_seq()));
    }

    fn store_states(&mut self) -> DbResult<()> {
        if self.snapshot.is_none() && self.tail.next_seq() - self.states_from > STATES_EVERY {
            self.begin_snapshot();
        }
        if let Some((mut ids, covers)) = self.snapshot.take() {
            let bound = if ids.len() > STATES_PER_BATCH { ids.len() - STATES_PER_BATCH } else { 0 };
            for id in ids.split_off(bound) {
                self.store_state(id)?;
            }
            if ids.is_empty() {
                self.open.states_from = Some(covers);
            } else {
                self.snapshot = Some((ids, covers));
            }
        }
        self.evict()
    }

    fn store_state(&mut self, id: Seq) -> DbResult<()> {
        let Some(at) = self.accounts.by_id(id) else { return Ok(()) };
        let state = self.accounts.get_mut(at);
        if let (true, Some(head)) = (state.dirty, state.body.head()) {
            self.open.states.push((id, head, state.body.encode()?));
            state.dirty = false;
        }
        Ok(())
    }

    /// Lets the longest untouched states go when memory holds too many; changed ones are stored.
    fn evict(&mut self) -> DbResult<()> {
        if self.accounts.len() <= self.settings.accounts_cached {
            return Ok(());
        }
        let mut ages: Vec<u64> = self.accounts.states().iter().map(|s| s.touched).collect();
        let middle = ages.len() / 2;
        let (_, median, _) = ages.select_nth_unstable(middle);
        let median = (*median).min(self.batch_no.saturating_sub(1));
        let going: Vec<Seq> = self.accounts.states().iter().filter(|s| s.touched <= median).map(|s| s.id).collect();
        going.into_iter().try_for_each(|id| self.store_state(id))?;
        let gone = self.accounts.let_go(|state| state.touched <= median);
        self.leaving.extend(gone.into_iter().map(|state| (state.id, state)));
        Ok(())
    }
}
