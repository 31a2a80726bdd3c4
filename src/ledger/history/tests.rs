//! Pages, balances and the way to the newest entry.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::db::bulk;
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
    conn.write(|conn| bulk::append(conn, &rows)).unwrap();
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
            let page = bench.read(|c| page(c, ACCOUNT, &window, limit));
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
    assert_eq!(positions(&bench.read(|c| page(c, ACCOUNT, &window, 10))), [3, 4]);
    let first = bench.read(|c| page(c, ACCOUNT, &window, 1));
    assert_eq!((positions(&first), first.next), (vec![3], Some(3)));
    let rest = bench.read(|c| page(c, ACCOUNT, &Window { after: 3, ..window }, 1));
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
    let ask = |at: i64, known: i64| bench.read(|c| balance(c, ACCOUNT, Moment(at), Moment(known)));
    let known = |minor, seq, at| Balance::Known { minor, seq, booked_at: Moment(at) };
    let always = i64::MAX;
    assert_eq!(ask(100, always), Balance::NoEntry, "an instant is not before itself");
    assert_eq!(ask(101, always), known(1_000, 10, 100));
    assert_eq!(ask(250, always), known(2_000, 30, 200));
    assert_eq!(ask(250, 29_000_000), known(1_000, 10, 100), "the late one was not known yet");
    assert_eq!(ask(500, always), known(3_000, 20, 300), "an attempt moves nothing");
    assert_eq!(ask(501, always), Balance::NotStated { seq: 50 });
    assert_eq!(bench.read(|c| balance(c, 77, Moment(0), Moment(0))), Balance::NoEntry);
}

#[test]
fn the_newest_entry_is_found_before_and_after_its_state_was_stored() {
    let bench = Bench::new();
    account(&bench, &[(1, None, 1), (2, None, 1), (3, None, 1)]);
    assert_eq!(bench.read(|c| newest(c, ACCOUNT)), Some((30, 3)));
    let mut conn = bench.db.connect().unwrap();
    conn.execute(
        "INSERT INTO account_states (account, as_of, body) VALUES (5, 20, x'00'); UPDATE log_state SET states_from = 25",
    )
    .unwrap();
    assert_eq!(bench.read(|c| newest(c, ACCOUNT)), Some((30, 3)));
    conn.execute("UPDATE account_states SET as_of = 30; UPDATE log_state SET states_from = 1000").unwrap();
    assert_eq!(bench.read(|c| newest(c, ACCOUNT)), Some((30, 3)));
    assert_eq!(bench.read(|c| newest(c, 77)), None);
}
