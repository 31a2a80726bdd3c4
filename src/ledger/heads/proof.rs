//! The proof that an entry was the last of its account at a close, or that the account had none.

use chrono::NaiveDate;
use counterfoil_verify::heads::{Close, HeadsError, KIND};
use counterfoil_verify::heads_proof::{Claim, Closes, HeadsProof};
use counterfoil_verify::{Note, TlogProof};

use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::{leaves, store};
use crate::trail::store::{self as trail, LogState};
use crate::trail::tree::Tree;
use crate::trail::witnessed;

/// Closes read at once.
const PAGE: i64 = 500;

/// Why there is no proof about an account.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// No account has this number: there never was one, or it was erased.
    #[error(
        "the log has no account of this number: check it. One whose holder was erased has no number any more: write `erased N`, N being the account in the log, as in its entries and in proofs made before"
    )]
    NoAccount,
    /// The day has no close.
    #[error("the log has no close of {date}; {newest}")]
    NotClosed {
        /// The day.
        date: NaiveDate,
        /// What the newest close is, in words.
        newest: String,
    },
    /// The closes of the log contradict one another.
    #[error("{0}; run `counterfoil verify`")]
    Contradiction(String),
    /// The entries do not give the list that was committed to.
    #[error(
        "the close of {date} in event {event} commits to {committed} account heads, and the entries below {size} do not give that \
         list ({given}): something was changed; run `counterfoil verify`"
    )]
    Differs {
        /// The day.
        date: NaiveDate,
        /// `seq` of its event.
        event: Seq,
        /// The size it covers.
        size: u64,
        /// Heads the event says there are.
        committed: u64,
        /// Heads the entries give.
        given: u64,
    },
    /// No checkpoint covers the close yet.
    #[error("the close of {date} is in the log, but not under a signed checkpoint; `serve` signs within seconds: try again")]
    Unsigned {
        /// The day.
        date: NaiveDate,
    },
}

/// The proof about the account of this number at the close of `date`, under the newest signed
/// checkpoint, or the newest that at least so many witnesses signed. The heads are made again from the entries and must
/// be those committed to. An account whose number was erased is `erased N`.
///
/// # Errors
/// When there is no such account or close, or when what is stored does not give what was committed to.
pub fn prove(conn: &mut Conn, date: NaiveDate, number: &str, witnesses: usize) -> Result<HeadsProof, NoProof> {
    conn.snapshot(|conn| {
        let account = store::account_as_written(conn, number)?.ok_or(NoProof::NoAccount)?.id;
        let state = trail::state(conn)?.ok_or_else(|| DbError::Unfit("there is no log yet".into()))?;
        let (event, close) = close_of(conn, date)?;
        let size = Seq::try_from(close.size).map_err(|_| DbError::Corrupt("the close covers too much".into()))?;
        let heads = super::at(conn, &state, size)?;
        let given = heads.close(&close.business_date, close.size);
        if given != close {
            return Err(NoProof::Differs { date, event, size: close.size, committed: close.accounts, given: given.accounts });
        }
        let broken = |e: HeadsError| DbError::Corrupt(e.to_string());
        let (claim, heads) = match heads.prove_last(account) {
            Ok(placed) => (Claim::Last, vec![placed]),
            Err(_) => (Claim::Absent, heads.prove_absent(account).map_err(broken)?),
        };
        let (leaf, proof) = included(conn, &state, event, witnesses)?.ok_or(NoProof::Unsigned { date })?;
        Ok(HeadsProof { claim, account, heads, event: leaf, proof })
    })
}

/// The close of a day and its event. All closes of the log are read, one a day: that they go forwards
/// and close each day once is part of what they promise.
fn close_of(conn: &mut Conn, date: NaiveDate) -> Result<(Seq, Close), NoProof> {
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let rows = trail::events_of(conn, &[KIND], before, PAGE)?;
        let Some(oldest) = rows.last() else { break };
        before = Some(oldest.seq);
        for row in rows {
            let close = Close::parse(&row.body);
            let close = close.ok_or_else(|| NoProof::Contradiction(format!("event {} is no close that can be read", row.seq)))?;
            all.push((row.seq, close));
        }
    }
    let newest = all.first().map(|(_, close)| close.business_date.clone());
    let mut closes = Closes::default();
    for (seq, close) in all.iter().rev() {
        closes.add(*seq, close.clone()).map_err(|e| NoProof::Contradiction(e.to_string()))?;
    }
    let found = all.into_iter().find(|(_, close)| close.business_date == date.to_string());
    found.ok_or_else(|| {
        let none = || "none was committed yet: the nightly report of a day that is over does".to_owned();
        NoProof::NotClosed { date, newest: newest.map_or_else(none, |newest| format!("the newest is that of {newest}")) }
    })
}

/// The bytes of a leaf and its proof under the newest signed checkpoint; nothing if that does not cover it.
fn included(conn: &mut Conn, state: &LogState, seq: Seq, witnesses: usize) -> DbResult<Option<(Vec<u8>, TlogProof)>> {
    let Some(newest) = witnessed::newest(conn, witnesses)?.filter(|newest| newest.size > seq) else { return Ok(None) };
    let unread = |e| DbError::Corrupt(format!("checkpoint {}: {e}; run `counterfoil verify`", newest.number));
    let checkpoint = Note::parse(&newest.note).map_err(unread)?;
    let gone = || DbError::Corrupt(format!("event {seq} is missing; run `counterfoil verify`"));
    let (_, leaf) = leaves::bytes(conn, seq, seq + 1)?.pop().ok_or_else(gone)?;
    let (index, size) = (seq.unsigned_abs(), newest.size.unsigned_abs());
    let hashes = Tree::of(conn, state, leaves::hashes).inclusion(index, size)?;
    Ok(Some((leaf, TlogProof { extra: None, index, hashes, checkpoint })))
}
