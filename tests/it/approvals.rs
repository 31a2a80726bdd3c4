//! Two pairs of eyes: one proposes, another approves, on the page and in the database.

use std::sync::Barrier;

use counterfoil::access::{Role, users};
use counterfoil::app;
use counterfoil::approvals::{self, Deciding, Decision, Kind as What, State, Submission};
use counterfoil::db::Db;
use counterfoil::detect::{Mode, RuleSetBody, Severity};
use counterfoil::ids::Seq;
use counterfoil::intake::{define_rules, rules_in_force};
use counterfoil::trail::ActError;
use reqwest::Method;
use serde_json::json;

use crate::bank::{Bank, Kind, on_both};
use crate::site::{Answer, PASSWORD, SignedIn, Site};

const WHY: &str = "The yearly change of the key is due, see the handbook.";

pub fn officer(bank: &Bank, name: &str) -> Seq {
    users::add(&bank.intake.log(), &bank.clock, &format!("{name}@bank.example"), Role::Officer, PASSWORD).unwrap()
}

fn submit(bank: &Bank, about: &str, by: Option<Seq>) -> Seq {
    let submission = Submission {
        kind: What::RotateKey,
        about: about.into(),
        facts: json!({ "origin": "bank/log", "old": "old-key", "new": "new-key" }),
        reason: WHY.into(),
        detail: None,
        by,
        whence: json!({ "os_user": "operator-canary" }),
    };
    approvals::submit(&bank.intake.log(), submission).unwrap()
}

fn approve(bank: &Bank, id: Seq, user: Seq) -> Result<Seq, ActError> {
    let deciding = Deciding { id, decision: Decision::Approve, comment: WHY.into(), user, whence: json!({}) };
    approvals::decide(&bank.intake.log(), deciding)
}

fn state(bank: &Bank, id: Seq) -> State {
    bank.db.read(|conn| approvals::find(conn, id)).unwrap().unwrap().state
}

#[test]
fn one_s_own_proposal_is_refused_in_code_and_by_the_database() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let (ada, bob) = (officer(&bank, "ada"), officer(&bank, "bob"));
        let id = submit(&bank, "key", Some(ada));
        assert!(matches!(approve(&bank, id, ada), Err(ActError::Refused { code: "own_proposal", .. })));
        let analyst = users::add(&bank.intake.log(), &bank.clock, "ann@bank.example", Role::Analyst, PASSWORD).unwrap();
        assert!(matches!(approve(&bank, id, analyst), Err(ActError::Refused { code: "forbidden", .. })));
        let mut conn = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        for (sql, why) in [
            (format!("UPDATE proposals SET state = 2, approved_by = {ada} WHERE id = {id}"), "cannot approve"),
            (format!("UPDATE proposals SET state = 2, approved_by = {analyst} WHERE id = {id}"), "only an officer"),
            (format!("UPDATE proposals SET state = 2 WHERE id = {id}"), "lacks an approval"),
            (format!("UPDATE proposals SET state = 6, approved_by = {bob} WHERE id = {id}"), "one way"),
            (format!("UPDATE proposals SET submitted_by = {bob} WHERE id = {id}"), "stays"),
            (format!("UPDATE proposals SET submitted_by = NULL WHERE id = {id}"), "stays"),
            (format!("DELETE FROM proposals WHERE id = {id}"), "append-only"),
            (
                format!(
                    "INSERT INTO proposals (id, kind, about, facts, submitted_by, submitted_at, state, expires_at, approved_by)
                     VALUES (999999, 'log.rotate_key', 'x', '{{}}', {ada}, 1, 2, 2, {ada})"
                ),
                "begins as submitted",
            ),
        ] {
            let refused = conn.execute(&sql).expect_err(&sql).to_string();
            assert!(refused.contains(why), "{kind:?}: {sql}: {refused}");
        }
        let twice = "INSERT INTO proposals (id, kind, about, facts, submitted_at, state, expires_at)
             VALUES (999999, 'log.rotate_key', 'key', '{}', 1, 1, 2)";
        assert!(conn.execute(twice).expect_err(twice).to_string().to_lowercase().contains("unique"), "{kind:?}");
        assert_eq!(state(&bank, id), State::Submitted);
        approve(&bank, id, bob).unwrap();
        assert_eq!(state(&bank, id), State::Approved);
        bank.intake.stop();
    });
}

#[test]
fn of_two_officers_at_once_one_decides() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let (ada, bob, eve) = (officer(&bank, "ada"), officer(&bank, "bob"), officer(&bank, "eve"));
        let id = submit(&bank, "key", Some(ada));
        let start = Barrier::new(2);
        let decided = std::thread::scope(|scope| {
            let both = [bob, eve].map(|user| {
                let (bank, start) = (&bank, &start);
                scope.spawn(move || {
                    start.wait();
                    approve(bank, id, user)
                })
            });
            both.map(|thread| thread.join().unwrap())
        });
        let refused = decided.iter().filter(|d| matches!(d, Err(ActError::Refused { code: "proposal_closed", .. }))).count();
        assert_eq!((decided.iter().filter(|d| d.is_ok()).count(), refused), (1, 1), "{kind:?}: {decided:?}");
        bank.intake.stop();
    });
}

fn page(site: &Site, who: &SignedIn, path: &str) -> Answer {
    Answer::of(site.plain(Method::GET, path).header("cookie", &who.cookie).send().unwrap())
}

fn send(site: &Site, who: &SignedIn, path: &str, form: &[(&str, &str)]) -> Answer {
    let request = site.plain(Method::POST, path).header("cookie", &who.cookie).header("x-csrf-token", &who.csrf);
    Answer::of(request.form(form).send().unwrap())
}

#[test]
fn the_page_shows_what_waits_for_whom() {
    on_both(|kind| {
        let site = Site::open(kind);
        let ada = officer(&site.bank, "ada");
        let bob = site.sign_in(Role::Officer);
        assert!(page(&site, &bob, "/approvals").text.contains("No open proposal"));
        let id = submit(&site.bank, "key", Some(ada));
        let list = page(&site, &bob, "/approvals");
        assert!(list.text.contains("1 proposal waits for your decision") && list.text.contains("Waits for you"), "{}", list.text);
        assert!(page(&site, &bob, "/").text.contains("1<span class=\"hide\"> waiting for you"));
        let one = page(&site, &bob, &format!("/approvals/{id}"));
        for words in ["signed by the key new-key", "The yearly change", "ada@bank.example", "value=\"approve\""] {
            assert!(one.text.contains(words), "{words}: {}", one.text);
        }
        let path = format!("/approvals/{id}/decision");
        let short = send(&site, &bob, &path, &[("decision", "approve"), ("comment", "fine")]);
        assert!(short.status == 422 && short.text.contains("4 characters"), "{short:#?}");
        let none = send(&site, &bob, &path, &[("comment", WHY)]);
        assert!(none.status == 422 && none.text.contains("Choose whether"), "{none:#?}");
        let auditor = site.sign_in(Role::Auditor);
        let read = page(&site, &auditor, &format!("/approvals/{id}"));
        assert!(read.status == 200 && read.text.contains("does not decide") && !read.text.contains("value=\"approve\""));
        assert_eq!(page(&site, &site.sign_in(Role::Analyst), "/approvals").status, 403);
        assert_eq!(send(&site, &bob, &path, &[("decision", "approve"), ("comment", WHY)]).status, 303);
        assert_eq!(state(&site.bank, id), State::Approved);
        assert_eq!(page(&site, &bob, "/approvals/77777").status, 404);
        assert!(page(&site, &bob, "/approvals?state=ended").text.contains("No such proposal"));
        assert_eq!(page(&site, &bob, "/approvals?state=odd").status, 400);
        assert!(!site.events("approval.submitted")[0].to_string().contains("canary"));
    });
}

#[test]
fn whoever_submits_takes_it_back() {
    let site = Site::open(Kind::Sqlite);
    let who = site.sign_in(Role::Officer);
    let users = site.app.db.read(users::list).unwrap();
    let id = submit(&site.bank, "key", users.iter().find(|u| u.role == Role::Officer).map(|u| u.id));
    let own = page(&site, &who, &format!("/approvals/{id}"));
    assert!(own.text.contains("Take it back") && !own.text.contains("value=\"approve\""), "{}", own.text);
    let approved = send(&site, &who, &format!("/approvals/{id}/decision"), &[("decision", "approve"), ("comment", WHY)]);
    assert_eq!(approved.status, 403, "{approved:#?}");
    assert_eq!(send(&site, &who, &format!("/approvals/{id}/withdrawal"), &[]).status, 303);
    assert_eq!(state(&site.bank, id), State::Withdrawn);
    let refused = site.events("approval.decision_refused");
    assert_eq!(refused[0]["code"], "own_proposal");
}

#[test]
fn what_waits_too_long_ends_and_who_left_has_no_say() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let (ada, bob, eve) = (officer(&bank, "ada"), officer(&bank, "bob"), officer(&bank, "eve"));
        let (stale, other) = (submit(&bank, "stale", Some(ada)), submit(&bank, "other", Some(bob)));
        users::disable(&bank.intake.log(), "ada@bank.example").unwrap();
        assert!(matches!(approve(&bank, stale, bob), Err(ActError::Refused { code: "submitter_gone", .. })), "{kind:?}");
        assert!(matches!(approve(&bank, other, ada), Err(ActError::Refused { code: "forbidden", .. })));
        let gone = format!("UPDATE proposals SET state = 2, approved_by = {ada} WHERE id = {other}");
        let refused = bank.db.connect().unwrap().execute(&gone).expect_err("the database knows it too").to_string();
        assert!(refused.contains("only an officer"), "{refused}");
        bank.clock.advance(approvals::KEPT);
        assert!(matches!(approve(&bank, other, eve), Err(ActError::Refused { code: "proposal_expired", .. })));
        assert_eq!(approvals::expire_due(&bank.db, &bank.intake.log(), bank.clock.now()).unwrap(), 2);
        assert_eq!((state(&bank, stale), state(&bank, other)), (State::Expired, State::Expired));
        bank.intake.stop();
    });
}

#[test]
fn programs_of_officers_read_what_was_proposed_without_anything_private() {
    on_both(|kind| {
        let site = Site::open(kind);
        let ada = officer(&site.bank, "ada");
        let (one, two) = (submit(&site.bank, "one", Some(ada)), submit(&site.bank, "two", None));
        approve(&site.bank, two, ada).unwrap();
        let session = site.sign_in(Role::Auditor);
        let get = |path: &str| Answer::of(site.plain(Method::GET, path).header("cookie", &session.cookie).send().unwrap());
        let all = get("/api/v1/approvals");
        assert!(!all.text.contains(WHY) && !all.text.contains("canary"), "{all:?}");
        let ids =
            |answer: &Answer| answer.json()["items"].as_array().unwrap().iter().map(|p| p["id"].clone()).collect::<Vec<_>>();
        assert_eq!((ids(&all), &all.json()["next"]), (vec![json!(two), json!(one)], &json!(null)));
        let first = get("/api/v1/approvals?limit=1&state=open");
        assert_eq!((ids(&first), &first.json()["next"]), (vec![json!(two)], &json!(two)));
        assert_eq!(ids(&get(&format!("/api/v1/approvals?limit=1&cursor={two}"))), [json!(one)]);
        assert_eq!(ids(&get("/api/v1/approvals?state=refused")), Vec::<serde_json::Value>::new());
        let shown = get(&format!("/api/v1/approvals/{two}")).json();
        assert_eq!(
            (&shown["state"], &shown["first"]["by"], &shown["approval"]),
            (&json!("submitted"), &json!(ada), &json!(null))
        );
        get("/api/v1/approvals/0").problem(404, "not_found");
        get("/api/v1/approvals?state=odd").problem(400, "parameter_invalid");
        get("/api/v1/approvals?limit=201").problem(400, "parameter_invalid");
    });
}

#[test]
fn rules_that_catch_less_take_a_second_person_and_those_that_catch_more_do_not() {
    on_both(|kind| {
        let site = Site::open(kind);
        let (bank, log) = (&site.bank, site.bank.intake.log());
        let (ada, bob) = (officer(bank, "ada"), officer(bank, "bob"));
        let in_force = || bank.db.read(rules_in_force).unwrap();
        let next = |change: &dyn Fn(&mut RuleSetBody)| {
            let mut body = in_force();
            body.version += 1;
            change(&mut body);
            body
        };
        let refused = |body: RuleSetBody| match define_rules(&log, body, "a test".into(), None) {
            Err(ActError::Refused { code, .. }) => code,
            other => panic!("{kind:?}: {other:?}"),
        };
        assert_eq!(refused(next(&|body| body.rules.clear())), "rule_set_incomplete");
        for beyond in ["99999999999999999999", "0"] {
            let beyond = json!({ "threshold": { "default": beyond } });
            assert_eq!(refused(next(&|body| body.rules[0].parameters = beyond.clone())), "rule_set_invalid");
        }
        let higher = json!({ "threshold": { "default": "10000", "USD": "10000.01" } });
        for looser in [
            next(&|body| body.rules[0].mode = Mode::DryRun),
            next(&|body| body.rules[0].severity = Severity::Low),
            next(&|body| body.rules[0].parameters = higher.clone()),
            next(&|body| body.rules[1].parameters = json!({ "window_seconds": 3600, "count": 7 })),
            next(&|body| body.rules[1].parameters = json!({ "window_seconds": 3599, "count": 6 })),
        ] {
            assert_eq!(refused(looser), "needs_approval", "{kind:?}");
        }
        // One that catches more comes into force at once.
        let tighter = next(&|body| body.rules[0].parameters = json!({ "threshold": { "default": "9000", "JPY": "100" } }));
        define_rules(&log, tighter, "a test".into(), None).unwrap();
        assert_eq!(in_force().version, 2);
        // One that catches less, once another officer has approved it.
        let looser = next(&|body| body.rules[0].mode = Mode::Off);
        let facts = json!({ "rules": looser, "loosens": in_force().loosened_by(&looser) });
        assert_eq!(facts["loosens"], json!(["high-value: its mode is off instead of live."]));
        let (reason, whence) = (WHY.to_owned(), json!({}));
        let about = "rules".to_owned();
        let submission = Submission { kind: What::LoosenRules, about, facts, reason, detail: None, by: Some(ada), whence };
        let id = approvals::submit(&log, submission).unwrap();
        assert!(define_rules(&log, looser, "too early".into(), Some(id)).is_err());
        assert!(approve(bank, id, ada).is_err(), "not one's own");
        approve(bank, id, bob).unwrap();
        app::carry_out_due(&site.app).unwrap();
        assert_eq!((in_force().version, in_force().rules[0].mode), (3, Mode::Off));
        assert_eq!(state(bank, id), State::CarriedOut);
        // Approved, and overtaken by another set before it is carried out: it ends and says why.
        let looser = next(&|body| body.rules[1].mode = Mode::Off);
        let facts = json!({ "rules": looser, "loosens": in_force().loosened_by(&looser) });
        let (reason, whence, about) = (WHY.to_owned(), json!({}), "rules".to_owned());
        let submission = Submission { kind: What::LoosenRules, about, facts, reason, detail: None, by: Some(ada), whence };
        let id = approvals::submit(&log, submission).unwrap();
        approve(bank, id, bob).unwrap();
        define_rules(&log, next(&|body| body.rules[0].mode = Mode::Live), "a test".into(), None).unwrap();
        app::carry_out_due(&site.app).unwrap();
        assert_eq!((in_force().version, state(bank, id)), (4, State::Refused));
        let why = bank.db.read(|conn| approvals::find(conn, id)).unwrap().unwrap().end.unwrap().comment.unwrap();
        assert!(why.contains("must have version 5"), "{why}");
    });
}
