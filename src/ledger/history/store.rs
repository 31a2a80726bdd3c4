//! Walking an account's entries along their back pointers.
//!
//! There is no index from an account to its entries (one would cost more than everything else on
//! the write path): its newest entry is found from the stored state and a scan of what came since,
//! the others by following `prev` and `jump`.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, SmallInt};

use crate::clock::Moment;
use crate::db::among::among;
use crate::db::bulk::Value;
use crate::db::schema::{account_states, entries, log_state};
use crate::db::standing::{self, Standing};
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::{Direction, Movement, Status};
use crate::on_conn;

/// What a step needs of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable)]
pub struct Link {
    /// Its place.
    pub seq: Seq,
    /// Its number on the account.
    pub position: i64,
    /// The entry before it.
    pub prev: Option<Seq>,
    /// An earlier entry (`docs/log-format.md`).
    pub jump: Option<Seq>,
}

/// The pointers of one entry.
pub fn link(conn: &mut Conn, seq: Seq) -> DbResult<Option<Link>> {
    let columns = (entries::seq, entries::position, entries::prev, entries::jump);
    Ok(on_conn!(conn, |c| entries::table.find(seq).select(columns).first(c).optional())?)
}

/// The newest entry of an account, looked for in everything that stored states do not cover.
pub fn newest(conn: &mut Conn, account: Seq) -> DbResult<Option<Seq>> {
    let as_of = stored_head(conn, account)?;
    let covered: Option<i64> = on_conn!(conn, |c| log_state::table.select(log_state::states_from).first(c).optional())?;
    let from = covered.unwrap_or(0).max(as_of.map_or(account, |seq| seq + 1));
    let later = entries::table.filter(entries::account.eq(account)).filter(entries::seq.ge(from));
    let later: Option<i64> = on_conn!(conn, |c| later.select(diesel::dsl::max(entries::seq)).first(c))?;
    Ok(later.or(as_of.filter(|seq| *seq >= 0)))
}

/// The newest entry of an account that its stored state covers.
pub fn stored_head(conn: &mut Conn, account: Seq) -> DbResult<Option<Seq>> {
    let query = account_states::table.find(account).select(account_states::as_of);
    Ok(on_conn!(conn, |c| query.first(c).optional())?)
}

/// Place and account of the entries from `from` to before `to`, in order, at most `limit`.
pub fn heads_between(conn: &mut Conn, from: Seq, to: Seq, limit: i64) -> DbResult<Vec<(Seq, Seq)>> {
    let query = entries::table.filter(entries::seq.ge(from)).filter(entries::seq.lt(to)).order(entries::seq).limit(limit);
    Ok(on_conn!(conn, |c| query.select((entries::seq, entries::account)).load(c))?)
}

#[derive(QueryableByName)]
struct Place {
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

/// Of the `count` entries up to `last`, those booked in the half-open window, oldest first.
pub fn walk(conn: &mut Conn, last: Seq, count: i64, from: Option<Moment>, to: Option<Moment>) -> DbResult<Vec<Seq>> {
    let (from, to) = (from.map_or(i64::MIN, |at| at.0), to.map_or(i64::MAX, |at| at.0));
    let places: Vec<Place> = standing::load::<Walk, _>(conn, &[last, count, from, to].map(Value::Int))?;
    Ok(places.into_iter().map(|place| place.seq).collect())
}

struct Walk;

impl Standing for Walk {
    const SQL: &'static str = "WITH RECURSIVE walk(seq, prev, booked_at, n) AS (SELECT seq, prev, booked_at, 1 FROM entries WHERE seq = ? \
        UNION ALL SELECT e.seq, e.prev, e.booked_at, w.n + 1 FROM walk w JOIN entries e ON e.seq = w.prev WHERE w.n < ?) \
        SELECT seq FROM walk WHERE booked_at >= ? AND booked_at < ? ORDER BY seq";
}

struct WalkBack;

impl Standing for WalkBack {
    const SQL: &'static str = "WITH RECURSIVE walk(seq, prev, booked_at, account_seq, amount, direction, balance_before, \
        balance_after, status, n) AS (SELECT seq, prev, booked_at, account_seq, amount, direction, balance_before, balance_after, status, 1 \
        FROM entries WHERE seq = ? UNION ALL SELECT e.seq, e.prev, e.booked_at, e.account_seq, e.amount, e.direction, e.balance_before, \
        e.balance_after, e.status, w.n + 1 FROM walk w JOIN entries e ON e.seq = w.prev WHERE w.n < ?) \
        SELECT seq, booked_at, account_seq, amount, direction, balance_before, balance_after, status FROM walk";
}

#[derive(QueryableByName)]
struct Earlier {
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = BigInt)]
    booked_at: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    account_seq: Option<i64>,
    #[diesel(sql_type = BigInt)]
    amount: i64,
    #[diesel(sql_type = SmallInt)]
    direction: i16,
    #[diesel(sql_type = Nullable<BigInt>)]
    balance_before: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    balance_after: Option<i64>,
    #[diesel(sql_type = SmallInt)]
    status: i16,
}

/// The `count` entries up to `last`, as far as their pointers lead.
pub fn earlier(conn: &mut Conn, last: Seq, count: usize) -> DbResult<Vec<Movement>> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let found: Vec<Earlier> = standing::load::<WalkBack, _>(conn, &[last, count].map(Value::Int))?;
    found.into_iter().map(read).collect()
}

/// What is asked for of an entry in [`past`], in two parts because of the query layer.
type Columns = ((i64, i64, Option<i64>, i64, i16), (Option<i64>, Option<i64>, i16));

/// These entries, in no particular order.
pub fn past(conn: &mut Conn, seqs: &[Seq]) -> DbResult<Vec<Movement>> {
    if seqs.is_empty() {
        return Ok(Vec::new());
    }
    let columns = (
        (entries::seq, entries::booked_at, entries::account_seq, entries::amount, entries::direction),
        (entries::balance_before, entries::balance_after, entries::status),
    );
    let query = entries::table.filter(among(entries::seq, seqs));
    let found: Vec<Columns> = on_conn!(conn, |c| query.select(columns).load(c))?;
    let row = |((seq, booked_at, account_seq, amount, direction), (balance_before, balance_after, status))| {
        read(Earlier { seq, booked_at, account_seq, amount, direction, balance_before, balance_after, status })
    };
    found.into_iter().map(row).collect()
}

fn read(e: Earlier) -> DbResult<Movement> {
    let corrupt = |what: &str| DbError::Corrupt(format!("entry {}: unknown {what}; run `counterfoil verify`", e.seq));
    let direction = Direction::from_code(e.direction).ok_or_else(|| corrupt("direction"))?;
    let status = Status::from_code(e.status).ok_or_else(|| corrupt("status"))?;
    let Earlier { seq, booked_at, account_seq, amount, balance_before, balance_after, .. } = e;
    Ok(Movement { seq, booked_at, account_seq, amount, direction, balance_before, balance_after, status })
}
