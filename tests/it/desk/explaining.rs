//! A break is explained by two officers: of a record and of an entry alike, and both are closed by it.

use counterfoil::access::Role;
use counterfoil::app::carry_out_due;
use counterfoil::approvals::{Decision, State};
use counterfoil::db::Db;
use counterfoil::ids::Seq;
use counterfoil::ledger::{BreakKind, BreakState, store as ledger};
use counterfoil::records::{OPEN, explain, store};
use counterfoil::reports::{self, Context};
use reqwest::Method;
use serde_json::{Value, json};

use super::house::{WHY, approve, decide, ending, officer, page, proposal_of, replays, send, state};
use crate::bank::{entry, on_both};
use crate::records::{change, record_as};
use crate::site::{Answer, SignedIn, Site};
use crate::tamper::edits::behind_the_triggers;

/// A record whose second change did not begin as we knew it; the place of that change.
fn broken_record(site: &Site) -> Seq {
    let rows = [
        change("C1", json!({ "after": { "limit": 100 } })),
        change("C2", json!({ "before": { "limit": 150 }, "after": { "limit": 200 }, "reason": "asked for by letter" })),
    ];
    record_as(&site.bank, site.bank.source, &rows);
    let broken = site.app.db.read(|conn| store::breaks_newest(conn, 10)).unwrap();
    assert_eq!(broken.len(), 1);
    broken[0].seq
}

fn of_record(site: &Site, seq: Seq) -> store::RecordBreakRow {
    site.app.db.read(|conn| store::record_break(conn, seq)).unwrap().unwrap()
}

fn of_entry(site: &Site, seq: Seq) -> ledger::BreakRow {
    site.app.db.read(|conn| ledger::breaks_at(conn, seq)).unwrap().remove(0)
}

/// The open breaks of records and of entries, as a report over everything says.
fn on_report(site: &Site) -> (i64, i64) {
    let context = Context::new(&site.app.config, site.app.clock.clone());
    let date = "2026-03-02".parse().unwrap();
    let report: Value = serde_json::to_value(site.app.db.read(|conn| reports::preview(conn, &context, date)).unwrap()).unwrap();
    // Left out where there is none.
    let open = |name: &str| report["continuity"][name].as_i64().unwrap_or(0);
    (open("records_open"), open("breaks_open"))
}

fn by_interface(site: &Site, who: &SignedIn, path: &str, body: &Value) -> Answer {
    let request = site.plain(Method::POST, path).header("cookie", &who.cookie).header("x-csrf-token", &who.csrf);
    Answer::of(request.json(body).send().unwrap())
}

#[test]
fn a_break_of_a_record_is_explained_by_two_and_is_open_no_more() {
    on_both(|kind| {
        let site = Site::open(kind);
        let (seq, bob) = (broken_record(&site), officer(&site, "bob"));
        let (ada, analyst) = (site.sign_in(Role::Officer), site.sign_in(Role::Analyst));
        assert_eq!(on_report(&site), (1, 0));
        let path = format!("/breaks/{seq}/record");
        assert!(page(&site, &ada, "/records").text.contains(&path), "the list leads to it");
        let shown = page(&site, &ada, &path);
        for words in ["did not follow", "/limit", "100", "150", "asked for by letter", "Propose it"] {
            assert!(shown.text.contains(words), "{kind:?} {words}: {}", shown.text);
        }
        assert!(!page(&site, &analyst, &path).text.contains("Propose it"), "who only works alerts has no form");
        assert_eq!(send(&site, &analyst, &format!("{path}/explanation"), &[("reason", WHY)]).status, 403);
        for missing in [format!("/breaks/{}/record", seq - 1), format!("/breaks/{seq}/chain"), format!("/breaks/{seq}/odd")] {
            assert_eq!(page(&site, &ada, &missing).status, 404, "{missing}");
        }
        let short = send(&site, &ada, &format!("{path}/explanation"), &[("reason", "too short")]);
        assert!(short.status == 422 && short.text.contains("9 characters") && short.text.contains(">too short<"), "{short:?}");
        let id = proposal_of(&send(&site, &ada, &format!("{path}/explanation"), &[("reason", WHY)]));
        assert!(page(&site, &ada, &path).text.contains("waits for another officer"));
        assert!(page(&site, &ada, &format!("/approvals/{id}")).text.contains("The record break at"));
        // The second person says no; then, asked by the interface, yes.
        decide(&site, id, bob, Decision::Refuse).unwrap();
        carry_out_due(&site.app).unwrap();
        assert_eq!(of_record(&site, seq).state, OPEN);
        let api = format!("/api/v1/breaks/{seq}/record/explanation");
        by_interface(&site, &ada, &api, &json!({ "reason": "no" })).problem(422, "comment_length");
        by_interface(&site, &ada, "/api/v1/breaks/1/record/explanation", &json!({ "reason": WHY })).problem(404, "break_unknown");
        let asked = by_interface(&site, &ada, &api, &json!({ "reason": WHY }));
        assert_eq!(asked.status, 202, "{asked:?}");
        let id = asked.json()["proposal"].as_i64().unwrap();
        approve(&site, id, bob);
        carry_out_due(&site.app).unwrap();
        let event = site.events("break.explained").remove(0);
        assert_eq!((&event["break"], &event["kind"], &event["proposal"]), (&json!(seq), &json!("record"), &json!(id)));
        let row = of_record(&site, seq);
        assert!(row.state == explain::CLOSED && row.closed_by.is_some(), "{row:?}");
        assert_eq!((state(&site, id), on_report(&site)), (State::CarriedOut, (0, 0)));
        let shown = page(&site, &ada, &path).text;
        assert!(shown.contains("Explained") && shown.contains(&format!("/approvals/{id}")), "{shown}");
        assert!(page(&site, &ada, "/trail").text.contains("explained the record break"));
        by_interface(&site, &ada, &api, &json!({ "reason": WHY })).problem(409, "break_closed");
        assert_eq!(site.bank.findings(), [], "{kind:?}");
        replays(&site);
    });
}

#[test]
fn a_break_of_an_entry_is_explained_and_a_late_entry_still_heals_it() {
    on_both(|kind| {
        let site = Site::open(kind);
        let (ada, bob) = (site.sign_in(Role::Officer), officer(&site, "bob"));
        site.bank.record(entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 0, 100));
        let one = site.bank.record(entry("E2", "ACC-1", "2026-03-02T09:00:00Z", 150, 160)).seq;
        let two = site.bank.record(entry("E3", "ACC-1", "2026-03-02T10:00:00Z", 170, 180)).seq;
        assert_eq!(on_report(&site), (0, 2));
        let explained = |seq: Seq| {
            let path = format!("/breaks/{seq}/chain/explanation");
            proposal_of(&send(&site, &ada, &path, &[("reason", WHY)]))
        };
        let (first, second) = (explained(one), explained(two));
        // Healed before anybody approves: the proposal ends, and nothing is done.
        site.bank.record(entry("LATE", "ACC-1", "2026-03-02T09:30:00Z", 160, 170));
        approve(&site, second, bob);
        approve(&site, first, bob);
        carry_out_due(&site.app).unwrap();
        assert_eq!((state(&site, second), of_entry(&site, two).state), (State::Refused, BreakState::Healed.code()));
        assert!(ending(&site, second).contains("healed"), "{}", ending(&site, second));
        let row = of_entry(&site, one);
        assert_eq!((state(&site, first), row.state), (State::CarriedOut, BreakState::Explained.code()));
        assert_eq!((row.kind, on_report(&site)), (BreakKind::Chain.code(), (0, 0)));
        let shown = page(&site, &ada, &format!("/breaks/{one}/chain")).text;
        assert!(shown.contains("USD") && shown.contains("100.00") && shown.contains("150.00"), "{shown}");
        assert_eq!(site.bank.findings(), [], "{kind:?}");
        replays(&site);
        // What was explained was true after all: the missing entry comes.
        site.bank.record(entry("LATER", "ACC-1", "2026-03-02T08:30:00Z", 100, 150));
        assert_eq!(of_entry(&site, one).state, BreakState::Healed.code());
        assert_eq!(site.bank.findings(), [], "{kind:?}");
        replays(&site);
    });
}

#[test]
fn a_break_that_nobody_explained_cannot_be_made_to_look_so() {
    on_both(|kind| {
        let site = Site::open(kind);
        let seq = broken_record(&site);
        let entry = site.bank.record(entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 0, 100)).seq;
        let mut conn = Db::open(&site.bank.home.owner_url(), 1).unwrap().connect().unwrap();
        let sql = format!("UPDATE record_breaks SET state = 3, closed_by = {entry} WHERE seq = {seq}");
        behind_the_triggers(&mut conn, "record_breaks", &sql).unwrap();
        let found = site.bank.findings();
        assert!(found.iter().any(|f| f.table == "record_breaks" && f.seq == Some(seq)), "{kind:?}: {found:?}");
        let back = format!("UPDATE record_breaks SET state = 1, closed_by = NULL WHERE seq = {seq}");
        behind_the_triggers(&mut conn, "record_breaks", &back).unwrap();
        // Not even an event says so, where no two officers did.
        let body = json!({ "break": seq, "kind": "record", "record": 1, "proposal": 1 });
        let forged = counterfoil::trail::NewEvent::public("break.explained", body);
        site.app.log().append(forged).unwrap();
        let found = site.bank.findings();
        assert!(found.iter().any(|f| f.kind == "not_approved"), "{kind:?}: {found:?}");
    });
}
