//! Who looked at patients and who changed them: the health example of the seeds, by user, type and role.

use counterfoil::access::Role;
use counterfoil::clock::DAY;
use counterfoil::records::{ChangeResult, store};
use reqwest::Method;
use serde_json::{Value, json};

use super::house::{page, send};
use crate::bank::{entry, on_both};
use crate::privacy::ready_to_seal;
use crate::records::record_as;
use crate::site::{Answer, SignedIn, Site};

const WHY: &str = "The patient asked who has seen the diagnosis, letter of today.";

/// A change of a patient by somebody of the ward.
fn treat(site: &Site, reference: &str, id: &str, actor: &str, diagnosis: &str) {
    let row = json!({
        "source_ref": reference, "type": "patient", "id": id, "action": "update", "actor": actor, "reason": "ward round",
        "after": { "ward": "B2", "diagnosis": diagnosis },
    });
    let done = record_as(&site.bank, site.bank.source, &[row]).remove(0);
    assert!(matches!(done, ChangeResult::Recorded(_)), "{done:?}");
}

fn number(site: &Site, id: &str) -> i64 {
    let source = site.bank.source;
    site.app.db.read(|conn| store::record_by_reference(conn, source, "patient", id)).unwrap().unwrap().id
}

fn asked(site: &Site, who: &SignedIn, query: &str) -> Answer {
    let path = format!("/api/v1/reports/users{query}");
    Answer::of(site.plain(Method::GET, &path).header("cookie", &who.cookie).send().unwrap())
}

/// The line of a name.
#[track_caller]
fn line(report: &Value, name: &str) -> Value {
    let items = report["items"].as_array().unwrap();
    items.iter().find(|item| item["name"] == name).cloned().unwrap_or_else(|| panic!("{name}: {report:#}"))
}

#[track_caller]
fn counts(line: &Value, names: &[&str]) -> Vec<i64> {
    names.iter().map(|name| line[name].as_i64().unwrap()).collect()
}

#[test]
fn accesses_and_changes_of_patients_are_counted_by_user() {
    on_both(|kind| {
        let site = Site::with(kind, |config| {
            config.records = toml::from_str("[[type]]\nname = \"patient\"\nsensitive = [\"/diagnosis\"]").unwrap();
        });
        ready_to_seal(&site.bank);
        for (n, (id, actor)) in
            [("P-1", "dr.chan"), ("P-1", "dr.chan"), ("P-2", "nurse.ito"), ("P-2", "=dr.formula")].iter().enumerate()
        {
            treat(&site, &format!("T{n}"), id, actor, &format!("DIAGNOSIS-CANARY-{n}"));
        }
        let price = json!({ "source_ref": "PR", "type": "price", "id": "X", "action": "create", "actor": "dr.chan",
            "after": { "amount": 3 } });
        record_as(&site.bank, site.bank.source, &[price]);
        let seq = site.bank.record(entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 0, 10)).seq;
        let (officer, auditor) = (site.sign_in(Role::Officer), site.sign_in(Role::Auditor));
        let (analyst, admin) = (site.sign_in(Role::Analyst), site.sign_in(Role::Admin));
        let (one, two) = (format!("/records/{}", number(&site, "P-1")), format!("/records/{}", number(&site, "P-2")));
        for path in [&one, &one, &two, &format!("/entries/{seq}")] {
            page(&site, &officer, path);
        }
        page(&site, &auditor, &two);
        let opened = send(&site, &officer, &format!("{one}/reveal"), &[("version", "2"), ("reason", WHY)]);
        assert!(opened.text.contains("DIAGNOSIS-CANARY-1"), "{opened:?}");
        send(&site, &officer, "/records", &[("kind", "patient"), ("query", "P-")]);
        assert_eq!(send(&site, &analyst, &format!("{one}/reveal"), &[("version", "2"), ("reason", WHY)]).status, 403);

        // Of patients: who saw how many of them, who opened what is sealed, who changed them.
        let report = asked(&site, &auditor, "?type=patient").json();
        let looked = ["views", "subjects", "reveals", "changes", "searches"];
        let of = |name: &str| counts(&line(&report, name), &looked);
        assert_eq!(of("officer@bank.example"), [3, 2, 1, 0, 1], "{kind:?}");
        assert_eq!(of("auditor@bank.example"), [1, 1, 0, 0, 0]);
        assert_eq!(of("dr.chan"), [0, 0, 0, 2, 0], "the price is no patient");
        assert_eq!((of("nurse.ito"), &line(&report, "nurse.ito")["role"]), (vec![0, 0, 0, 1, 0], &json!("source")));
        let denied = line(&report, "analyst@bank.example");
        assert_eq!((counts(&denied, &["refusals", "reveals"]), &denied["role"]), (vec![1, 0], &json!("analyst")));
        assert_eq!((&report["truncated"], &report["total"]), (&json!(false), &json!(report["items"].as_array().unwrap().len())));
        // A source has people of its own: of one name with another source's, or with an officer's address, they are others.
        let cards = crate::bank::define_source(&site.bank.intake, "cards");
        let named = |reference: &str, actor: &str| json!({ "source_ref": reference, "type": "limit", "id": "L-1", "action": "update", "actor": actor, "after": { "n": reference } });
        record_as(&site.bank, cards, &[named("L1", "Dr.Chan"), named("L2", "dr.chan"), named("L3", "officer@bank.example")]);
        let limits = asked(&site, &auditor, "?type=limit").json();
        let theirs = |name: &str| -> Vec<Value> {
            let items = limits["items"].as_array().unwrap();
            items.iter().filter(|item| item["name"] == name && item["changes"] != 0).cloned().collect()
        };
        assert_eq!((theirs("Dr.Chan").len(), &theirs("Dr.Chan")[0]["changes"]), (1, &json!(2)), "{limits}");
        assert_eq!(
            (&theirs("Dr.Chan")[0]["source"], &theirs("officer@bank.example")[0]["role"]),
            (&json!("cards"), &json!("source"))
        );
        // Of everything, of a role, and of no such period or type.
        let all = asked(&site, &officer, "").json();
        assert_eq!(counts(&line(&all, "dr.chan"), &["changes"]), [3]);
        assert!(line(&all, "officer@bank.example")["views"].as_i64().unwrap() >= 4);
        let source = asked(&site, &officer, "?role=source&type=patient").json();
        assert_eq!(source["items"].as_array().unwrap().len(), 3);
        let misspelt = asked(&site, &officer, "?role=source&type=patients").problem(400, "parameter_invalid");
        assert!(misspelt["detail"].as_str().unwrap().ends_with("choose of these: limit, patient, price"), "{misspelt}");
        let command = asked(&site, &officer, "?role=command").json();
        assert!(command["items"].as_array().unwrap().iter().all(|item| item["role"] == "command"), "{command}");
        let before = asked(&site, &officer, "?from=2026-01-01&through=2026-02-01").json();
        assert!(before["items"].as_array().unwrap().is_empty(), "{before}");
        for (query, field) in
            [("?role=king", "role"), ("?from=2026-03-03&through=2026-03-02", "through"), ("?from=2025-01-01", "through")]
        {
            assert_eq!(asked(&site, &officer, query).problem(400, "parameter_invalid")["field"], field, "{query}");
        }
        // As CSV; nothing in it runs, and nothing in it is a value.
        let csv = asked(&site, &officer, "?type=patient&format=csv");
        assert!(csv.header("content-type").starts_with("text/csv"), "{csv:?}");
        assert!(csv.text.contains(",'=dr.formula,source,0,0,0,0,0,1,0,0,core\r\n"), "{}", csv.text);
        assert!(!csv.text.contains("CANARY"));
        // As a page, with the same.
        let shown = page(&site, &auditor, "/reports/users?type=patient&role=").text;
        for words in ["nurse.ito", "officer@bank.example", "People of a source", "format=csv"] {
            assert!(shown.contains(words), "{kind:?} {words}: {shown}");
        }
        assert!(page(&site, &auditor, "/reports").text.contains("/reports/users"));
        // Who may not, and that it was read.
        for who in [&analyst, &admin] {
            assert_eq!(asked(&site, who, "").status, 403);
            assert_eq!(page(&site, who, "/reports/users").status, 403);
        }
        let read = site.events("report.by_user");
        assert!(read.iter().any(|event| event["format"] == "csv" && event["type"] == "patient"), "{read:?}");
        assert!(page(&site, &officer, "/trail").text.contains("accesses and changes by user"));
        // Another day is another period.
        site.bank.clock.advance(2 * DAY);
        let today = site.sign_in(Role::Officer);
        let later = asked(&site, &today, "?from=2026-03-04&through=2026-03-04&type=patient").json();
        assert!(later["items"].as_array().unwrap().iter().all(|item| item["changes"] == 0 && item["views"] == 0), "{later}");
        assert_eq!(site.bank.findings(), [], "{kind:?}");
    });
}
