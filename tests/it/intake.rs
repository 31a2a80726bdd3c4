//! How entries enter the log: receipts, repetition, conflicts, breaks, hits.

use std::sync::mpsc::channel;
use std::time::Duration;

use counterfoil::audit::Options;
use counterfoil::db::Db;
use counterfoil::intake::RowResult;
use counterfoil::trail::NewEvent;
use serde_json::json;

use crate::bank::{Bank, entry, on_both};

fn seed() -> serde_json::Value {
    json!({
        "source_ref": "T1", "account": "12345", "currency": "USD", "kind": "deposit", "amount": "500.00",
        "balance_before": "1000.00", "balance_after": "1500.00", "booked_at": "2026-03-02T10:00:00Z",
        "actor": "john_doe", "ip": "192.168.1.100", "session_id": "s-1", "reason": "salary",
    })
}

#[test]
fn the_seed_s_example_is_recorded_and_the_next_entry_that_does_not_follow_is_a_chain_break() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let first = bank.record(seed());
        assert_eq!((first.position, first.hits.len(), first.breaks.len()), (1, 0, 0));
        let next = bank.record(entry("T2", "12345", "2026-03-02T10:05:00Z", 990, 1000));
        assert_eq!(next.position, 2);
        let found = &next.breaks[0];
        assert_eq!((found.kind.as_str(), found.expected.as_deref()), ("chain", Some("1500.00")));
        assert_eq!((found.found.as_deref(), found.difference.as_deref()), (Some("990.00"), Some("-510.00")));
    });
}

#[test]
fn the_same_reference_gives_the_first_receipt_again_and_other_content_is_a_conflict() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let first = bank.record(seed());
        assert_eq!(bank.submit(vec![seed()]), vec![RowResult::Duplicate(first.clone())]);
        let mut other = seed();
        other["reason"] = json!("something else");
        let RowResult::Rejected(refusal) = bank.submit(vec![other]).remove(0) else { panic!("a conflict is refused") };
        assert_eq!((refusal.status, refusal.code), (409, "source_ref_conflict"));
        assert!(refusal.detail.contains(&first.seq.to_string()));
        let bank = bank.restart();
        assert_eq!(bank.submit(vec![seed()]), vec![RowResult::Duplicate(first)]);
    });
}

#[test]
fn an_account_keeps_its_currency() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        bank.record(seed());
        let mut other = entry("T2", "12345", "2026-03-02T10:05:00Z", 1, 2);
        other["currency"] = json!("EUR");
        let RowResult::Rejected(refusal) = bank.submit(vec![other]).remove(0) else { panic!("refused") };
        assert_eq!(refusal.code, "currency_mismatch");
    });
}

#[test]
fn six_within_the_hour_and_a_high_amount_are_hits_that_open_one_alert_each() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        for i in 0..5 {
            let receipt = bank.record(entry(&format!("F{i}"), "7", &format!("2026-03-02T10:0{i}:00Z"), i, i + 1));
            assert!(receipt.hits.is_empty(), "{receipt:?}");
        }
        let sixth = bank.record(entry("F5", "7", "2026-03-02T10:05:00Z", 5, 20_005));
        let rules: Vec<&str> = sixth.hits.iter().map(|h| h.rule.as_str()).collect();
        assert_eq!(rules, ["high-value", "high-frequency"]);
        assert_eq!(sixth.hits[0].alert.as_deref(), Some("ALR-2026-000001"));
        let seventh = bank.record(entry("F6", "7", "2026-03-02T10:06:00Z", 20_005, 20_006));
        assert_eq!(seventh.hits[0].alert, sixth.hits[1].alert, "a hit joins the open alert");
    });
}

#[test]
fn an_atomic_submission_is_recorded_whole_or_not_at_all() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let size = bank.intake.size();
        let good = entry("A1", "1", "2026-03-02T10:00:00Z", 0, 1);
        let bad = json!({ "source_ref": "A2" });
        let rows = vec![Bank::row(1, good.clone()), Bank::row(2, bad)];
        let results = bank.submit_rows(bank.source, rows, true).unwrap();
        assert!(results.iter().all(|r| matches!(r, RowResult::Rejected(_))), "{results:?}");
        let receipt = bank.record(good);
        assert!(receipt.seq > size, "the refusal was an event");
        assert_eq!(receipt.position, 1);
    });
}

#[test]
fn a_late_entry_heals_the_break_it_caused() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        bank.record(entry("L1", "9", "2026-03-02T10:00:00Z", 0, 100));
        let third = bank.record(entry("L3", "9", "2026-03-02T10:02:00Z", 150, 170));
        assert_eq!(third.breaks.len(), 1);
        bank.record(entry("L2", "9", "2026-03-02T10:01:00Z", 100, 150));
        let rows = bank.db.read(|conn| counterfoil::ledger::store::breaks_at(conn, third.seq)).unwrap();
        assert_eq!(rows[0].state, counterfoil::ledger::BreakState::Healed.code());
        let bank = bank.restart();
        assert!(bank.record(entry("L4", "9", "2026-03-02T10:03:00Z", 170, 180)).breaks.is_empty());
    });
}

#[test]
fn a_live_token_of_a_source_that_sends_such_is_stored_as_a_keyed_digest_only() {
    on_both(|kind| {
        let keys = tempfile::tempdir().unwrap();
        let dir = keys.path().display().to_string();
        let bank = Bank::with(kind, |config| {
            config.keys.dir = dir.clone();
            let session = counterfoil::config::SessionKind::Secret;
            config.source = vec![counterfoil::config::Source { name: "core".into(), session, ..Default::default() }];
        });
        let first = bank.record(seed());
        let stored = bank.db.read(|conn| {
            let row = counterfoil::ledger::store::entry(conn, first.seq)?.unwrap();
            counterfoil::ledger::store::context(conn, row.context)
        });
        let session = stored.unwrap().unwrap().session_id.unwrap();
        assert_eq!(session.len(), 64);
        assert_ne!(session, "s-1");
        assert_eq!(bank.submit(vec![seed()]), vec![RowResult::Duplicate(first)], "the same token is the same session");
    });
}

#[test]
fn sums_above_two_to_the_53_are_exact_and_a_sum_that_does_not_fit_is_refused() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let big = |reference: &str, amount: &str| {
            let mut entry = entry(reference, reference, "2026-03-02T10:00:00Z", 0, 0);
            for field in ["balance_before", "balance_after"] {
                entry.as_object_mut().unwrap().remove(field);
            }
            entry["amount"] = json!(amount);
            entry
        };
        bank.record(big("B1", "90071992547409.93"));
        bank.record(big("B2", "0.02"));
        let context = counterfoil::reports::Context::new(&bank.config, bank.clock.clone());
        let date = "2026-03-02".parse().unwrap();
        let report = bank.db.read(|conn| counterfoil::reports::preview(conn, &context, date)).unwrap();
        let json: serde_json::Value = serde_json::from_str(&counterfoil::reports::formats::json(&report).unwrap()).unwrap();
        assert_eq!(json["totals"]["USD"]["credits"], "90071992547409.95", "{kind:?}");
        let RowResult::Rejected(refusal) = bank.submit(vec![big("B3", "92233720368547758.07")]).remove(0) else {
            panic!("a sum beyond 63 bits is refused")
        };
        assert_eq!(refusal.code, "amount_too_large");
    });
}

#[test]
fn the_same_commands_give_the_same_root_on_both_databases_whatever_the_batches() {
    let root = |kind, sizes: &[usize]| {
        let bank = Bank::open(kind);
        let mut entries: Vec<_> = (0..60)
            .map(|i| {
                entry(
                    &format!("D{i}"),
                    &format!("{}", i % 7),
                    &format!("2026-03-02T10:{i:02}:00Z"),
                    i / 7,
                    i / 7 + 12_000 * (i % 2),
                )
            })
            .collect();
        for size in sizes.iter().cycle() {
            let rest = entries.split_off((*size).min(entries.len()));
            bank.submit(std::mem::replace(&mut entries, rest));
            if entries.is_empty() {
                break;
            }
        }
        bank.db.read(counterfoil::trail::store::state).unwrap().unwrap().root
    };
    let expected = root(crate::bank::Kind::Sqlite, &[60]);
    assert_eq!(root(crate::bank::Kind::Sqlite, &[1, 7, 3]), expected);
    assert_eq!(root(crate::bank::Kind::Postgres, &[13, 1]), expected);
}

#[test]
fn a_batch_that_cannot_be_committed_leaves_nothing_behind_and_is_taken_when_sent_again() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        bank.record(entry("C1", "1", "2026-03-02T10:00:00Z", 0, 10));
        let sql = |text: &str| Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap().execute(text).unwrap();
        sql("ALTER TABLE hits RENAME TO hits_away");
        let large = entry("C2", "1", "2026-03-02T10:01:00Z", 10, 20_010);
        let failed = bank.submit_rows(bank.source, vec![Bank::row(1, large.clone())], false);
        assert!(failed.is_err(), "{kind:?}: {failed:?}");
        sql("ALTER TABLE hits_away RENAME TO hits");
        let again = bank.record(large);
        assert_eq!((again.position, again.breaks.len(), again.hits.len()), (2, 0, 1), "{kind:?}");
        assert_eq!(again.hits[0].alert.as_deref(), Some("ALR-2026-000001"), "no reference was used up");
        assert_eq!(bank.findings(), []);
    });
}

#[test]
fn what_was_evaluated_upon_a_batch_that_is_lost_is_evaluated_again() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let first = bank.record(entry("C1", "1", "2026-03-02T10:00:00Z", 0, 10));
        let mut other = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        other.execute("BEGIN").unwrap();
        // Nobody else commits from here on.
        other.execute("UPDATE log_state SET states_from = states_from").unwrap();
        let large = entry("C2", "1", "2026-03-02T10:01:00Z", 10, 20_010);
        let (large, large_answer) = bank.submission(bank.source, Bank::rows(vec![large]), false);
        bank.intake.submit(large).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let mut next = entry("C3", "1", "2026-03-02T10:02:00Z", 20_010, 20_011);
        next["reason"] = json!("rent of May");
        let (next, next_answer) = bank.submission(bank.source, Bank::rows(vec![next, json!({ "source_ref": "C4" })]), false);
        bank.intake.submit(next).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        other.execute("ALTER TABLE hits RENAME TO hits_away").unwrap();
        other.execute("COMMIT").unwrap();
        assert!(large_answer.recv().unwrap().is_err(), "{kind:?}: it has a hit");
        let results = next_answer.recv().unwrap().unwrap();
        let [RowResult::Recorded(next), RowResult::Rejected(_)] = results.as_slice() else { panic!("{kind:?}: {results:?}") };
        assert_eq!(next.position, 2, "{kind:?}: the place of the entry that is not there");
        assert_eq!(next.breaks[0].expected.as_deref(), Some("10.00"), "{kind:?}: judged by what is there");
        assert_eq!(next.seq, first.seq + 1, "{kind:?}");
        other.execute("ALTER TABLE hits_away RENAME TO hits").unwrap();
        let part = bank.db.read(|conn| counterfoil::ledger::store::entry_part(conn, next.seq)).unwrap().unwrap();
        assert_eq!(part.reason.as_deref(), Some("rent of May"));
        assert_eq!(bank.findings(), []);
    });
}

#[test]
fn a_queue_that_is_full_is_one_event_when_it_is_over() {
    on_both(|kind| {
        let bank = Bank::with(kind, |config| config.limits.queue_entries = 1_000);
        let mut other = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        other.execute("BEGIN").unwrap();
        other.execute("UPDATE log_state SET states_from = states_from").unwrap();
        let mut number = 0;
        let mut some = |count: usize| {
            let rows = (0..count).map(|_| {
                number += 1;
                entry(&format!("Q{number}"), "1", "2026-03-02T10:00:00Z", 0, 0)
            });
            bank.submission(bank.source, Bank::rows(rows.collect()), false)
        };
        let mut answers = Vec::new();
        let mut refused = 0;
        for _ in 0..40 {
            let (submission, answer) = some(500);
            match bank.intake.submit(submission) {
                Ok(()) => answers.push(answer),
                Err(_) => refused += 1,
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(refused > 0 && answers.len() > 2, "{kind:?}: {refused} refused");
        other.execute("COMMIT").unwrap();
        assert!(answers.iter().all(|answer| answer.recv().unwrap().is_ok()), "{kind:?}");
        let told = || bank.db.read(|conn| counterfoil::trail::store::events_of(conn, &["queue.full"], None, 10)).unwrap();
        assert_eq!(told().len(), 0, "{kind:?}: it may go on");
        bank.clock.advance(11 * counterfoil::clock::SECOND);
        bank.intake.log().append(NewEvent::public("program.heartbeat", json!({}))).unwrap();
        bank.intake.log().append(NewEvent::public("program.heartbeat", json!({}))).unwrap();
        let events = told();
        assert_eq!(events.len(), 1, "{kind:?}");
        let body: serde_json::Value = serde_json::from_str(&events[0].body).unwrap();
        assert_eq!((&body["requests"], &body["entries"]), (&json!(refused), &json!(refused * 500)), "{kind:?}");
    });
}

#[test]
fn closed_segments_are_indexed_and_their_references_are_still_known() {
    on_both(|kind| {
        let bank = Bank::with(kind, |config| config.limits.segment_entries = 1_024);
        let mut receipts = Vec::new();
        for batch in 0..12 {
            let entries = (0..600).map(|i| {
                let n = batch * 600 + i;
                entry(&format!("I{n}"), &format!("{}", n % 50), "2026-03-02T10:00:00Z", n / 50, n / 50 + 1)
            });
            receipts.extend(bank.submit(entries.collect()));
        }
        let indexed = || bank.db.read(counterfoil::intake::runs::indexed_to).unwrap();
        for _ in 0..200 {
            if indexed() > 3_000 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert!(indexed() > 3_000, "{kind:?}: {}", indexed());
        // One run too many is merged away right after it was made.
        let runs = || {
            let of = |conn: &mut counterfoil::db::Conn| {
                counterfoil::intake::runs::load(conn, counterfoil::intake::runs::RunKind::Reference)
            };
            bank.db.read(of).unwrap().len()
        };
        let bounded = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            runs() <= counterfoil::intake::runs::RUNS_MAX
        });
        assert!(bounded, "{kind:?}: {} runs", runs());
        let bank = bank.restart();
        for n in [0, 1, 599, 1_500, 3_000] {
            let again =
                bank.submit(vec![entry(&format!("I{n}"), &format!("{}", n % 50), "2026-03-02T10:00:00Z", n / 50, n / 50 + 1)]);
            let RowResult::Recorded(first) = &receipts[n as usize] else { panic!("recorded") };
            assert_eq!(again, vec![RowResult::Duplicate(first.clone())], "{kind:?} {n}");
        }
    });
}

#[test]
fn refusals_beyond_the_first_twenty_a_minute_still_count() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        for n in 0..50 {
            bank.submit(vec![json!({ "source_ref": format!("R{n}") })]);
        }
        let context = counterfoil::reports::Context::new(&bank.config, bank.clock.clone());
        let date = "2026-03-02".parse().unwrap();
        let report = bank.db.read(|conn| counterfoil::reports::preview(conn, &context, date)).unwrap();
        let json: serde_json::Value = serde_json::from_str(&counterfoil::reports::formats::json(&report).unwrap()).unwrap();
        assert_eq!(json["sources"][0]["rejected"], 50, "{kind:?}");
    });
}

#[test]
fn entries_of_one_instant_in_the_other_order_end_at_the_right_balance() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let first = bank.record(entry("X1", "t", "2026-03-02T09:00:00Z", 0, 10));
        bank.record(entry("X2", "t", "2026-03-02T10:00:00Z", 20, 30));
        bank.record(entry("X3", "t", "2026-03-02T10:00:00Z", 10, 20));
        let balance = bank.db.read(|conn| {
            let account = counterfoil::ledger::store::entry(conn, first.seq)?.unwrap().account;
            let now = bank.clock.now();
            counterfoil::ledger::history::balance(conn, &Default::default(), account, now, now)
        });
        let counterfoil::ledger::history::Balance::Known { minor, .. } = balance.unwrap() else { panic!("known") };
        assert_eq!(minor, 3_000, "{kind:?}");
    });
}

#[test]
fn a_business_date_stated_as_the_one_derived_is_the_same_content() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let first = bank.record(seed());
        let mut stated = seed();
        stated["business_date"] = json!("2026-03-02");
        assert_eq!(bank.submit(vec![stated.clone()]), vec![RowResult::Duplicate(first)]);
        stated["business_date"] = json!("2026-03-03");
        assert!(matches!(bank.submit(vec![stated]).remove(0), RowResult::Rejected(_)));
    });
}

#[test]
fn a_straggler_beyond_what_memory_holds_is_judged_by_looking_back_and_names_whom_it_pushed_over() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let at = |minute: i64| format!("2026-03-02T{:02}:{:02}:00Z", 8 + minute / 60, minute % 60);
        // Five within an hour, then a busy afternoon of which no hour holds six.
        let mut minutes = vec![0, 1, 2, 3, 4];
        minutes.extend((0..40).map(|i| 90 + 20 * i));
        let rows: Vec<_> = minutes.iter().map(|m| entry(&format!("B{m}"), "77", &at(*m), *m, m + 1)).collect();
        let recorded = bank.submit(rows);
        let seqs: Vec<i64> =
            recorded.iter().map(|r| if let RowResult::Recorded(r) = r { r.seq } else { panic!("{r:?}") }).collect();
        let bank = bank.restart();
        let straggler = bank.record(entry("late", "77", &at(2), 500, 501));
        assert_eq!(straggler.hits.len(), 1, "{straggler:?}");
        let hits = bank.db.read(|conn| counterfoil::alerts::store::hits_of_entry(conn, seqs[4])).unwrap();
        assert_eq!((hits.len(), hits[0].late, hits[0].decided_by), (1, 1, straggler.seq));
        let row = bank.db.read(|conn| counterfoil::ledger::store::entry(conn, straggler.seq)).unwrap().unwrap();
        assert!(!row.outcomes.unwrap_or_default().contains("insufficient_history"));
    });
}

#[test]
fn a_late_run_that_nets_to_zero_heals_and_verification_follows() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let at = |minute: i64| format!("2026-03-02T10:{minute:02}:00Z");
        bank.record(entry("Z0", "5", &at(0), 0, 100));
        for i in 0..20 {
            bank.record(entry(&format!("Z{}", i + 10), "5", &at(10 + i), 100 + i, 101 + i));
        }
        let out = bank.record(entry("Z2", "5", &at(2), 150, 100));
        assert!(!out.breaks.is_empty(), "half of a run stands apart");
        let bank = bank.restart();
        bank.record(entry("Z1", "5", &at(1), 100, 150));
        let account = bank.db.read(|conn| counterfoil::ledger::store::account_by_number(conn, "5")).unwrap().unwrap();
        let breaks = bank.db.read(|conn| counterfoil::ledger::store::breaks_of(conn, account.id, 10)).unwrap();
        let healed = counterfoil::ledger::BreakState::Healed.code();
        assert!(!breaks.is_empty() && breaks.iter().all(|b| b.state == healed), "{breaks:?}");
        let outcome = counterfoil::audit::verify(
            &bank.db,
            counterfoil::audit::Options {
                config: &bank.config,
                now: bank.clock.now(),
                progress: &|_, _| {},
                given: counterfoil::audit::Given::NONE,
            },
        );
        let outcome = outcome.unwrap();
        assert!(outcome.findings.is_empty(), "{:?}", outcome.findings);
    });
}

#[test]
fn an_entry_that_arrives_while_an_act_is_under_way_keeps_its_place() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let (holding, held) = channel();
        let (release, released) = channel::<()>();
        let log = bank.intake.log();
        let act = std::thread::spawn(move || {
            log.act(move |tx| {
                holding.send(()).unwrap();
                released.recv_timeout(Duration::from_secs(60)).unwrap();
                tx.append(NewEvent::public("test.happened", json!({})))
            })
        });
        held.recv().unwrap();
        let receipts: Vec<_> = std::thread::scope(|threads| {
            let bank = &bank;
            let record = |n: i64| move || bank.record(entry(&format!("M{n}"), "1", "2026-03-02T10:00:00Z", n, n + 1));
            let waiting: Vec<_> = (0..4).map(|n| threads.spawn(record(n))).collect();
            std::thread::sleep(Duration::from_millis(200));
            release.send(()).unwrap();
            waiting.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let event = act.join().unwrap().unwrap();
        for receipt in receipts {
            assert_ne!(receipt.seq, event);
            let stored = bank.db.read(|conn| counterfoil::ledger::store::entry(conn, receipt.seq)).unwrap();
            assert!(stored.is_some(), "acknowledged at {} and not there", receipt.seq);
        }
        let options =
            Options { config: &bank.config, now: bank.clock.now(), progress: &|_, _| {}, given: counterfoil::audit::Given::NONE };
        assert!(counterfoil::audit::verify(&bank.db, options).unwrap().ok);
    });
}
