//! What the schema consists of beside its rows: tables, columns, indexes, triggers, functions and views,
//! as they are, and as the migrations compiled into this binary make them.
//!
//! On SQLite the migrations are run in memory and the two catalogues compared. PostgreSQL has no such
//! place, so its catalogue after the migrations is a file compiled in; a test fails when a migration
//! is added and the file is not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_migrations::MigrationHarness;

use super::migrate::{SQLITE, applied, names_known, version};
use super::{Conn, DbResult};

/// PostgreSQL's catalogue after the migrations.
const POSTGRES_CATALOGUE: &str = include_str!("postgres_catalogue.txt");

const SQLITE_QUERY: &str = "SELECT type AS kind, name, tbl_name AS owner, coalesce(sql, '') AS text FROM sqlite_master
    WHERE tbl_name NOT LIKE '%diesel%' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    ORDER BY 1, 2";

/// Segments of one table are the same in number, place and name only: each fact is one line.
const POSTGRES_QUERY: &str = "
    WITH segment AS (
      SELECT c.oid, p.relname::text AS parent, c.relname AS name, count(*) OVER (PARTITION BY p.oid) AS segments,
          substring(bound FROM 'FROM [(]''([0-9]+)''[)]')::bigint AS low, substring(bound FROM 'TO [(]''([0-9]+)''[)]')::bigint AS high
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
          CROSS JOIN LATERAL pg_get_expr(c.relpartbound, c.oid) AS bound
        WHERE p.relnamespace = 'public'::regnamespace AND p.relkind = 'p')
    SELECT 'column' AS kind, c.relname || '.' || a.attname AS name, c.relname::text AS owner,
        format_type(a.atttypid, a.atttypmod) || (CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END) AS text
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname NOT LIKE '%diesel%'
    UNION ALL SELECT 'index', indexname::text, tablename::text, replace(indexdef, ' public.', ' ') FROM pg_indexes
      WHERE schemaname = 'public' AND tablename NOT LIKE '%diesel%'
    UNION ALL SELECT 'constraint', conname::text, conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
      WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND conrelid::regclass::text NOT LIKE '%diesel%'
    UNION ALL SELECT 'trigger', tgname::text, tgrelid::regclass::text,
        replace(pg_get_triggerdef(pg_trigger.oid), ' public.', ' ') || ' enabled ' || tgenabled::text
      FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
      WHERE NOT tgisinternal AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE '%diesel%'
    UNION ALL SELECT 'function', proname::text, proname::text,
        prosrc || (CASE WHEN prosecdef THEN ' as its owner' ELSE '' END) || coalesce(' ' || proconfig::text, '') FROM pg_proc
      WHERE pronamespace = 'public'::regnamespace AND proname NOT LIKE '%diesel%'
    UNION ALL SELECT 'rule', rulename::text, tablename::text, definition FROM pg_rules WHERE schemaname = 'public'
    UNION ALL SELECT 'policy', policyname::text, tablename::text, coalesce(qual, '') FROM pg_policies WHERE schemaname = 'public'
    UNION ALL SELECT 'view', viewname::text, viewname::text, definition FROM pg_views WHERE schemaname = 'public'
    UNION ALL SELECT 'places', parent, parent, CASE WHEN min(low) = 0 AND sum(high - low) = max(high) THEN 'each in a segment'
        ELSE 'some in none' END FROM segment GROUP BY parent
    UNION ALL SELECT 'segment trigger', name, parent, text || (CASE count(*) WHEN max(segments) THEN '' ELSE ', not in each' END)
      FROM (SELECT tgname::text AS name, parent, segments,
          replace(replace(pg_get_triggerdef(t.oid), ' public.', ' '), ' segments.' || s.name || ' ', ' each ') || ' enabled ' || tgenabled::text
          AS text FROM segment s JOIN pg_trigger t ON t.tgrelid = s.oid) AS guard GROUP BY name, parent, text
    UNION ALL SELECT 'segment index', name, parent, text || (CASE count(*) WHEN max(segments) THEN '' ELSE ', not in each' END)
      FROM (SELECT coalesce(i.inhparent::regclass::text, 'another') AS name, parent, segments,
          (CASE WHEN x.indisunique THEN 'unique' ELSE '' END) || substring(pg_get_indexdef(x.indexrelid) FROM ' USING .*') AS text
          FROM segment s JOIN pg_index x ON x.indrelid = s.oid LEFT JOIN pg_inherits i ON i.inhrelid = x.indexrelid) AS indexed
      GROUP BY name, parent, text
    ORDER BY 1, 2, 3";

/// One thing the schema consists of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, QueryableByName)]
pub struct Definition {
    /// `table`, `column`, `index`, `trigger`, `function`, `view`, …
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// The table it belongs to.
    #[diesel(sql_type = Text)]
    pub owner: String,
    /// How it is defined, white space and quotes around names apart.
    #[diesel(sql_type = Text)]
    pub text: String,
}

impl Definition {
    fn normal(self) -> Definition {
        // A table that was renamed and renamed back has its name in quotes.
        let text = self.text.replace('"', "");
        Definition { text: text.split_whitespace().collect::<Vec<_>>().join(" "), ..self }
    }

    /// As a line of the catalogue.
    pub fn line(&self) -> String {
        [self.kind.as_str(), &self.name, &self.owner, &self.text].join("|")
    }

    fn of_line(line: &str) -> Option<Definition> {
        let mut parts = line.splitn(4, '|').map(str::to_owned);
        Some(Definition { kind: parts.next()?, name: parts.next()?, owner: parts.next()?, text: parts.next()? })
    }
}

/// The kinds that keep what was appended as it is.
const GUARDS: &str = "('trigger', 'segment trigger', 'function', 'rule')";

/// Of the definitions in this database those that guard it, in order. Quicker than [`present`].
pub fn present_guards(conn: &mut Conn) -> DbResult<Vec<Definition>> {
    let found: Vec<Definition> = match conn {
        Conn::Sqlite(c) => diesel::sql_query(format!("SELECT * FROM ({SQLITE_QUERY}) WHERE kind IN {GUARDS}")).load(c)?,
        Conn::Postgres(c) => {
            diesel::sql_query(format!("SELECT * FROM ({POSTGRES_QUERY}) AS d WHERE kind IN {GUARDS}")).load(c)?
        }
    };
    let mut found: Vec<Definition> = found.into_iter().map(Definition::normal).collect();
    found.sort();
    Ok(found)
}

/// What guards the tables of this binary, as its migrations make it.
#[derive(Clone, Debug)]
pub struct Guards {
    /// The guards, in order.
    pub all: Vec<Definition>,
    /// Every table there is, guarded or not.
    pub tables: BTreeSet<String>,
}

/// The guards that the migrations of this binary make; found once in a process.
pub fn expected_guards(conn: &Conn) -> DbResult<&'static Guards> {
    static SQLITE_GUARDS: OnceLock<Guards> = OnceLock::new();
    static POSTGRES_GUARDS: OnceLock<Guards> = OnceLock::new();
    let known = match conn {
        Conn::Sqlite(_) => &SQLITE_GUARDS,
        Conn::Postgres(_) => &POSTGRES_GUARDS,
    };
    if let Some(guards) = known.get() {
        return Ok(guards);
    }
    let expected = expected(conn)?;
    let tables = expected.iter().map(|definition| definition.owner.clone()).collect();
    let is_guard = |definition: &Definition| GUARDS.contains(&format!("'{}'", definition.kind));
    let all = expected.into_iter().filter(is_guard).collect();
    Ok(known.get_or_init(|| Guards { all, tables }))
}

/// The definitions in this database, in order.
pub fn present(conn: &mut Conn) -> DbResult<Vec<Definition>> {
    let found: Vec<Definition> = match conn {
        Conn::Sqlite(c) => diesel::sql_query(SQLITE_QUERY).load(c)?,
        Conn::Postgres(c) => diesel::sql_query(POSTGRES_QUERY).load(c)?,
    };
    let mut found: Vec<Definition> = found.into_iter().map(Definition::normal).collect();
    found.sort();
    Ok(found)
}

/// The definitions that the migrations of this binary make.
pub fn expected(conn: &Conn) -> DbResult<Vec<Definition>> {
    match conn {
        Conn::Sqlite(_) => {
            let mut memory = SqliteConnection::establish(":memory:").map_err(|e| super::DbError::Connect(e.to_string()))?;
            memory.run_pending_migrations(SQLITE).map_err(|e| super::DbError::Unfit(e.to_string()))?;
            present(&mut Conn::Sqlite(memory))
        }
        Conn::Postgres(_) => {
            let mut expected: Vec<Definition> = POSTGRES_CATALOGUE.lines().filter_map(Definition::of_line).collect();
            expected.sort();
            Ok(expected)
        }
    }
}

/// Migrations that the database says it has had, and those this binary knows: the names on one side only.
pub fn strange_migrations(conn: &mut Conn) -> DbResult<Vec<String>> {
    let mut sides: BTreeMap<String, u8> = applied(conn)?.into_iter().map(|version| (version, 1)).collect();
    for name in names_known(conn)? {
        *sides.entry(version(&name)).or_default() += 2;
    }
    Ok(sides.into_iter().filter(|(_, side)| *side != 3).map(|(version, _)| version).collect())
}
