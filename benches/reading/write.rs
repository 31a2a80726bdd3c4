//! The log that is read: entries on many accounts, some late, some attempted, one account hot.

use std::collections::HashMap;
use std::sync::mpsc::channel;

use chrono::NaiveDate;
use counterfoil::clock::{Clock, Moment};
use counterfoil::config::Config;
use counterfoil::db::{Db, bulk};
use counterfoil::intake::{self, Delivery, DeliveryKind, Intake, Row, Submission};
use counterfoil::ledger::store::{self as ledger, SourceRow};
use counterfoil::ledger::{Context, Direction, Kind, NewEntry, Parts, Status};
use counterfoil::money::Currency;
use counterfoil::trail::{Changed, NewEvent};

use super::rows::Random;

/// One entry in a hundred is on this account.
pub const HOT: &str = "000000000000000";
/// The business date of the second half.
pub const NEWEST_DATE: NaiveDate = NaiveDate::from_ymd_opt(2026, 3, 3).unwrap();
/// Entries in one submission.
const BATCH: usize = 5_000;
const DAY: i64 = 86_400_000_000;

/// From when to when entries are booked: two days.
pub fn span() -> [Moment; 2] {
    let start = Moment::parse("2026-03-02T00:00:00Z").unwrap();
    [start, start.plus(2 * DAY)]
}

/// Writes the log, in submissions, at most eight waiting.
pub fn log(db: &Db, config: &Config, entries: usize, accounts: u64) {
    let intake = intake::start(db, config, Clock::system()).unwrap();
    let source = source(&intake);
    let (send, receive) = channel();
    let mut random = Random::new(23);
    let mut balances: HashMap<u64, i64> = HashMap::new();
    let (mut done, mut waiting) = (0, 0);
    while done < entries || waiting > 0 {
        if done < entries && waiting < 8 {
            let until = entries.min(done + BATCH);
            let some = (done..until).map(|n| entry(n, entries, accounts, &mut random, &mut balances));
            let rows = some.map(|entry| Row { line: 1, entry: Ok(entry), with_next: false }).collect();
            done = until;
            let send = send.clone();
            let reply: intake::Reply = Box::new(move |results| send.send(results.unwrap().len()).unwrap());
            let delivery = Delivery { kind: DeliveryKind::Import, api_key: None, origin: None };
            intake.submit_wait(Submission { source, delivery, rows, atomic: false, history: true, reply }).unwrap();
            waiting += 1;
        } else {
            receive.recv().unwrap();
            waiting -= 1;
        }
    }
    intake.stop();
}

fn entry(n: usize, of: usize, accounts: u64, random: &mut Random, balances: &mut HashMap<u64, i64>) -> NewEntry {
    let account = if random.below(100) == 0 { 0 } else { random.below(accounts) };
    let amount = if random.below(1_000) == 0 { 1_500_000 } else { 1 + random.below(900_000) as i64 };
    let status = if random.below(100) == 0 { Status::Attempted } else { Status::Booked };
    let before = *balances.entry(account).or_insert(0);
    if status == Status::Booked {
        balances.insert(account, before + amount);
    }
    let step = 2 * DAY / of as i64;
    let late = if random.below(50) == 0 { random.below(3_600_000_000) as i64 } else { 0 };
    let [start, _] = span();
    NewEntry {
        source_ref: format!("R{n:015x}{:08x}", random.below(u64::from(u32::MAX))),
        account: format!("{account:015}"),
        currency: Currency::parse("USD").unwrap(),
        kind: Kind::Deposit,
        direction: Direction::Credit,
        amount,
        balance_before: Some(before),
        balance_after: Some(before + amount),
        booked_at: start.plus((n as i64 * step - late).max(0)),
        value_date: None,
        business_date: None,
        transaction_ref: None,
        account_seq: None,
        context: Context {
            session_id: Some(format!("s{}", account % 50_000)),
            ip: Some(format!("10.0.{}.{}", account % 200, account % 250)),
            ..Context::default()
        },
        channel: None,
        instrument: None,
        reverses: None,
        status,
        parts: Parts::default(),
    }
}

fn source(intake: &Intake) -> i64 {
    let act = intake.log().act(move |tx| {
        let id = tx.append(NewEvent::public("source.defined", serde_json::json!({ "name": "bench" })))?;
        let row = SourceRow { id, name: "bench".into(), created_at: tx.now().0 };
        bulk::append(tx.conn, &[row])?;
        tx.changed(Changed::Sources);
        Ok(id)
    });
    act.unwrap()
}

/// Opens the log and records one entry; answers when it is acknowledged.
pub fn once(db: &Db, config: &Config, n: usize) -> Intake {
    let clock = Clock::system();
    let reference = format!("ONCE-{n}-{}", clock.now().0);
    let intake = intake::start(db, config, clock).unwrap();
    let source = db.read(ledger::sources).unwrap()[0].id;
    let mut entry = entry(n, 100, 10, &mut Random::new(n as u64), &mut HashMap::new());
    entry.source_ref = reference;
    entry.account = HOT.to_owned();
    let (send, receive) = channel();
    let reply: intake::Reply = Box::new(move |results| send.send(results.unwrap()).unwrap());
    let delivery = Delivery { kind: DeliveryKind::Api, api_key: None, origin: None };
    let rows = vec![Row { line: 1, entry: Ok(entry), with_next: false }];
    intake.submit_wait(Submission { source, delivery, rows, atomic: false, history: true, reply }).unwrap();
    receive.recv().unwrap();
    intake
}
