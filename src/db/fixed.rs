//! Questions written in SQL by hand, where the query builder has no words for them: the text is fixed
//! and the values are numbers that are bound, so that it is prepared once per connection.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType};
use diesel::sqlite::Sqlite;

/// The text of a question.
pub trait Text: 'static {
    /// The pieces between the values, one more than there are values.
    const PIECES: &'static [&'static str];
    /// The SQL types of the columns that it answers.
    type Columns;
}

/// A question with its values.
#[derive(Debug)]
pub struct Fixed<T, const N: usize> {
    values: [i64; N],
    text: PhantomData<T>,
}

impl<T: Text, const N: usize> Fixed<T, N> {
    /// Asks with these values, in the order of the text.
    pub fn with(values: [i64; N]) -> Fixed<T, N> {
        const { assert!(T::PIECES.len() == N + 1) };
        Fixed { values, text: PhantomData }
    }

    fn walk<'b, D: Backend + HasSqlType<BigInt>>(&'b self, mut out: AstPass<'_, 'b, D>) -> QueryResult<()>
    where
        i64: ToSql<BigInt, D>,
    {
        let (first, rest) = T::PIECES.split_first().unwrap_or((&"", &[]));
        out.push_sql(first);
        for (value, piece) in self.values.iter().zip(rest) {
            out.push_bind_param::<BigInt, _>(value)?;
            out.push_sql(piece);
        }
        Ok(())
    }
}

impl<T: Text, const N: usize> QueryId for Fixed<T, N> {
    type QueryId = Fixed<T, N>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<T: Text, const N: usize> Query for Fixed<T, N> {
    type SqlType = T::Columns;
}

impl<T, const N: usize> RunQueryDsl<SqliteConnection> for Fixed<T, N> {}
impl<T, const N: usize> RunQueryDsl<PgConnection> for Fixed<T, N> {}

impl<T: Text, const N: usize> QueryFragment<Sqlite> for Fixed<T, N> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.walk(out)
    }
}

impl<T: Text, const N: usize> QueryFragment<Pg> for Fixed<T, N> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.walk(out)
    }
}
