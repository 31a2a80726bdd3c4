//! Values that are not of the storage class their column is declared with, or wider than it.
//!
//! SQLite keeps a blob, a fraction or a text in a column of numbers, and a blob in a column of text.
//! Read as what the column should hold, such a value gives the same number or text, and so the same
//! hash; compared or summed by a query, it is another one. An account whose number is a blob is found
//! by nobody. And a number of more bits than the column has is cut off when it is read, so that it too
//! gives the number that was hashed. On PostgreSQL every value is of its column's type.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::{Conn, DbResult};

/// A value of another storage class than its column's.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct Misfit {
    /// What the row's key column holds, if one was named.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub key: Option<i64>,
    /// The first such column of the row.
    #[diesel(sql_type = Text)]
    pub misfit: String,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    declared: String,
    /// Which column of the primary key it is; 0: none.
    #[diesel(sql_type = BigInt)]
    pk: i64,
}

/// The class a declared type asks for; `None` where any will do.
fn class(declared: &str) -> Option<&'static str> {
    let has = |part: &str| declared.to_ascii_uppercase().contains(part);
    match () {
        () if has("INT") => Some("integer"),
        () if has("CHAR") || has("TEXT") => Some("text"),
        () if has("BLOB") => Some("blob"),
        () => None,
    }
}

/// What a number must lie in, so that nothing of it is cut off when it is read as what the column holds.
/// A lone key of whole numbers is SQLite's own, of 64 bits.
fn bounds(column: &Column, keys: usize) -> &'static str {
    match column.declared.to_ascii_uppercase().as_str() {
        "SMALLINT" => " BETWEEN -32768 AND 32767",
        "INTEGER" if column.pk == 0 || keys > 1 => " BETWEEN -2147483648 AND 2147483647",
        _ => "",
    }
}

/// The rows of one of our tables that hold such a value, at most `limit`. `key` is the column whose
/// value tells the row; a table without it has rows that nothing tells.
pub fn misfits(conn: &mut Conn, table: &'static str, key: &'static str, limit: usize) -> DbResult<Vec<Misfit>> {
    let Conn::Sqlite(c) = conn else { return Ok(Vec::new()) };
    let columns: Vec<Column> =
        diesel::sql_query("SELECT name, type AS declared, pk FROM pragma_table_info(?)").bind::<Text, _>(table).load(c)?;
    let keys = columns.iter().filter(|column| column.pk > 0).count();
    let strays = columns.iter().filter_map(|column| {
        let (class, name) = (class(&column.declared)?, &column.name);
        let within = match bounds(column, keys) {
            "" => String::new(),
            bounds => format!(" AND \"{name}\"{bounds}"),
        };
        Some((format!("(\"{name}\" IS NULL OR typeof(\"{name}\") = '{class}'{within})"), name))
    });
    let fits: Vec<(String, &String)> = strays.collect();
    if fits.is_empty() {
        return Ok(Vec::new());
    }
    // One condition over all columns costs half of what naming the column of each row does.
    let all: Vec<&str> = fits.iter().map(|(fits, _)| fits.as_str()).collect();
    let first: String = fits.iter().map(|(fits, name)| format!(" WHEN NOT {fits} THEN '{name}'")).collect();
    let key = if columns.iter().any(|column| column.name == key) { key } else { "NULL" };
    let rows = format!("SELECT CAST({key} AS INTEGER) AS key, CASE{first} END AS misfit FROM {table}");
    let sql = format!("{rows} WHERE NOT ({}) LIMIT {limit}", all.join(" AND "));
    Ok(diesel::sql_query(sql).load(c)?)
}
