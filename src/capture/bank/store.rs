//! The queue in the bank's database.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::db::{DbResult, Outside};

/// Rows read at once.
const ROWS: i64 = 500;
/// Bytes of them, about; one row is read whatever it has.
const BYTES: i64 = 8 << 20;
/// Waiting rows that are counted.
const COUNTED: i64 = 100_000;
/// What whoever drains or compares holds, so that there is one of them.
const TURN: &str = "hashtextextended('counterfoil capture turn', 0)";

/// A row of the queue.
#[derive(Clone, Debug, Deserialize)]
pub struct Queued {
    /// Its number.
    pub id: i64,
    /// The table, as it was added.
    pub table: String,
    /// The columns that name its records.
    pub key: Vec<String>,
    /// The transaction.
    pub txid: i64,
    /// Microseconds since 1970, by the bank's clock, when the row was changed.
    pub at: i64,
    /// `INSERT UPDATE DELETE TRUNCATE DDL`
    pub action: String,
    /// The row before.
    pub old: Option<String>,
    /// The row after; what was done to the table.
    pub new: Option<String>,
    /// As the transaction's settings say.
    pub actor: Option<String>,
    /// As the transaction's settings say.
    pub session: Option<String>,
    /// As the transaction's settings say.
    pub ip: Option<String>,
    /// As the transaction's settings say.
    pub reason: Option<String>,
    /// The role that was signed in.
    pub role: Option<String>,
    /// What it called its program.
    pub application: Option<String>,
    /// What the columns to be sealed were called then.
    pub sealed: Option<Vec<String>>,
}

/// How the queue of a table stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct Table {
    /// The table.
    pub table: String,
    /// Rows that wait, counted as far as 100,000.
    pub waiting: i64,
    /// When the oldest of them was changed, microseconds since 1970.
    pub oldest_at: Option<i64>,
    /// Rows that the log refused, counted as far as 100,000.
    pub rejected: i64,
}

/// A row that the log refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct Rejected {
    /// Its number in the queue.
    pub id: i64,
    /// Stable code of the refusal.
    pub code: String,
    /// Why.
    pub detail: String,
}

/// Whether this transaction has its turn now; it ends with the transaction.
pub fn take_turn(bank: &mut Outside) -> DbResult<bool> {
    bank.row(&format!("SELECT to_json(pg_try_advisory_xact_lock({TURN}))::text AS line WHERE $1 <> ''"), &Value::Null)
}

/// Waits for the turn and keeps it as long as the connection lives.
pub fn hold_turn(bank: &mut Outside) -> DbResult<()> {
    bank.execute(&format!("SET lock_timeout = '60s'; SELECT pg_advisory_lock({TURN}); SET lock_timeout = '10s'"))
}

/// The first rows of these tables, in their order; `version`: of what is made there.
pub fn read(bank: &mut Outside, tables: &[&str], version: i32) -> DbResult<Vec<Queued>> {
    let sealed = if version < 2 { "NULL" } else { "q.sealed" };
    let sql = format!(
        "SELECT json_build_object('id', q.id, 'table', k.name, 'key', k.key_columns, 'txid', q.txid, 'at', (extract(epoch FROM q.at) * 1000000)::bigint, \
            'action', q.action, 'old', q.old::text, 'new', q.new::text, 'actor', q.actor, 'session', q.session, 'ip', q.ip, \
            'reason', q.reason, 'role', q.role, 'application', q.application, 'sealed', {sealed})::text AS line \
         FROM (SELECT *, row_number() OVER (ORDER BY id) AS n, \
                sum(coalesce(pg_column_size(old), 0) + coalesce(pg_column_size(new), 0)) OVER (ORDER BY id) AS size \
            FROM (SELECT * FROM counterfoil_capture.queue WHERE capture = ANY(ARRAY(SELECT id FROM counterfoil_capture.captured \
                WHERE name = ANY(ARRAY(SELECT jsonb_array_elements_text($1::jsonb))))) ORDER BY id LIMIT {ROWS}) first) q \
         JOIN counterfoil_capture.captured k ON k.id = q.capture WHERE q.size < {BYTES} OR q.n = 1 ORDER BY q.id"
    );
    bank.rows(&sql, &json!(tables))
}

/// Keeps these rows of the queue as refused.
pub fn reject(bank: &mut Outside, rows: &[Rejected]) -> DbResult<()> {
    let columns = "id, capture, txid, at, action, old, new, actor, session, ip, reason, role, application";
    let of: Vec<String> = columns.split(", ").map(|column| format!("q.{column}")).collect();
    let sql = format!(
        "WITH kept AS (INSERT INTO counterfoil_capture.rejected ({columns}, code, detail) SELECT {}, r.code, r.detail \
         FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, code text, detail text) JOIN counterfoil_capture.queue q ON q.id = r.id \
         ON CONFLICT (id) DO NOTHING RETURNING 1) SELECT count(*)::text AS line FROM kept",
        of.join(", ")
    );
    bank.row::<i64>(&sql, &json!(rows)).map(drop)
}

/// Takes rows out of the queue.
pub fn delete(bank: &mut Outside, ids: &[i64]) -> DbResult<()> {
    let sql = "WITH gone AS (DELETE FROM counterfoil_capture.queue \
        WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text($1::jsonb)::bigint)) RETURNING 1) SELECT count(*)::text AS line FROM gone";
    bank.row::<i64>(sql, &json!(ids)).map(drop)
}

/// How every captured table there stands.
pub fn tables(bank: &mut Outside) -> DbResult<Vec<Table>> {
    let sql = format!(
        "SELECT json_build_object('table', k.name, \
            'waiting', (SELECT count(*) FROM (SELECT 1 FROM counterfoil_capture.queue q WHERE q.capture = k.id LIMIT {COUNTED}) w), \
            'oldest_at', (SELECT (extract(epoch FROM q.at) * 1000000)::bigint FROM counterfoil_capture.queue q WHERE q.capture = k.id \
                ORDER BY q.id LIMIT 1), \
            'rejected', (SELECT count(*) FROM (SELECT 1 FROM counterfoil_capture.rejected r WHERE r.capture = k.id LIMIT {COUNTED}) w))::text \
         AS line FROM counterfoil_capture.captured k WHERE $1 <> '' ORDER BY k.name"
    );
    bank.rows(&sql, &Value::Null)
}

/// The newest refused rows of a table, at most `most`.
pub fn rejected(bank: &mut Outside, table: &str, most: i64) -> DbResult<Vec<Rejected>> {
    let sql = "SELECT json_build_object('id', r.id, 'code', r.code, 'detail', r.detail)::text AS line FROM counterfoil_capture.rejected r \
        JOIN counterfoil_capture.captured k ON k.id = r.capture WHERE k.name = $1::jsonb->>0 ORDER BY r.id DESC LIMIT ($1::jsonb->>1)::int";
    bank.rows(sql, &json!([table, most]))
}

/// The bank's clock, microseconds since 1970.
pub fn now(bank: &mut Outside) -> DbResult<i64> {
    bank.row("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text AS line WHERE $1 <> ''", &Value::Null)
}
