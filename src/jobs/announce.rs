//! Proposals that wait: mail to whoever may approve them, once for each.

use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;

use crate::access::users;
use crate::app::App;
use crate::approvals::{self, PAGE_MAX, State, waits_for};
use crate::db::Conn;
use crate::detect::Severity;
use crate::ids::Seq;
use crate::notify::MailKind;
use crate::notify::store::{owe, owed_rows, promising};
use crate::trail::{ActError, store};

/// The kind of the event.
const ANNOUNCED: &str = "approval.announced";

/// Which proposals were announced.
pub struct Announcer {
    /// Every proposal up to this place was seen to; −1: not looked yet.
    done: AtomicI64,
}

impl Default for Announcer {
    fn default() -> Announcer {
        Announcer { done: AtomicI64::new(-1) }
    }
}

impl Announcer {
    /// Announces what waits and was not announced; answers how many. Without a relay nothing is owed.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub fn turn(&self, app: &App) -> Result<usize, ActError> {
        if app.config.mail.url.is_empty() {
            return Ok(0);
        }
        let done = self.done.load(Ordering::Acquire);
        let waiting = app.db.read(|conn| approvals::list(conn, &[State::Submitted], None, PAGE_MAX))?;
        let mut fresh: Vec<Seq> = waiting.iter().map(|proposal| proposal.id).filter(|id| *id > done).collect();
        fresh.sort_unstable();
        let Some(oldest) = fresh.first().copied() else { return Ok(0) };
        let known = if done < 0 { app.db.read(|conn| announced_since(conn, oldest))? } else { Vec::new() };
        let mut count = 0;
        for id in fresh {
            if !known.contains(&id) {
                count += usize::from(app.log().act(move |tx| announce(tx, id))?);
            }
            self.done.store(id, Ordering::Release);
        }
        Ok(count)
    }
}

/// Proposals that were announced after `seq`.
fn announced_since(conn: &mut Conn, mut seq: Seq) -> crate::db::DbResult<Vec<Seq>> {
    let mut known = Vec::new();
    // At most as many as can wait, and those that were decided meanwhile.
    while let Some(row) = store::event_after(conn, ANNOUNCED, seq)? {
        let body: serde_json::Value = serde_json::from_str(&row.body).unwrap_or_default();
        known.extend(body["proposal"].as_i64());
        seq = row.seq;
    }
    Ok(known)
}

/// Owes mail to whoever may approve it and did not submit it; answers whether there is anybody.
fn announce(tx: &mut crate::trail::ActTx<'_>, id: Seq) -> Result<bool, ActError> {
    let now = tx.now();
    let Some(proposal) = approvals::find(tx.conn, id)? else { return Ok(false) };
    let users = users::list(tx.conn)?;
    let may = users.iter().filter(|user| user.active && waits_for(&proposal, user.id, user.role, now));
    let to: Vec<String> = may.map(|user| user.email.clone()).collect();
    if to.is_empty() {
        return Ok(false);
    }
    let body = json!({ "proposal": id, "kind": proposal.kind.text() });
    let seq = tx.append(promising(ANNOUNCED, body, None, &to))?;
    let rows = owed_rows(MailKind::Notice, seq, &to, Severity::Medium, now);
    owe(tx.conn, &rows)?;
    Ok(true)
}
