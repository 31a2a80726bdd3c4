//! What is asked of the bank's database when a row is brought back.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::db::{DbResult, Outside};
use crate::ids::Seq;

use super::super::install::store::Table;
use super::super::names::{identifier, literal};
use super::refusal::Refusal;

/// What is noted there of a restoration, in its transaction.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mark {
    /// The change whose state it restores.
    pub change: Seq,
    /// The captured table.
    pub capture: i32,
    /// The record's id.
    pub record: String,
    /// The transaction.
    pub txid: i64,
}

const MARK: &str = "json_build_object('change', change, 'capture', capture, 'record', record, 'txid', txid)";

/// The session that a restoration's transaction names.
pub fn session(key: &str) -> String {
    format!("restore: {key}")
}

/// Whether a session may be that of a restoration.
pub fn is_session(session: &Option<String>) -> bool {
    session.as_ref().is_some_and(|session| session.starts_with("restore: "))
}

/// What is noted of a proposal.
pub fn mark_of(bank: &mut Outside, key: &str) -> DbResult<Option<Mark>> {
    let sql = format!("SELECT {MARK}::text AS line FROM counterfoil_capture.restored WHERE proposal = $1::jsonb->>0");
    Ok(bank.rows(&sql, &json!([key]))?.into_iter().next())
}

/// What is noted of a transaction, by proposal.
pub fn marks_in(bank: &mut Outside, txid: i64) -> DbResult<Vec<(String, Mark)>> {
    let sql = format!(
        "SELECT json_build_array(proposal, {MARK})::text AS line FROM counterfoil_capture.restored WHERE txid = ($1::jsonb->>0)::bigint LIMIT 8"
    );
    bank.rows(&sql, &json!([txid]))
}

/// Notes a proposal in this transaction; `false`: it is noted already.
pub fn mark(bank: &mut Outside, key: &str, mark: &Mark) -> DbResult<bool> {
    let sql = "WITH noted AS (INSERT INTO counterfoil_capture.restored (proposal, change, capture, record) \
        VALUES ($1::jsonb->>0, ($1::jsonb->>1)::bigint, ($1::jsonb->>2)::int, $1::jsonb->>3) ON CONFLICT DO NOTHING RETURNING 1) \
        SELECT (count(*) = 1)::text AS line FROM noted";
    bank.row(sql, &json!([key, mark.change, mark.capture, mark.record]))
}

/// Says in this transaction who changes it, why, and on whose behalf.
pub fn say(bank: &mut Outside, actor: Option<&str>, reason: Option<&str>, session: &str) -> DbResult<()> {
    let sql = "SELECT to_json(set_config('counterfoil.actor', coalesce($1::jsonb->>0, ''), true) || set_config('counterfoil.reason', \
        coalesce($1::jsonb->>1, ''), true) || set_config('counterfoil.session', $1::jsonb->>2, true))::text AS line";
    bank.row::<Value>(sql, &json!([actor, reason, session])).map(drop)
}

/// Columns of a table that the database makes by itself.
pub fn generated(bank: &mut Outside, oid: i64) -> DbResult<Vec<String>> {
    let sql = "SELECT to_json(attname)::text AS line FROM pg_attribute \
        WHERE attrelid = ($1::jsonb->>0)::oid AND attnum > 0 AND NOT attisdropped AND attgenerated <> ''";
    bank.rows(sql, &json!([oid]))
}

/// Whether rows of a transaction wait in the queue.
pub fn is_queued(bank: &mut Outside, txid: i64) -> DbResult<bool> {
    let sql =
        "SELECT to_json(EXISTS (SELECT 1 FROM counterfoil_capture.queue WHERE txid = ($1::jsonb->>0)::bigint))::text AS line";
    bank.row(sql, &json!([txid]))
}

/// Whether changes of one row wait in the queue.
pub fn waits(bank: &mut Outside, capture: i32, columns: &[String], key: &[String]) -> DbResult<bool> {
    let is = |row: &str| {
        let parts = columns.iter().enumerate().map(|(at, column)| format!("{row}->>{} = $1::jsonb->1->>{at}", literal(column)));
        parts.collect::<Vec<_>>().join(" AND ")
    };
    let sql = format!(
        "SELECT to_json(EXISTS (SELECT 1 FROM counterfoil_capture.queue q WHERE q.capture = ($1::jsonb->>0)::int \
         AND (({}) OR ({}) OR q.action = 'TRUNCATE')))::text AS line",
        is("q.old"),
        is("q.new")
    );
    bank.row(&sql, &json!([capture, key]))
}

/// The condition that names one row; its key is element `at` of `$1`.
fn named(table: &Table, at: usize) -> String {
    let parts = table.key.iter().enumerate().map(|(n, column)| {
        let kind = table.columns.get(column).map_or("text", String::as_str);
        format!("t.{} = ($1::jsonb->{at}->>{n})::{kind}", identifier(column))
    });
    parts.collect::<Vec<_>>().join(" AND ")
}

fn listed(columns: &[String], of: &str) -> String {
    columns.iter().map(|column| format!("{of}{}", identifier(column))).collect::<Vec<_>>().join(", ")
}

/// Runs a statement and the table's rules about it, the deferred ones too. An error is caught there, because only there is
/// its state known: what was asked is taken back, and the transaction goes on.
const ATTEMPT: &str = "DO $do$ DECLARE line text; state text; message text; named text; col text; BEGIN \
    BEGIN \
        EXECUTE current_setting('counterfoil.asked')::jsonb->>0 INTO line \
            USING current_setting('counterfoil.asked')::jsonb->>1; \
        SET CONSTRAINTS ALL IMMEDIATE; \
        PERFORM set_config('counterfoil.told', jsonb_build_object('line', line)::text, true); \
    EXCEPTION WHEN ASSERT_FAILURE OR OTHERS THEN \
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, named = CONSTRAINT_NAME, col = COLUMN_NAME; \
        PERFORM set_config('counterfoil.told', jsonb_build_object('refused', jsonb_build_object('state', state, 'message', message, \
            'named', coalesce(nullif(named, ''), col), 'triggers', (SELECT coalesce(string_agg(left(p.prosrc, 100000), ' '), '') \
                FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid \
                WHERE t.tgrelid = (current_setting('counterfoil.asked')::jsonb->>2)::oid AND NOT t.tgisinternal)))::text, true); \
    END; \
    PERFORM set_config('counterfoil.asked', '', true); \
END $do$";

/// How a statement on the bank's table ended.
#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    line: Option<String>,
    #[serde(default)]
    refused: Option<Refusal>,
}

/// The one text that a statement answers, or why the database refused it; `given` is its `$1`.
fn attempt(bank: &mut Outside, table: &Table, sql: &str, given: &str) -> DbResult<Result<Option<String>, Refusal>> {
    let asked = json!([sql, given, table.oid.to_string()]).to_string();
    bank.lines("SELECT set_config('counterfoil.asked', $1, true) AS line", &asked)?;
    bank.execute(ATTEMPT)?;
    let told: Told = bank.row("SELECT current_setting($1::jsonb->>0) AS line", &json!(["counterfoil.told"]))?;
    Ok(told.refused.map_or(Ok(told.line), Err))
}

/// These columns of a row, which is locked; `None` if there is none.
pub fn lock(bank: &mut Outside, table: &Table, columns: &[String], key: &[String]) -> DbResult<Result<Option<String>, Refusal>> {
    let sql = format!(
        "SELECT to_jsonb(r)::text AS line FROM (SELECT {} FROM ONLY {} t WHERE {} FOR NO KEY UPDATE) r",
        listed(columns, "t."),
        table.name,
        named(table, 0)
    );
    attempt(bank, table, &sql, &json!([key]).to_string())
}

/// Writes columns of a row; answers how many rows that were. `values` is an object.
pub fn update(
    bank: &mut Outside,
    table: &Table,
    (columns, values): (&[String], &str),
    key: &[String],
) -> DbResult<Result<i64, Refusal>> {
    let set: Vec<String> = columns.iter().map(|column| format!("{0} = r.{0}", identifier(column))).collect();
    let sql = format!(
        "WITH r AS (SELECT * FROM jsonb_populate_record(NULL::{name}, $1::jsonb->1)), \
         done AS (UPDATE ONLY {name} t SET {} FROM r WHERE {} RETURNING 1) SELECT count(*)::text AS line FROM done",
        set.join(", "),
        named(table, 0),
        name = table.name
    );
    count(bank, table, &sql, &format!("[{},{values}]", json!(key)))
}

/// Makes a row of these columns; answers how many rows that were.
pub fn insert(bank: &mut Outside, table: &Table, columns: &[String], values: &str) -> DbResult<Result<i64, Refusal>> {
    let sql = format!(
        "WITH r AS (SELECT * FROM jsonb_populate_record(NULL::{name}, $1::jsonb->0)), \
         done AS (INSERT INTO {name} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM r RETURNING 1) SELECT count(*)::text AS line FROM done",
        listed(columns, ""),
        listed(columns, "r."),
        name = table.name
    );
    count(bank, table, &sql, &format!("[{values}]"))
}

/// `given` as text: no number in it is read.
fn count(bank: &mut Outside, table: &Table, sql: &str, given: &str) -> DbResult<Result<i64, Refusal>> {
    let told = attempt(bank, table, sql, given)?;
    Ok(told.map(|line| line.and_then(|line| line.parse().ok()).unwrap_or(0)))
}
