//! Statements that every commit runs. The query builder's updates and upserts are parsed and planned anew
//! each time; these have a fixed text and are prepared once per connection.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Binary, HasSqlType, Text};
use diesel::sqlite::Sqlite;

use super::bulk::Value;
use super::{Conn, DbResult};

/// The text of a statement.
pub trait Standing: 'static {
    /// Each `?` is a value: a whole number of any width, text or bytes.
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

struct Statement<'a, T> {
    values: &'a [Value<'a>],
    text: PhantomData<T>,
}

impl<T: Standing> QueryId for Statement<'_, T> {
    type QueryId = Statement<'static, T>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<T, C> RunQueryDsl<C> for Statement<'_, T> {}

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
                Some(Value::Null) | None => return Err(diesel::result::Error::QueryBuilderError("a value is missing".into())),
            }
        }
        out.push_sql(piece);
    }
    Ok(())
}
