//! Attempts begin, end, and are counted.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::clock::SECOND;
use crate::trail::testing::Bench;

fn attempt(bench: &Bench, user: Option<Seq>, act: &'static str) -> Seq {
    let whence = json!({ "ip": "192.0.2.7" });
    begin(&bench.log, Attempt { act, door: "/alerts", user, session: Some("ab".to_owned()), whence }).unwrap()
}

fn counted(bench: &Bench) -> Vec<Counts> {
    let (counts, more) = bench.read(|conn| counts(conn, Moment(0), Moment(i64::MAX)));
    assert!(!more);
    counts
}

#[test]
fn an_attempt_is_there_before_its_end_and_ends_once() {
    let bench = Bench::new();
    let seq = attempt(&bench, Some(7), "alert.decide");
    let (_, body, private) = bench.events("act.attempted").remove(0);
    assert_eq!(body, json!({ "act": "alert.decide", "door": "/alerts", "user": 7, "session": "ab" }));
    assert_eq!(private.unwrap()["ip"], "192.0.2.7");
    assert_eq!(counted(&bench)[0].open, 1);
    bench.clock.advance(SECOND);
    end(&bench.log, seq, Outcome::of_status(303), Some(303)).unwrap();
    end(&bench.log, seq, Outcome::Failed, Some(500)).unwrap();
    let ended = bench.events("act.ended");
    assert_eq!(ended.len(), 1, "what has ended ends no second time");
    assert_eq!(ended[0].1, json!({ "attempt": seq, "outcome": "succeeded", "status": 303 }));
    let row = bench.read(|conn| store::attempt(conn, seq)).unwrap();
    assert_eq!((row.status, row.ended_at.unwrap() - row.attempted_at, row.ended_seq), (Some(303), SECOND, Some(ended[0].0)));
}

#[test]
fn what_a_dead_process_left_open_is_unknown() {
    let bench = Bench::new();
    let done = attempt(&bench, Some(7), "alert.decide");
    end(&bench.log, done, Outcome::Succeeded, Some(200)).unwrap();
    for _ in 0..PAGE + 3 {
        attempt(&bench, Some(7), "alert.decide");
    }
    assert_eq!(end_open(&bench.log).unwrap(), PAGE as usize + 3);
    assert_eq!(end_open(&bench.log).unwrap(), 0);
    let counts = counted(&bench);
    assert_eq!((counts[0].succeeded, counts[0].unknown, counts[0].open), (1, PAGE + 3, 0));
}

#[test]
fn users_and_kinds_are_counted_apart() {
    let bench = Bench::new();
    for (user, act, status) in [(Some(7), "a.b", 200), (Some(7), "a.b", 422), (Some(7), "c.d", 503), (Some(8), "a.b", 200)] {
        let seq = attempt(&bench, user, act);
        end(&bench.log, seq, Outcome::of_status(status), Some(status)).unwrap();
    }
    attempt(&bench, None, "user.add");
    for body in
        [json!({ "user": 7, "act": "a.b" }), json!({ "user": 7, "act": null }), json!({ "user": null }), json!({ "counted": 3 })]
    {
        bench.log.append(NewEvent::public("access.denied", body)).unwrap();
    }
    let counts = counted(&bench);
    let of = |user: Option<Seq>, act: &str| counts.iter().find(|c| c.user == user && c.act == act).unwrap().clone();
    let both = of(Some(7), "a.b");
    assert_eq!((both.attempted, both.succeeded, both.refused, both.denied), (3, 1, 1, 1));
    assert_eq!((of(Some(7), "c.d").failed, of(Some(8), "a.b").succeeded, of(Some(7), READ).denied), (1, 1, 1));
    assert_eq!((of(None, "user.add").open, counts.len()), (1, 5));
}
