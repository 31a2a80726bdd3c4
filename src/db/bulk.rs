//! Appending many rows at once, the fastest way each database has.
//!
//! SQLite: one cached `INSERT … SELECT` from a table that is read from memory ([`super::feed`]).
//! PostgreSQL: binary `COPY`. Both take the same plain rows; see [`bulk_row!`].

use std::io::Write;
use std::marker::PhantomData;
use std::ops::Range;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sqlite::Sqlite;

use super::faults::{self, Step};
use super::feed::{self, Feed, Stopped};
use super::{Conn, DbError, DbResult, copy};

/// One value of a row.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// A whole number of any width.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// The width of a column in PostgreSQL's binary format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// `SMALLINT`.
    I16,
    /// `INTEGER`.
    I32,
    /// `BIGINT`.
    I64,
    /// `TEXT`.
    Text,
    /// `BYTEA`.
    Bytes,
}

/// A value of a column, by its Rust type.
pub trait Column {
    /// The column's width.
    const WIDTH: Width;
    /// The value to store.
    fn value(&self) -> Value<'_>;
    /// The value back, if it is one of this type.
    fn read(value: Value<'_>) -> Option<Self>
    where
        Self: Sized;
}

macro_rules! int_column {
    ($($type:ty => $width:ident),*) => { $(
        impl Column for $type {
            const WIDTH: Width = Width::$width;
            fn value(&self) -> Value<'_> { Value::Int(i64::from(*self)) }
            fn read(value: Value<'_>) -> Option<Self> {
                match value { Value::Int(number) => number.try_into().ok(), _ => None }
            }
        }
    )* };
}
int_column!(i16 => I16, i32 => I32, i64 => I64);

impl Column for String {
    const WIDTH: Width = Width::Text;
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
    fn read(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }
}

impl Column for Vec<u8> {
    const WIDTH: Width = Width::Bytes;
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
    fn read(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes.to_owned()),
            _ => None,
        }
    }
}

impl<T: Column> Column for Option<T> {
    const WIDTH: Width = T::WIDTH;
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Column::value)
    }
    fn read(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::read(value).map(Some),
        }
    }
}

/// A row that can be appended in bulk; made by [`bulk_row!`].
pub trait BulkRow: 'static {
    /// `INSERT INTO table (columns) `.
    const INSERT: &'static str;
    /// The table.
    const TABLE: &'static str;
    /// The columns in order, with commas between them; the first is the key.
    const COLUMNS: &'static str;
    /// The columns' widths, in order.
    const WIDTHS: &'static [Width];
    /// Appends the row's values, in order.
    fn values<'a>(&'a self, out: &mut Vec<Value<'a>>);
    /// The row of these values, if they are its columns' in order.
    fn read(values: &[Value<'_>]) -> Option<Self>
    where
        Self: Sized;
    /// Runs `COPY table (columns) FROM STDIN` with the binary data that `put` writes.
    fn copy(conn: &mut PgConnection, put: &dyn Fn(&mut dyn Write) -> QueryResult<()>) -> QueryResult<usize>;
    /// The names of the columns in which two rows differ, in order.
    fn differing(&self, other: &Self) -> Vec<&'static str>;
}

/// Declares a row struct and how it is appended to its table.
#[macro_export]
macro_rules! bulk_row {
    ($(#[$doc:meta])* $name:ident => $table:ident { $first:ident: $first_type:ty, $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, diesel::Queryable, diesel::Selectable)]
        #[diesel(table_name = $crate::db::schema::$table)]
        #[allow(missing_docs)] // the columns are explained in migrations/
        pub struct $name { pub $first: $first_type, $(pub $field: $type),* }

        impl $crate::db::bulk::BulkRow for $name {
            const INSERT: &'static str = concat!(
                "INSERT INTO ", stringify!($table), " (", stringify!($first), $(", ", stringify!($field)),*, ") ");
            const TABLE: &'static str = stringify!($table);
            const COLUMNS: &'static str = concat!(stringify!($first), $(", ", stringify!($field)),*);
            const WIDTHS: &'static [$crate::db::bulk::Width] = &[
                <$first_type as $crate::db::bulk::Column>::WIDTH, $(<$type as $crate::db::bulk::Column>::WIDTH),*];
            fn values<'a>(&'a self, out: &mut Vec<$crate::db::bulk::Value<'a>>) {
                use $crate::db::bulk::Column;
                out.push(self.$first.value());
                $(out.push(self.$field.value());)*
            }
            fn read(values: &[$crate::db::bulk::Value<'_>]) -> Option<Self> {
                use $crate::db::bulk::Column;
                let mut values = values.iter();
                Some($name { $first: Column::read(*values.next()?)?, $($field: Column::read(*values.next()?)?),* })
            }
            fn differing(&self, other: &Self) -> Vec<&'static str> {
                let columns = [(stringify!($first), self.$first == other.$first), $((stringify!($field), self.$field == other.$field)),*];
                columns.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
            }
            fn copy(
                conn: &mut diesel::PgConnection,
                put: &dyn Fn(&mut dyn std::io::Write) -> diesel::QueryResult<()>,
            ) -> diesel::QueryResult<usize> {
                use diesel::{ExecuteCopyFromDsl, pg::CopyFormat};
                use $crate::db::schema::$table::dsl as t;
                diesel::copy_from(t::$table)
                    .from_raw_data((t::$first, $(t::$field),*), put)
                    .with_format(CopyFormat::Binary)
                    .execute(conn)
            }
        }
    };
}

/// Appends `rows`; inside the caller's transaction.
pub fn append<R: BulkRow>(conn: &mut Conn, rows: &[R]) -> DbResult<()> {
    append_each::<R>(conn, rows.len(), |row, out| {
        rows[row].values(out);
        Ok(())
    })
}

/// Appends `rows` rows whose values `fill` puts out in order; inside the caller's transaction.
pub fn append_each<'r, R: BulkRow>(
    conn: &mut Conn,
    rows: usize,
    fill: impl Fn(usize, &mut Vec<Value<'r>>) -> DbResult<()>,
) -> DbResult<()> {
    if rows == 0 {
        return Ok(());
    }
    faults::step(Step::Statement)?;
    match conn {
        Conn::Sqlite(c) => {
            let values = Vec::with_capacity(R::WIDTHS.len());
            let mut feed = Rows { rows: 0..rows, values, fill, failed: None };
            let taken = feed::feeding(&mut feed, || InsertAll::<R>(PhantomData).execute(c));
            if let Some(error) = feed.failed {
                return Err(error);
            }
            if taken? != rows {
                return Err(DbError::Corrupt(format!("not all of {rows} rows were taken by {}", R::INSERT)));
            }
        }
        Conn::Postgres(c) => {
            copy::send::<R>(c, rows, fill)?;
        }
    }
    Ok(())
}

/// Rows on their way into SQLite.
struct Rows<'r, F> {
    /// Those that were not read yet.
    rows: Range<usize>,
    /// Of the present row.
    values: Vec<Value<'r>>,
    fill: F,
    failed: Option<DbError>,
}

impl<'r, F: Fn(usize, &mut Vec<Value<'r>>) -> DbResult<()>> Feed<'r> for Rows<'r, F> {
    fn next(&mut self) -> Result<bool, Stopped> {
        let Some(row) = self.rows.next() else { return Ok(false) };
        self.values.clear();
        (self.fill)(row, &mut self.values).map(|()| true).map_err(|error| {
            self.failed = Some(error);
            Stopped
        })
    }

    fn value(&self, column: usize) -> Value<'r> {
        self.values.get(column).copied().unwrap_or(Value::Null)
    }
}

/// `INSERT` of everything that is fed; its text depends on the type alone, so it is prepared once.
struct InsertAll<R>(PhantomData<R>);

impl<R: BulkRow> QueryId for InsertAll<R> {
    type QueryId = InsertAll<R>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<R: BulkRow> RunQueryDsl<SqliteConnection> for InsertAll<R> {}

impl<R: BulkRow> QueryFragment<Sqlite> for InsertAll<R> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(R::INSERT);
        for column in 0..R::WIDTHS.len() {
            out.push_sql(if column == 0 { "SELECT c" } else { ", c" });
            out.push_sql(&column.to_string());
        }
        out.push_sql(" FROM ");
        out.push_sql(feed::TABLE);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::db::Db;
    use crate::db::schema::jobs;

    bulk_row! {
        JobRow => jobs { name: String, started_at: i64, finished_at: Option<i64>, outcome: Option<String> }
    }

    fn job(name: &str, finished_at: Option<i64>, outcome: Option<&str>) -> JobRow {
        JobRow { name: name.to_owned(), started_at: i64::MIN, finished_at, outcome: outcome.map(str::to_owned) }
    }

    fn with_jobs(check: impl FnOnce(&mut Conn)) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}", dir.path().join("f.db").display()), 1).unwrap();
        let mut conn = db.connect().unwrap();
        let table =
            "CREATE TABLE jobs (name TEXT NOT NULL PRIMARY KEY, started_at BIGINT NOT NULL, finished_at BIGINT, outcome TEXT)";
        conn.execute(table).unwrap();
        check(&mut conn);
    }

    fn stored(conn: &mut Conn) -> Vec<JobRow> {
        let Conn::Sqlite(c) = conn else { return Vec::new() };
        jobs::table.order(jobs::name).select(JobRow::as_select()).load(c).unwrap()
    }

    #[test]
    fn rows_arrive_as_they_are() {
        with_jobs(|conn| {
            let rows: Vec<JobRow> =
                (0..300).map(|n| job(&format!("j{n:03} \u{fc}"), (n % 3 == 0).then_some(n), Some(""))).collect();
            append(conn, &rows[..1]).unwrap();
            append(conn, &rows[1..]).unwrap();
            assert_eq!(stored(conn), rows);
            assert_eq!(append::<JobRow>(conn, &[]).unwrap(), ());
        });
    }

    #[test]
    fn a_row_that_is_refused_or_cannot_be_read_leaves_none_behind() {
        with_jobs(|conn| {
            let rows = [job("a", None, None), job("b", None, None), job("a", None, None)];
            assert!(matches!(append(conn, &rows), Err(DbError::Query(_))));
            let broken = append_each::<JobRow>(conn, 2, |row, out| match row {
                0 => {
                    rows[0].values(out);
                    Ok(())
                }
                _ => Err(DbError::Corrupt("the second".into())),
            });
            assert!(matches!(broken, Err(DbError::Corrupt(what)) if what == "the second"));
            assert_eq!(stored(conn), []);
            append(conn, &rows[..2]).unwrap();
            assert_eq!(stored(conn), rows[..2]);
        });
    }

    #[test]
    fn a_trigger_in_the_file_cannot_take_the_rows() {
        with_jobs(|conn| {
            let trigger = "CREATE TABLE other (c0, c1); CREATE TRIGGER steal AFTER INSERT ON jobs BEGIN \
                INSERT INTO other SELECT c0, c1 FROM counterfoil_feed; END;";
            conn.execute(trigger).unwrap();
            let rows = [job("a", None, None), job("b", None, None)];
            assert!(append(conn, &rows).is_err(), "a trigger must not read the feed");
            conn.execute(
                "DROP TRIGGER steal; CREATE TRIGGER count AFTER INSERT ON jobs BEGIN INSERT INTO other VALUES (1, 2); END;",
            )
            .unwrap();
            append(conn, &rows).unwrap();
            assert_eq!(stored(conn), rows);
        });
    }
}
