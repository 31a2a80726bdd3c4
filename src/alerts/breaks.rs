//! Breaks of continuity as people read them: with their account, their state and their alert.

use std::collections::HashMap;

use crate::clock::Moment;
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::continuity::Break;
use crate::ledger::store::BreakRow;
use crate::ledger::{BreakKind, BreakState};

use super::queue::{PAGE_MAX, accounts};
use super::{Account, store};

/// Which breaks; what is `None` does not narrow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakFilter {
    /// In this state.
    pub state: Option<BreakState>,
    /// Of this account.
    pub account: Option<Seq>,
    /// In this alert.
    pub alert: Option<Seq>,
    /// Opened by an entry before this place.
    pub before: Option<Seq>,
}

/// A break of continuity with its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContinuityBreak {
    /// Where it is named, what it is, expected and found.
    pub found: Break,
    /// Whose.
    pub account: Account,
    /// What became of it.
    pub state: BreakState,
    /// Day number of the entry that opened it.
    pub business_date: i32,
    /// The entry that opened it; another than it is named at where a late one did.
    pub opened_by: Seq,
    /// When, recorded time.
    pub opened_at: Moment,
    /// When it raises an alert, should it still be open.
    pub due_at: Moment,
    /// The entry or event that closed it.
    pub closed_by: Option<Seq>,
    /// The alert it is in.
    pub alert: Option<Seq>,
}

/// Breaks, newest first, after (place, kind), at most `limit` (1 to [`PAGE_MAX`]).
pub fn list(
    conn: &mut Conn,
    filter: &BreakFilter,
    after: Option<(Seq, BreakKind)>,
    limit: usize,
) -> DbResult<Vec<ContinuityBreak>> {
    let after = after.map(|(seq, kind)| (seq, kind.code()));
    let rows = store::breaks_page(conn, filter, after, limit.clamp(1, PAGE_MAX) as i64)?;
    let accounts = accounts(conn, rows.iter().map(|row| row.account))?;
    rows.iter().map(|row| continuity_break(row, &accounts)).collect()
}

/// The breaks named at an entry, by kind.
pub fn at(conn: &mut Conn, seq: Seq) -> DbResult<Vec<ContinuityBreak>> {
    let rows = crate::ledger::store::breaks_at(conn, seq)?;
    let accounts = accounts(conn, rows.iter().map(|row| row.account))?;
    rows.iter().map(|row| continuity_break(row, &accounts)).collect()
}

/// How many breaks are open.
pub fn open_count(conn: &mut Conn) -> DbResult<u64> {
    Ok(store::breaks_count(conn, BreakState::Open)?.unsigned_abs())
}

fn continuity_break(row: &BreakRow, accounts: &HashMap<Seq, Account>) -> DbResult<ContinuityBreak> {
    let corrupt = |what: &str| DbError::Corrupt(format!("break at {}: {what}", row.seq));
    Ok(ContinuityBreak {
        found: break_of(row)?,
        account: accounts.get(&row.account).cloned().ok_or_else(|| corrupt("unknown account"))?,
        state: BreakState::from_code(row.state).ok_or_else(|| corrupt("unknown state"))?,
        business_date: row.business_date,
        opened_by: row.opened_by,
        opened_at: Moment(row.opened_at),
        due_at: Moment(row.due_at),
        closed_by: row.closed_by,
        alert: row.alert,
    })
}

/// What a row says was found.
pub(super) fn break_of(row: &BreakRow) -> DbResult<Break> {
    let kind = BreakKind::from_code(row.kind);
    let kind = kind.ok_or_else(|| DbError::Corrupt(format!("break at {}: unknown kind", row.seq)))?;
    Ok(Break { seq: row.seq, kind, expected: row.expected, found: row.found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::testing::House;

    #[test]
    fn breaks_come_newest_first_with_their_accounts() {
        let house = House::new();
        let account = house.account("DE89370400440532013000");
        let due = house.bench.clock.now();
        let seqs = [house.broken_entry(account, due), house.broken_entry(account, due), house.broken_entry(account, due)];
        let open = BreakFilter { state: Some(BreakState::Open), ..BreakFilter::default() };
        let page = house.bench.read(|c| list(c, &open, None, 2));
        assert_eq!(page.iter().map(|b| b.found.seq).collect::<Vec<_>>(), [seqs[2], seqs[1]]);
        let last = page.last().map(|b| (b.found.seq, b.found.kind));
        let rest = house.bench.read(|c| list(c, &open, last, 2));
        assert_eq!((rest.len(), rest[0].found.seq, rest[0].account.masked().as_str()), (1, seqs[0], "•••• 3000"));
        assert_eq!(house.bench.read(open_count), 3);
    }
}
