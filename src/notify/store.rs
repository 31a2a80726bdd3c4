//! The outbox.

use crate::bulk_row;

bulk_row! {
    /// A row of `outbox`.
    OutboxRow => outbox {
        id: i64, kind: String, about: i64, recipient: String, severity: i16, state: i16, created_at: i64,
        not_before: i64, attempts: i32, last_error: Option<String>, message_id: Option<String>, done_at: Option<i64>,
    }
}

/// `outbox.state`: waiting for its first or next try.
pub const PENDING: i16 = 1;
/// `outbox.state`: taken by the relay.
pub const SENT: i16 = 2;
/// `outbox.state`: given up, visibly.
pub const DEAD: i16 = 3;
