//! Statements that are compiled once however many values they are given.
//!
//! diesel keeps a prepared statement by its text, but not one whose text depends on how many values are bound (a list
//! on SQLite), nor any that was written by hand. Both databases take longer to compile a look-up than to run it.

use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, BigInt, Bool, HasSqlType, Text, Untyped};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, RunQueryDsl};

use crate::ids::Seq;

/// `column` is one of `values`, any number of them: `eq_any` with one text for all lengths.
pub fn among<C>(column: C, values: &[Seq]) -> Among<C> {
    let text = format!("[{}]", values.iter().map(Seq::to_string).collect::<Vec<_>>().join(","));
    Among { column, values: values.to_vec(), text }
}

/// What [`among`] makes.
#[derive(Clone, Debug)]
pub struct Among<C> {
    column: C,
    values: Vec<Seq>,
    /// The values as SQLite reads a list: JSON.
    text: String,
}

impl<C: QueryId> QueryId for Among<C> {
    type QueryId = Among<C::QueryId>;
    const HAS_STATIC_QUERY_ID: bool = C::HAS_STATIC_QUERY_ID;
}

impl<C: Expression<SqlType = BigInt>> Expression for Among<C> {
    type SqlType = Bool;
}

impl<C, G> ValidGrouping<G> for Among<C> {
    type IsAggregate = is_aggregate::No;
}

impl<C: AppearsOnTable<QS>, QS> AppearsOnTable<QS> for Among<C> where Among<C>: Expression {}
impl<C: SelectableExpression<QS>, QS> SelectableExpression<QS> for Among<C> where Among<C>: AppearsOnTable<QS> {}

impl<C: QueryFragment<Sqlite>> QueryFragment<Sqlite> for Among<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" IN (SELECT value FROM json_each(");
        out.push_bind_param::<Text, _>(&self.text)?;
        out.push_sql("))");
        Ok(())
    }
}

impl<C: QueryFragment<Pg>> QueryFragment<Pg> for Among<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" = ANY(");
        out.push_bind_param::<Array<BigInt>, _>(&self.values)?;
        out.push_sql(")");
        Ok(())
    }
}

/// A statement written by hand, with a number between every two of its pieces.
pub struct Kept<const N: usize> {
    /// One more than there are numbers.
    pub pieces: &'static [&'static str],
    /// What is bound between them.
    pub numbers: [i64; N],
}

impl<const N: usize> Query for Kept<N> {
    type SqlType = Untyped;
}

impl<const N: usize> QueryId for Kept<N> {
    type QueryId = ();
    // Known by its text.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C, const N: usize> RunQueryDsl<C> for Kept<N> {}

impl<DB, const N: usize> QueryFragment<DB> for Kept<N>
where
    DB: Backend + HasSqlType<BigInt>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let mut numbers = self.numbers.iter();
        for piece in self.pieces {
            out.push_sql(piece);
            if let Some(number) = numbers.next() {
                out.push_bind_param::<BigInt, _>(number)?;
            }
        }
        Ok(())
    }
}
