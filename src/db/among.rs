//! A column among any number of values, in a statement that is compiled once.
//!
//! The query builder's own list has a text for each length on SQLite, so that it is compiled anew each time: that takes
//! longer than most look-ups.

use diesel::QueryResult;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Text};
use diesel::sqlite::Sqlite;

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
