//! The table of closings.

use crate::bulk_row;
use crate::db::{Conn, DbResult, bulk};

bulk_row! {
    /// A row of `feed_closings`.
    ClosingRow => feed_closings {
        seq: i64, source: i64, business_date: i32, currency: String, entries: i64, debits: i64, credits: i64, received_at: i64,
    }
}

/// Stores the sums of one closing.
pub(super) fn append(conn: &mut Conn, rows: &[ClosingRow]) -> DbResult<()> {
    bulk::append(conn, rows)
}
