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
use crate::db::schema::{account_states, entries, rule_sets};
use crate::db::{Address, Conn, Db, DbError, DbResult, bulk, migrate};
use crate::detect::{RuleSet, RuleSetBody, store as rule_sets_store};
use crate::ids::Seq;
use crate::ledger::leaves;
use crate::ledger::store as ledger_store;
use crate::on_conn;
use crate::trail::generations::{self, Origins};
use crate::trail::keys::{KeyFolder, origin_of_book};
use crate::trail::store::{self as trail_store, LeaderRow};
use crate::trail::{ActTx, NewEvent, Tail, anchor};

use super::alerting::Alerting;
use super::catching_up::catch_up;
use super::control::{self, Control};
use super::engine::{Engine, Loaded, Settings};
use super::references::{RefKey, References};
use super::runs::{self, RunKind};
use super::state::Body;
use super::trust;

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
            anchor::check_new(&KeyFolder::of(config, address), &settings.book)?;
            create(conn, settings)?;
        }
        drop_outdated_states(conn)?;
        trail_store::begin_epoch(conn)?;
        let state = trail_store::state(conn)?.ok_or_else(|| DbError::Corrupt("the log state is missing".into()))?;
        let trailing = leaves::hashes(conn, state.size - state.size % 256, state.size)?;
        let mut tail = trail_store::load_tail(conn, &state, &trailing)?;
        let before = control::last_start(conn)?;
        let mut event = started(config, control, (state.epoch, migrate::newest(conn)?));
        if let Some(since) = control::silent_since(conn, state.recorded_at)? {
            event.body["silent_since"] = since.into();
        }
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

fn started(config: &Config, control: Control, (epoch, schema): (i64, Option<String>)) -> NewEvent {
    let settings = json!({ "bank": config.bank, "continuity": config.continuity, "source": config.source });
    let text = settings.to_string();
    let settings = match text.len() {
        0..=SETTINGS_MAX => settings,
        _ => json!({ "sha256": hex::encode(Sha256::digest(text)) }),
    };
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"), "binary": control::binary(), "epoch": epoch, "schema": schema,
        "settings": settings, "control": control.public,
    });
    NewEvent::with_private("program.started", body, json!({ "control": control.private }))
}

/// Leaf 0 names the log and its format; leaf 1 is the first rule set.
fn create(conn: &mut Conn, settings: &Settings) -> DbResult<()> {
    if trail_store::rows(conn)? > 0 {
        return Err(DbError::Corrupt("there are entries but no log state; restore it from a backup".into()));
    }
    let origin = format!("{}{}/g1", origin_of_book(&settings.book), hex::encode(settings.clock.random::<8>()));
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
    rule_sets_store::in_force(conn)
}

/// The rule set in force, as stored.
pub fn rules_in_force(conn: &mut Conn) -> DbResult<RuleSetBody> {
    Ok(rule_sets_store::newest(conn)?.1)
}

/// The stored state of an account, as it is stored; nothing if it never left memory.
pub(super) fn stored_state(conn: &mut Conn, account: Seq) -> DbResult<Option<Vec<u8>>> {
    let query = account_states::table.find(account).select(account_states::body);
    Ok(on_conn!(conn, |c| query.first(c).optional())?)
}

/// The stored state of an account is not what the log says.
pub(super) fn distrusted(account: Seq) -> DbError {
    DbError::Corrupt(format!("the stored state of account {account} is not what its entries say; it is read again from them"))
}

/// The names of the sources by their id.
pub(super) fn sources(conn: &mut Conn) -> DbResult<HashMap<Seq, String>> {
    Ok(ledger_store::sources(conn)?.into_iter().map(|row| (row.id, row.name)).collect())
}

/// Reads everything the engine holds; `db` is the database, where other connections see what this one does.
pub(super) fn engine(db: Option<&Db>, mut conn: Conn, settings: &Arc<Settings>) -> DbResult<Engine> {
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
    let closed_to = reference_runs.last().map_or(0, |run| run.last_seq + 1);
    let references = References::over(reference_runs);
    let rules = Arc::new(rules(&mut conn)?);
    let sources = sources(&mut conn)?;
    let alerting = Alerting::load(&mut conn)?;
    let mut engine = Engine::at(conn, settings.clone(), tail, rules, references);
    (engine.sources, engine.alerting) = (sources, alerting);
    engine.loaded = Loaded { size: state.size, closed_to };
    engine.origins = Origins::of(&mut engine.conn)?;
    (engine.states_from, engine.indexed_to) = (state.states_from, indexed_to);
    open_references(&mut engine, state.size)?;
    let Some(account) = catch_up(&mut engine, state.size, db)? else { return Ok(engine) };
    if epoch == 0 {
        return Err(distrusted(account));
    }
    tracing::error!(account, "a stored state is not what the entries say: all are read again from them");
    trust::drop_states(&mut engine.conn, epoch)?;
    let again = self::engine(db, engine.conn, settings)?;
    Ok(Engine { rejected: Some(account), ..again })
}

/// Reads the references that no index run has yet.
fn open_references(engine: &mut Engine, size: Seq) -> DbResult<()> {
    let mut next = engine.indexed_to;
    while next < size {
        let query = entries::table.filter(entries::seq.ge(next)).filter(entries::seq.lt(size)).order(entries::seq).limit(SLICE);
        let query = query.select((entries::seq, entries::source, entries::source_ref, entries::account));
        let rows: Vec<(Seq, Seq, String, Seq)> = on_conn!(&mut engine.conn, |c| query.load(c))?;
        let Some((last, ..)) = rows.last() else { break };
        next = last + 1;
        for (seq, source, source_ref, account) in &rows {
            engine.open_heads.insert(*account, *seq);
            engine.references.insert(RefKey::of(*source, source_ref), *seq);
        }
    }
    Ok(())
}
