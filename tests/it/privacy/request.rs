//! An erasure from being asked for to being carried out, and the one answer to whoever may not know.

use counterfoil::access::{Role, users};
use counterfoil::alerts::{Disposition, close};
use counterfoil::approvals::{self, Deciding, Decision, State};
use counterfoil::clock::{DAY, MINUTE};
use counterfoil::ids::Seq;
use counterfoil::privacy::{self, Cause, EraseSubject, Erasure, Holdings, PlaceHold, ReleaseHold, Scope, Subject, erase};
use counterfoil::trail::ActError;
use serde_json::json;

use super::house::{ACCOUNT, CANARIES, PARTY, everything, house, lines, verified};
use crate::bank::{Bank, entry, on_both};

const WHY: &str = "Asked for by letter of the first of March, reference canary-letter-9.";

fn officer(bank: &Bank, name: &str) -> Seq {
    users::add(&bank.intake.log(), &bank.clock, &format!("{name}@bank.example"), Role::Officer, "correct horse battery").unwrap()
}

fn ask(bank: &Bank, scope: Scope, name: &str, by: Option<Seq>, years: u32) -> Result<Seq, ActError> {
    let subject = Subject::new(scope, name).unwrap();
    let erase = EraseSubject { subject, reason: WHY.into(), by, whence: json!({ "os_user": "operator" }) };
    erase.run(&bank.db, &bank.intake.log(), years)
}

fn approve(bank: &Bank, id: Seq, user: Seq) {
    let comment = format!("The letter of {ACCOUNT} was seen and is right.");
    let deciding = Deciding { id, decision: Decision::Approve, comment, user, whence: json!({}) };
    approvals::decide(&bank.intake.log(), deciding).unwrap();
}

fn carried_out(bank: &Bank) -> Vec<Option<Erasure>> {
    let ready = bank.db.read(|conn| approvals::ready(conn, bank.clock.now())).unwrap();
    ready.iter().map(|proposal| privacy::carry_out(&bank.db, &bank.intake.log(), proposal, 0).unwrap()).collect()
}

fn hold(bank: &Bank, scope: Scope, name: &str) -> Seq {
    let place = PlaceHold { subject: Subject::new(scope, name).unwrap(), reason: WHY.into(), whence: json!({}) };
    bank.intake.log().act(move |tx| place.run(tx)).unwrap()
}

fn release(bank: &Bank, hold: Seq, officers: [Seq; 2]) {
    let release = ReleaseHold { hold, reason: WHY.into(), by: None, whence: json!({}) };
    let id = bank.intake.log().act(move |tx| release.run(tx)).unwrap();
    approve(bank, id, officers[0]);
    let early = bank.intake.log().act(move |tx| privacy::release(tx, id, &json!({ "hold": hold })));
    assert!(matches!(early, Err(ActError::Refused { code: "not_approved", .. })), "one officer is not enough: {early:?}");
    approve(bank, id, officers[1]);
    bank.intake.log().act(move |tx| privacy::release(tx, id, &json!({ "hold": hold }))).unwrap();
}

fn close_alerts(bank: &Bank, officer: Seq) {
    let references = lines(&mut bank.db.connect().unwrap(), "SELECT reference AS line FROM alerts WHERE state = 1");
    for reference in references {
        let comment = format!("comment-canary: {ACCOUNT} was asked and explained it well.");
        close(&bank.intake.log(), &reference, Disposition::ExplainedWithEvidence, &comment, None, officer).unwrap();
    }
}

#[test]
fn whatever_keeps_a_subject_the_answer_is_one_and_the_same() {
    on_both(|kind| {
        let bank = house(kind);
        let (ada, bob) = (officer(&bank, "ada"), officer(&bank, "bob"));
        let mut answers = Vec::new();
        let mut refused = |what: &str, scope, name: &str, years| match ask(&bank, scope, name, Some(ada), years) {
            Err(ActError::Refused { status, code, detail }) => answers.push((status, code, detail)),
            other => panic!("{kind:?}: {what}: {other:?}"),
        };
        refused("an open alert", Scope::Account, ACCOUNT, 0);
        refused("an open alert of the holder", Scope::Party, PARTY, 0);
        refused("nobody", Scope::Account, "NOBODY-1", 0);
        close_alerts(&bank, ada);
        refused("the statutory minimum", Scope::Account, ACCOUNT, 5);
        let on_account = hold(&bank, Scope::Account, ACCOUNT);
        refused("a hold", Scope::Account, ACCOUNT, 0);
        refused("a hold on the holder's account", Scope::Party, PARTY, 0);
        release(&bank, on_account, [ada, bob]);
        let on_party = hold(&bank, Scope::Party, PARTY);
        refused("a hold on the account's holder", Scope::Account, ACCOUNT, 0);
        release(&bank, on_party, [ada, bob]);
        bank.record(entry("BRK", ACCOUNT, "2015-03-05T10:00:00Z", 900, 901));
        refused("an open break", Scope::Account, ACCOUNT, 0);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        assert_eq!((answers[0].0, answers[0].1), (409, "not_erasable"));
        assert!(ask(&bank, Scope::Account, "ACC-OTHER-1", Some(ada), 0).is_ok(), "nothing keeps the other");
        assert_eq!(verified(&bank).findings, [], "{kind:?}");
    });
}

#[test]
fn asked_by_one_approved_by_another_and_a_week_later_it_is_gone() {
    on_both(|kind| {
        let bank = house(kind);
        let (ada, bob) = (officer(&bank, "ada"), officer(&bank, "bob"));
        close_alerts(&bank, ada);
        let id = ask(&bank, Scope::Account, ACCOUNT, Some(ada), 0).unwrap();
        assert!(matches!(
            ask(&bank, Scope::Account, ACCOUNT, Some(bob), 0),
            Err(ActError::Refused { code: "proposal_open", .. })
        ));
        approve(&bank, id, bob);
        bank.clock.advance(7 * DAY - MINUTE);
        assert!(carried_out(&bank).is_empty(), "the week is not over");
        // Placed during the week: looked at again, and nothing goes.
        let held = hold(&bank, Scope::Account, ACCOUNT);
        bank.clock.advance(2 * MINUTE);
        assert_eq!(carried_out(&bank), [None]);
        let state = |id| bank.db.read(|conn| approvals::find(conn, id)).unwrap().unwrap().state;
        assert_eq!(state(id), State::Refused);
        assert!(everything(&mut bank.db.connect().unwrap()).contains("reason-canary"));
        release(&bank, held, [ada, bob]);
        // From the command line two officers are needed.
        let id = ask(&bank, Scope::Account, ACCOUNT, None, 0).unwrap();
        approve(&bank, id, ada);
        approve(&bank, id, bob);
        bank.clock.advance(7 * DAY);
        let erasure = carried_out(&bank).remove(0).unwrap();
        assert_eq!(state(id), State::CarriedOut);
        let all = everything(&mut bank.db.connect().unwrap());
        for canary in CANARIES.iter().chain(&["comment-canary"]) {
            assert!(!all.contains(canary), "{kind:?}: {canary} is still stored");
        }
        let outcome = verified(&bank);
        assert_eq!(outcome.findings, [], "{kind:?}");
        assert!(outcome.levels[5].note.as_deref().unwrap_or_default().contains(&format!("event {}", erasure.event)));
        assert!(carried_out(&bank).is_empty(), "once");
        assert!(matches!(ask(&bank, Scope::Account, ACCOUNT, None, 0), Err(ActError::Refused { code: "not_erasable", .. })));
    });
}

#[test]
fn an_erasure_that_nobody_approved_is_found() {
    on_both(|kind| {
        let bank = house(kind);
        let ada = officer(&bank, "ada");
        close_alerts(&bank, ada);
        let id = ask(&bank, Scope::Account, ACCOUNT, Some(ada), 0).unwrap();
        // As a program that skips the approval would.
        let erasure = bank.intake.log().act(move |tx| {
            let to = tx.log_size();
            let subject = Subject::new(Scope::Account, ACCOUNT)?;
            let places = Holdings::find(tx.conn, &subject, to)?.places();
            erase(tx, Cause::Subject { proposal: id }, &places)
        });
        let event = erasure.unwrap().event;
        let found = verified(&bank).findings;
        assert!(
            found.iter().any(|f| (f.level, f.kind, f.seq) == ("L5", "erasure_unapproved", Some(event))),
            "{kind:?}: {found:?}"
        );
    });
}
