//! The schema: the way up and down again, the same tables on both databases as in `schema.rs`, and
//! the triggers that keep the log append-only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use counterfoil::db::{Conn, Db, DbError, migrate};
use counterfoil::on_conn;
use diesel::RunQueryDsl;
use diesel::sql_types::Text;

use crate::bank::{Home, Kind, on_both};
use crate::support::cluster::cluster;
use crate::support::program::Program;

/// Tables whose rows never change, and never go.
const APPEND_ONLY: [&str; 15] = [
    "anchors",
    "asides",
    "checkpoints",
    "deliveries",
    "entries",
    "events",
    "feed_closings",
    "generations",
    "hits",
    "key_rotations",
    "reports",
    "reversals",
    "rule_sets",
    "sources",
    "tiles",
];
/// Of these the ones on the hot path: `INSERT OR REPLACE` is stopped by recursive triggers only.
const HOT: [&str; 5] = ["asides", "entries", "events", "hits", "tiles"];

/// Everything a schema consists of, one line each.
const SQLITE_SCHEMA: &str = "SELECT type || ' ' || name || ': ' || coalesce(sql, '') AS line FROM sqlite_master
    WHERE name NOT LIKE '%diesel%' AND name NOT LIKE 'sqlite_%' ORDER BY line";
const POSTGRES_SCHEMA: &str = "
    SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || coalesce(column_default, '') AS line
      FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '%diesel%'
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE '%diesel%'
    UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
      WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE '%diesel%'
    UNION ALL SELECT pg_get_triggerdef(oid) || ' ' || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal AND tgname NOT LIKE '%diesel%'
    UNION ALL SELECT 'function ' || proname || ' ' || prosrc FROM pg_proc
      WHERE pronamespace = 'public'::regnamespace AND proname NOT LIKE '%diesel%'
    ORDER BY line";

/// One line per column: table, column, type, whether it may be null, its place in the primary key.
const SQLITE_COLUMNS: &str =
    "SELECT m.name || '|' || p.name || '|' || p.type || '|' || (1 - p.\"notnull\") || '|' || p.pk AS line
    FROM sqlite_master m JOIN pragma_table_info(m.name) p
    WHERE m.type = 'table' AND m.name NOT LIKE '%diesel%' AND m.name NOT LIKE 'sqlite_%'";
const POSTGRES_COLUMNS: &str = "
    SELECT c.relname || '|' || a.attname || '|' || format_type(a.atttypid, a.atttypmod) || '|'
        || (CASE WHEN a.attnotnull THEN 0 ELSE 1 END) || '|' || coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0) AS line
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname NOT LIKE '%diesel%'";

/// The indexes that were made by name, one per line.
const SQLITE_INDEXES: &str = "SELECT tbl_name || '.' || name AS line FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL";
const POSTGRES_INDEXES: &str = "SELECT tablename || '.' || indexname AS line FROM pg_indexes WHERE schemaname = 'public'
    AND indexname NOT IN (SELECT conname FROM pg_constraint)";

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(conn: &mut Conn, sqlite: &str, postgres: &str) -> Vec<String> {
    let sql = match conn {
        Conn::Sqlite(_) => sqlite,
        Conn::Postgres(_) => postgres,
    };
    let lines: Vec<Line> = on_conn!(conn, |c| diesel::sql_query(sql).load(c)).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

/// A database of this kind, migrated, and what keeps it alive.
fn migrated(kind: Kind) -> (Home, Conn) {
    let home = Home::new(kind);
    let mut conn = Db::open(&home.owner_url(), 1).unwrap().connect().unwrap();
    migrate::up(&mut conn).unwrap();
    (home, conn)
}

#[test]
fn up_down_and_up_again_leave_the_same_schema() {
    on_both(|kind| {
        let (_home, mut conn) = migrated(kind);
        let schema = |conn: &mut Conn| lines(conn, SQLITE_SCHEMA, POSTGRES_SCHEMA);
        let first = schema(&mut conn);
        assert!(first.len() > 30, "{first:#?}");
        let names: Vec<String> = migrate::status(&mut conn).unwrap().into_iter().map(|(name, _)| name).collect();
        for name in names.iter().rev() {
            assert!(migrate::require_current(&mut conn).is_ok() || name != &names[names.len() - 1]);
            migrate::down(&mut conn).unwrap();
        }
        assert_eq!(schema(&mut conn), Vec::<String>::new(), "{kind:?}: something is left after the last step down");
        let refused = migrate::require_current(&mut conn).unwrap_err().to_string();
        assert!(refused.contains("counterfoil migrate up"), "{refused}");
        assert_eq!(migrate::up(&mut conn).unwrap().len(), names.len());
        assert_eq!(schema(&mut conn), first, "{kind:?}");
        // One step down and up again, each on its own.
        migrate::down(&mut conn).unwrap();
        assert_eq!(migrate::up(&mut conn).unwrap().len(), 1);
        assert_eq!(schema(&mut conn), first, "{kind:?}");
    });
}

#[test]
fn a_schema_with_a_log_in_it_is_taken_back_only_by_who_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::new(dir.path());
    program.clone().args(["key", "issue", "--source", "core"]).run().succeeded();
    let refused = program.clone().args(["migrate", "down"]).run().failed_with(2);
    assert!(refused.stderr.contains("leaves") && refused.stderr.contains("--lose-what-it-holds"), "{}", refused.stderr);
    assert!(!program.clone().args(["migrate", "status"]).run().succeeded().stdout.contains("missing"));
    program.clone().args(["migrate", "down", "--lose-what-it-holds"]).run().succeeded();
    assert!(program.args(["migrate", "status"]).run().succeeded().stdout.contains("missing"));
}

/// Type, whether it may be null, place in the primary key (0: none).
type Column = (String, bool, usize);
type Tables = BTreeMap<String, BTreeMap<String, Column>>;

fn columns(conn: &mut Conn) -> Tables {
    let mut tables = Tables::new();
    for line in lines(conn, SQLITE_COLUMNS, POSTGRES_COLUMNS) {
        let parts: Vec<&str> = line.split('|').collect();
        let [table, column, kind, nullable, key] = parts[..] else { panic!("{line}") };
        let key: usize = key.parse().unwrap();
        let kind = match (&*conn, kind) {
            // SQLite's rowid: 64 bits, but it must be spelled so.
            (Conn::Sqlite(_), "INTEGER") if key == 1 && !is_composite(table) => "BigInt",
            (_, "SMALLINT" | "smallint") => "SmallInt",
            (_, "INTEGER" | "integer") => "Integer",
            (_, "BIGINT" | "bigint") => "BigInt",
            (_, "TEXT" | "text") => "Text",
            (_, "BLOB" | "bytea") => "Binary",
            (_, other) => panic!("{table}.{column}: {other} is not a type that both databases have"),
        };
        tables.entry(table.to_owned()).or_default().insert(column.to_owned(), (kind.to_owned(), nullable == "1", key));
    }
    tables
}

fn is_composite(table: &str) -> bool {
    schema_rs()[table].values().filter(|(_, _, key)| *key > 0).count() > 1
}

/// The tables of `src/db/schema.rs`.
fn schema_rs() -> Tables {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/db/schema.rs")).unwrap();
    let mut tables = Tables::new();
    let mut current: Option<(String, Vec<String>)> = None;
    for line in text.lines().map(str::trim) {
        if let Some((head, keys)) = line.strip_suffix(") {").and_then(|head| head.split_once(" (")) {
            current = Some((head.to_owned(), keys.split(", ").map(str::to_owned).collect()));
        } else if let (Some((table, keys)), Some((column, kind))) = (&current, line.trim_end_matches(',').split_once(" -> ")) {
            let inner = kind.strip_prefix("Nullable<").and_then(|k| k.strip_suffix('>'));
            let key = keys.iter().position(|k| k == column).map_or(0, |at| at + 1);
            let column = (column.to_owned(), (inner.unwrap_or(kind).to_owned(), inner.is_some(), key));
            tables.entry(table.clone()).or_default().extend([column]);
        }
    }
    tables
}

#[test]
fn both_databases_have_the_tables_of_schema_rs() {
    let expected = schema_rs();
    assert!(expected.len() > 25 && expected["entries"].len() == 29, "schema.rs was read wrongly");
    on_both(|kind| {
        let (_home, mut conn) = migrated(kind);
        let found = columns(&mut conn);
        let names = |tables: &Tables| tables.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&expected), "{kind:?}");
        for (table, columns) in &expected {
            assert_eq!(&found[table], columns, "{kind:?}: {table}");
            assert!(columns.len() <= 32, "{table} has more columns than diesel is compiled for");
        }
    });
}

#[test]
fn both_databases_have_the_same_indexes() {
    let indexes = |kind| lines(&mut migrated(kind).1, SQLITE_INDEXES, POSTGRES_INDEXES).into_iter().collect::<BTreeSet<_>>();
    let found = indexes(Kind::Sqlite);
    assert!(found.contains("hits.hits_alert"), "{found:?}");
    assert_eq!(found, indexes(Kind::Postgres));
}

/// An `INSERT` of one row with some value in every column that needs one.
fn some_row(table: &str, kind: Kind, verb: &str) -> String {
    let columns = &schema_rs()[table];
    let value = |kind_of: &str| match (kind_of, kind) {
        ("Text", _) => "'x'",
        ("Binary", Kind::Sqlite) => "x'00'",
        ("Binary", Kind::Postgres) => "'\\x00'",
        _ => "1",
    };
    let needed: Vec<_> = columns.iter().filter(|(_, (_, nullable, _))| !nullable).collect();
    let names: Vec<&str> = needed.iter().map(|(name, _)| name.as_str()).collect();
    let values: Vec<&str> = needed.iter().map(|(_, (kind_of, _, _))| value(kind_of)).collect();
    format!("{verb} INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "))
}

fn rows(conn: &mut Conn, table: &str) -> String {
    let sql = format!("SELECT CAST(count(*) AS TEXT) AS line FROM {table}");
    lines(conn, &sql, &sql).remove(0)
}

#[test]
fn what_is_appended_can_be_neither_changed_nor_removed_nor_replaced() {
    on_both(|kind| {
        let (_home, mut conn) = migrated(kind);
        for table in APPEND_ONLY {
            let column = schema_rs()[table].iter().find(|(_, c)| c.2 > 0).map(|(name, _)| name.clone()).unwrap();
            let insert = some_row(table, kind, "INSERT");
            conn.execute(&insert).unwrap();
            let mut attempts = vec![format!("UPDATE {table} SET {column} = 7"), format!("DELETE FROM {table}")];
            match kind {
                Kind::Sqlite => attempts.push(some_row(table, kind, "INSERT OR REPLACE")),
                Kind::Postgres => {
                    attempts.push(format!("TRUNCATE {table}"));
                    let keys: Vec<String> = keys(table);
                    attempts.push(format!("{insert} ON CONFLICT ({}) DO UPDATE SET {column} = 7", keys.join(", ")));
                    // A replica's session skips ordinary triggers, not these.
                    attempts.push(format!("SET session_replication_role = replica; DELETE FROM {table}"));
                }
            }
            for sql in attempts {
                let refused = conn.execute(&sql).expect_err(&sql).to_string();
                // PostgreSQL names the segment.
                assert!(refused.contains(table) && refused.contains("is append-only"), "{sql}: {refused}");
            }
            if kind == Kind::Postgres {
                conn.execute("RESET session_replication_role").unwrap();
            }
            assert_eq!(rows(&mut conn, table), "1", "{kind:?}: {table}");
        }
    });
}

/// As the `sqlite3` tool opens a file: triggers are not recursive, so that what is replaced goes without one.
#[test]
fn another_program_replaces_no_row_of_a_small_table() {
    let (_home, mut conn) = migrated(Kind::Sqlite);
    conn.execute("PRAGMA recursive_triggers = OFF").unwrap();
    let small: Vec<&str> = APPEND_ONLY.into_iter().filter(|table| !HOT.contains(table)).collect();
    for table in &small {
        conn.execute(&some_row(table, Kind::Sqlite, "INSERT")).unwrap();
    }
    // Under another unique key than the first, too.
    let others = [
        "INSERT OR REPLACE INTO checkpoints (number, size, root, signed_at, note) VALUES (2, 1, x'01', 2, 'y')".to_owned(),
        "INSERT OR REPLACE INTO reversals (seq, source, reference) VALUES (2, 1, 'x')".to_owned(),
        "INSERT OR REPLACE INTO sources (id, name, created_at) VALUES (2, 'x', 2)".to_owned(),
    ];
    let same = small.iter().map(|table| some_row(table, Kind::Sqlite, "INSERT OR REPLACE"));
    for sql in same.chain(others) {
        let refused = conn.execute(&sql).expect_err(&sql).to_string();
        assert!(refused.contains("is append-only"), "{sql}: {refused}");
    }
    for table in &small {
        assert_eq!(rows(&mut conn, table), "1", "{table}");
    }
}

/// Every unique key of a guarded table is asked for: an index that is added without it would be a way past the guard.
#[test]
fn a_guard_against_replacing_knows_every_unique_key() {
    let (_home, mut conn) = migrated(Kind::Sqlite);
    let guarded = "SELECT tbl_name AS line FROM sqlite_master WHERE type = 'trigger' AND name = tbl_name || '_no_replace'";
    let tables = lines(&mut conn, guarded, "");
    assert_eq!(tables.len(), 13, "{tables:?}");
    for table in tables {
        let sql = format!("SELECT sql AS line FROM sqlite_master WHERE name = '{table}_no_replace'");
        let guard = lines(&mut conn, &sql, "").remove(0);
        let unique = format!(
            "SELECT c.name AS line FROM pragma_index_list('{table}') i JOIN pragma_index_info(i.name) c WHERE i.\"unique\" = 1
             UNION SELECT name FROM pragma_table_info('{table}') WHERE pk > 0"
        );
        for column in lines(&mut conn, &unique, "") {
            assert!(guard.contains(&format!("{column} = NEW.{column}")), "{table}.{column}: {guard}");
        }
    }
}

fn keys(table: &str) -> Vec<String> {
    let columns = &schema_rs()[table];
    let mut keys: Vec<_> = columns.iter().filter(|(_, c)| c.2 > 0).map(|(name, c)| (c.2, name.clone())).collect();
    keys.sort();
    keys.into_iter().map(|(_, name)| name).collect()
}

/// The whole server's settings are checked by the same code; `src/db/dialect.rs` tests it.
#[test]
fn a_database_that_answers_before_it_has_written_is_refused() {
    let database = cluster().empty_database();
    assert!(Db::open(database.url(), 1).is_ok());
    database.sql(&format!("ALTER DATABASE {} SET synchronous_commit = off", database.name())).unwrap();
    match Db::open(database.url(), 1).map(drop) {
        Err(DbError::Unfit(text)) => assert!(text.contains("synchronous_commit") && text.contains("= on"), "{text}"),
        other => panic!("synchronous_commit = off must be refused, not {other:?}"),
    }
}
