//! How fast the continuity of a whole log is checked by itself: entries read, placed on their accounts' chains, and
//! whatever does not fit counted. Verification does it too, among everything else.

use std::collections::HashMap;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use counterfoil::db::schema::entries;
use counterfoil::db::{Conn, Db};
use counterfoil::ledger::continuity::{AccountContinuity, Strictness};
use counterfoil::ledger::{Direction, Movement, Status};
use counterfoil::on_conn;
use diesel::prelude::*;

/// Entries read at once.
const SLICE: i64 = 20_000;

/// Place, account, business date, direction, amount; balance before and after, booked, number on the account, status.
type Read = ((i64, i64, i32, i16, i64), (Option<i64>, Option<i64>, i64, Option<i64>, i16));

pub fn measure(db: &Db, rounds: usize) {
    println!("| entries | breaks | entries/s | beside 82,000 assertions/s of ledger 3.3 |\n|---|---|---|---|");
    for _ in 0..rounds {
        let began = Instant::now();
        let (entries, breaks) = check(db);
        let rate = entries as f64 / began.elapsed().as_secs_f64();
        println!("| {entries} | {breaks} | {rate:.0} | {:.1} |", rate / 82_000.0);
    }
}

fn check(db: &Db) -> (u64, usize) {
    let (send, receive) = sync_channel(4);
    let mut conn = db.connect().unwrap();
    let reader = std::thread::spawn(move || {
        let mut after = -1;
        loop {
            let rows = slice(&mut conn, after);
            let Some(((newest, ..), _)) = rows.last() else { return };
            after = *newest;
            send.send(rows).unwrap();
        }
    });
    let (mut accounts, mut count, mut breaks) = (HashMap::<i64, AccountContinuity>::new(), 0, 0);
    for rows in receive {
        for ((seq, account, date, direction, amount), (before, after, booked_at, account_seq, status)) in rows {
            let direction = Direction::from_code(direction).unwrap();
            let status = Status::from_code(status).unwrap();
            let (balance_before, balance_after) = (before, after);
            let entry = Movement { seq, booked_at, account_seq, amount, direction, balance_before, balance_after, status };
            let changes = accounts.entry(account).or_default().add(&entry, date, Strictness::default(), None);
            breaks += changes.opened.len();
            count += 1;
        }
    }
    reader.join().unwrap();
    (count, breaks)
}

fn slice(conn: &mut Conn, after: i64) -> Vec<Read> {
    use entries as of;
    let query = of::table.filter(of::seq.gt(after)).order(of::seq).limit(SLICE);
    let query = query.select((
        (of::seq, of::account, of::business_date, of::direction, of::amount),
        (of::balance_before, of::balance_after, of::booked_at, of::account_seq, of::status),
    ));
    on_conn!(conn, |c| query.load(c)).unwrap()
}
