//! Statements with a fixed text, written by hand and prepared once per connection. The query builder's updates and
//! upserts are parsed and planned anew each time, and so is SQL that it is given: too dear for what every commit or
//! every look-up of an account runs.

use std::fmt::{Display, Write};
use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Binary, HasSqlType, Nullable, Text, Untyped};
use diesel::sqlite::Sqlite;

use super::bulk::Value;
use super::{Conn, DbResult};

/// The text of a statement.
pub trait Standing: 'static {
    /// Each `?` is a value: a whole number of any width or none, text or bytes.
    const SQL: &'static str;
}

/// Runs a statement with its values in their order; answers how many rows it changed.
pub fn run<T: Standing>(conn: &mut Conn, values: &[Value<'_>]) -> DbResult<usize> {
    let statement = Statement::<T> { values, text: PhantomData };
    Ok(match conn {
        Conn::Sqlite(c) => statement.execute(c)?,
        Conn::Postgres(c) => statement.execute(c)?,
    })
}

/// The rows that a statement gives with these values.
pub fn load<T: Standing, R>(conn: &mut Conn, values: &[Value<'_>]) -> DbResult<Vec<R>>
where
    R: QueryableByName<Sqlite> + QueryableByName<Pg> + 'static,
{
    let statement = Statement::<T> { values, text: PhantomData };
    Ok(match conn {
        Conn::Sqlite(c) => statement.load(c)?,
        Conn::Postgres(c) => statement.load(c)?,
    })
}

/// Whole numbers as the text of an array on PostgreSQL, for `?::text::bigint[]`: many rows in one statement.
pub fn array(values: impl Iterator<Item = impl Display>) -> String {
    let mut text = String::from("{");
    for value in values {
        // Writing to a text does not fail.
        let _ = write!(text, "{}{value}", if text.len() > 1 { "," } else { "" });
    }
    text.push('}');
    text
}

struct Statement<'a, T> {
    values: &'a [Value<'a>],
    text: PhantomData<T>,
}

impl<T: Standing> QueryId for Statement<'_, T> {
    type QueryId = Statement<'static, T>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<T, C> RunQueryDsl<C> for Statement<'_, T> {}

impl<T> Query for Statement<'_, T> {
    type SqlType = Untyped;
}

impl<T: Standing> QueryFragment<Sqlite> for Statement<'_, T> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        put(T::SQL, self.values, out)
    }
}

impl<T: Standing> QueryFragment<Pg> for Statement<'_, T> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        put(T::SQL, self.values, out)
    }
}

fn put<'b, DB>(sql: &str, values: &'b [Value<'b>], mut out: AstPass<'_, 'b, DB>) -> QueryResult<()>
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Text> + HasSqlType<Binary>,
    i64: ToSql<BigInt, DB>,
    str: ToSql<Text, DB>,
    [u8]: ToSql<Binary, DB>,
{
    let mut values = values.iter();
    for (i, piece) in sql.split('?').enumerate() {
        if i > 0 {
            match values.next() {
                Some(Value::Int(number)) => out.push_bind_param::<BigInt, _>(number)?,
                Some(Value::Text(text)) => out.push_bind_param::<Text, _>(*text)?,
                Some(Value::Bytes(bytes)) => out.push_bind_param::<Binary, _>(*bytes)?,
                Some(Value::Null) => out.push_bind_param::<Nullable<BigInt>, Option<i64>>(&None)?,
                None => return Err(diesel::result::Error::QueryBuilderError("a value is missing".into())),
            }
        }
        out.push_sql(piece);
    }
    Ok(())
}
