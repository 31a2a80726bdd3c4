//! A streaming replica that pages and the interface read from, as long as it is near enough to the primary.
//!
//! How far it is behind is measured, not believed: the primary's write position is noted with the time, and the
//! replica is as old as the newest noted position that it has replayed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::r2d2;
use diesel::sql_types::{BigInt, Bool};

use super::{Address, Conn, DbError, DbResult, Manager};

/// How often it is measured, at most.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Positions remembered: at that pace, ten minutes.
const REMEMBERED: usize = 1_200;

/// How a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is read from; this far behind.
    Used(Duration),
    /// It is not: this far behind.
    Behind(Duration),
    /// It is not: it does not answer, or is no replica any more.
    Away,
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Standing::Used(lag) => write!(f, "read from a replica, {:.1} s behind", lag.as_secs_f64()),
            Standing::Behind(lag) => write!(f, "the replica is {:.0} s behind: read from the primary", lag.as_secs_f64()),
            Standing::Away => f.write_str("the replica does not answer: read from the primary"),
        }
    }
}

/// A replica with its connections.
pub(super) struct Replica {
    pool: r2d2::Pool<Manager>,
    bound: Duration,
    seen: Mutex<Seen>,
}

struct Seen {
    looked: Option<Instant>,
    standing: Standing,
    /// Positions of the primary, oldest first.
    positions: VecDeque<(Instant, i64)>,
}

#[derive(QueryableByName)]
struct Position {
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = Bool)]
    replica: bool,
}

fn position(conn: &mut Conn, function: &str) -> DbResult<Position> {
    let Conn::Postgres(c) = conn else { return Err(DbError::Address("database.read_url is for PostgreSQL".into())) };
    let sql =
        format!("SELECT coalesce(pg_wal_lsn_diff({function}(), '0/0'), 0)::bigint AS position, pg_is_in_recovery() AS replica");
    Ok(diesel::sql_query(sql).get_result(c)?)
}

impl Replica {
    /// The replica at `url`, read from while it is at most `bound` behind.
    ///
    /// # Errors
    /// When the address is not understood, or what answers there is no replica.
    pub fn open(url: &str, readers: u32, bound: Duration) -> DbResult<Replica> {
        let address = std::sync::Arc::new(Address::parse(url)?);
        if !address.is_remote() {
            return Err(DbError::Address("database.read_url: only PostgreSQL has replicas; write postgres://…".into()));
        }
        // One that does not answer yet is waited for; one that answers and is no replica is a mistake.
        if let Ok(mut conn) = address.connect()
            && !position(&mut conn, "pg_last_wal_replay_lsn")?.replica
        {
            return Err(DbError::Unfit("database.read_url leads to a server that is no replica (not in recovery)".into()));
        }
        let pool = r2d2::Pool::builder()
            .max_size(readers)
            .min_idle(Some(0))
            .test_on_check_out(true)
            .connection_timeout(Duration::from_secs(2))
            .build_unchecked(Manager { address });
        let seen = Seen { looked: None, standing: Standing::Away, positions: VecDeque::new() };
        Ok(Replica { pool, bound, seen: Mutex::new(seen) })
    }

    /// How it stands; asks it and the primary at most twice a second.
    pub fn standing(&self, primary: impl FnOnce() -> DbResult<r2d2::PooledConnection<Manager>>) -> Standing {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            seen.standing = self.look(&mut seen.positions, primary).unwrap_or(Standing::Away);
            seen.looked = Some(Instant::now());
        }
        seen.standing
    }

    fn look(
        &self,
        positions: &mut VecDeque<(Instant, i64)>,
        primary: impl FnOnce() -> DbResult<r2d2::PooledConnection<Manager>>,
    ) -> DbResult<Standing> {
        let now = Instant::now();
        // A primary that is away cannot be compared with: what was noted before still counts.
        if let Ok(written) = primary().and_then(|mut conn| position(&mut conn, "pg_current_wal_lsn")) {
            positions.push_back((now, written.position));
            if positions.len() > REMEMBERED {
                positions.pop_front();
            }
        }
        let mut conn = self.pool.get().map_err(|e| DbError::Connect(e.to_string()))?;
        let replayed = position(&mut conn, "pg_last_wal_replay_lsn")?;
        if !replayed.replica {
            return Ok(Standing::Away);
        }
        let reached = positions.iter().rev().find(|(_, position)| *position <= replayed.position);
        let oldest = positions.front().map_or(Duration::MAX, |(at, _)| at.elapsed().max(self.bound + LOOK_EVERY));
        let lag = reached.map_or(oldest, |(at, _)| now.duration_since(*at));
        Ok(if lag <= self.bound { Standing::Used(lag) } else { Standing::Behind(lag) })
    }

    /// A connection to it.
    pub fn get(&self) -> Option<r2d2::PooledConnection<Manager>> {
        self.pool.get().ok()
    }
}
