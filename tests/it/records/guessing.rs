//! What a key that may only send changes learns of what is stored: which fields did not match, and no value;
//! and of sealed values nothing at all.

use reqwest::Method;
use serde_json::{Value, json};

use super::house::{change, verified};
use crate::bank::on_both;
use crate::privacy::{everything, ready_to_seal};
use crate::site::{Answer, Site};
use counterfoil::access::Role;

const CHANGES: &str = "/api/v1/changes";
/// Outside business hours.
const NIGHT: &str = "2026-03-02T03:00:00Z";

fn site(kind: crate::bank::Kind) -> Site {
    let site = Site::with(kind, |config| {
        config.records = toml::from_str(
            "[[type]]\nname = \"customer\"\nsensitive = [\"/tax\"]\n[[type]]\nname = \"staff\"\nsensitive = [\"/login\"]\nemployee = \"/login\"",
        )
        .unwrap();
    });
    ready_to_seal(&site.bank);
    site
}

fn by(site: &Site, key: &str, row: &Value) -> Answer {
    Answer::of(site.plain(Method::POST, CHANGES).bearer_auth(key).json(row).send().unwrap())
}

/// An answer without what differs between any two changes.
fn plain(answer: &Answer) -> Value {
    let mut body = answer.json();
    for own in ["seq", "leaf", "position"] {
        body.as_object_mut().unwrap().remove(own);
    }
    json!([answer.status, body])
}

#[test]
fn a_key_that_may_only_write_is_told_where_and_no_value() {
    on_both(|kind| {
        let site = site(kind);
        site.post(CHANGES, &change("R1", json!({ "action": "create", "after": { "name": "Ann", "limit": 100 } })));
        let blind = site.issue("core", "changes:write");
        let row = change("R2", json!({ "before": { "name": "Bea", "limit": 1 }, "after": { "name": "Bea", "limit": 1 } }));
        for _ in 0..2 {
            let told = by(&site, &blind, &row).json();
            assert_eq!(told["breaks"].as_array().unwrap().len(), 2, "{told}");
            assert_eq!((&told["breaks"][0]["path"], &told["breaks"][0]["expected"]), (&json!("/limit"), &Value::Null), "{told}");
            assert!(!told.to_string().contains("Ann"), "{told}");
        }
        let seeing = by(&site, &site.issue("core", "changes:write read"), &row).json();
        assert_eq!((&seeing["status"], &seeing["breaks"][0]["expected"]), (&json!("duplicate"), &json!("100")));
        // Of the whole record as well.
        let again = by(&site, &blind, &change("R3", json!({ "action": "create", "after": { "name": "Eve" } }))).json();
        assert_eq!((&again["breaks"][0]["path"], &again["breaks"][0]["expected"]), (&json!(""), &Value::Null), "{again}");
    });
}

#[test]
fn no_answer_to_any_key_tells_whether_a_sealed_value_was_guessed() {
    on_both(|kind| {
        let site = site(kind);
        for n in 0..2 {
            let row = json!({ "id": format!("C-{n}"), "action": "create", "after": { "name": "Ann", "tax": "TAX-1" } });
            assert_eq!(site.post(CHANGES, &change(&format!("R{n}"), row)).status, 201);
            let row = json!({ "type": "staff", "id": format!("S-{n}"), "action": "create", "after": { "login": "jane" } });
            assert_eq!(site.post(CHANGES, &change(&format!("S{n}"), row)).status, 201);
        }
        // The same change twice, with the right guess of one record and the wrong one of the other.
        let mut sent = 0;
        let mut alike = |of: &str, more: &dyn Fn(&str) -> Value| {
            let mut answers = Vec::new();
            for (n, guess) in ["TAX-1", "TAX-2"].iter().enumerate() {
                sent += 1;
                let mut row = change(&format!("G{sent}"), more(guess));
                row["id"] = json!(format!("{of}-{n}"));
                answers.push(plain(&by(&site, &site.key, &row)));
            }
            assert_eq!(answers[0], answers[1], "{kind:?}: {:?}", more("guess"));
            answers.remove(0)
        };
        let after = alike("C", &|guess| json!({ "after": { "name": "Ann", "tax": guess }, "changed_at": NIGHT }));
        assert_eq!((&after[0], &after[1]["status"]), (&json!(201), &json!("recorded")));
        alike("C", &|guess| json!({ "fields": [{ "path": "/tax", "old": guess, "new": "TAX-1" }] }));
        alike("C", &|guess| json!({ "before": { "name": "Bea", "tax": guess }, "after": { "name": "Bea", "tax": "TAX-1" } }));
        let many = |guess: &str| {
            let fields: serde_json::Map<String, Value> = (0..299).map(|n| (format!("f{n:03}"), json!(n))).collect();
            let mut after = json!({ "name": "Bea", "tax": guess });
            after.as_object_mut().unwrap().extend(fields);
            json!({ "after": after })
        };
        alike("C", &many);
        // Nobody's own record: the rule that asks looks at a sealed field.
        let own = |guess: &str| {
            let actor = if guess == "TAX-1" { "jane" } else { "john" };
            json!({ "type": "staff", "actor": actor, "actor_kind": "staff", "fields": [{ "path": "/grade", "new": 4 }] })
        };
        alike("S", &own);
        // Nor what can be read afterwards.
        let read = |n: u32, what: &str| site.get(&format!("/api/v1/records/customer/C-{n}{what}")).json();
        let fields = |n: u32| -> Vec<Value> {
            read(n, "/changes")["items"].as_array().unwrap().iter().map(|item| json!([item["fields"], item["breaks"]])).collect()
        };
        assert_eq!(fields(0), fields(1));
        let first = site.bank.clock.now();
        let difference = format!("/difference?from=2026-03-02T04:00:00Z&to={first}");
        assert_eq!(read(0, &difference), read(1, &difference));
        // Nor by what came of it: alerts of these rules, and the counts of the report.
        let of_rules = |rule: &str| site.get(&format!("/api/v1/alerts?rule={rule}")).json()["items"].as_array().unwrap().len();
        assert_eq!((of_rules("after-hours"), of_rules("own-record")), (0, 0), "{kind:?}");
        let officer = site.sign_in(Role::Officer);
        let seen = |path: &str| {
            Answer::of(
                site.plain(Method::GET, path)
                    .header("cookie", &officer.cookie)
                    .header("accept", "application/json")
                    .send()
                    .unwrap(),
            )
        };
        let alerts = seen("/api/v1/alerts?rule=after-hours").json();
        let reference = alerts["items"][0]["ref"].as_str().expect("an officer sees it").to_owned();
        site.get(&format!("/api/v1/alerts/{reference}")).problem(404, "not_found");
        site.get("/api/v1/reports/2026-03-02").problem(403, "report_of_sealed_values");
        assert_eq!(seen("/api/v1/reports/2026-03-02").status, 200);
        // Officers see all of it.
        let hits: Vec<String> =
            site.events("alert.opened").iter().map(|event| event["rule"].as_str().unwrap().to_owned()).collect();
        assert!(hits.contains(&"after-hours".to_owned()) && hits.contains(&"own-record".to_owned()), "{hits:?}");
        assert_eq!(site.events("record.changed").iter().filter(|event| event["mismatches"] == 1).count(), 1);
        assert!(!everything(&mut site.bank.db.connect().unwrap()).contains("TAX-2"), "a wrong guess is sealed as well");
        assert_eq!(verified(&site.bank).findings, [], "{kind:?}");
    });
}

#[test]
fn guesses_under_a_known_reference_are_counted_told_and_bounded() {
    on_both(|kind| {
        let site = site(kind);
        let row = |tax: &str| change("R1", json!({ "action": "create", "after": { "name": "Ann", "tax": tax } }));
        assert_eq!(site.post(CHANGES, &row("TAX-1")).status, 201);
        let blind = site.issue("core", "changes:write");
        for n in 0..10 {
            by(&site, &blind, &row(&format!("GUESS-{n}"))).problem(409, "source_ref_conflict");
        }
        let wrong = by(&site, &blind, &row("GUESS-X"));
        assert!(wrong.headers.contains_key("retry-after"), "{wrong:?}");
        assert_eq!(wrong.problem(429, "too_many_conflicts"), by(&site, &blind, &row("TAX-1")).problem(429, "too_many_conflicts"));
        assert_eq!(site.post(CHANGES, &row("TAX-1")).json()["status"], "duplicate", "another key is not held up by it");
        let refused: Vec<Value> = site.events("changes.refused");
        let of = |code: &str| refused.iter().filter(|event| event["codes"][code] == 1).count();
        assert_eq!((of("source_ref_conflict"), of("too_many_conflicts")), (10, 2), "{refused:?}");
        assert!(
            !everything(&mut site.bank.db.connect().unwrap()).contains("GUESS-"),
            "what was refused is not kept in the clear"
        );
    });
}

#[test]
fn a_page_tells_only_whoever_may_open_a_sealed_value_that_it_was_sent_again() {
    on_both(|kind| {
        let site = site(kind);
        for (name, body) in [
            ("R1", json!({ "action": "create", "after": { "tax": "A1" } })),
            ("R2", json!({ "after": { "tax": "A1" } })),
            // What takes the place of a value that its sender had sealed is sealed, too.
            ("R3", json!({ "sensitive": ["/pin"], "after": { "tax": "A1", "pin": "canary-1" } })),
            ("R4", json!({ "after": { "tax": "A1", "pin": { "new": "canary-2" } } })),
        ] {
            assert_eq!(site.post(CHANGES, &change(name, body)).status, 201, "{name}");
        }
        let record = site.events("record.changed")[0]["record"].as_i64().unwrap();
        let page = |role: Role| {
            let who = site.sign_in(role);
            let page = site.plain(Method::GET, &format!("/records/{record}")).header("cookie", &who.cookie).send().unwrap();
            Answer::of(page).text
        };
        assert!(page(Role::Officer).contains("sealed, the same"), "{kind:?}");
        let told = page(Role::Analyst);
        assert!(!told.contains("sealed, the same") && told.contains("sealed"), "{kind:?}: {told}");
        for role in [Role::Officer, Role::Analyst] {
            assert!(!page(role).contains("canary"), "{kind:?}: in the clear");
        }
        assert!(!everything(&mut site.bank.db.connect().unwrap()).contains("canary"), "{kind:?}: in the clear");
        assert_eq!(verified(&site.bank).findings, []);
    });
}
