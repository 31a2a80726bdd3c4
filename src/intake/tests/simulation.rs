//! Seeds: each is one order of steps with its faults. `COUNTERFOIL_SEED=N` runs one of them alone;
//! `COUNTERFOIL_ROUNDS=N` runs 50 × N.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use super::client::{Answer, Client, Command};
use super::world::World;
use crate::audit::{self, Given, Options, ReplayOptions};
use crate::ids::Seq;
use crate::intake::RowResult;
use crate::intake::planted::{Bug, plant};
use crate::ledger::store::{EntryRow, entries_between};
use crate::trail::store::{self as trail, EventRow};

const SEEDS: u64 = 500;
/// Steps after which a run that is not done is stuck.
const STEPS_MAX: u32 = 20_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.trim().parse().unwrap())
}

/// One order of steps, to the end.
fn live(seed: u64, faults: u64) -> (World, Client) {
    let mut world = World::new(seed, faults);
    let mut client = Client::new(&world.dice);
    let mut steps = 0;
    while !client.is_done() {
        steps += 1;
        assert!(steps < STEPS_MAX, "stuck: not everything is answered");
        match world.dice.roll(12) {
            0..4 => {
                if let Some(command) = client.pick(&world.dice) {
                    world.send(&mut client, command);
                }
            }
            4..8 => drop(world.sequence()),
            8..11 => drop(world.commit()),
            _ if faults > 0 && world.dice.one_in(12) => world.crash(&mut client),
            _ => world.time_passes(),
        }
        client.listen();
    }
    if world.dice.one_in(3) {
        world.crash(&mut client);
    }
    world.stop(&mut client);
    (world, client)
}

fn check(seed: u64) {
    let (world, client) = live(seed, 5);
    whole(&world, &client, 1 + (seed % 9) as usize);
}

/// Everything that must hold at the end.
fn whole(world: &World, client: &Client, batch: usize) {
    let mut conn = world.db.connect().unwrap();
    let size = trail::state(&mut conn).unwrap().unwrap().size;
    let entries = entries_between(&mut conn, 0, Seq::MAX, 100_000).unwrap();
    let events = trail::events_between(&mut conn, 0, Seq::MAX, 100_000).unwrap();
    gap_free(&entries, &events, size);
    let origin = trail::state(&mut conn).unwrap().unwrap().origin;
    answered(client, &entries, &origin);
    acted(client, &events);
    let options = Options { config: &world.config, now: world.clock.now(), progress: &|_, _| {}, given: Given::NONE };
    let outcome = audit::verify(&world.db, options).unwrap();
    assert_eq!(outcome.findings, [], "verification");
    // The same commands in the order they were recorded in, without any fault, in other batches.
    let into = world.empty("again.db");
    let options = ReplayOptions { config: &world.config, batch, progress: &|_, _| {} };
    let again = audit::replay(&world.db, &into, None, &options).unwrap();
    assert_eq!(again.differences, [], "a run without faults");
}

fn gap_free(entries: &[EntryRow], events: &[EventRow], size: Seq) {
    let mut places: Vec<Seq> = entries.iter().map(|e| e.seq).chain(events.iter().map(|e| e.seq)).collect();
    places.sort_unstable();
    assert_eq!(places, (0..size).collect::<Vec<_>>(), "the places of the log");
}

/// What was acknowledged is there once, as the receipt says; nothing is there twice.
fn answered(client: &Client, entries: &[EntryRow], origin: &str) {
    let mut by_ref: HashMap<&str, &EntryRow> = HashMap::new();
    for entry in entries {
        assert!(by_ref.insert(&entry.source_ref, entry).is_none(), "{} is there twice", entry.source_ref);
    }
    for (command, (_, answer)) in &client.answers {
        let (Answer::Entries(results), Command::Entries { rows, atomic }) = (answer, &client.commands[*command]) else {
            continue;
        };
        assert_eq!(results.len(), rows.len());
        let rejected = results.iter().filter(|result| matches!(result, RowResult::Rejected(_))).count();
        assert!(!atomic || rejected == 0 || rejected == rows.len(), "half of an atomic command");
        for (row, result) in rows.iter().zip(results) {
            let (RowResult::Recorded(receipt) | RowResult::Duplicate(receipt)) = result else { continue };
            let reference = row["source_ref"].as_str().unwrap();
            let entry = by_ref.get(reference).unwrap_or_else(|| panic!("{reference} was acknowledged and is not there"));
            assert_eq!((entry.seq, entry.position), (receipt.seq, receipt.position), "{reference}");
            assert_eq!(entry.leaf_hash(origin).unwrap(), receipt.leaf, "{reference}");
        }
    }
}

/// An act that was acknowledged is there once; each attempt at most once, with all its events.
fn acted(client: &Client, events: &[EventRow]) {
    let mut seen: BTreeMap<(u64, u64), u32> = BTreeMap::new();
    let mut more: BTreeMap<u64, u32> = BTreeMap::new();
    for event in events {
        let body: serde_json::Value = serde_json::from_str(&event.body).unwrap();
        match event.kind.as_str() {
            "test.act" => *seen.entry((body["command"].as_u64().unwrap(), body["attempt"].as_u64().unwrap())).or_default() += 1,
            "test.more" => *more.entry(body["command"].as_u64().unwrap()).or_default() += 1,
            _ => {}
        }
    }
    assert!(seen.values().all(|count| *count == 1), "{seen:?}");
    for (command, (attempt, answer)) in &client.answers {
        if *answer == Answer::Acted {
            assert_eq!(seen.get(&(*command as u64, u64::from(*attempt))), Some(&1), "act {command}");
        }
    }
    let halves: BTreeSet<u64> = seen.keys().map(|(command, _)| *command).collect();
    for command in halves {
        let both = seen.keys().filter(|(of, _)| *of == command).count() as u32;
        assert_eq!(more.get(&command), Some(&both), "half of act {command}");
    }
}

/// Runs seeds on two threads; answers the first that failed, and why.
fn run(seeds: std::ops::Range<u64>, bug: Option<Bug>) -> Option<(u64, String)> {
    let failed: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let half = |of: u64| {
        plant(bug);
        for seed in seeds.clone().filter(|seed| seed % 2 == of) {
            if failed.lock().unwrap().is_some() {
                break;
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(seed))) {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                failed.lock().unwrap().get_or_insert((seed, text.unwrap_or_default()));
            }
        }
        plant(None);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| half(1));
        half(0);
    });
    failed.into_inner().unwrap()
}

#[test]
fn whatever_fails_and_in_whatever_order_what_was_acknowledged_is_there_once() {
    let seeds = match number("COUNTERFOIL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("COUNTERFOIL_ROUNDS").map_or(SEEDS, |rounds| rounds * 50),
    };
    if let Some((seed, why)) = run(seeds, None) {
        panic!("seed {seed} (run it alone with COUNTERFOIL_SEED={seed}): {why}");
    }
}

#[test]
fn a_run_without_faults_answers_everything_at_the_first_attempt() {
    for seed in 0..10 {
        let (_, client) = live(seed, 0);
        assert!(client.answers.values().all(|(attempt, _)| *attempt == 1), "seed {seed}");
    }
}

/// A batch that writes to every table, failing at one of its steps; answers how many it passed.
fn batch_failing_at(step: u32) -> u32 {
    let mut world = World::new(7, 0);
    let row = |n: i64, (before, after): (i64, i64)| {
        serde_json::json!({
            "source_ref": format!("R{n}"), "account": "A", "currency": "USD", "kind": "deposit", "amount": format!("{}.00", after - before),
            "balance_before": format!("{before}.00"), "balance_after": format!("{after}.00"),
            "booked_at": format!("2026-03-02T10:{n:02}:00Z"), "reason": "rent",
        })
    };
    let first = Command::Entries { rows: vec![row(1, (0, 10)), row(3, (20, 30))], atomic: false };
    let all = vec![row(2, (10, 20)), row(5, (99, 30_000)), serde_json::json!({}), row(4, (30, 35))];
    let mut client = Client::of(vec![first, Command::Entries { rows: all, atomic: false }]);
    world.send(&mut client, 0);
    while world.sequence() || world.commit() {}
    world.send(&mut client, 1);
    while world.sequence() {}
    let passed = world.commit_failing(step);
    while world.sequence() || world.commit() {}
    client.listen();
    let mut again = 0;
    while let Some(command) = client.pick(&world.dice) {
        again += 1;
        world.send(&mut client, command);
        while world.sequence() || world.commit() {}
        client.listen();
    }
    assert_eq!(again, u32::from(passed > step), "step {step}: sent again only if it failed");
    world.stop(&mut client);
    whole(&world, &client, 3);
    passed
}

#[test]
fn a_commit_may_fail_between_any_two_of_its_steps() {
    let mut step = 0;
    while batch_failing_at(step) > step {
        step += 1;
    }
    assert!(step >= 10, "begin, tables, commit, and after it: {step} steps");
}

#[test]
fn a_repetition_in_the_batch_of_a_new_entry_leaves_the_log_s_time_at_its_newest_leaf() {
    let mut world = World::new(7, 0);
    let row = serde_json::json!({
        "source_ref": "R1", "account": "A", "currency": "USD", "kind": "deposit", "amount": "1.00", "booked_at": "2026-03-02T10:00:00Z",
    });
    let twice = Command::Entries { rows: vec![row], atomic: false };
    let mut client = Client::of(vec![twice.clone(), twice]);
    for command in [0, 1] {
        world.send(&mut client, command);
        assert!(world.sequence(), "it is evaluated; nothing is sent yet");
        world.clock.advance(1);
    }
    while world.sequence() || world.commit() {}
    client.listen();
    world.stop(&mut client);
    whole(&world, &client, 1);
}

#[test]
fn a_planted_mistake_is_found() {
    for bug in [Bug::AnswersFirst, Bug::KeepsReferences] {
        let found = run(0..SEEDS, Some(bug));
        let (seed, why) = found.unwrap_or_else(|| panic!("{bug:?} was not found in {SEEDS} seeds"));
        assert!(!why.is_empty(), "{bug:?} at seed {seed}");
    }
}
