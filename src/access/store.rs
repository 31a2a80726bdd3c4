//! The tables of users, sessions and keys.

use diesel::prelude::*;

use crate::clock::Moment;
use crate::db::schema::{api_keys, sessions, sources, users};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::{bulk_row, on_conn};

bulk_row! {
    /// A row of `users`.
    UserRow => users {
        id: i64, email: String, role: String, password_hash: String, state: i16, created_at: i64,
        failures: i32,
    }
}
bulk_row! {
    /// A row of `sessions`.
    SessionRow => sessions {
        token_hash: Vec<u8>, user_id: i64, csrf: String, created_at: i64, seen_at: i64,
        ip: Option<String>, user_agent: Option<String>,
    }
}
bulk_row! {
    /// A row of `api_keys`.
    KeyRow => api_keys {
        id: i64, source: i64, prefix: String, secret_hash: Vec<u8>, scopes: String, state: i16,
        created_at: i64, revoked_at: Option<i64>,
    }
}

/// `users.state` and `api_keys.state`: may come in.
pub const ACTIVE: i16 = 1;
/// `users.state` and `api_keys.state`: may not come in any more.
pub const ENDED: i16 = 2;

/// The user with this normalised address.
pub fn user_by_email(conn: &mut Conn, email: &str) -> DbResult<Option<UserRow>> {
    let query = users::table.filter(users::email.eq(email));
    Ok(on_conn!(conn, |c| query.select(UserRow::as_select()).first(c).optional())?)
}

/// The user defined at `id`.
pub fn user(conn: &mut Conn, id: Seq) -> DbResult<Option<UserRow>> {
    Ok(on_conn!(conn, |c| users::table.find(id).select(UserRow::as_select()).first(c).optional())?)
}

/// Users, oldest first, at most `limit`.
pub fn users(conn: &mut Conn, limit: i64) -> DbResult<Vec<UserRow>> {
    let query = users::table.order(users::id).limit(limit);
    Ok(on_conn!(conn, |c| query.select(UserRow::as_select()).load(c))?)
}

/// Sets whether a user may come in.
pub fn set_user_state(conn: &mut Conn, id: Seq, state: i16) -> DbResult<()> {
    on_conn!(conn, |c| diesel::update(users::table.find(id)).set(users::state.eq(state)).execute(c))?;
    Ok(())
}

/// Gives a user another password and forgets failed attempts.
pub fn set_password(conn: &mut Conn, id: Seq, password_hash: &str) -> DbResult<()> {
    let set = (users::password_hash.eq(password_hash), users::failures.eq(0));
    on_conn!(conn, |c| diesel::update(users::table.find(id)).set(set).execute(c))?;
    Ok(())
}

/// Notes how many wrong passwords there were since the right one.
pub fn set_failures(conn: &mut Conn, id: Seq, failures: i32) -> DbResult<()> {
    on_conn!(conn, |c| diesel::update(users::table.find(id)).set(users::failures.eq(failures)).execute(c))?;
    Ok(())
}

/// The session with this token, and its user.
pub fn session(conn: &mut Conn, token_hash: &[u8]) -> DbResult<Option<(SessionRow, UserRow)>> {
    let query = sessions::table.inner_join(users::table.on(users::id.eq(sessions::user_id)));
    let query = query.filter(sessions::token_hash.eq(token_hash));
    Ok(on_conn!(conn, |c| query.select((SessionRow::as_select(), UserRow::as_select())).first(c).optional())?)
}

/// The sessions of a user, oldest first.
pub fn sessions_of(conn: &mut Conn, user: Seq) -> DbResult<Vec<SessionRow>> {
    let query = sessions::table.filter(sessions::user_id.eq(user)).order((sessions::created_at, sessions::token_hash));
    Ok(on_conn!(conn, |c| query.select(SessionRow::as_select()).load(c))?)
}

/// Notes that a session was used.
pub fn touch_session(conn: &mut Conn, token_hash: &[u8], now: Moment) -> DbResult<()> {
    let which = sessions::table.filter(sessions::token_hash.eq(token_hash)).filter(sessions::seen_at.lt(now.0));
    on_conn!(conn, |c| diesel::update(which).set(sessions::seen_at.eq(now.0)).execute(c))?;
    Ok(())
}

/// Ends a session; answers whether there was one.
pub fn delete_session(conn: &mut Conn, token_hash: &[u8]) -> DbResult<bool> {
    let which = sessions::table.filter(sessions::token_hash.eq(token_hash));
    Ok(on_conn!(conn, |c| diesel::delete(which).execute(c))? > 0)
}

/// Ends every session of a user; answers how many.
pub fn delete_sessions_of(conn: &mut Conn, user: Seq) -> DbResult<usize> {
    let which = sessions::table.filter(sessions::user_id.eq(user));
    Ok(on_conn!(conn, |c| diesel::delete(which).execute(c))?)
}

/// Whether any session was last used, or made, before these instants.
pub fn has_stale_sessions(conn: &mut Conn, seen_before: Moment, made_before: Moment) -> DbResult<bool> {
    let which = sessions::table.filter(sessions::seen_at.le(seen_before.0).or(sessions::created_at.le(made_before.0)));
    Ok(on_conn!(conn, |c| diesel::select(diesel::dsl::exists(which)).get_result(c))?)
}

/// Removes sessions last used, or made, before these instants.
pub fn delete_stale_sessions(conn: &mut Conn, seen_before: Moment, made_before: Moment) -> DbResult<usize> {
    let which = sessions::table.filter(sessions::seen_at.le(seen_before.0).or(sessions::created_at.le(made_before.0)));
    Ok(on_conn!(conn, |c| diesel::delete(which).execute(c))?)
}

/// The place at which the source with this name was defined.
pub fn source_by_name(conn: &mut Conn, name: &str) -> DbResult<Option<Seq>> {
    let query = sources::table.filter(sources::name.eq(name)).select(sources::id);
    Ok(on_conn!(conn, |c| query.first(c).optional())?)
}

/// Defines a source.
pub fn insert_source(conn: &mut Conn, id: Seq, name: &str, now: Moment) -> DbResult<()> {
    let row = (sources::id.eq(id), sources::name.eq(name), sources::created_at.eq(now.0));
    on_conn!(conn, |c| diesel::insert_into(sources::table).values(row).execute(c))?;
    Ok(())
}

/// The key with this prefix, and its source's name.
pub fn key(conn: &mut Conn, prefix: &str) -> DbResult<Option<(KeyRow, String)>> {
    let query = api_keys::table.inner_join(sources::table.on(sources::id.eq(api_keys::source)));
    let query = query.filter(api_keys::prefix.eq(prefix));
    Ok(on_conn!(conn, |c| query.select((KeyRow::as_select(), sources::name)).first(c).optional())?)
}

/// Keys with their sources' names, oldest first, at most `limit`.
pub fn keys(conn: &mut Conn, limit: i64) -> DbResult<Vec<(KeyRow, String)>> {
    let query = api_keys::table.inner_join(sources::table.on(sources::id.eq(api_keys::source)));
    let query = query.order(api_keys::id).limit(limit);
    Ok(on_conn!(conn, |c| query.select((KeyRow::as_select(), sources::name)).load(c))?)
}

/// The key issued at `id`.
pub fn key_by_id(conn: &mut Conn, id: Seq) -> DbResult<Option<KeyRow>> {
    Ok(on_conn!(conn, |c| api_keys::table.find(id).select(KeyRow::as_select()).first(c).optional())?)
}

/// Ends a key.
pub fn revoke_key(conn: &mut Conn, id: Seq, now: Moment) -> DbResult<()> {
    let set = (api_keys::state.eq(ENDED), api_keys::revoked_at.eq(Some(now.0)));
    on_conn!(conn, |c| diesel::update(api_keys::table.find(id)).set(set).execute(c))?;
    Ok(())
}
