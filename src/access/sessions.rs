//! Sessions: an opaque token in the browser, its digest here.
//!
//! A session ends after 15 minutes without use ([`IDLE`]), 12 hours after signing in
//! ([`ABSOLUTE`]), by signing out, by signing in again in the same browser, when its user is disabled or gets another password, or when a
//! fourth one of the same user begins. Use is noted at most once a minute, so that a page costs no
//! write; the idle time is therefore 14 to 15 minutes.

use serde_json::json;
use subtle::ConstantTimeEq;

use crate::clock::{HOUR, MINUTE, Moment};
use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;
use crate::trail::{ActError, ActTx, Log, NewEvent};

use super::door::shortened;
use super::store::{self, SessionRow};
use super::{Origin, Role, User, base64url, digest};

/// A session that is not used for this long is over, microseconds.
pub const IDLE: i64 = 15 * MINUTE;
/// A session is over this long after signing in, however much it is used, microseconds.
pub const ABSOLUTE: i64 = 12 * HOUR;
/// Sessions a user may have at once; one more ends the oldest.
pub const PARALLEL: usize = 3;
/// Use is noted when the last note is at least this old, microseconds.
const TOUCH_EVERY: i64 = MINUTE;
/// A token: 32 random bytes as URL-safe base64.
const TOKEN_CHARS: usize = 43;

/// A session that is going on.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub user: Seq,
    /// What they may do, as of now.
    pub role: Role,
    /// Their address.
    pub email: String,
    /// What every form of the session must carry.
    pub csrf: String,
    /// When it began.
    pub created_at: Moment,
    /// When it was last noted as used.
    pub seen_at: Moment,
    token_hash: [u8; 32],
}

/// Without what gives access.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session {{ user: {}, role: {}, reference: {} }}", self.user, self.role, self.reference())
    }
}

impl Session {
    /// What the log calls this session: the beginning of its token's digest, which gives no access.
    pub fn reference(&self) -> String {
        reference(&self.token_hash)
    }

    /// Whether a form was made for this session; takes as long for a wrong answer as for a right one.
    pub fn csrf_matches(&self, given: &str) -> bool {
        self.csrf.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// When it ends unless it is used before.
    pub fn ends_at(&self) -> Moment {
        self.seen_at.plus(IDLE).min(self.created_at.plus(ABSOLUTE))
    }

    fn is_due_for_touch(&self, now: Moment) -> bool {
        now.0 - self.seen_at.0 >= TOUCH_EVERY
    }
}

fn reference(token_hash: &[u8]) -> String {
    hex::encode(&token_hash[..token_hash.len().min(8)])
}

/// What the log commits to: token and form token, of 256 random bits each, so that nothing can be
/// guessed from it.
pub fn commitment(token_hash: &[u8], csrf: &str) -> String {
    hex::encode(digest(&[token_hash, csrf.as_bytes()].concat()))
}

fn is_over(row: &SessionRow, now: Moment) -> bool {
    now >= Moment(row.seen_at).plus(IDLE) || now >= Moment(row.created_at).plus(ABSOLUTE)
}

/// The session of a token, unless it is over or its user may not come in any more.
pub fn lookup(conn: &mut Conn, token: &str, now: Moment) -> DbResult<Option<Session>> {
    if token.len() != TOKEN_CHARS {
        return Ok(None);
    }
    let token_hash = digest(token.as_bytes());
    let Some((row, user)) = store::session(conn, &token_hash)? else { return Ok(None) };
    let user = User::from_row(&user)?;
    if is_over(&row, now) || !user.active {
        return Ok(None);
    }
    Ok(Some(Session {
        user: user.id,
        role: user.role,
        email: user.email,
        csrf: row.csrf,
        created_at: Moment(row.created_at),
        seen_at: Moment(row.seen_at),
        token_hash,
    }))
}

/// Notes that a session was used, at most once a minute.
pub fn touch(log: &Log, session: &Session, now: Moment) -> Result<(), ActError> {
    if !session.is_due_for_touch(now) {
        return Ok(());
    }
    let token_hash = session.token_hash;
    log.side(move |conn| store::touch_session(conn, &token_hash, now))
}

/// Ends a session. One that is over already ends without an event.
pub fn sign_out(log: &Log, session: &Session) -> Result<(), ActError> {
    let (user, token_hash) = (session.user, session.token_hash);
    log.act(move |tx| {
        if store::delete_session(tx.conn, &token_hash)? {
            tx.append(closed(user, &token_hash, "signed_out"))?;
        }
        Ok(())
    })
}

/// Removes what is over; it could not be used any more.
pub fn sweep(log: &Log, now: Moment) -> Result<usize, ActError> {
    log.side(move |conn| store::delete_stale_sessions(conn, now.plus(-IDLE), now.plus(-ABSOLUTE)))
}

/// Whether [`sweep`] would find anything.
pub(super) fn are_stale(conn: &mut Conn, now: Moment) -> DbResult<bool> {
    store::has_stale_sessions(conn, now.plus(-IDLE), now.plus(-ABSOLUTE))
}

/// A session's token, before it is stored.
#[derive(Clone)]
pub(super) struct NewSession {
    pub token: String,
    pub csrf: String,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    /// The session that the same browser had until now.
    pub replaces: Option<Session>,
}

/// Opens a session inside the act of signing in; ends the one it replaces, and the oldest ones
/// beyond [`PARALLEL`].
pub(super) fn open(tx: &mut ActTx<'_>, user: Seq, new: &NewSession) -> Result<(), ActError> {
    let now = tx.now();
    let token_hash = digest(new.token.as_bytes());
    if let Some(old) = &new.replaces
        && store::delete_session(tx.conn, &old.token_hash)?
    {
        tx.append(closed(old.user, &old.token_hash, "replaced"))?;
    }
    let rows = store::sessions_of(tx.conn, user)?;
    let (over, alive): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| is_over(row, now));
    for row in over {
        store::delete_session(tx.conn, &row.token_hash)?;
    }
    let displaced = (alive.len() + 1).saturating_sub(PARALLEL);
    for row in &alive[..displaced] {
        store::delete_session(tx.conn, &row.token_hash)?;
        tx.append(closed(user, &row.token_hash, "displaced"))?;
    }
    let body = json!({ "user": user, "session": reference(&token_hash), "credential": commitment(&token_hash, &new.csrf) });
    let private = json!({ "ip": new.ip, "user_agent": new.user_agent });
    tx.append(NewEvent::with_private("session.opened", body, private))?;
    let row = SessionRow {
        token_hash: token_hash.to_vec(),
        user_id: user,
        csrf: new.csrf.clone(),
        created_at: now.0,
        seen_at: now.0,
        ip: new.ip.clone(),
        user_agent: new.user_agent.clone(),
    };
    Ok(bulk::append(tx.conn, &[row])?)
}

impl NewSession {
    /// With a token and a form token of 256 random bits each.
    pub(super) fn draw(clock: &crate::clock::Clock, from: &Origin<'_>) -> NewSession {
        let (token, csrf) = (base64url(&clock.random::<32>()), base64url(&clock.random::<32>()));
        let (ip, user_agent) = (from.ip.map(shortened), from.user_agent.map(shortened));
        NewSession { token, csrf, ip, user_agent, replaces: from.session.cloned() }
    }
}

fn closed(user: Seq, token_hash: &[u8], reason: &str) -> NewEvent {
    NewEvent::public("session.closed", json!({ "user": user, "session": reference(token_hash), "reason": reason }))
}
