//! Rules on changes: hits, receipts, alerts, the report, replay, and what tampering leaves of them.

use counterfoil::access::Role;
use counterfoil::alerts::store as alerts;
use counterfoil::audit::{ReplayOptions, replay};
use counterfoil::config::Config;
use counterfoil::db::Db;
use counterfoil::reports::{self, Context};
use reqwest::Method;
use serde_json::{Value, json};

use super::house::{change, record_as, verified};
use crate::bank::{Bank, Home, Kind, on_both};
use crate::privacy::ready_to_seal;
use crate::site::{Answer, Site};
use crate::tamper::edits::behind_the_triggers;

const CHANGES: &str = "/api/v1/changes";
/// Within business hours of a bank in UTC.
const NOON: &str = "2026-03-02T12:00:00Z";
const NIGHT: &str = "2026-03-02T03:00:00Z";

fn settings(config: &mut Config) {
    config.mail.alerts_to = vec!["desk@bank.example".into()];
    config.records = toml::from_str(
        "[[type]]\nname = \"price\"\nclass = \"critical\"\n[[type]]\nname = \"staff\"\nemployee = \"/login\"\n\
         [[type]]\nname = \"customer\"\nsensitive = [\"/tax\"]",
    )
    .unwrap();
}

fn price(reference: &str, amount: &str, more: Value) -> Value {
    let mut row = json!({ "type": "price", "id": "P-1", "after": { "amount": amount }, "changed_at": NOON, "reason": "list" });
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    change(reference, row)
}

fn rules(answer: &Value) -> Vec<&str> {
    answer["hits"].as_array().unwrap().iter().map(|hit| hit["rule"].as_str().unwrap()).collect()
}

/// The bank made again from its leaves.
fn replays(bank: &Bank) {
    let into = Home::new(Kind::Sqlite);
    let options = ReplayOptions { config: &bank.config, batch: 7, progress: &|_, _| {} };
    let again = replay(&bank.db, &Db::open(&into.url(), 1).unwrap(), None, &options).unwrap();
    assert_eq!(again.differences, []);
}

#[test]
fn a_large_change_of_a_price_is_on_the_receipt_in_one_alert_in_the_mail_and_in_the_report() {
    on_both(|kind| {
        let site = Site::with(kind, settings);
        let created = site.post(CHANGES, &price("R1", "100.00", json!({ "action": "create" }))).json();
        assert_eq!(created["hits"], json!([]), "what is new is no change of a number");
        let small = site.post(CHANGES, &price("R2", "149.99", json!({}))).json();
        assert_eq!(small["hits"], json!([]));
        let row = price("R3", "300.00", json!({ "reason": null }));
        let large = site.post(CHANGES, &row).json();
        assert_eq!(rules(&large), ["large-change", "no-reason"], "{large}");
        assert_eq!(large["hits"][0]["severity"], "medium");
        assert_eq!(site.post(CHANGES, &row).json()["hits"], large["hits"], "the first receipt again");
        let alert = large["hits"][0]["alert"].as_str().unwrap().to_owned();

        let blind = site.issue("core", "changes:write");
        let by = |row: &Value| site.plain(Method::POST, CHANGES).bearer_auth(&blind).json(row);
        let joins = Answer::of(by(&price("R4", "1.00", json!({}))).send().unwrap()).json();
        assert_eq!((joins["status"].as_str(), &joins["hits"]), (Some("recorded"), &json!([])), "a key that may not know of hits");
        let found = site.get(&format!("/api/v1/alerts/{alert}")).json();
        assert_eq!((&found["hits"], &found["account"]), (&json!(2), &json!("P-1")), "{found}");
        assert_eq!((&found["explanation"]["observed"], &found["explanation"]["threshold"]), (&json!("100 %"), &json!("50 %")));
        assert_eq!(found["entries"], json!([large["seq"], joins["seq"]]));

        let opened = site.events("alert.opened");
        assert_eq!(opened.len(), 2, "one for each rule, and the fourth change joins");
        assert!(opened.iter().all(|event| event["mail"] == 1));
        let told = site.events("record.changed");
        assert_eq!(told[2]["outcomes"][0]["evidence"]["observed"], "100 %");
        assert!(!told[2].to_string().contains("149.99") && !told[2].to_string().contains("/amount"), "no value: {}", told[2]);

        let officer = site.sign_in(Role::Officer);
        let page = |path: &str| Answer::of(site.plain(Method::GET, path).header("cookie", &officer.cookie).send().unwrap()).text;
        let shown = page(&format!("/alerts/{alert}"));
        let record = format!("/records/{}", told[2]["record"]);
        for part in ["Changes behind it", &record, "149.99", "300.00", "Large change of a number"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(
            page("/alerts").contains(&format!("Price record {}", told[2]["record"]).to_lowercase()),
            "the queue names the record"
        );

        let context = Context::new(&site.bank.config, site.bank.clock.clone());
        let today = site.bank.clock.now().utc().date_naive();
        let report = site.bank.db.read(|conn| reports::preview(conn, &context, today)).unwrap();
        let of = report.rules.iter().find(|rule| rule.rule == "large-change").unwrap();
        assert_eq!((of.evaluated, of.hits), (4, 2), "{of:?}");
        assert_eq!((report.alerts.raised, report.alerts.by_rule["large-change"]), (2, 1));
        assert_eq!(verified(&site.bank).findings, [], "{kind:?}");
        replays(&site.bank);
    });
}

#[test]
fn ones_own_record_and_many_records_by_one_actor_raise_alerts() {
    on_both(|kind| {
        let bank = Bank::with(kind, settings);
        let hits = |rows: &[Value]| -> Vec<Vec<(String, Option<String>)>> {
            let results = record_as(&bank, bank.source, rows);
            let of = |result: counterfoil::records::ChangeResult| match result {
                counterfoil::records::ChangeResult::Recorded(receipt) => {
                    receipt.hits.into_iter().map(|hit| (hit.rule, hit.alert)).collect()
                }
                other => panic!("{other:?}"),
            };
            results.into_iter().map(of).collect()
        };
        let staff = |reference: &str, login: &str, actor: &str, more: Value| {
            let mut row = json!({ "type": "staff", "id": "S-7", "after": { "login": login, "grade": 3 }, "actor": actor });
            row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            change(reference, row)
        };
        let found = hits(&[
            staff("S1", "jane", "john", json!({ "action": "create" })),
            staff("S2", "jane", "JANE", json!({ "after": { "login": "jane", "grade": 4 } })),
            staff("S3", "jane", "jane", json!({ "after": { "login": "jane", "grade": 5 }, "actor_kind": "customer" })),
            staff("S4", "jane", "s-7", json!({ "after": { "login": "joan", "grade": 5 } })),
        ]);
        let names: Vec<Vec<&str>> = found.iter().map(|hits| hits.iter().map(|hit| hit.0.as_str()).collect()).collect();
        assert_eq!(names, [vec![], vec!["own-record"], vec![], vec!["own-record"]]);
        assert_eq!(found[1][0].1, found[3][0].1, "one alert");

        let mass = |n: usize, actor: &str| {
            change(
                &format!("{actor}{n}"),
                json!({ "id": format!("C-{n}"), "after": { "n": n }, "actor": actor, "changed_at": NOON }),
            )
        };
        let rows: Vec<Value> = (0..51).map(|n| mass(n, "ann")).collect();
        let found = hits(&rows);
        assert!(found[..49].iter().all(Vec::is_empty));
        assert_eq!((found[49][0].0.as_str(), &found[49][0].1), ("many-records", &found[50][0].1), "the alert is the actor's");
        // The newest first, the name now so and now so: the oldest comes last and is the hit.
        let back = |n: usize| {
            let at = format!("2026-03-02T{:02}:{:02}:00Z", 11 - n / 60, 59 - n % 60);
            change(
                &format!("B{n}"),
                json!({ "id": format!("D-{n}"), "after": { "n": n }, "actor": if n.is_multiple_of(2) { "Eve" } else { "EVE" }, "changed_at": at }),
            )
        };
        let backwards = hits(&(0..50).map(back).collect::<Vec<Value>>());
        assert!(backwards[..49].iter().all(Vec::is_empty), "{backwards:?}");
        assert_eq!(backwards[49].iter().map(|hit| hit.0.as_str()).collect::<Vec<_>>(), ["many-records"]);
        let late: Vec<i16> = bank
            .db
            .read(|conn| {
                let newest = alerts::open_alerts(conn)?.last().unwrap().id;
                alerts::hits_of_alert(conn, newest, 9)
            })
            .unwrap()
            .iter()
            .map(|hit| hit.late)
            .collect();
        assert_eq!(late, [1]);
        let rows: Vec<Value> = (100..150).map(|n| mass(n, "bob")).collect();
        let others = hits(&rows);
        assert_ne!(others[49][0].1, found[49][0].1, "another actor's is another");
        assert_eq!(verified(&bank).findings, [], "{kind:?}");
        replays(&bank);
    });
}

#[test]
fn a_sensitive_field_changed_at_night_is_found_without_telling_its_value() {
    on_both(|kind| {
        let bank = Bank::with(kind, settings);
        ready_to_seal(&bank);
        let tax = |n: u32, at: &str| json!({ "after": { "name": "Ann", "tax": n }, "changed_at": at });
        let rows = [
            change("R1", tax(1, NOON)),
            change("R2", tax(900, NIGHT)),
            change("R3", json!({ "after": { "name": "Bea", "tax": 900 } })),
        ];
        let results = record_as(&bank, bank.source, &rows);
        let counterfoil::records::ChangeResult::Recorded(night) = &results[1] else { panic!("{results:?}") };
        let names: Vec<&str> = night.hits.iter().map(|hit| hit.rule.as_str()).collect();
        assert_eq!(names, ["after-hours"], "what is sealed is in no proportion");
        assert_eq!(verified(&bank).findings, [], "{kind:?}");
        replays(&bank);
    });
}

#[test]
fn hits_and_alerts_on_changes_that_are_tampered_with_are_named() {
    on_both(|kind| {
        let bank = Bank::with(kind, settings);
        record_as(&bank, bank.source, &[price("R1", "1.00", json!({ "action": "create" })), price("R2", "9.00", json!({}))]);
        assert_eq!(verified(&bank).findings, []);
        let tampered = |table: &str, sql: &str, back: &str, code: &str| {
            let mut conn = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
            behind_the_triggers(&mut conn, table, sql).unwrap();
            let codes: Vec<String> = verified(&bank).findings.iter().map(|finding| finding.kind.to_string()).collect();
            assert!(codes.iter().any(|found| found == code), "{kind:?} {sql}: {codes:?}");
            behind_the_triggers(&mut conn, table, back).unwrap();
            assert_eq!(verified(&bank).findings, [], "{kind:?}: put back after {sql}");
        };
        let evidence = |from: &str, to: &str| format!("UPDATE hits SET evidence = replace(evidence, '{from}', '{to}')");
        tampered("hits", &evidence("800 %", "55 %"), &evidence("55 %", "800 %"), "hit_changed");
        tampered("hits", "UPDATE hits SET alert = NULL", "UPDATE hits SET alert = (SELECT max(id) FROM alerts)", "hit_changed");
        tampered("alerts", "UPDATE alerts SET hits = 2", "UPDATE alerts SET hits = 1", "row_differs");
        tampered("alerts", "UPDATE alerts SET account = account + 1", "UPDATE alerts SET account = account - 1", "row_differs");
        let mut conn = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        behind_the_triggers(&mut conn, "hits", "DELETE FROM hits").unwrap();
        let codes: Vec<String> = verified(&bank).findings.iter().map(|finding| finding.kind.to_string()).collect();
        assert_eq!(codes, ["hit_missing"], "{kind:?}");
    });
}
