//! Pages, balances and the way to the newest entry.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::clock::Clock;
use crate::db::Conn;
use crate::db::bulk;
use crate::ledger::Status;
use crate::ledger::order::Order;
use crate::ledger::order::store::AsideRow;
use crate::trail::testing::Bench;

const ACCOUNT: Seq = 5;

/// An entry per (booked_at, balance after, status), at places 10, 20, …, each recorded a second
/// after the other; beside them entries of another account.
fn account(bench: &Bench, entries: &[(i64, Option<i64>, i16)]) {
    let mut places: Vec<Seq> = Vec::new();
    let mut rows = Vec::new();
    for (i, (booked_at, balance_after, status)) in entries.iter().enumerate() {
        let (seq, position) = (10 * (i as i64 + 1), i as i64 + 1);
        let jump = counterfoil_verify::leaf::jump_position(position).map(|p| places[p as usize - 1]);
        let prev = places.last().copied();
        rows.push(row(seq, ACCOUNT, position, prev, jump, *booked_at, *balance_after, *status));
        rows.push(row(seq + 1, ACCOUNT + 1, position, None, None, *booked_at, Some(1), 1));
        places.push(seq);
    }
    let mut conn = bench.db.connect().unwrap();
    let asides = asides_of(&rows);
    let size = rows.last().map_or(0, |row| row.seq + 1);
    conn.write(|conn| {
        bulk::append(conn, &rows)?;
        bulk::append(conn, &asides)?;
        conn.execute(&format!("UPDATE log_state SET size = {size}"))
    })
    .unwrap();
}

/// What is not in order of booked time.
fn asides_of(rows: &[EntryRow]) -> Vec<AsideRow> {
    let mut order = Order::default();
    let own = rows.iter().filter(|row| row.account == ACCOUNT);
    let aside = |row: &EntryRow| {
        let moved_at = (row.status == Status::Booked.code()).then_some(Moment(row.booked_at));
        order.place(row.seq, moved_at).map(|aside| aside.row(row.seq, row.account))
    };
    own.filter_map(aside).collect()
}

#[allow(clippy::too_many_arguments)]
fn row(
    seq: Seq,
    account: Seq,
    position: i64,
    prev: Option<Seq>,
    jump: Option<Seq>,
    booked_at: i64,
    balance_after: Option<i64>,
    status: i16,
) -> EntryRow {
    EntryRow {
        seq,
        recorded_at: seq * 1_000_000,
        source: 1,
        source_ref: format!("R{seq}"),
        account,
        position,
        prev,
        jump,
        kind: 1,
        direction: 1,
        amount: 1,
        currency: "USD".into(),
        balance_before: balance_after.map(|b| b - 1),
        balance_after,
        booked_at,
        value_date: None,
        business_date: 20_000,
        flags: 0,
        transaction_ref: None,
        account_seq: None,
        context: 2,
        delivery: 3,
        channel: None,
        instrument: None,
        status,
        reverses: None,
        rules: 1,
        outcomes: None,
        blind: vec![0; 16],
    }
}

fn positions(page: &Page) -> Vec<i64> {
    page.items.iter().map(|row| row.position).collect()
}

#[test]
fn pages_together_are_the_whole_account_whatever_their_size() {
    let bench = Bench::new();
    account(&bench, &(0..257).map(|i| (i, Some(i), 1)).collect::<Vec<_>>());
    for limit in [1, 7, 100, 256, 257, 1000] {
        let mut window = Window::default();
        let mut seen = Vec::new();
        loop {
            let page = bench.read(|c| page(c, &Newest::default(), ACCOUNT, &window, limit));
            assert!(page.items.len() as i64 <= limit && page.items.iter().all(|row| row.account == ACCOUNT));
            seen.extend(positions(&page));
            match page.next {
                Some(next) => window.after = next,
                None => break,
            }
        }
        assert_eq!(seen, (1..=257).collect::<Vec<_>>(), "limit {limit}");
    }
}

#[test]
fn a_window_is_half_open_and_finds_late_entries() {
    let bench = Bench::new();
    account(&bench, &[(100, Some(1), 1), (300, Some(2), 1), (200, Some(3), 1), (299, Some(4), 1)]);
    let window = Window { from: Some(Moment(200)), to: Some(Moment(300)), after: 0 };
    assert_eq!(positions(&bench.read(|c| page(c, &Newest::default(), ACCOUNT, &window, 10))), [3, 4]);
    let first = bench.read(|c| page(c, &Newest::default(), ACCOUNT, &window, 1));
    assert_eq!((positions(&first), first.next), (vec![3], Some(3)));
    let rest = bench.read(|c| page(c, &Newest::default(), ACCOUNT, &Window { after: 3, ..window }, 1));
    assert_eq!((positions(&rest), rest.next), (vec![4], None));
}

#[test]
fn a_balance_is_as_booked_and_as_known() {
    let bench = Bench::new();
    // Recorded at 10 s, 20 s, …; the third is late, the fourth only an attempt.
    account(
        &bench,
        &[(100, Some(1_000), 1), (300, Some(3_000), 1), (200, Some(2_000), 1), (400, Some(9_999), 2), (500, None, 1)],
    );
    let newest = Newest::default();
    let ask = |at: i64, known: i64| bench.read(|c| balance(c, &newest, ACCOUNT, Moment(at), Moment(known)));
    let known = |minor, seq, at| Balance::Known { minor, seq, booked_at: Moment(at), proven: true };
    let always = i64::MAX;
    assert_eq!(ask(100, always), Balance::NoEntry, "an instant is not before itself");
    assert_eq!(ask(101, always), known(1_000, 10, 100));
    assert_eq!(ask(250, always), known(2_000, 30, 200));
    assert_eq!(ask(250, 29_000_000), known(1_000, 10, 100), "the late one was not known yet");
    assert_eq!(ask(500, always), known(3_000, 20, 300), "an attempt moves nothing");
    assert_eq!(ask(501, always), Balance::NotStated { seq: 50 });
    assert_eq!(bench.read(|c| balance(c, &newest, 77, Moment(0), Moment(0))), Balance::NoEntry);
}

#[test]
fn the_newest_entry_is_found_before_and_after_its_state_was_stored() {
    let bench = Bench::new();
    account(&bench, &[(1, None, 1), (2, None, 1), (3, None, 1)]);
    let kept = Newest::default();
    let mut conn = bench.db.connect().unwrap();
    let both = |conn: &mut Conn, account: Seq| {
        let looked_for = store::newest(conn, account).unwrap();
        for newest in [&kept, &Newest::default()] {
            assert_eq!(newest.of(conn, account).unwrap(), looked_for, "{newest:?}");
        }
        looked_for
    };
    assert_eq!(both(&mut conn, ACCOUNT), Some(30));
    conn.execute(
        "INSERT INTO account_states (account, as_of, body) VALUES (5, 20, x'00'), (6, 21, x'00'); \
         UPDATE log_state SET states_from = 25",
    )
    .unwrap();
    assert_eq!(both(&mut conn, ACCOUNT), Some(30));
    conn.execute("UPDATE account_states SET as_of = as_of + 10; UPDATE log_state SET states_from = size").unwrap();
    assert_eq!(both(&mut conn, ACCOUNT), Some(30));
    assert_eq!((both(&mut conn, ACCOUNT + 1), kept.accounts()), (Some(31), 0));
    // States that were dropped cover nothing; a replica that is behind has not what is remembered.
    conn.execute("DELETE FROM account_states; UPDATE log_state SET states_from = 0").unwrap();
    assert_eq!(both(&mut conn, ACCOUNT), Some(30));
    conn.execute("UPDATE log_state SET size = 21; DROP TRIGGER entries_no_delete; DELETE FROM entries WHERE seq > 21").unwrap();
    assert_eq!(both(&mut conn, ACCOUNT), Some(20));
    assert_eq!(both(&mut conn, 77), None);
}

/// The balance as it is defined, from the course of every entry there is.
fn naive(conn: &mut Conn, rows: &[EntryRow], at: i64, known_at: i64) -> Balance {
    let known: Vec<Seq> = rows.iter().filter(|row| row.recorded_at <= known_at).map(|row| row.seq).collect();
    let mut course = course(&store::past(conn, &known).unwrap());
    course.retain(|instant| instant.at < at);
    Balance::at_end(&course)
}

/// How an account's booked times come; `i` entries were before, `n` is drawn.
type Pattern = fn(i: i64, n: i64) -> i64;

#[test]
fn a_balance_is_what_looking_at_every_entry_gives() {
    let patterns: [Pattern; 6] = [
        |i, _| i * 10,
        |i, n| i * 10 - if n % 9 == 0 { n % 400 } else { 0 },
        |_, n| n % 500,
        |i, _| 5_000 - i * 10,
        |i, _| i / 40 * 100,
        |i, n| if n % 50 == 0 { i * 10 + 2_000 } else { i * 10 },
    ];
    let clock = Clock::fixed(Moment(0), 11);
    let draw = |below: i64| (u64::from_be_bytes(clock.random()) % below.unsigned_abs()) as i64;
    for (kind, pattern) in patterns.into_iter().enumerate() {
        let bench = Bench::new();
        let attempts = if kind % 2 == 0 { 7 } else { 1_000 };
        let entries: Vec<(i64, Option<i64>, i16)> = (0..300)
            .map(|i| (pattern(i, draw(1_000_000)), (draw(20) > 0).then(|| draw(30)), if draw(attempts) == 0 { 2 } else { 1 }))
            .collect();
        account(&bench, &entries);
        let mut conn = bench.db.connect().unwrap();
        let rows = crate::ledger::store::entries_between(&mut conn, 0, i64::MAX, 10_000).unwrap();
        let rows: Vec<EntryRow> = rows.into_iter().filter(|row| row.account == ACCOUNT).collect();
        let newest = Newest::default();
        let times: Vec<i64> = entries.iter().map(|entry| entry.0).collect();
        for _ in 0..700 {
            let at = times[draw(times.len() as i64) as usize] + draw(3) - 1;
            let at = if draw(20) == 0 { i64::MAX } else { at };
            let known_at = if draw(2) == 0 { i64::MAX } else { draw(4_400) * 1_000_000 };
            let found = balance(&mut conn, &newest, ACCOUNT, Moment(at), Moment(known_at)).unwrap();
            let expected = naive(&mut conn, &rows, at, known_at);
            assert_eq!(found, expected, "pattern {kind}, at {at}, known at {known_at}");
        }
    }
}

#[test]
fn what_would_take_looking_at_too_many_late_entries_is_said() {
    let bench = Bench::new();
    let late = instant::LATE_MAX as i64 + 300;
    // One in order, then everything before it, the latest first.
    let entries: Vec<(i64, Option<i64>, i16)> = (0..=late).map(|i| (late - i, Some(i), 1)).collect();
    account(&bench, &entries);
    let newest = Newest::default();
    let ask = |at: i64, known: i64| bench.read(|c| balance(c, &newest, ACCOUNT, Moment(at), Moment(known)));
    let always = i64::MAX;
    assert_eq!(
        ask(50, always),
        Balance::Known { minor: late - 49, seq: 10 * (late - 49 + 1), booked_at: Moment(49), proven: true }
    );
    // Known of it then was the one in order only; all others would have to be looked at to see that.
    assert_eq!(ask(late, 10_000_000), Balance::TooLong);
    assert_eq!(ask(late + 1, 10_000_000), Balance::Known { minor: 0, seq: 10, booked_at: Moment(late), proven: true });
}
