//! Proposals, their decisions and their ends, on a small log.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::access::{Role, users};
use crate::clock::DAY;
use crate::ids::Seq;
use crate::trail::ActError;
use crate::trail::testing::{Bench, code};

use super::*;

const WHY: &str = "The yearly change of the key is due, see the handbook.";

struct House {
    bench: Bench,
    ada: Seq,
    bob: Seq,
    admin: Seq,
}

impl House {
    fn new() -> House {
        let bench = Bench::new();
        let user = |name: &str, role| {
            users::add(&bench.log, &bench.clock, &format!("{name}@bank.example"), role, "tinder ocelot brick").unwrap()
        };
        let (ada, bob, admin) = (user("ada", Role::Officer), user("bob", Role::Officer), user("adm", Role::Admin));
        House { bench, ada, bob, admin }
    }

    fn submit(&self, kind: Kind, about: &str, by: Option<Seq>) -> Result<Seq, ActError> {
        let facts = json!({ "origin": "x", "old": "a", "new": "b" });
        let whence = json!({ "os_user": "root" });
        let submission = Submission {
            kind,
            about: about.into(),
            facts,
            reason: WHY.into(),
            detail: Some(json!({ "account": "DE89" })),
            by,
            whence,
        };
        submit(&self.bench.log, submission)
    }

    fn say(&self, id: Seq, decision: Decision, user: Seq) -> Result<Seq, ActError> {
        let deciding = Deciding { id, decision, comment: WHY.into(), user, whence: Value::Null };
        decide(&self.bench.log, deciding)
    }

    fn find(&self, id: Seq) -> Proposal {
        self.bench.read(|c| find(c, id)).unwrap()
    }

    fn waiting(&self, user: Seq, role: Role) -> u64 {
        self.bench.read(|c| waiting_for(c, user, role, self.bench.clock.now()))
    }
}

#[test]
fn another_officer_approves_and_it_is_carried_out_once() {
    let house = House::new();
    let id = house.submit(Kind::RotateKey, "key", Some(house.ada)).unwrap();
    let officer = Role::Officer;
    assert_eq!((house.waiting(house.ada, officer), house.waiting(house.bob, officer)), (0, 1));
    assert_eq!(house.waiting(house.admin, Role::Admin), 0);
    assert_eq!(code(house.say(id, Decision::Approve, house.ada)), "own_proposal");
    assert_eq!(code(house.say(id, Decision::Refuse, house.ada)), "own_proposal");
    assert_eq!(code(house.say(id, Decision::Approve, house.admin)), "forbidden");
    let seq = house.say(id, Decision::Approve, house.bob).unwrap();
    let found = house.find(id);
    assert_eq!((found.state, found.approval.as_ref().unwrap().by), (State::Approved, Some(house.bob)));
    assert_eq!(found.approval.unwrap().seq, seq);
    assert_eq!(code(house.say(id, Decision::Approve, house.bob)), "proposal_closed");
    let done = house.bench.log.act(move |tx| carried_out(tx, id, Kind::RotateKey, &json!({ "event": 1 }))).unwrap();
    let found = house.find(id);
    assert_eq!((found.state, found.end.unwrap().seq), (State::CarriedOut, done));
    let again = house.bench.log.act(move |tx| carried_out(tx, id, Kind::RotateKey, &json!({})));
    assert_eq!(code(again), "not_approved");
    assert!(house.submit(Kind::RotateKey, "key", Some(house.ada)).is_ok(), "the next one may follow");
    let codes: Vec<_> = house.bench.events("approval.decision_refused").iter().map(|e| e.1["code"].clone()).collect();
    assert_eq!(codes, ["own_proposal", "own_proposal", "forbidden", "proposal_closed"]);
}

#[test]
fn public_bodies_hold_nothing_personal() {
    let house = House::new();
    let id = house.submit(Kind::EraseSubject, "subject-1", Some(house.ada)).unwrap();
    house.say(id, Decision::Approve, house.bob).unwrap();
    for kind in ["approval.submitted", "approval.approved"] {
        let (_, body, private) = house.bench.events(kind).remove(0);
        for secret in ["yearly", "DE89", "root", "bank.example"] {
            assert!(!body.to_string().contains(secret), "{body}");
        }
        assert!(private.unwrap().to_string().contains("yearly"));
    }
}

#[test]
fn two_proposals_for_the_same_thing_are_refused() {
    let house = House::new();
    let id = house.submit(Kind::RotateKey, "key", Some(house.ada)).unwrap();
    assert_eq!(code(house.submit(Kind::RotateKey, "key", Some(house.bob))), "proposal_open");
    assert!(house.submit(Kind::EraseSubject, "key", Some(house.bob)).is_ok(), "of another kind");
    assert_eq!(code(house.say(id, Decision::Withdraw, house.bob)), "not_yours");
    house.say(id, Decision::Withdraw, house.ada).unwrap();
    assert!(house.submit(Kind::RotateKey, "key", Some(house.bob)).is_ok());
    assert_eq!(house.bench.events("approval.submit_refused")[0].1["code"], "proposal_open");
}

#[test]
fn the_command_line_needs_two_officers() {
    let house = House::new();
    let id = house.submit(Kind::RotateKey, "key", None).unwrap();
    assert_eq!(house.find(id).approvals_missing(), 2);
    house.say(id, Decision::Approve, house.ada).unwrap();
    assert_eq!((house.find(id).state, house.find(id).approvals_missing()), (State::Submitted, 1));
    assert_eq!((house.waiting(house.ada, Role::Officer), house.waiting(house.bob, Role::Officer)), (0, 1));
    assert_eq!(code(house.say(id, Decision::Approve, house.ada)), "approved_already");
    house.say(id, Decision::Approve, house.bob).unwrap();
    assert_eq!(house.find(id).state, State::Approved);
}

#[test]
fn only_who_may_submits() {
    let house = House::new();
    assert!(house.submit(Kind::RotateKey, "key", Some(house.admin)).is_ok());
    assert_eq!(code(house.submit(Kind::EraseSubject, "1", Some(house.admin))), "forbidden");
    assert_eq!(code(house.submit(Kind::EraseSubject, "1", Some(9_999))), "forbidden");
}

#[test]
fn a_role_lost_between_counts_no_more() {
    let house = House::new();
    let id = house.submit(Kind::RotateKey, "key", Some(house.ada)).unwrap();
    users::disable(&house.bench.log, "ada@bank.example").unwrap();
    assert_eq!(code(house.say(id, Decision::Approve, house.bob)), "submitter_gone");
    users::disable(&house.bench.log, "bob@bank.example").unwrap();
    assert_eq!(code(house.say(id, Decision::Refuse, house.bob)), "forbidden");
}

#[test]
fn what_waits_too_long_ends() {
    let house = House::new();
    let id = house.submit(Kind::RotateKey, "key", Some(house.ada)).unwrap();
    let expire = || expire_due(&house.bench.db, &house.bench.log, house.bench.clock.now()).unwrap();
    house.bench.clock.advance(KEPT - 1);
    assert_eq!(expire(), 0);
    house.bench.clock.advance(1);
    assert_eq!(code(house.say(id, Decision::Approve, house.bob)), "proposal_expired", "though no job has run");
    assert_eq!((expire(), expire()), (1, 0));
    assert_eq!(house.find(id).state, State::Expired);
}

#[test]
fn an_erasure_rests_for_seven_days_in_which_any_officer_stops_it() {
    let house = House::new();
    let id = house.submit(Kind::EraseSubject, "1", Some(house.ada)).unwrap();
    house.say(id, Decision::Approve, house.bob).unwrap();
    let ready = || house.bench.read(|c| ready(c, house.bench.clock.now())).len();
    let act = move |tx: &mut crate::trail::ActTx<'_>| carried_out(tx, id, Kind::EraseSubject, &json!({}));
    assert_eq!((ready(), code(house.bench.log.act(act))), (0, "in_quarantine"));
    house.bench.clock.advance(7 * DAY);
    assert_eq!(ready(), 1);
    let other = house.submit(Kind::EraseSubject, "2", Some(house.ada)).unwrap();
    house.say(other, Decision::Approve, house.bob).unwrap();
    house.say(other, Decision::Refuse, house.bob).unwrap();
    assert_eq!(house.find(other).state, State::Refused);
    house.bench.clock.advance(KEPT);
    assert_eq!(code(house.bench.log.act(act)), "proposal_expired", "nobody could carry it out for a week");
    assert_eq!(expire_due(&house.bench.db, &house.bench.log, house.bench.clock.now()).unwrap(), 1);
}

#[test]
fn the_database_refuses_what_the_code_would_not_do() {
    let house = House::new();
    let id = house.submit(Kind::RotateKey, "key", Some(house.ada)).unwrap();
    let (ada, bob, admin) = (house.ada, house.bob, house.admin);
    let refused = |sql: String, why: &str| {
        let error = house.bench.db.connect().unwrap().execute(&sql).unwrap_err().to_string();
        assert!(error.contains(why), "{sql}: {error}");
    };
    refused(format!("UPDATE proposals SET state = 2, approved_by = {ada} WHERE id = {id}"), "cannot approve");
    refused(format!("UPDATE proposals SET state = 2, approved_by = {admin} WHERE id = {id}"), "only an officer");
    refused(format!("UPDATE proposals SET state = 2 WHERE id = {id}"), "lacks an approval");
    refused(format!("UPDATE proposals SET submitted_by = {bob} WHERE id = {id}"), "stays");
    refused("DELETE FROM proposals".into(), "append-only");
}

#[test]
fn a_reason_says_something() {
    assert_eq!(code(checked_text("reason", "too short")), "comment_length");
    assert_eq!(code(checked_text("reason", &format!("{WHY}\0"))), "comment_unreadable");
    assert_eq!(checked_text("reason", &format!("  {WHY} ")).unwrap(), WHY);
}
