//! Reading the engine's state from the database: at start, and after anything went wrong.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use counterfoil_verify::Tiles;
use diesel::prelude::*;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::clock::Moment;
use crate::config::Config;
use crate::db::schema::{account_states, rule_sets};
use crate::db::{Address, Conn, DbError, DbResult, bulk};
use crate::detect::{RuleSet, RuleSetBody};
use crate::ids::Seq;
use crate::ledger::store::{self as ledger_store, EntryRow};
use crate::ledger::{Context, Parts, leaves};
use crate::on_conn;
use crate::trail::generations::{self, Origins};
use crate::trail::store::{self as trail_store, LeaderRow};
use crate::trail::{ActTx, NewEvent, Tail};

use super::accounts::KnownNumbers;
use super::alerting::Alerting;
use super::control::{self, Control};
use super::engine::{Engine, Settings};
use super::references::{RefKey, References};
use super::runs::{self, RunKind};
use super::state::Body;

/// Rows read at once.
const SLICE: i64 = 10_000;

/// Bytes of the settings that `program.started` names one by one; larger ones are named by their digest.
const SETTINGS_MAX: usize = 20 * 1024;

/// Begins a new epoch, creating the log if there is none, and says so in the log: the epoch and the
/// settings that what follows is decided by, so that both can be derived again.
pub(super) fn take_over(conn: &mut Conn, settings: &Settings, config: &Config, address: &Address) -> DbResult<()> {
    let control = Control::of(config, address, &settings.clock)?;
    conn.write(|conn| {
        if trail_store::state(conn)?.is_none() {
            create(conn, settings)?;
        }
        drop_outdated_states(conn)?;
        trail_store::begin_epoch(conn)?;
        let state = trail_store::state(conn)?.ok_or_else(|| DbError::Corrupt("the log state is missing".into()))?;
        let trailing = leaves::hashes(conn, state.size - state.size % 256, state.size)?;
        let mut tail = trail_store::load_tail(conn, &state, &trailing)?;
        let before = control::last_start(conn)?;
        let event = started(config, control, state.epoch);
        let mut tx = ActTx::new(conn, &settings.clock, &mut tail);
        let corrupt = |e: crate::trail::ActError| DbError::Corrupt(e.to_string());
        let start = tx.append(event.clone()).map_err(corrupt)?;
        control::note_changes(&mut tx, before, start, &event).map_err(corrupt)?;
        trail_store::advance(conn, state.size, &tail)?;
        let (epoch, since) = (state.epoch, settings.clock.now().0);
        // Whoever answers at an address says so afterwards.
        trail_store::set_leader(conn, &LeaderRow { epoch, url: String::new(), since })?;
        settings.epoch.store(epoch, Ordering::Release);
        bulk::append(conn, &tail.take_full_tiles())
    })
}

/// Account states of an earlier version of this program are dropped: all are read again from the log.
fn drop_outdated_states(conn: &mut Conn) -> DbResult<()> {
    let any: Option<Vec<u8>> =
        on_conn!(conn, |c| account_states::table.select(account_states::body).limit(1).first(c).optional())?;
    if any.is_some_and(|body| !Body::is_current(&body)) {
        tracing::info!("account states of an earlier version are derived again from the log");
        on_conn!(conn, |c| diesel::delete(account_states::table).execute(c))?;
        trail_store::set_states_from(conn, 0)?;
    }
    Ok(())
}

fn started(config: &Config, control: Control, epoch: i64) -> NewEvent {
    let settings = json!({ "bank": config.bank, "continuity": config.continuity, "source": config.source });
    let text = settings.to_string();
    let settings = match text.len() {
        0..=SETTINGS_MAX => settings,
        _ => json!({ "sha256": hex::encode(Sha256::digest(text)) }),
    };
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"), "binary": control::binary(), "epoch": epoch, "settings": settings,
        "control": control.public,
    });
    NewEvent::with_private("program.started", body, json!({ "control": control.private }))
}

/// Leaf 0 names the log and its format; leaf 1 is the first rule set.
fn create(conn: &mut Conn, settings: &Settings) -> DbResult<()> {
    if trail_store::rows(conn)? > 0 {
        return Err(DbError::Corrupt("there are entries but no log state; restore it from a backup".into()));
    }
    let origin = format!("counterfoil/main/{}/g1", hex::encode(settings.clock.random::<8>()));
    let mut tail = Tail::new(origin.clone(), 0, Tiles::new(), Moment(i64::MIN));
    trail_store::create_state(conn, &Tail::new(origin.clone(), 0, Tiles::new(), Moment(0)))?;
    let mut tx = ActTx::new(conn, &settings.clock, &mut tail);
    let corrupt = |e: crate::trail::ActError| DbError::Corrupt(e.to_string());
    let zone = settings.calendar.zone().name();
    let body = json!({ "origin": origin, "format": counterfoil_verify::leaf::VERSION, "time_zone": zone });
    tx.append(NewEvent::public("log.created", body)).map_err(corrupt)?;
    let rules = RuleSetBody::first();
    let text = serde_json::to_value(&rules).map_err(|e| DbError::Corrupt(e.to_string()))?;
    let now = tx.now().0;
    let id = tx.append(NewEvent::public("ruleset.defined", text.clone())).map_err(corrupt)?;
    insert_rule_set(tx.conn, id, rules.version, &text.to_string(), now)?;
    generations::begin(tx.conn, 0, &origin)?;
    trail_store::advance(conn, 0, &tail)
}

/// Stores a rule set that was defined by the event at `id`.
pub(super) fn insert_rule_set(conn: &mut Conn, id: Seq, version: i64, body: &str, now: i64) -> DbResult<()> {
    let row = (rule_sets::id.eq(id), rule_sets::version.eq(version), rule_sets::body.eq(body), rule_sets::recorded_at.eq(now));
    on_conn!(conn, |c| diesel::insert_into(rule_sets::table).values(row).execute(c))?;
    Ok(())
}

/// The rule set in force, compiled.
pub(super) fn rules(conn: &mut Conn) -> DbResult<RuleSet> {
    let (id, body) = newest_rules(conn)?;
    body.compile(id).map_err(|e| DbError::Corrupt(format!("rule set {id}: {e}")))
}

/// The rule set in force, as stored.
pub fn rules_in_force(conn: &mut Conn) -> DbResult<RuleSetBody> {
    Ok(newest_rules(conn)?.1)
}

fn newest_rules(conn: &mut Conn) -> DbResult<(Seq, RuleSetBody)> {
    let query = rule_sets::table.order(rule_sets::id.desc()).select((rule_sets::id, rule_sets::body));
    let newest: Option<(i64, String)> = on_conn!(conn, |c| query.first(c).optional())?;
    let (id, body) = newest.ok_or_else(|| DbError::Unfit("this log has no rule set yet; start it once with `serve`".into()))?;
    let body = serde_json::from_str(&body).map_err(|e| DbError::Corrupt(format!("rule set {id}: {e}")))?;
    Ok((id, body))
}

/// The stored state of an account; a fresh one if it never left memory.
pub(super) fn stored_state(conn: &mut Conn, account: Seq) -> DbResult<Body> {
    let query = account_states::table.find(account).select(account_states::body);
    let stored: Option<Vec<u8>> = on_conn!(conn, |c| query.first(c).optional())?;
    stored.map_or(Ok(Body::default()), |bytes| Body::decode(account, &bytes))
}

/// The names of the sources by their id.
pub(super) fn sources(conn: &mut Conn) -> DbResult<HashMap<Seq, String>> {
    Ok(ledger_store::sources(conn)?.into_iter().map(|row| (row.id, row.name)).collect())
}

/// Reads everything the engine holds.
pub(super) fn engine(mut conn: Conn, settings: &Arc<Settings>) -> DbResult<Engine> {
    let state = trail_store::state(&mut conn)?.ok_or_else(|| DbError::Corrupt("the log state is missing".into()))?;
    let epoch = settings.epoch.load(Ordering::Acquire);
    if epoch != 0 && state.epoch != epoch {
        return Err(DbError::Deposed);
    }
    let reached = settings.reached.load(Ordering::Acquire);
    if state.size < reached {
        return Err(DbError::Unfit(format!(
            "the log has {} leaves, but {reached} were committed: was a replica put in the database's place that did not have \
             everything? nothing will be written; bring the other back, and keep this one as evidence",
            state.size
        )));
    }
    let from = state.size - state.size % 256;
    let trailing = leaves::hashes(&mut conn, from, state.size)?;
    let tail = trail_store::load_tail(&mut conn, &state, &trailing)?;
    let reference_runs = runs::load(&mut conn, RunKind::Reference)?;
    let indexed_to = runs::indexed_to(&mut conn)?;
    let references = References::load(&mut conn, reference_runs)?;
    let rules = Arc::new(rules(&mut conn)?);
    let sources = sources(&mut conn)?;
    let alerting = Alerting::load(&mut conn)?;
    let mut known = KnownNumbers::default();
    ledger_store::each_account_number(&mut conn, |number| known.add(number))?;
    let mut engine = Engine::at(conn, settings.clone(), tail, rules, references);
    (engine.sources, engine.alerting, engine.known) = (sources, alerting, known);
    engine.origins = Origins::of(&mut engine.conn)?;
    (engine.states_from, engine.indexed_to) = (state.states_from, indexed_to);
    replay(&mut engine, state.states_from.min(indexed_to), state.size)?;
    Ok(engine)
}

/// Brings account states and open references up to the end of the log.
fn replay(engine: &mut Engine, from: Seq, size: Seq) -> DbResult<()> {
    let mut next = from;
    let mut loaded: HashMap<Seq, Seq> = HashMap::new();
    while next < size {
        let rows = ledger_store::entries_between(&mut engine.conn, next, size, SLICE)?;
        let Some(last) = rows.last() else { break };
        next = last.seq + 1;
        for row in &rows {
            if row.seq >= engine.indexed_to {
                engine.references.insert(RefKey::of(row.source, &row.source_ref), row.seq);
            }
            if row.seq >= engine.states_from {
                replay_entry(engine, row, &mut loaded)?;
            }
        }
    }
    Ok(())
}

fn replay_entry(engine: &mut Engine, row: &EntryRow, loaded: &mut HashMap<Seq, Seq>) -> DbResult<()> {
    if engine.accounts.by_id(row.account).is_none() {
        let account = ledger_store::account(&mut engine.conn, row.account)?;
        let account = account.ok_or_else(|| DbError::Corrupt(format!("account {} is missing", row.account)))?;
        let body = stored_state(&mut engine.conn, row.account)?;
        loaded.insert(row.account, body.head.unwrap_or(-1));
        engine.remember_account(account, body)?;
    }
    if loaded.get(&row.account).is_some_and(|covered| row.seq <= *covered) {
        return Ok(());
    }
    let entry = row.to_entry("", Context::default(), Parts::default())?;
    let source = engine.sources.get(&row.source).cloned().unwrap_or_default();
    let how = engine.settings.strictness(&source, entry.currency)?;
    let (reach, account) = (engine.rules.reach(), row.account);
    let Some(at) = engine.accounts.by_id(account) else { return Ok(()) };
    let wanted = engine.accounts.get(at).body.continuity.wants_past(row.seq, &entry, how);
    let past = if wanted { Some(engine.look_back(account, row.prev)?) } else { None };
    engine.look_backs.learn(account, row.seq, &entry);
    let state = engine.accounts.get_mut(at);
    state.body.append(row.seq);
    state.body.learn(row.seq, &entry, row.business_date, how, reach, past.as_deref());
    state.dirty = true;
    Ok(())
}
