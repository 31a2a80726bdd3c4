//! The rule set in force, and those before it.

use diesel::prelude::*;

use crate::clock::Moment;
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

/// A rule set as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The event that brought it into force.
    pub id: Seq,
    /// When.
    pub since: Moment,
    /// What it says.
    pub body: RuleSetBody,
}

fn stored(row: Option<(Seq, String, i64)>) -> DbResult<Option<Stored>> {
    let read = |(id, body, since): (Seq, String, i64)| {
        let body = serde_json::from_str(&body).map_err(|e| DbError::Corrupt(format!("rule set {id}: {e}")))?;
        Ok(Stored { id, since: Moment(since), body })
    };
    row.map(read).transpose()
}

/// The rule set in force where the log ended before place `end`.
///
/// # Errors
/// When it cannot be read.
pub fn before(conn: &mut Conn, end: Seq) -> DbResult<Option<Stored>> {
    let query = rule_sets::table.filter(rule_sets::id.lt(end)).order(rule_sets::id.desc());
    let query = query.select((rule_sets::id, rule_sets::body, rule_sets::recorded_at));
    stored(on_conn!(conn, |c| query.first(c).optional())?)
}

/// The rule set of a version.
///
/// # Errors
/// When it cannot be read.
pub fn of_version(conn: &mut Conn, version: i64) -> DbResult<Option<Stored>> {
    let query = rule_sets::table.filter(rule_sets::version.eq(version)).order(rule_sets::id.desc());
    let query = query.select((rule_sets::id, rule_sets::body, rule_sets::recorded_at));
    stored(on_conn!(conn, |c| query.first(c).optional())?)
}

/// The versions there are, the newest first, at most `limit`.
///
/// # Errors
/// When they cannot be read.
pub fn versions(conn: &mut Conn, limit: i64) -> DbResult<Vec<i64>> {
    let query = rule_sets::table.order(rule_sets::id.desc()).limit(limit).select(rule_sets::version);
    Ok(on_conn!(conn, |c| query.load(c))?)
}
