//! The balance at an instant, whatever the order in which entries came: as looking at every one gives it.

use counterfoil::audit::{ReplayOptions, replay};
use counterfoil::clock::{Clock, Moment};
use counterfoil::db::{Db, migrate};
use counterfoil::ledger::continuity::course;
use counterfoil::ledger::history::{self, Balance, Newest};
use counterfoil::ledger::order::store::{self as order, AsideRow};
use counterfoil::ledger::store::{self as ledger, EntryRow};
use counterfoil::ledger::{Direction, Movement, Status};
use serde_json::json;

use crate::bank::{Bank, Home, Kind, entry, on_both};

/// 2026-03-02T00:00:00Z
const START: i64 = 1_772_409_600_000_000;

fn draw(clock: &Clock, below: i64) -> i64 {
    (u64::from_be_bytes(clock.random()) % below.unsigned_abs()) as i64
}

/// Two hundred entries on three accounts, mostly in order: late ones, attempts, several of one instant.
fn fill(bank: &Bank, clock: &Clock, from: i64) {
    let mut rows = Vec::new();
    for n in from..from + 200 {
        let late = if draw(clock, 4) == 0 { draw(clock, 3_000) } else { 0 };
        let at = Moment(START + (n * 20 - late).max(0) / 30 * 30 * 1_000_000);
        let mut row = entry(&format!("I{n}"), &format!("ACC-{}", draw(clock, 3)), &at.to_string(), 0, 1 + n % 50);
        if draw(clock, 9) == 0 {
            row["status"] = json!("attempted");
        }
        rows.push(row);
    }
    for some in rows.chunks(17) {
        bank.clock.advance(1_000_000);
        assert!(bank.submit(some.to_vec()).iter().all(|r| matches!(r, counterfoil::intake::RowResult::Recorded(_))));
    }
}

/// As the course of all entries gives it.
fn naive(rows: &[EntryRow], at: i64, known_at: i64) -> Option<(i64, i64)> {
    let known: Vec<Movement> = rows.iter().filter(|row| row.recorded_at <= known_at).map(past).collect();
    let mut course = course(&known);
    course.retain(|instant| instant.at < at);
    let last = course.last()?;
    Some((last.end.unwrap(), last.entries.last().unwrap().seq))
}

fn past(row: &EntryRow) -> Movement {
    Movement {
        seq: row.seq,
        booked_at: row.booked_at,
        account_seq: row.account_seq,
        amount: row.amount,
        direction: Direction::from_code(row.direction).unwrap(),
        balance_before: row.balance_before,
        balance_after: row.balance_after,
        status: Status::from_code(row.status).unwrap(),
    }
}

/// Asks for balances of every account, and holds the answers against all entries.
fn compare(bank: &Bank, newest: &Newest, clock: &Clock) {
    let mut conn = bank.db.connect().unwrap();
    let all = ledger::entries_between(&mut conn, 0, i64::MAX, 10_000).unwrap();
    for number in ["ACC-0", "ACC-1", "ACC-2"] {
        let account = ledger::account_by_number(&mut conn, number).unwrap().unwrap().id;
        let rows: Vec<EntryRow> = all.iter().filter(|row| row.account == account).cloned().collect();
        for _ in 0..60 {
            let about = &rows[draw(clock, rows.len() as i64) as usize];
            let at = about.booked_at + draw(clock, 3) - 1;
            let known_at = if draw(clock, 2) == 0 { i64::MAX } else { rows[draw(clock, rows.len() as i64) as usize].recorded_at };
            let found = history::balance(&mut conn, newest, account, Moment(at), Moment(known_at)).unwrap();
            let found = match found {
                Balance::Known { minor, seq, .. } => Some((minor, seq)),
                Balance::NoEntry => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, naive(&rows, at, known_at), "{number} at {at}, known at {known_at}");
        }
    }
}

fn asides(url: &str) -> Vec<AsideRow> {
    order::between(&mut Db::open(url, 1).unwrap().connect().unwrap(), 0, i64::MAX).unwrap()
}

#[test]
fn a_balance_is_found_among_late_entries_across_starts_and_replayed() {
    on_both(|kind| {
        let clock = Clock::fixed(Moment(0), 5);
        let bank = Bank::with(kind, |config| config.limits.segment_entries = 100);
        let newest = Newest::default();
        fill(&bank, &clock, 0);
        compare(&bank, &newest, &clock);
        let bank = bank.restart();
        fill(&bank, &clock, 200);
        compare(&bank, &newest, &clock);
        compare(&bank, &Newest::default(), &clock);
        assert_eq!(bank.findings(), []);
        let into = Home::new(Kind::Sqlite);
        let options = ReplayOptions { config: &bank.config, batch: 37, progress: &|_, _| {} };
        let again = replay(&bank.db, &Db::open(&into.url(), 1).unwrap(), None, &options).unwrap();
        assert_eq!(again.differences, []);
        let compared = again.tables.iter().find(|table| table.table == "asides").unwrap();
        assert!(compared.rows > 80, "{compared:?}");
    });
}

#[test]
fn a_log_of_an_earlier_version_gets_its_late_entries_and_its_states_again() {
    on_both(|kind| {
        let clock = Clock::fixed(Moment(0), 6);
        let bank = Bank::open(kind);
        fill(&bank, &clock, 0);
        bank.intake.stop();
        let before = asides(&bank.home.url());
        assert!(before.len() > 40);
        let mut conn = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        while migrate::down(&mut conn).unwrap() != "20261122000012" {}
        migrate::up(&mut conn).unwrap();
        drop(conn);
        assert_eq!(asides(&bank.home.url()), before);
        let Bank { home, config, clock: time, .. } = bank;
        let bank = Bank::at(home, config, time);
        fill(&bank, &clock, 200);
        compare(&bank, &Newest::default(), &clock);
        assert_eq!(bank.findings(), []);
    });
}
