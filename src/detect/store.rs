//! The rule set in force.

use diesel::prelude::*;

use crate::db::schema::rule_sets;
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::on_conn;

use super::{RuleSet, RuleSetBody};

/// The rule set in force as it is stored, and the event that defined it.
///
/// # Errors
/// When there is none yet, or it cannot be read.
pub fn newest(conn: &mut Conn) -> DbResult<(Seq, RuleSetBody)> {
    let query = rule_sets::table.order(rule_sets::id.desc()).select((rule_sets::id, rule_sets::body));
    let newest: Option<(i64, String)> = on_conn!(conn, |c| query.first(c).optional())?;
    let (id, body) = newest.ok_or_else(|| DbError::Unfit("this log has no rule set yet; start it once with `serve`".into()))?;
    let body = serde_json::from_str(&body).map_err(|e| DbError::Corrupt(format!("rule set {id}: {e}")))?;
    Ok((id, body))
}

/// The event that defined the rule set in force.
///
/// # Errors
/// When the database cannot be read.
pub fn newest_id(conn: &mut Conn) -> DbResult<Option<Seq>> {
    Ok(on_conn!(conn, |c| rule_sets::table.select(diesel::dsl::max(rule_sets::id)).first(c))?)
}

/// The rule set in force, compiled.
///
/// # Errors
/// As [`newest`].
pub fn in_force(conn: &mut Conn) -> DbResult<RuleSet> {
    let (id, body) = newest(conn)?;
    body.compile(id).map_err(|e| DbError::Corrupt(format!("rule set {id}: {e}")))
}
