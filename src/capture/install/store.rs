//! What is asked of the bank's catalogue.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;

use crate::db::{DbResult, Outside};

use super::hidden::{Hidden, How, Names, undeclared};

/// A table of the bank.
#[derive(Clone, Debug, Deserialize)]
pub struct Table {
    /// Its number there.
    pub oid: i64,
    /// Schema and name, quoted where SQL wants that.
    pub name: String,
    /// `r` for an ordinary one.
    pub kind: String,
    /// The columns of its primary key, in its order.
    pub key: Vec<String>,
    /// Column to type, in words.
    pub columns: BTreeMap<String, String>,
    /// Column to its number.
    pub numbers: BTreeMap<String, i16>,
    /// The names of these types.
    pub types: Vec<String>,
}

/// What `captured` says of a table.
#[derive(Clone, Debug, Deserialize)]
pub struct Captured {
    /// Its number here.
    pub id: i32,
    /// Its number in the catalogue.
    pub relation: i64,
    /// Schema and name, as it was added.
    pub name: String,
    /// The columns that name a record.
    pub key_columns: Vec<String>,
    /// Columns that are left out.
    pub excluded: Vec<String>,
    /// Column to type when it was added.
    pub columns: BTreeMap<String, String>,
    /// The columns that are left out or sealed.
    pub hidden: Vec<Hidden>,
    /// Every name of its columns.
    pub names: Names,
    /// Rows of the queue with smaller numbers were queued under an earlier definition.
    pub since: i64,
    /// Whose its rows are, once somebody drained them.
    pub drained_as: Option<Owner>,
    /// Columns that no `add` has seen, if they were looked for.
    #[serde(skip)]
    pub new: BTreeSet<String>,
}

/// Who has the rows of a table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct Owner {
    /// The log, by its origin.
    pub log: String,
    /// The source there.
    pub source: String,
}

impl Captured {
    /// The hidden columns, also those that an earlier program noted by name.
    pub fn hides(&self) -> Vec<Hidden> {
        if !self.hidden.is_empty() {
            return self.hidden.clone();
        }
        self.excluded.iter().map(|name| Hidden { how: How::Excluded, name: name.clone(), number: 0 }).collect()
    }
}

/// A trigger, and its function.
#[derive(Clone, Debug, Deserialize)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// `A`: always.
    pub enabled: String,
    /// Its definition as PostgreSQL prints it.
    pub definition: String,
}

/// A function as it is there.
#[derive(Clone, Debug, Deserialize)]
pub struct Made {
    /// Its text.
    pub body: String,
    /// Whether it runs with its owner's rights.
    pub definer: bool,
    /// Its settings.
    pub settings: Vec<String>,
}

const TABLE: &str = "SELECT json_build_object('oid', c.oid::bigint, 'name', format('%I.%I', n.nspname, c.relname), 'kind', c.relkind::text, \
    'key', coalesce((SELECT json_agg(a.attname ORDER BY k.n) FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(attnum, n) \
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum WHERE i.indrelid = c.oid AND i.indisprimary), '[]'), \
    'columns', coalesce((SELECT json_object_agg(a.attname, format_type(a.atttypid, a.atttypmod)) FROM pg_attribute a \
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}'), \
    'numbers', coalesce((SELECT json_object_agg(a.attname, a.attnum) FROM pg_attribute a \
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}'), \
    'types', coalesce((SELECT json_agg(DISTINCT t.typname) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'))::text AS line \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace ";

/// Tables with this name: as SQL writes it, or as it is; the best reading first.
pub fn tables(bank: &mut Outside, name: &str) -> DbResult<Vec<Table>> {
    let sql = format!(
        "{TABLE} CROSS JOIN LATERAL (SELECT CASE WHEN format('%I.%I', n.nspname, c.relname) = $1::jsonb->>0 THEN 1 \
            WHEN n.nspname || '.' || c.relname = $1::jsonb->>0 THEN 2 \
            WHEN n.nspname = 'public' AND $1::jsonb->>0 IN (c.relname, quote_ident(c.relname)) THEN 3 \
            WHEN lower($1::jsonb->>0) IN (c.relname, n.nspname || '.' || c.relname) THEN 4 END AS rank) found \
         WHERE found.rank IS NOT NULL AND c.relkind NOT IN ('i', 'I', 'S', 't', 'c') ORDER BY found.rank, c.oid"
    );
    bank.rows(&sql, &json!([name]))
}

/// The table with this number.
pub fn table(bank: &mut Outside, oid: i64) -> DbResult<Option<Table>> {
    Ok(bank.rows(&format!("{TABLE} WHERE c.oid = ($1::jsonb->>0)::oid"), &json!([oid]))?.into_iter().next())
}

/// The id and the version of the installation, if there is one.
pub fn installation(bank: &mut Outside) -> DbResult<Option<(String, i32)>> {
    let exists: bool = bank.row(
        "SELECT to_json(to_regclass('counterfoil_capture.installation') IS NOT NULL AND $1 <> '')::text AS line",
        &json!([]),
    )?;
    if !exists {
        return Ok(None);
    }
    let rows = bank.rows(
        "SELECT json_build_array(id, version)::text AS line FROM counterfoil_capture.installation WHERE $1 <> ''",
        &json!([]),
    )?;
    Ok(rows.into_iter().next())
}

/// The tables that are captured; what an earlier version did not note is empty.
pub fn captured(bank: &mut Outside) -> DbResult<Vec<Captured>> {
    let sql = "SELECT json_build_object('id', id, 'relation', relation::bigint, 'name', name, 'key_columns', key_columns, 'excluded', excluded, \
        'columns', columns, 'hidden', coalesce(to_jsonb(k)->'hidden', '[]'), 'names', coalesce(to_jsonb(k)->'names', '{}'), \
        'since', coalesce(to_jsonb(k)->'since', '0'), 'drained_as', to_jsonb(k)->'drained_as')::text AS line \
        FROM counterfoil_capture.captured k WHERE $1 <> '' ORDER BY id";
    bank.rows(sql, &json!([]))
}

/// The same, with the columns that no `add` has seen.
pub fn captured_now(bank: &mut Outside) -> DbResult<Vec<Captured>> {
    let mut all = captured(bank)?;
    for one in all.iter_mut().filter(|one| !one.hides().is_empty()) {
        if let Some(there) = table(bank, one.relation)? {
            one.new = undeclared(one, &there);
        }
    }
    Ok(all)
}

/// The triggers of a table.
pub fn triggers(bank: &mut Outside, oid: i64) -> DbResult<Vec<Trigger>> {
    let sql = "SELECT json_build_object('name', tgname, 'enabled', tgenabled::text, 'definition', pg_get_triggerdef(oid))::text AS line \
        FROM pg_trigger WHERE tgrelid = ($1::jsonb->>0)::oid AND NOT tgisinternal ORDER BY tgname";
    bank.rows(sql, &json!([oid]))
}

/// A function of ours, if it is there.
pub fn function(bank: &mut Outside, name: &str) -> DbResult<Option<Made>> {
    let sql = "SELECT json_build_object('body', prosrc, 'definer', prosecdef, 'settings', coalesce(proconfig, '{}'))::text AS line \
        FROM pg_proc WHERE pronamespace = to_regnamespace('counterfoil_capture') AND proname = $1::jsonb->>0";
    Ok(bank.rows(sql, &json!([name]))?.into_iter().next())
}

/// The event triggers of ours that are enabled always, and whether this role may make such.
pub fn events(bank: &mut Outside) -> DbResult<(i64, bool)> {
    let sql = "SELECT json_build_array((SELECT count(*) FROM pg_event_trigger WHERE evtenabled = 'A' AND $1 <> '' \
        AND evtname IN ('counterfoil_capture_ddl', 'counterfoil_capture_dropped')), \
        (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))::text AS line";
    bank.row(sql, &json!([]))
}

/// How many rows of a table wait, and how many were refused; counted as far as `most`.
pub fn waiting(bank: &mut Outside, id: i32, most: i64) -> DbResult<(i64, i64)> {
    let sql = "SELECT json_build_array(\
        (SELECT count(*) FROM (SELECT 1 FROM counterfoil_capture.queue WHERE capture = ($1::jsonb->>0)::int LIMIT ($1::jsonb->>1)::int) q), \
        (SELECT count(*) FROM (SELECT 1 FROM counterfoil_capture.rejected WHERE capture = ($1::jsonb->>0)::int LIMIT ($1::jsonb->>1)::int) r))::text \
        AS line";
    bank.row(sql, &json!([id, most]))
}

/// Notes whose the rows of a table are, unless somebody else has them.
pub fn claim(bank: &mut Outside, id: i32, owner: &Owner) -> DbResult<()> {
    let sql = "WITH mine AS (UPDATE counterfoil_capture.captured SET drained_as = $1::jsonb->1 WHERE id = ($1::jsonb->>0)::int \
        AND drained_as IS NULL RETURNING 1) SELECT count(*)::text AS line FROM mine";
    bank.row::<i64>(sql, &json!([id, owner])).map(drop)
}

/// Notes a capture.
pub fn note(bank: &mut Outside, captured: &Captured) -> DbResult<()> {
    let row = json!({
        "id": captured.id, "relation": captured.relation, "name": captured.name, "key_columns": captured.key_columns,
        "excluded": captured.excluded, "columns": captured.columns, "hidden": captured.hidden, "names": captured.names,
        "since": captured.since, "drained_as": captured.drained_as,
    });
    let columns = "id, relation, name, key_columns, excluded, columns, hidden, names, since, drained_as";
    let sql = format!(
        "WITH noted AS (INSERT INTO counterfoil_capture.captured ({columns}) OVERRIDING SYSTEM VALUE \
         SELECT {columns} FROM jsonb_to_record($1::jsonb) AS r(id int, relation oid, name text, key_columns text[], excluded text[], \
            columns jsonb, hidden jsonb, names jsonb, since bigint, drained_as jsonb) RETURNING 1) \
         SELECT count(*)::text AS line FROM noted"
    );
    bank.row::<i64>(&sql, &row).map(drop)
}
