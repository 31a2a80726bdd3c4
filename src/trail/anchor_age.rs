//! How old the newest checkpoint is that came back from outside: the span that could be rewritten unseen.

use crate::clock::{HOUR, Moment};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;

use super::store;

/// How long nothing newer has come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchorAge {
    /// The newest return; `None`: nothing ever came back, and the age is the log's.
    pub anchor: Option<Seq>,
    /// When what came back was signed, or the log was created.
    pub since: Moment,
    /// Whole hours since then.
    pub hours: i64,
}

impl AnchorAge {
    /// As of `now`; `None` before the log was created.
    pub fn read(conn: &mut Conn, now: Moment) -> DbResult<Option<AnchorAge>> {
        let of =
            |anchor: Option<Seq>, since: i64| AnchorAge { anchor, since: Moment(since), hours: (now.0 - since).max(0) / HOUR };
        if let Some(row) = store::newest_anchor(conn)? {
            // No later than it came back, whatever the list of checkpoints says.
            return Ok(Some(of(Some(row.id), row.signed_at.min(row.returned_at))));
        }
        Ok(store::event(conn, 0)?.map(|(created, _)| of(None, created.recorded_at)))
    }

    /// Whether that is longer than `limit` hours.
    pub fn is_beyond(&self, limit: u32) -> bool {
        self.hours > i64::from(limit)
    }

    /// What is wrong, as a sentence with the next step.
    pub fn finding(&self, limit: u32) -> String {
        let (what, hours) = (if self.anchor.is_some() { "newer checkpoint" } else { "checkpoint" }, self.hours);
        format!(
            "No {what} has come back from outside for {hours} hours; at most {limit} are allowed. What was recorded since could be \
             rewritten unseen: paste the signed note of a mail you kept below, or see to the witness."
        )
    }
}
