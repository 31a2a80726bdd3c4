//! Two processes on one database: one leads, one stands by and takes over; who was deposed commits nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use counterfoil::access::{Role, Scopes, keys, users};
use counterfoil::app::{App, Leader, Request};
use counterfoil::clock::Clock;
use counterfoil::db::{Conn, Db, DbError, DbResult};
use counterfoil::intake::{self, Intake, RowResult};
use counterfoil::trail::store as trail;
use counterfoil::web::problem::Problem;
use diesel::RunQueryDsl;
use serde_json::{Value, json};

use crate::bank::{Bank, Ending, Home, Kind, entry, on_both};
use crate::support::cluster::Database;
use crate::support::program::{Program, Server};
use crate::support::rounds;

const PASSWORD: &str = "tinder ocelot brick";

fn http() -> reqwest::blocking::Client {
    let builder = reqwest::blocking::Client::builder().timeout(Duration::from_secs(30));
    builder.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

fn json_of(url: &str) -> (u16, Value) {
    let answer = http().get(url).send().unwrap();
    (answer.status().as_u16(), answer.json().unwrap_or_default())
}

/// Waits until the instance leads; answers how long that took.
fn leads_within(server: &Server, limit: Duration) -> Duration {
    let began = Instant::now();
    while json_of(&format!("{}/healthz", server.url())).1["role"] != "leader" {
        assert!(began.elapsed() < limit, "it does not lead after {limit:?}\n{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    began.elapsed()
}

/// A key and an officer, made before anybody serves.
fn people(database: &str, keys_dir: &str) -> String {
    let mut config = counterfoil::config::Config::default();
    config.keys.dir = keys_dir.to_owned();
    let app = App::start(config, Db::open(database, 2).unwrap(), Clock::system()).unwrap();
    users::add(&app.log(), &app.clock, "ada@bank.example", Role::Officer, PASSWORD).unwrap();
    let (_, key) = keys::issue(&app.log(), &app.clock, "core", Scopes::ALL).unwrap();
    app.stop();
    key
}

fn sign_in(server: &Server) -> String {
    let page = http().get(format!("{}/sign-in", server.url())).send().unwrap();
    drop(page);
    let form = [("email", "ada@bank.example"), ("password", PASSWORD), ("next", "/")];
    let answer = http().post(format!("{}/sign-in", server.url())).header("Origin", server.url()).form(&form).send().unwrap();
    assert_eq!(answer.status(), 303, "{}", answer.text().unwrap());
    let cookie = answer.headers().get_all("set-cookie").iter().map(|c| c.to_str().unwrap()).find(|c| c.contains("cf_session"));
    cookie.unwrap().split(';').next().unwrap().to_owned()
}

fn events(database: &str, kind: &str) -> usize {
    let db = Db::open(database, 1).unwrap();
    db.read(|c| trail::events_between(c, 0, i64::MAX, 100_000)).unwrap().iter().filter(|row| row.kind == kind).count()
}

#[test]
fn a_second_instance_reads_names_the_leader_and_takes_over_when_it_is_killed() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let database = home.url();
        let key = people(&database, &dir.path().join("keys").display().to_string());
        let program =
            Program::new(dir.path()).args(["--database", &database]).env("COUNTERFOIL_KEYS__DIR", dir.path().join("keys"));
        let mut first = program.spawn_serve();
        let second = program.spawn_serve();
        assert_eq!(json_of(&format!("{}/healthz", first.url())).1["role"], "leader");
        let (status, health) = json_of(&format!("{}/healthz", second.url()));
        assert_eq!((status, &health["role"], &health["leader"]), (200, &json!("stand_by"), &json!(first.url())), "{kind:?}");
        let (status, ready) = json_of(&format!("{}/readyz", second.url()));
        assert_eq!((status, &ready["status"]), (200, &json!("stand_by")), "{ready}");
        assert_eq!(json_of(&format!("{}/readyz?leader=true", second.url())).0, 503);
        assert_eq!(json_of(&format!("{}/readyz?leader=true", first.url())).0, 200);

        let send = |server: &Server, reference: &str| {
            let body = entry(reference, "1", "2026-03-02T10:00:00Z", 0, 5);
            http().post(format!("{}/api/v1/entries", server.url())).bearer_auth(&key).json(&body).send().unwrap()
        };
        let receipt: Value = send(&first, "A").json().unwrap();
        let refused = send(&second, "B");
        assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (503, true));
        let problem: Value = refused.json().unwrap();
        assert_eq!((&problem["code"], &problem["leader"]), (&json!("stand_by"), &json!(first.url())), "{problem}");

        // What is read at the stand-by is read, and recorded by the leader.
        let by_key = |path: &str| http().get(format!("{}{path}", second.url())).bearer_auth(&key).send().unwrap();
        let read: Value = by_key(&format!("/api/v1/entries/{}", receipt["seq"])).json().unwrap();
        assert_eq!(read["source_ref"], "A", "{read}");
        let cookie = sign_in(&first);
        let (viewed, denied) = (events(&database, "customer.viewed"), events(&database, "access.denied"));
        let page = http().get(format!("{}/entries/{}", second.url(), receipt["seq"])).header("Cookie", &cookie).send().unwrap();
        let (status, text) = (page.status().as_u16(), page.text().unwrap());
        assert!(status == 200 && text.contains("Stand-by") && text.contains(&first.url()), "{status} {text}");
        assert_eq!(http().get(format!("{}/api/v1/alerts", second.url())).send().unwrap().status(), 401);
        assert_eq!(events(&database, "customer.viewed"), viewed + 1, "{kind:?}");
        assert_eq!(events(&database, "access.denied"), denied + 1, "{kind:?}");
        let form = [("email", "ada@bank.example"), ("password", PASSWORD), ("next", "/")];
        let in_vain = http().post(format!("{}/sign-in", second.url())).header("Origin", second.url()).form(&form).send().unwrap();
        assert!(in_vain.status() == 503 && in_vain.text().unwrap().contains(&first.url()), "a change belongs to the leader");
        program.clone().args(["key", "issue", "--source", "other"]).run().succeeded();
        let without_key = program.clone().arg("serve").env("COUNTERFOIL_KEYS__DIR", dir.path().join("none")).run().failed_with(2);
        assert!(without_key.stderr.contains("copy its .key file"), "{}", without_key.stderr);

        first.kill9();
        let took = leads_within(&second, Duration::from_secs(15));
        eprintln!("{kind:?}: taken over after {took:?}");
        assert_eq!(send(&second, "B").status(), 201);
        let again: Value = send(&second, "A").json().unwrap();
        assert_eq!((&again["status"], &again["leaf"]), (&json!("duplicate"), &receipt["leaf"]));
        let back = program.spawn_serve();
        assert_eq!(json_of(&format!("{}/healthz", back.url())).1["leader"], json!(second.url()));
        program.clone().args(["verify"]).run().succeeded();
    });
}

fn database(home: &Home) -> &Database<'static> {
    match home {
        Home::Postgres(database, _) => database,
        Home::Sqlite(_) => panic!("PostgreSQL only"),
    }
}

/// Ends the connection that holds the lease, as a broken network would.
const END_LEASE: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Ends every connection of those who write.
const END_WRITERS: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = 'counterfoil_writer'";

#[test]
fn a_writer_whose_lease_was_ended_keeps_it_if_nobody_took_it() {
    let bank = Bank::open(Kind::Postgres);
    database(&bank.home).sql(END_LEASE).unwrap();
    assert!(bank.intake.leads());
    assert!(bank.db.lease().unwrap().is_none(), "it is held again");
    bank.record(entry("A", "1", "2026-03-02T10:00:00Z", 0, 5));
}

#[test]
fn a_lost_connection_costs_the_sender_nothing() {
    let bank = Bank::open(Kind::Postgres);
    let first = entry("A", "1", "2026-03-02T10:00:00Z", 0, 5);
    let mut second = entry("B", "1", "2026-03-02T10:01:00Z", 5, 6);
    second["reason"] = json!("rent");
    let RowResult::Recorded(receipt) = bank.submit(vec![first.clone()]).remove(0) else { panic!("it is new") };
    // Of both stages: the first must read to know a repetition, the second commits.
    database(&bank.home).sql(END_WRITERS).unwrap();
    let results = bank.submit(vec![second.clone(), first]);
    assert!(matches!(&results[0], RowResult::Recorded(new) if new.seq > receipt.seq), "{results:?}");
    assert_eq!(results[1], RowResult::Duplicate(receipt));
    // What was evaluated twice has lost nothing on the way.
    assert!(matches!(bank.submit(vec![second]).remove(0), RowResult::Duplicate(_)));
}

#[test]
fn a_connection_lost_under_a_read_is_no_failure_inside() {
    let bank = Bank::open(Kind::Postgres);
    let lose = |conn: &mut Conn| {
        let Conn::Postgres(c) = conn else { panic!("PostgreSQL only") };
        let pid: i32 = diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("pg_backend_pid()")).get_result(c).unwrap();
        database(&bank.home).sql(&format!("SELECT pg_terminate_backend({pid}, 5000)")).unwrap();
    };
    let asked = |conn: &mut Conn| trail::state(conn).map(drop);
    let lost: [DbResult<()>; 4] = [
        bank.db.read(|conn| {
            lose(conn);
            asked(conn)
        }),
        bank.db.read(|conn| {
            lose(conn);
            conn.execute("SELECT 1")
        }),
        // Asked again of what is lost already.
        bank.db.read(|conn| {
            lose(conn);
            let _ = asked(conn);
            asked(conn)
        }),
        bank.db.read(|conn| {
            conn.snapshot(|conn| {
                lose(conn);
                asked(conn)
            })
        }),
    ];
    for (n, lost) in lost.into_iter().enumerate() {
        let error = lost.expect_err("the connection is gone");
        assert!(matches!(error, DbError::Connect(_)), "{n}: {error:?}");
        let problem = Problem::from(error);
        assert_eq!((problem.status, problem.code), (503, "database_unavailable"), "whoever asked may ask again");
    }
    bank.db.read(asked).expect("the next has another connection");
}

#[test]
fn a_writer_that_was_deposed_commits_nothing_and_forks_nothing() {
    let bank = Bank::open(Kind::Postgres);
    bank.record(entry("A", "1", "2026-03-02T10:00:00Z", 0, 5));
    database(&bank.home).sql(END_LEASE).unwrap();
    let second: Intake = intake::start(&bank.db, &bank.config, bank.clock.clone()).unwrap();
    let size = second.size();
    // It does not know yet, and tries.
    let tried = bank.submit_rows(bank.source, vec![Bank::row(1, entry("B", "1", "2026-03-02T10:01:00Z", 5, 6))], false);
    assert!(tried.is_err(), "{tried:?}");
    let side = bank.intake.log().side(|conn| trail::set_states_from(conn, 0));
    assert!(side.is_err(), "nor does it touch what follows from the log");
    assert!(bank.intake.log().append(counterfoil::trail::NewEvent::public("program.heartbeat", json!({}))).is_err());
    assert!(!bank.intake.leads());
    assert_eq!(bank.db.read(trail::state).unwrap().unwrap().size, size);
    let other = Bank { intake: second, db: bank.db.clone(), config: bank.config.clone(), clock: bank.clock.clone(), ..bank };
    let results = other.submit(vec![entry("B", "1", "2026-03-02T10:01:00Z", 5, 6)]);
    assert!(matches!(results[0], RowResult::Recorded(_)), "{results:?}");
    let options = counterfoil::audit::Options {
        config: &other.config,
        now: other.clock.now(),
        progress: &|_, _| {},
        given: counterfoil::audit::Given::NONE,
    };
    assert_eq!(counterfoil::audit::verify(&other.db, options).unwrap().findings, []);
}

/// Where nobody woke it, the leader would look only every two seconds.
#[test]
fn a_command_beside_a_leader_on_postgres_is_answered_at_once() {
    let (home, dir) = (Home::new(Kind::Postgres), tempfile::tempdir().unwrap());
    let database = home.url();
    let _serve = Program::new(dir.path()).args(["--database", &database]).spawn_serve();
    let mut config = counterfoil::config::Config::default();
    config.database.url = database;
    let leader = Leader::find(config, Clock::system(), json!({})).unwrap();
    assert!(matches!(leader, Leader::Elsewhere(..)));
    let ask = |n: u64| {
        std::thread::sleep(Duration::from_millis(170 * n));
        let began = Instant::now();
        leader.perform(Request::NoteExport { body: json!({ "what": "entries", "rows": n }), private: json!({}) }).unwrap();
        began.elapsed()
    };
    let mut took: Vec<Duration> = (0..9).map(ask).collect();
    took.sort();
    assert!(took[4] < Duration::from_millis(700), "{took:?}");
}

/// As after a fail-over to a replica that lacked what was committed last.
#[test]
fn a_database_that_has_lost_what_was_acknowledged_is_not_written_on() {
    let bank = Bank::open(Kind::Postgres);
    bank.record(entry("A", "1", "2026-03-02T10:00:00Z", 0, 5));
    let kept = bank.db.read(trail::state).unwrap().unwrap();
    bank.record(entry("B", "1", "2026-03-02T10:01:00Z", 5, 6));
    let lost = format!(
        "BEGIN; ALTER TABLE entries DISABLE TRIGGER ALL; DELETE FROM entries WHERE seq >= {0}; ALTER TABLE entries ENABLE TRIGGER ALL;
         ALTER TABLE events DISABLE TRIGGER ALL; DELETE FROM events WHERE seq >= {0};
         UPDATE log_state SET size = {0}, root = '\\x{1}', recorded_at = {2}; COMMIT;",
        kept.size,
        hex::encode(&kept.root),
        kept.recorded_at
    );
    database(&bank.home).sql(&lost).unwrap();
    let row = |n: i64| vec![Bank::row(1, entry(&format!("C{n}"), "1", "2026-03-02T10:02:00Z", 6 + n, 7 + n))];
    assert!(bank.submit_rows(bank.source, row(0), false).is_err(), "its place is not the end of the log any more");
    assert!(bank.submit_rows(bank.source, row(1), false).is_err(), "and nothing else is taken");
    assert_eq!(bank.db.read(trail::state).unwrap().unwrap().size, kept.size, "nothing was written on what is left");
}

const SENDERS: usize = 6;

/// What several senders know: where they think the leader is, what they sent, what was acknowledged.
#[derive(Default)]
struct Load {
    targets: RwLock<Vec<String>>,
    next: AtomicU64,
    stop: AtomicBool,
    sent: Mutex<HashMap<String, Value>>,
    kept: Mutex<HashMap<String, Value>>,
}

impl Load {
    /// Sends one entry after the other, each until it is acknowledged, at whichever instance takes it; the first sender
    /// a hundred at once.
    fn send(&self, key: &str, sender: usize) {
        let http = reqwest::blocking::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        while !self.stop.load(Ordering::Relaxed) {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            let reference = format!("S{sender}-{n}");
            let one = |reference: &str, account: String| entry(reference, &account, "2026-03-02T10:00:00Z", 0, n as i64);
            let body = match sender {
                0 => (0..100).map(|row| one(&format!("{reference}.{row}"), format!("0.{row}"))).collect(),
                _ => one(&reference, sender.to_string()),
            };
            self.sent.lock().unwrap().insert(reference.clone(), body.clone());
            for attempt in 0_usize.. {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                let targets = self.targets.read().unwrap().clone();
                let target = &targets[attempt % targets.len()];
                let answer = http.post(format!("{target}/api/v1/entries")).bearer_auth(key).json(&body).send();
                match answer.map(|a| (a.status().as_u16(), a.json::<Value>())) {
                    Ok((200 | 201, Ok(receipt))) => {
                        self.kept.lock().unwrap().insert(reference, receipt);
                        break;
                    }
                    Ok((503, _)) | Err(_) => std::thread::sleep(Duration::from_millis(20)),
                    Ok((status, answer)) => panic!("{status}: {answer:?}"),
                }
            }
        }
    }

    /// Every acknowledged entry is there under its receipt, and none twice.
    fn check(&self, url: &str, key: &str) {
        let http = http();
        let kept = self.kept.lock().unwrap();
        for (reference, receipt) in kept.iter() {
            let body = &self.sent.lock().unwrap()[reference];
            let answer = http.post(format!("{url}/api/v1/entries")).bearer_auth(key).json(body).send().unwrap();
            assert_eq!(answer.status(), 200, "{reference} was acknowledged and is lost");
            let again: Value = answer.json().unwrap();
            let (receipts, again) = (receipts(receipt), receipts(&again));
            assert_eq!(receipts.len(), again.len(), "{reference}");
            for (receipt, again) in receipts.iter().zip(again) {
                assert!(receipt["seq"].is_i64(), "{reference}: {receipt}");
                for field in ["seq", "leaf", "position", "breaks", "hits"] {
                    assert_eq!(again[field], receipt[field], "{reference}: {field}");
                }
            }
        }
    }
}

/// Of one entry or of several.
fn receipts(answer: &Value) -> Vec<&Value> {
    answer["results"].as_array().map_or_else(|| vec![answer], |results| results.iter().collect())
}

/// Holds the committer between its COPY and its COMMIT: figures are written after the entries.
fn between_copy_and_commit(home: &Home, then: impl FnOnce(&str)) {
    let mut holder = Db::open(&home.owner_url(), 1).unwrap().connect().unwrap();
    holder.execute("BEGIN; LOCK TABLE day_figures IN SHARE MODE").unwrap();
    let waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND query ILIKE '%day_figures%' AND pid <> pg_backend_pid()";
    let began = Instant::now();
    let pid = loop {
        let pid = database(home).sql(waiting).unwrap();
        if let Some(pid) = pid.lines().next() {
            break pid.to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(8), "no commit came to its figures");
        std::thread::sleep(Duration::from_millis(5));
    };
    then(&pid);
    holder.execute("ROLLBACK").unwrap();
}

#[test]
fn two_instances_under_kill_and_terminated_backends_lose_double_and_fork_nothing() {
    let (home, dir) = (Home::new(Kind::Postgres), tempfile::tempdir().unwrap());
    let database_url = home.url();
    let keys_dir = dir.path().join("keys");
    let key = people(&database_url, &keys_dir.display().to_string());
    let program = Program::new(dir.path()).args(["--database", &database_url]).env("COUNTERFOIL_KEYS__DIR", &keys_dir);
    let load = Load::default();
    let mut leader = program.spawn_serve();
    let mut other = program.spawn_serve();
    *load.targets.write().unwrap() = vec![leader.url(), other.url()];
    let count = if rounds(5) > 5 { rounds(5) / 4 } else { 5 };
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (load, key) = (&load, &key);
            scope.spawn(move || load.send(key, sender));
        }
        let _ending = Ending(&load.stop);
        for round in 0..count {
            let before = load.kept.lock().unwrap().len();
            match round % 5 {
                0 => between_copy_and_commit(&home, |_| leader.kill9()),
                1 => between_copy_and_commit(&home, |pid| {
                    database(&home).sql(&format!("SELECT pg_terminate_backend({pid}, 5000)")).unwrap();
                }),
                2 => {
                    database(&home).sql(END_LEASE).unwrap();
                }
                3 => {
                    database(&home).sql(END_WRITERS).unwrap();
                }
                _ => leader.kill9(),
            }
            // Whoever leads now takes more.
            let began = Instant::now();
            while load.kept.lock().unwrap().len() < before + 20 {
                assert!(
                    began.elapsed() < Duration::from_secs(40),
                    "round {round}: nobody takes entries\n{}\n{}",
                    leader.log(),
                    other.log()
                );
                std::thread::sleep(Duration::from_millis(10));
            }
            if matches!(round % 5, 0 | 4) {
                std::mem::swap(&mut leader, &mut other);
                other = program.spawn_serve();
                *load.targets.write().unwrap() = vec![leader.url(), other.url()];
            } else if json_of(&format!("{}/healthz", other.url())).1["role"] == "leader" {
                std::mem::swap(&mut leader, &mut other);
            }
        }
    });
    leads_within(&leader, Duration::from_secs(15));
    load.check(&leader.url(), &key);
    let references = database(&home).sql("SELECT count(*), count(DISTINCT source_ref) FROM entries").unwrap();
    let (all, distinct) = references.split_once('|').unwrap();
    assert_eq!(all, distinct, "an entry is there twice");
    eprintln!("{count} rounds, {} acknowledged, {all} entries", load.kept.lock().unwrap().len());
    let verified = program.clone().args(["verify", "--json"]).run();
    assert!(verified.code == Some(0), "{}", verified.stdout);
}
