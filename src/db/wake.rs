//! Waking whoever waits for work in another process: `LISTEN` and `NOTIFY` on PostgreSQL.
//!
//! A word that is lost costs time only: whoever waits looks by itself now and then.

use std::time::{Duration, Instant};

use diesel::PgConnection;
use diesel::connection::SimpleConnection;

use super::{Conn, Db, DbResult};

/// How often it is looked whether a word has come; that asks no server.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A listening connection that was lost is made anew at most this often.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// What there may be work for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Requests for the leader.
    Inbox,
    /// Mail that is owed.
    Mail,
}

impl Channel {
    fn name(self) -> &'static str {
        match self {
            Channel::Inbox => "counterfoil_inbox",
            Channel::Mail => "counterfoil_mail",
        }
    }
}

/// Says, when the caller's transaction commits, that there is work. Nothing on SQLite.
pub fn wake(conn: &mut Conn, channel: Channel) -> DbResult<()> {
    match conn {
        Conn::Sqlite(_) => Ok(()),
        Conn::Postgres(c) => Ok(c.batch_execute(&format!("NOTIFY {}", channel.name()))?),
    }
}

/// Waits for a word on one channel.
pub struct Waiter {
    db: Db,
    channel: Channel,
    listening: Option<PgConnection>,
    tried: Option<Instant>,
}

impl Waiter {
    /// On a connection of its own; on SQLite nothing is ever heard.
    pub fn new(db: &Db, channel: Channel) -> Waiter {
        let mut waiter = Waiter { db: db.clone(), channel, listening: None, tried: None };
        waiter.listen();
        waiter
    }

    fn listen(&mut self) {
        if !self.db.address().is_remote() || self.tried.is_some_and(|tried| tried.elapsed() < RETRY_EVERY) {
            return;
        }
        self.tried = Some(Instant::now());
        if let Ok(Conn::Postgres(mut conn)) = self.db.connect() {
            self.listening = conn.batch_execute(&format!("LISTEN {}", self.channel.name())).is_ok().then_some(conn);
        }
    }

    /// Waits until there is a word, `stop` says so, or `deaf` is over; `hearing` as long as a word could be
    /// heard.
    pub fn wait(&mut self, deaf: Duration, hearing: Duration, stop: impl Fn() -> bool) {
        let began = Instant::now();
        while !stop() {
            if self.listening.is_none() {
                self.listen();
            }
            // A broken connection gives the same error again and again: the first one ends it.
            let heard = self
                .listening
                .as_mut()
                .map(|conn| conn.notifications_iter().map(|word| word.map(drop)).try_fold(0, |n, word| word.map(|()| n + 1)));
            let limit = match heard {
                Some(Ok(0)) => hearing,
                Some(Ok(_)) => return,
                Some(Err(_)) => {
                    // Whatever was said meanwhile was not heard: look now.
                    self.listening = None;
                    return;
                }
                None => deaf,
            };
            let Some(left) = limit.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else { return };
            std::thread::sleep(left.min(LOOK_EVERY));
        }
    }
}
