//! Other sessions on PostgreSQL hold up the one that writes: it waits no longer than it was told to,
//! and nothing is lost or there twice.

use std::time::{Duration, Instant};

use counterfoil::clock::{Clock, Moment};
use counterfoil::config::Config;
use counterfoil::db::{Conn, Db};
use counterfoil::intake::RowResult;
use serde_json::Value;

use crate::bank::{Bank, Home, Kind, entry};

/// A bank whose sessions have this setting of PostgreSQL's.
fn bank_with(setting: &str) -> Bank {
    let home = Home::new(Kind::Postgres);
    let Home::Postgres(database, _) = &home else { panic!("PostgreSQL only") };
    let role = "counterfoil_writer";
    let sql = format!("ALTER ROLE {role} IN DATABASE {} SET {setting}", database.name());
    database.sql(&sql).unwrap();
    Bank::at(home, Config::default(), Clock::fixed(Moment::parse("2026-03-02T12:00:00Z").unwrap(), 7))
}

/// A session of the owner's.
fn other(bank: &Bank) -> Conn {
    Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap()
}

fn some(n: i64) -> Value {
    entry(&format!("R{n}"), "ACC-1", "2026-03-02T09:00:00Z", n, n + 1)
}

/// Sends the entry until it is taken; answers how often that was.
fn sent_until_taken(bank: &Bank, entry: &Value) -> usize {
    (1..10)
        .find(|_| match bank.submit_rows(bank.source, Bank::rows(vec![entry.clone()]), false) {
            Ok(results) => matches!(results[0], RowResult::Recorded(_) | RowResult::Duplicate(_)),
            Err(_) => false,
        })
        .expect("an entry that nothing holds up is taken")
}

#[test]
fn a_lock_that_is_not_let_go_is_waited_for_as_long_as_was_said_and_costs_nothing_but_a_second_attempt() {
    let bank = bank_with("lock_timeout = '700ms'");
    bank.record(some(0));
    let mut other = other(&bank);
    other.execute("BEGIN; LOCK TABLE log_state IN ACCESS EXCLUSIVE MODE").unwrap();
    let began = Instant::now();
    let (submission, answer) = bank.submission(bank.source, Bank::rows(vec![some(1)]), false);
    bank.intake.submit_wait(submission).unwrap();
    std::thread::sleep(Duration::from_millis(1_000));
    other.execute("ROLLBACK").unwrap();
    let failed = answer.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(failed.is_err(), "what was held up beyond the time-out is told to its sender: {failed:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(sent_until_taken(&bank, &some(1)), 1);
    assert_eq!(bank.findings(), vec![]);
}

#[test]
fn a_transaction_that_cannot_be_serialized_is_made_again_without_its_sender_noticing() {
    let bank = bank_with("default_transaction_isolation = 'repeatable read'");
    bank.record(some(0));
    let mut other = other(&bank);
    for n in 1..6 {
        other.execute("BEGIN; UPDATE log_state SET epoch = epoch").unwrap();
        let (submission, answer) = bank.submission(bank.source, Bank::rows(vec![some(n)]), false);
        bank.intake.submit_wait(submission).unwrap();
        // By then it waits for the row, with an older view of it.
        std::thread::sleep(Duration::from_millis(300));
        other.execute("COMMIT").unwrap();
        let results = answer.recv_timeout(Duration::from_secs(30)).unwrap().unwrap();
        assert!(matches!(results[0], RowResult::Recorded(_)), "{results:?}");
    }
    assert_eq!(bank.findings(), vec![]);
}
