//! How long it takes to read from a large log, to open it again, and what an account and an entry cost.
//!
//! `cargo bench --bench reading -- [entries] [accounts]`: a log of so many entries (5,000,000 on a hundredth as many
//! accounts unless said otherwise; 1 % of the entries on one hot account, 2 % late, 1 % attempts) is written
//! through the sequencer and kept where `COUNTERFOIL_BENCH_KEEP` names a file, so that the next run finds
//! it. The newest business date holds half of the entries.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../throughput/rows.rs"]
#[allow(dead_code)]
mod rows;
mod write;

use std::path::Path;
use std::time::Instant;

use counterfoil::clock::{Clock, Moment};
use counterfoil::config::Config;
use counterfoil::db::{self, Db};
use counterfoil::ledger::history::{self, Balance, Newest};
use counterfoil::ledger::{lookup, store as ledger};
use counterfoil::reports;
use counterfoil::trail::store as trail;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let entries = numbers.first().copied().unwrap_or(5_000_000);
    let accounts = numbers.get(1).copied().unwrap_or(entries / 100).max(10);
    println!("load {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    let dir = tempfile::tempdir().unwrap();
    let file = std::env::var("COUNTERFOIL_BENCH_KEEP").unwrap_or_else(|_| dir.path().join("reading.db").display().to_string());
    let db = Db::open(&format!("sqlite:{file}"), 2).unwrap();
    db::migrate::up(&mut db.connect().unwrap()).unwrap();
    let mut config = Config::default();
    config.limits.accounts_cached = config.limits.accounts_cached.max(accounts);
    if db.read(trail::state).unwrap().is_none_or(|state| (state.size as usize) < entries) {
        write::log(&db, &config, entries, accounts as u64);
    }
    let size = db.read(trail::state).unwrap().unwrap().size;
    println!("{size} leaves, {entries} entries, {accounts} accounts\n");
    println!("| what | p50 or once | p99 |\n|---|---|---|");
    balances(&db);
    pages(&db);
    report(&db);
    starts(&db, &config);
    let disk = bytes(&file) + bytes(&format!("{file}-wal"));
    println!("| disk per entry, bytes | {:.1} | |", disk as f64 / entries as f64);
}

fn bytes(file: &str) -> u64 {
    Path::new(file).metadata().map_or(0, |m| m.len())
}

fn line(what: &str, mut micros: Vec<f64>) {
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize];
    println!("| {what} | {:.1} us | {:.1} us |", at(0.5), at(0.99));
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let value = work();
    (began.elapsed().as_secs_f64() * 1e6, value)
}

/// `balance?at=` in process, of random accounts and of the hot one, at random instants.
fn balances(db: &Db) {
    let mut conn = db.connect().unwrap();
    let mut random = rows::Random::new(7);
    let newest = Newest::default();
    let mut ids = Vec::new();
    ledger::each_account_number(&mut conn, |number| ids.push(number.to_owned())).unwrap();
    let hot = ledger::account_by_number(&mut conn, write::HOT).unwrap().unwrap().id;
    let (first, _) = timed(|| newest.of(&mut conn, hot).unwrap());
    println!("| newest entries found the first time | {:.1} ms | |", first / 1e3);
    let [from, to] = write::span();
    let instant = |random: &mut rows::Random| Moment(from.0 + random.below((to.0 - from.0) as u64) as i64);
    let (mut any, mut busy, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..5_000 {
        let number = &ids[random.below(ids.len() as u64) as usize];
        let account = ledger::account_by_number(&mut conn, number).unwrap().unwrap().id;
        let at = instant(&mut random);
        let always = Moment(i64::MAX);
        any.push(timed(|| assert_ne!(history::balance(&mut conn, &newest, account, at, always).unwrap(), Balance::TooLong)).0);
        if n % 10 == 0 {
            busy.push(timed(|| history::balance(&mut conn, &newest, hot, at, always).unwrap()).0);
            known.push(timed(|| history::balance(&mut conn, &newest, hot, at, at).unwrap()).0);
        }
    }
    let (_, (_, position)) = timed(|| history::newest(&mut conn, &newest, hot).unwrap().unwrap());
    line("balance?at=, a random account", any);
    line(&format!("balance?at=, the hot account ({position} entries)"), busy);
    line("balance?at=&known_at=, the hot account", known);
}

/// A page of an account, an address, an account number's beginning.
fn pages(db: &Db) {
    let mut conn = db.connect().unwrap();
    let newest = Newest::default();
    let hot = ledger::account_by_number(&mut conn, write::HOT).unwrap().unwrap().id;
    let mut times = |what: &str, ask: &mut dyn FnMut(&mut db::Conn)| {
        line(what, (0..50).map(|_| timed(|| ask(&mut conn)).0).collect());
    };
    newest.of(&mut db.connect().unwrap(), hot).unwrap();
    times("50 newest entries of the hot account", &mut |c| drop(lookup::page(c, &newest, hot, None, 50).unwrap()));
    times("accounts by how they begin", &mut |c| drop(lookup::store::accounts_beginning(c, "0000000000", 50).unwrap()));
    times("contexts of an address", &mut |c| drop(lookup::store::contexts_of_ip(c, "10.0.0.0", 200).unwrap()));
    times("open alerts, gravest first", &mut |c| {
        let open = counterfoil::alerts::AlertFilter { state: Some(counterfoil::alerts::State::Open), ..Default::default() };
        drop(counterfoil::alerts::queue::list(c, &open, counterfoil::alerts::Order::Gravest, None, 50).unwrap());
    });
}

/// The report of the newest date.
fn report(db: &Db) {
    let mut conn = db.connect().unwrap();
    let date = write::NEWEST_DATE;
    let number = counterfoil::clock::day_number(date);
    let (figures, activity) = timed(|| reports::day_figures(&mut conn, number).unwrap());
    let booked: i64 = activity.currencies.values().map(|day| day.booked.entries).sum();
    println!("| report of a day of {booked} entries: figures | {:.3} ms | |", figures / 1e3);
    let context = reports::Context::new(&Config::default(), Clock::system());
    let (preview, _) = timed(|| reports::preview(&mut conn, &context, date).unwrap());
    println!("| the same, everything of it computed anew | {:.1} ms | |", preview / 1e3);
}

/// Opening the log again until the first entry is acknowledged: after a clean stop, after a kill, and
/// with nothing stored.
fn starts(db: &Db, config: &Config) {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        status.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
    };
    let accounts = {
        let mut n = 0_usize;
        ledger::each_account_number(&mut db.connect().unwrap(), |_| n += 1).unwrap();
        n as f64
    };
    write::once(db, config, 1).stop();
    let (clean, intake) = timed(|| write::once(db, config, 2));
    println!("| start to first entry, after a clean stop | {:.1} ms | |", clean / 1e3);
    intake.stop();
    db.connect().unwrap().execute("DELETE FROM account_states; UPDATE log_state SET states_from = 0").unwrap();
    let before = resident();
    let (without, intake) = timed(|| write::once(db, config, 3));
    println!("| start to first entry, without stored states | {:.1} ms | |", without / 1e3);
    let grown = resident() - before;
    println!("| memory grown by holding every account (64 MiB of page cache among it), MB | {:.1} | |", grown / 1e6);
    println!("| the same per account, bytes | {:.0} | |", grown / accounts);
    intake.stop();
}
