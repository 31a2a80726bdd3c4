//! Retention: what goes when its time is over, what stays, who holds it, and which clock is believed.

use counterfoil::access::{Role, users};
use counterfoil::approvals::{self, Deciding, Decision};
use counterfoil::audit::{ReplayOptions, replay};
use counterfoil::clock::{DAY, MINUTE};
use counterfoil::config::Config;
use counterfoil::db::Db;
use counterfoil::privacy::retention::{self, Run};
use counterfoil::privacy::{self, Cause, PlaceHold, Ranges, ReleaseHold, Scope, Subject, erase};
use counterfoil::records::{ChangeResult, Restoration, newest};
use counterfoil::trail::{ActError, NewEvent, store};
use serde_json::{Value, json};

use super::house::{change, record_as, verified};
use crate::bank::{Bank, Home, Kind, entry, on_both};
use crate::privacy::{everything, ready_to_seal};
use crate::support::program::Program;
use crate::tamper::edits::behind_the_triggers;

fn settings(config: &mut Config) {
    config.retention.quiet_days = 10;
    config.records = toml::from_str(
        "[[type]]\nname = \"price\"\nclass = \"critical\"\n[[type]]\nname = \"flag\"\nclass = \"debug\"\n\
         [[type]]\nname = \"customer\"\nsensitive = [\"/tax\"]",
    )
    .unwrap();
}

fn send(bank: &Bank, row: Value) -> i64 {
    match record_as(bank, bank.source, &[row]).remove(0) {
        ChangeResult::Recorded(receipt) => receipt.seq,
        other => panic!("{other:?}"),
    }
}

fn of(kind: &str, reference: &str, after: Value) -> Value {
    let reason = format!("REASON-{reference}");
    change(
        reference,
        json!({ "type": kind, "id": format!("{kind}-1"), "after": after, "actor": "ACTOR-CANARY", "reason": reason }),
    )
}

/// Days go by in which something is recorded now and then.
fn live(bank: &Bank, days: i64) {
    for _ in 0..days {
        bank.clock.advance(DAY);
        bank.intake.log().append(NewEvent::public("program.heartbeat", json!({}))).unwrap();
    }
}

fn prune(bank: &Bank) -> Result<Run, ActError> {
    retention::prune(&bank.db, &bank.intake.log(), &bank.config.retention, &bank.clock).map(|(_, run)| run)
}

fn stored(bank: &Bank) -> String {
    everything(&mut bank.db.connect().unwrap())
}

fn codes(bank: &Bank) -> Vec<String> {
    verified(bank).findings.iter().map(|finding| finding.kind.to_owned()).collect()
}

#[test]
fn values_go_when_their_class_is_over_and_everything_else_holds() {
    on_both(|kind| {
        let bank = Bank::with(kind, settings);
        ready_to_seal(&bank);
        bank.record(entry("E1", "ACC-1", "2026-03-02T10:00:00Z", 0, 100));
        send(&bank, of("flag", "F1", json!({ "on": "FLAG-CANARY" })));
        send(&bank, of("customer", "C1", json!({ "name": "NAME-CANARY", "tax": "T-1", "limit": 100 })));
        send(&bank, of("price", "P1", json!({ "amount": "PRICE-CANARY" })));
        let lengthened = of("flag", "F2", json!({ "on": "LONGER-CANARY" }));
        let mut lengthened = lengthened.as_object().unwrap().clone();
        lengthened.insert("class".into(), json!("normal"));
        lengthened.insert("id".into(), json!("flag-2"));
        send(&bank, Value::Object(lengthened));

        live(&bank, 29);
        assert_eq!(prune(&bank).unwrap().dropped.total(), 0, "a day too early");
        live(&bank, 1);
        let planned = retention::dry_run(&bank.db, &bank.config.retention, bank.clock.now()).unwrap();
        assert!(stored(&bank).contains("FLAG-CANARY"), "a dry run drops nothing");
        let run = prune(&bank).unwrap();
        assert_eq!((run.dropped.debug, run.dropped.total(), run.more), (1, 1, false), "{run:?}");
        assert_eq!(planned.dropped, run.dropped);
        let all = stored(&bank);
        assert!(!all.contains("FLAG-CANARY") && !all.contains("REASON-F1"), "value, actor and reason are gone");
        for kept in ["NAME-CANARY", "PRICE-CANARY", "LONGER-CANARY", "REASON-C1"] {
            assert!(all.contains(kept), "{kept}");
        }
        assert_eq!(codes(&bank), Vec::<String>::new(), "{kind:?}");

        live(&bank, 335);
        let run = prune(&bank).unwrap();
        assert_eq!((run.dropped.normal, run.dropped.critical), (2, 0), "a sender may lengthen");
        let all = stored(&bank);
        assert!(!all.contains("NAME-CANARY") && !all.contains("LONGER-CANARY") && all.contains("PRICE-CANARY"));
        assert_eq!(codes(&bank), Vec::<String>::new(), "{kind:?}");
        bank.record(entry("E2", "ACC-1", "2027-03-02T10:00:00Z", 100, 150));

        // What is not known any more contradicts nothing, and what is sent again is known again.
        let row = change(
            "C2",
            json!({ "type": "customer", "id": "customer-1", "before": { "name": "NAME-CANARY", "limit": 100 },
            "after": { "name": "NAME-CANARY", "limit": 300 } }),
        );
        let ChangeResult::Recorded(receipt) = record_as(&bank, bank.source, &[row]).remove(0) else { panic!() };
        assert_eq!((receipt.version, receipt.mismatches.len()), (2, 0));
        assert_eq!(receipt.hits.len(), 1, "the sender's before is what there is to compare with: {:?}", receipt.hits);
        let record = bank.db.read(|conn| counterfoil::records::store::change(conn, receipt.seq)).unwrap().unwrap().record;
        let state = bank.db.read(|conn| newest(conn, record)).unwrap().unwrap();
        assert_eq!(state.values["/limit"].value.as_ref().unwrap().as_str(), "300");
        let back = bank.db.read(|conn| Ok::<_, counterfoil::db::DbError>(Restoration::of(conn, record, 1))).unwrap();
        assert!(matches!(back, Err(ActError::Refused { code: "values_expired", .. })), "{back:?}");
        assert_eq!(codes(&bank), Vec::<String>::new(), "{kind:?}");
        let into = Home::new(Kind::Sqlite);
        let options = ReplayOptions { config: &bank.config, batch: 13, progress: &|_, _| {} };
        let again = replay(&bank.db, &Db::open(&into.url(), 1).unwrap(), None, &options).unwrap();
        assert_eq!(again.differences, [], "{kind:?}");
        assert!(again.not_rederivable >= 3, "{}", again.not_rederivable);
    });
}

#[test]
fn a_clock_that_cannot_be_believed_destroys_nothing() {
    on_both(|kind| {
        let bank = Bank::with(kind, settings);
        send(&bank, of("flag", "F1", json!({ "on": "FLAG-CANARY" })));
        live(&bank, 20);
        let refused = |bank: &Bank, reason: &str| {
            let error = prune(bank).unwrap_err();
            assert!(matches!(error, ActError::Refused { code: "clock_distrusted", .. }), "{error:?}");
            assert!(stored(bank).contains("FLAG-CANARY"), "{reason}");
            let newest = bank.db.read(|conn| store::events_of(conn, &[retention::REFUSED], None, 1)).unwrap();
            assert!(newest[0].body.contains(reason), "{reason}: {}", newest[0].body);
        };
        bank.clock.advance(-6 * MINUTE);
        refused(&bank, "clock_behind");
        bank.clock.advance(6 * MINUTE);
        // The refusal itself was recorded no earlier than the leaf before it. A clock ten years ahead:
        bank.clock.advance(3_650 * DAY);
        refused(&bank, "clock_ahead");
        // By then that clock has recorded something: the silence before it tells.
        refused(&bank, "silence");
        live(&bank, 5);
        refused(&bank, "silence");
        live(&bank, 25);
        assert_eq!(prune(&bank).unwrap().dropped.debug, 1, "the log went on: the time is believed");
        assert_eq!(codes(&bank), Vec::<String>::new(), "{kind:?}");
    });
}

#[test]
fn a_run_is_bounded_says_so_and_the_next_goes_on() {
    on_both(|kind| {
        let bank = Bank::with(kind, |config| {
            settings(config);
            config.retention.per_run = 5;
        });
        for n in 0..12 {
            send(&bank, of("flag", &format!("F{n}"), json!({ "on": format!("FLAG-CANARY-{n}") })));
        }
        live(&bank, 31);
        let runs: Vec<Run> = (0..4).map(|_| prune(&bank).unwrap()).collect();
        let told: Vec<(i64, bool)> = runs.iter().map(|run| (run.dropped.debug, run.more)).collect();
        assert_eq!(told, [(5, true), (5, true), (2, false), (0, false)]);
        assert!(!stored(&bank).contains("FLAG-CANARY"));
        assert_eq!(codes(&bank), Vec::<String>::new(), "{kind:?}");
        let end = bank.db.read(store::state).unwrap().unwrap().size;
        let listed = bank.db.read(|conn| retention::runs(conn, (0, end))).unwrap();
        assert_eq!(listed.len(), 4);
    });
}

#[test]
fn two_runs_at_once_drop_everything_once() {
    on_both(|kind| {
        let bank = Bank::with(kind, settings);
        for n in 0..40 {
            send(&bank, of("flag", &format!("F{n}"), json!({ "on": n })));
        }
        live(&bank, 31);
        let runs = std::thread::scope(|scope| {
            let both = [scope.spawn(|| prune(&bank)), scope.spawn(|| prune(&bank))];
            both.map(|run| run.join().unwrap().unwrap())
        });
        assert_eq!(runs.iter().map(|run| run.dropped.debug).sum::<i64>(), 40, "{kind:?}: {runs:?}");
        assert_eq!(codes(&bank), Vec::<String>::new());
    });
}

#[test]
fn holds_keep_what_they_name_until_they_are_released() {
    on_both(|kind| {
        let bank = Bank::with(kind, settings);
        let log = bank.intake.log();
        let flag = |n: usize| {
            let row = of("flag", &format!("F{n}"), json!({ "on": format!("FLAG-CANARY-{n}") }));
            let mut row = row.as_object().unwrap().clone();
            row.insert("id".into(), json!(format!("flag-number-{n}")));
            Value::Object(row)
        };
        for n in 0..3 {
            send(&bank, flag(n));
            bank.clock.advance(DAY);
        }
        let from = bank.clock.now();
        send(&bank, flag(3));
        bank.clock.advance(DAY);
        let place = |scope, name: String| {
            let subject = Subject::new(scope, &name).unwrap();
            let hold = PlaceHold { subject, reason: "Asked for by the court of the city.".into(), whence: json!({}) };
            log.act(move |tx| hold.run(tx))
        };
        let named = place(Scope::Account, "Flag-NUMBER-1".into()).unwrap();
        place(Scope::Range, format!("{from}/{}", bank.clock.now())).unwrap();
        assert!(place(Scope::Range, "yesterday/today".into()).is_err());
        live(&bank, 40);
        let run = prune(&bank).unwrap();
        assert_eq!((run.dropped.debug, run.held), (2, 2), "{run:?}");
        let all = stored(&bank);
        assert!(all.contains("FLAG-CANARY-1") && all.contains("FLAG-CANARY-3") && !all.contains("FLAG-CANARY-2"));

        let officer = |name: &str| {
            users::add(&log, &bank.clock, &format!("{name}@bank.example"), Role::Officer, "correct horse battery").unwrap()
        };
        let (ada, bob) = (officer("ada"), officer("bob"));
        let release =
            ReleaseHold { hold: named, reason: "The court has lifted its order.".into(), by: Some(ada), whence: json!({}) };
        let id = log.act(move |tx| release.run(tx)).unwrap();
        let comment = "The letter of the court was seen.".to_owned();
        approvals::decide(&log, Deciding { id, decision: Decision::Approve, comment, user: bob, whence: json!({}) }).unwrap();
        log.act(move |tx| privacy::release(tx, id, &json!({ "hold": named }))).unwrap();
        let run = prune(&bank).unwrap();
        assert_eq!((run.dropped.debug, run.held), (1, 1), "what was held is looked at again");
        assert!(!stored(&bank).contains("FLAG-CANARY-1") && stored(&bank).contains("FLAG-CANARY-3"));
        assert_eq!(codes(&bank), Vec::<String>::new(), "{kind:?}");
    });
}

#[test]
fn what_is_gone_before_its_time_is_found() {
    on_both(|kind| {
        let bank = Bank::with(kind, settings);
        let seqs: Vec<i64> = (0..4).map(|n| send(&bank, of("price", &format!("P{n}"), json!({ "amount": n })))).collect();
        live(&bank, 3);
        let log = bank.intake.log();
        let early = seqs[0];
        log.act(move |tx| erase(tx, Cause::Retention { run: 1 }, &Ranges::of(vec![early])).map(drop)).unwrap();
        assert_eq!(codes(&bank), ["expiry_without_run"], "{kind:?}");
        // A run that says the right periods, and takes what is too young.
        let run = retention::dry_run(&bank.db, &bank.config.retention, bank.clock.now()).unwrap();
        let mut body = serde_json::to_value(run).unwrap();
        body["dropped"]["critical"] = json!(1);
        let early = seqs[1];
        let forged = body.clone();
        log.act(move |tx| {
            let run = tx.append(NewEvent::public(retention::PRUNED, forged))?;
            erase(tx, Cause::Retention { run }, &Ranges::of(vec![early])).map(drop)
        })
        .unwrap();
        assert_eq!(codes(&bank), ["expiry_without_run", "expired_early"], "{kind:?}");
        log.append(NewEvent::public(retention::PRUNED, body)).unwrap();
        assert!(codes(&bank).contains(&"expiry_differs".to_owned()), "{kind:?}: a run without what it says it took");
        let mut conn = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        behind_the_triggers(&mut conn, "event_parts", &format!("DELETE FROM event_parts WHERE seq = {}", seqs[2])).unwrap();
        let found = codes(&bank);
        assert!(found.contains(&"private_part_missing".to_owned()), "{kind:?}: {found:?}");
    });
}

#[test]
fn the_command_drops_beside_a_running_server_and_says_what() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let database = home.url();
        let mut serve = Program::new(dir.path()).args(["--database", &database]).spawn_serve();
        let dry = Program::new(dir.path()).args(["prune", "--dry-run", "--json", "--database", &database]).run().succeeded();
        let told: Value = serde_json::from_str(dry.stdout.trim()).unwrap();
        assert_eq!((&told["days"]["critical"], &told["cap"]), (&json!(2_555), &json!(10_000)));
        let done = Program::new(dir.path()).args(["prune", "--json", "--database", &database]).run().succeeded();
        let told: Value = serde_json::from_str(done.stdout.trim()).unwrap();
        assert_eq!(told["dropped"], json!({ "critical": 0, "normal": 0, "debug": 0 }));
        let hold = ["subject", "hold", "add", "--from", "2026-01-01", "--to", "2026-02-01", "--reason"];
        let hold = Program::new(dir.path()).args(hold).args(["Asked for by the court of the city.", "--database", &database]);
        hold.run().succeeded();
        assert_eq!(serve.terminate(), Some(0));
        Program::new(dir.path()).args(["verify", "--database", &database]).run().succeeded();
    });
}
