//! The newest places of a few keys in the runs, for people: bounded, whatever a key has.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use crate::db::among::among;
use crate::db::bulk::Value;
use crate::db::schema::{account_states, entries, index_pages, index_runs};
use crate::db::standing::{self, Standing, array};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::on_conn;

use super::{KINDS, RunKind, RunRow, key, page_data, unpack};

/// States stored in one statement.
const STATES_AT_ONCE: usize = 1_000;

/// Adds the newest places of these accounts or contexts to `found`, until it has `limit`: run by run, the newest
/// first; of each key `limit` at most. Not for references, whose keys are in another order.
pub fn newest_places(conn: &mut Conn, kind: RunKind, ids: &[Seq], limit: usize, found: &mut BTreeSet<Seq>) -> DbResult<()> {
    let query = index_runs::table.filter(index_runs::kind.eq(kind as i16)).filter(index_runs::ready.eq(1));
    let query = query.order(index_runs::first_seq.desc());
    let runs: Vec<RunRow> = on_conn!(conn, |c| query.select(RunRow::as_select()).load(c))?;
    for run in runs {
        if found.len() >= limit {
            break;
        }
        for id in ids {
            newest_of(conn, run.id, *id, limit, found)?;
        }
    }
    Ok(())
}

fn newest_of(conn: &mut Conn, run: i64, key: i64, limit: usize, found: &mut BTreeSet<Seq>) -> DbResult<()> {
    let query = index_pages::table.filter(index_pages::run.eq(run)).filter(index_pages::first_key.le(key));
    let query = query.order((index_pages::first_key.desc(), index_pages::page.desc()));
    let last: Option<(i64, i64)> =
        on_conn!(conn, |c| query.select((index_pages::page, index_pages::first_key)).first(c).optional())?;
    let mut at = last.map(|(page, _)| page);
    let mut left = limit;
    while let Some(page) = at.filter(|page| *page >= 0 && left > 0) {
        let data = page_data(conn, run, page)?;
        let own = unpack(&data).rev().filter(|(found, _)| *found == key as u64);
        for (_, seq) in own.take(left) {
            found.insert(seq);
            left -= 1;
        }
        // The page before holds some of them too if this one begins with one.
        let more = unpack(&data).next().is_some_and(|(first, _)| first == key as u64);
        at = more.then_some(page - 1);
    }
    Ok(())
}

/// Place and key in a run of each kind of the entries from `from` to before `to`, in order, at most `limit`.
pub(in crate::intake) fn keys_between(conn: &mut Conn, from: Seq, to: Seq, limit: i64) -> DbResult<Vec<(Seq, [u64; 3])>> {
    let query = entries::table.filter(entries::seq.ge(from)).filter(entries::seq.lt(to)).order(entries::seq).limit(limit);
    let query = query.select((entries::seq, entries::source, entries::source_ref, entries::account, entries::context));
    let rows: Vec<(Seq, Seq, String, Seq, Seq)> = on_conn!(conn, |c| query.load(c))?;
    let keys = |(seq, source, source_ref, account, context): (Seq, Seq, String, Seq, Seq)| {
        (seq, KINDS.map(|kind| key(kind, source, &source_ref, account, context)))
    };
    Ok(rows.into_iter().map(keys).collect())
}

/// Place and account of the entries from `from` to before `to`, in order, at most `limit`.
pub fn accounts_between(conn: &mut Conn, from: Seq, to: Seq, limit: i64) -> DbResult<Vec<(Seq, Seq)>> {
    let query = entries::table.filter(entries::seq.ge(from)).filter(entries::seq.lt(to)).order(entries::seq).limit(limit);
    Ok(on_conn!(conn, |c| query.select((entries::seq, entries::account)).load(c))?)
}

/// Account and position of the entries at these places, by place.
pub fn placed(conn: &mut Conn, seqs: &[Seq]) -> DbResult<HashMap<Seq, (Seq, i64)>> {
    let query = entries::table.filter(among(entries::seq, seqs));
    let rows: Vec<(Seq, Seq, i64)> =
        on_conn!(conn, |c| query.select((entries::seq, entries::account, entries::position)).load(c))?;
    Ok(rows.into_iter().map(|(seq, account, position)| (seq, (account, position))).collect())
}

/// Stored states of the accounts after `after`, in order: account, the entry it goes up to, state.
pub fn states_after(conn: &mut Conn, after: Seq, limit: i64) -> DbResult<Vec<(Seq, Seq, Vec<u8>)>> {
    let query = account_states::table.filter(account_states::account.gt(after)).order(account_states::account).limit(limit);
    let columns = (account_states::account, account_states::as_of, account_states::body);
    Ok(on_conn!(conn, |c| query.select(columns).load(c))?)
}

/// Stores the states of accounts, each over the one before: account, the entry it goes up to, state. On PostgreSQL
/// many go in one statement: one by one, each is a round trip that the committer waits for.
pub fn put_states(conn: &mut Conn, states: &[(Seq, Seq, Vec<u8>)]) -> DbResult<()> {
    if let Conn::Sqlite(_) = conn {
        return states.iter().try_for_each(|(account, as_of, body)| {
            standing::run::<PutState>(conn, &[Value::Int(*account), Value::Int(*as_of), Value::Bytes(body)]).map(drop)
        });
    }
    states.chunks(STATES_AT_ONCE).try_for_each(|some| {
        let columns = [
            array(some.iter().map(|(account, ..)| account)),
            array(some.iter().map(|(_, as_of, _)| as_of)),
            array(some.iter().map(|(.., body)| hex::encode(body))),
        ];
        standing::run::<PutStates>(conn, &columns.each_ref().map(|text| Value::Text(text))).map(drop)
    })
}

struct PutState;

impl Standing for PutState {
    const SQL: &'static str = "INSERT INTO account_states (account, as_of, body) VALUES (?, ?, ?) \
        ON CONFLICT (account) DO UPDATE SET as_of = excluded.as_of, body = excluded.body";
}

struct PutStates;

impl Standing for PutStates {
    const SQL: &'static str = "INSERT INTO account_states (account, as_of, body) SELECT account, as_of, decode(body, 'hex') \
        FROM unnest(?::text::bigint[], ?::text::bigint[], ?::text::text[]) AS new (account, as_of, body) \
        ON CONFLICT (account) DO UPDATE SET as_of = excluded.as_of, body = excluded.body";
}

/// Removes every stored state.
pub fn forget_states(conn: &mut Conn) -> DbResult<()> {
    on_conn!(conn, |c| diesel::delete(account_states::table).execute(c))?;
    Ok(())
}
