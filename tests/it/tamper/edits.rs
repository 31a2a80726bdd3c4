//! Edits as an intruder makes them: the triggers out of the way, the edit, the triggers put back.

use counterfoil::db::Conn;
use counterfoil::on_conn;
use diesel::RunQueryDsl;
use diesel::sql_types::Text;

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The column `line` of a query, in the words of the database it is.
pub fn lines(conn: &mut Conn, sqlite: &str, postgres: &str) -> Vec<String> {
    let sql = match conn {
        Conn::Sqlite(_) => sqlite,
        Conn::Postgres(_) => postgres,
    };
    let lines: Vec<Line> = on_conn!(conn, |c| diesel::sql_query(sql).load(c)).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Number,
    Text,
    Bytes,
}

/// A column of the live schema.
#[derive(Clone, Debug)]
pub struct Column {
    pub table: String,
    pub name: String,
    pub holds: Holds,
    pub nullable: bool,
}

/// The columns of a table, or of every table (`%`).
pub fn columns(conn: &mut Conn, table: &str) -> Vec<Column> {
    let sqlite = format!(
        "SELECT m.name || '|' || p.name || '|' || p.type || '|' || (1 - p.\"notnull\") AS line FROM sqlite_master m
         JOIN pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name LIKE '{table}' AND m.name NOT LIKE '%diesel%'
         AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, p.cid"
    );
    let postgres = format!(
        "SELECT table_name || '|' || column_name || '|' || upper(data_type) || '|' || (is_nullable = 'YES')::int AS line
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name LIKE '{table}'
         AND table_name NOT LIKE '%diesel%' ORDER BY table_name, ordinal_position"
    );
    let column = |line: String| {
        let parts: Vec<&str> = line.split('|').collect();
        let holds = match parts[2] {
            "TEXT" => Holds::Text,
            "BLOB" | "BYTEA" => Holds::Bytes,
            _ => Holds::Number,
        };
        Column { table: parts[0].to_owned(), name: parts[1].to_owned(), holds, nullable: parts[3] == "1" }
    };
    lines(conn, &sqlite, &postgres).into_iter().map(column).collect()
}

/// Runs `sql` on a table with its triggers out of the way, and puts them back as they were.
pub fn behind_the_triggers(conn: &mut Conn, table: &str, sql: &str) -> Result<(), String> {
    let (off, on) = match conn {
        Conn::Sqlite(_) => {
            let query =
                format!("SELECT name || '|' || sql AS line FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '{table}'");
            let triggers = lines(conn, &query, "");
            let split = triggers.iter().filter_map(|line| line.split_once('|'));
            let (names, texts): (Vec<&str>, Vec<&str>) = split.unzip();
            let drops: Vec<String> = names.iter().map(|name| format!("DROP TRIGGER {name};")).collect();
            let pragma = "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF;";
            (format!("{pragma} {}", drops.concat()), texts.iter().map(|text| format!("{text};")).collect::<String>())
        }
        Conn::Postgres(_) => {
            let query =
                format!("SELECT tgname::text AS line FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND tgenabled = 'A'");
            let names = lines(conn, "", &query);
            let on = names.iter().map(|name| format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name};"));
            (format!("ALTER TABLE {table} DISABLE TRIGGER USER;"), on.collect())
        }
    };
    conn.execute(&off).unwrap();
    let done = conn.execute(sql).map_err(|error| error.to_string());
    if done.is_err() {
        // There may be a transaction that the edit began; where there is none, there is nothing to end.
        let _ = conn.execute("ROLLBACK");
    }
    conn.execute(&format!("{on} SELECT 1")).unwrap();
    done
}

/// The addresses of a table's rows, in order, of those that `which` selects.
pub fn rows(conn: &mut Conn, table: &str, which: &str) -> Vec<String> {
    let sqlite = format!("SELECT CAST(rowid AS TEXT) AS line FROM {table} WHERE {which} ORDER BY rowid");
    let postgres = format!("SELECT ctid::text AS line FROM {table} WHERE {which} ORDER BY ctid");
    lines(conn, &sqlite, &postgres)
}

/// The condition that selects the row at an address.
pub fn at(conn: &Conn, row: &str) -> String {
    match conn {
        Conn::Sqlite(_) => format!("rowid = {row}"),
        Conn::Postgres(_) => format!("ctid = '{row}'"),
    }
}

/// A value of a row as a literal.
pub fn literal(conn: &mut Conn, column: &Column, row: &str) -> String {
    let (table, name, at) = (&column.table, &column.name, at(conn, row));
    let sqlite = format!("SELECT quote({name}) AS line FROM {table} WHERE {at}");
    let postgres = format!("SELECT quote_nullable({name}::text) AS line FROM {table} WHERE {at}");
    lines(conn, &sqlite, &postgres).remove(0)
}

/// Another value than this literal.
pub fn other(column: &Column, literal: &str, far: bool) -> String {
    let bare = literal.trim_matches('\'');
    match (column.holds, literal) {
        (Holds::Number, "NULL") => "7".to_owned(),
        (Holds::Number, _) => (bare.parse::<i64>().unwrap() + if far { 1_000_003 } else { 1 }).to_string(),
        (Holds::Text, "NULL") => "'x'".to_owned(),
        (Holds::Text, _) => format!("{}x'", &literal[..literal.len() - 1]),
        // Bytes to PostgreSQL, a text to SQLite, which is of another type than its column: both are to be found.
        (Holds::Bytes, "NULL") => "'\\x00'".to_owned(),
        (Holds::Bytes, _) => {
            // The first hexadecimal digit, in the way either database writes bytes.
            let first = literal.find('\'').unwrap() + if literal.starts_with('X') { 1 } else { 4 };
            let digit = if literal.as_bytes()[first] == b'0' { "1" } else { "0" };
            format!("{}{digit}{}", &literal[..first], &literal[first + 1..])
        }
    }
}
