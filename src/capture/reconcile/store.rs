//! What is asked of the bank's database when a table is compared.

use serde_json::{Value, json};

use crate::db::{DbResult, Outside};

use super::super::install::Hidden;
use super::super::install::store::Table;
use super::super::names::identifier;

/// Rows fetched at once.
const ROWS: i64 = 500;
/// Rows of the queue that are looked through; with more, it is not the time to compare.
pub const WAITING_MAX: i64 = 100_000;

/// A row of the queue: action, the row before, the row after.
pub type Waiting = (String, Option<String>, Option<String>);

/// The rows of the queue of a table as this snapshot sees it.
pub fn waiting(bank: &mut Outside, id: i32) -> DbResult<Vec<Waiting>> {
    let sql = "SELECT json_build_array(action, old::text, new::text)::text AS line FROM counterfoil_capture.queue \
        WHERE capture = ($1::jsonb->>0)::int LIMIT ($1::jsonb->>1)::int";
    bank.rows(sql, &json!([id, WAITING_MAX + 1]))
}

/// Begins to read these columns of a table; rows of tables that inherit from it are not its own, and no trigger of it fires
/// for them.
pub fn open(bank: &mut Outside, table: &Table, columns: &[&String]) -> DbResult<()> {
    let names: Vec<String> = columns.iter().map(|name| identifier(name)).collect();
    bank.execute(&format!(
        "DECLARE captured_rows NO SCROLL CURSOR FOR SELECT to_jsonb(t)::text AS line FROM (SELECT {} FROM ONLY {}) t",
        names.join(", "),
        table.name
    ))
}

/// Which of these columns of a table may not be read.
pub fn unreadable(bank: &mut Outside, table: &Table, columns: &[&String]) -> DbResult<Vec<String>> {
    let sql = "SELECT to_json(c)::text AS line FROM jsonb_array_elements_text($1::jsonb->1) c \
        WHERE NOT has_column_privilege(($1::jsonb->>0)::oid, c, 'SELECT')";
    bank.rows(sql, &json!([table.oid, columns]))
}

/// Whether these columns are called so at the moment, whatever this transaction's snapshot says.
pub fn called(bank: &mut Outside, table: &Table, columns: &[Hidden]) -> DbResult<bool> {
    let sql = "SELECT to_json(coalesce(bool_and((pg_identify_object_as_address('pg_class'::regclass, ($1::jsonb->>0)::oid, \
        (c->>'number')::int)).object_names[3] IS NOT DISTINCT FROM c->>'name'), true))::text AS line FROM jsonb_array_elements($1::jsonb->1) c";
    bank.row(sql, &json!([table.oid, columns]))
}

/// The next of its rows; none: that was all.
pub fn next(bank: &mut Outside) -> DbResult<Vec<String>> {
    Ok(bank.fetched(&format!("FETCH {ROWS} FROM captured_rows"))?.into_iter().flatten().collect())
}

/// Which of these keys have a row, by their place in the list.
pub fn existing(bank: &mut Outside, table: &Table, keys: &[Vec<String>]) -> DbResult<Vec<usize>> {
    let same = table.key.iter().enumerate().map(|(at, column)| {
        let kind = table.columns.get(column).map_or("text", String::as_str);
        format!("t.{} = (k.value->>{at})::{kind}", identifier(column))
    });
    let same: Vec<String> = same.collect();
    let sql = format!(
        "SELECT (k.n - 1)::text AS line FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY k(value, n) JOIN {} t ON {}",
        table.name,
        same.join(" AND ")
    );
    bank.rows(&sql, &json!(keys))
}

/// A refused row: number, action, the row before, the row after.
pub type RefusedRow = (i64, String, Option<String>, Option<String>);

/// Refused rows of a table after one of them.
pub fn refused(bank: &mut Outside, id: i32, after: i64) -> DbResult<Vec<RefusedRow>> {
    let sql = format!(
        "SELECT json_build_array(id, action, old::text, new::text)::text AS line FROM counterfoil_capture.rejected \
         WHERE capture = ($1::jsonb->>0)::int AND id > ($1::jsonb->>1)::bigint ORDER BY id LIMIT {ROWS}"
    );
    bank.rows(&sql, &json!([id, after]))
}

/// Takes these refused rows away; answers how many.
pub fn settle(bank: &mut Outside, rows: &[i64]) -> DbResult<i64> {
    let sql = "WITH gone AS (DELETE FROM counterfoil_capture.rejected \
        WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text($1::jsonb)::bigint)) RETURNING 1) SELECT count(*)::text AS line FROM gone";
    bank.row::<Value>(sql, &json!(rows)).map(|count| count.as_i64().unwrap_or(0))
}
