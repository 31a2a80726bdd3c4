//! What pages, exports and answers say of records and of officers: breaks where one looks first, records by type and
//! id, no officer's name to a source, headings by cause, and links that lead somewhere.

use counterfoil::access::Role;
use counterfoil::app::carry_out_due;
use counterfoil::export::{ExportRequest, Format, What, run};
use counterfoil::reports::{self, Context};
use reqwest::Method;
use serde_json::{Value, json};

use super::house::{WHY, approve, officer, page, proposal_of, send};
use crate::bank::{entry, on_both};
use crate::records::{change, proposed, record_as};
use crate::site::{Answer, Site};

const NOON: &str = "2026-03-02T12:00:00Z";

fn exported(site: &Site, what: What) -> Vec<Value> {
    let request = ExportRequest { what, from: None, to: None, format: Format::Ndjson, private: false };
    let mut out = Vec::new();
    run(&request, &site.app.db, &mut out).unwrap();
    String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_open_break_of_a_record_is_where_one_looks_first() {
    on_both(|kind| {
        let site = Site::open(kind);
        let officer = site.sign_in(Role::Officer);
        assert!(!page(&site, &officer, "/").text.contains("Open breaks of records</h2>"), "nothing to show");
        let rows = [
            change("C1", json!({ "after": { "limit": 100 } })),
            change("C2", json!({ "before": { "limit": 150 }, "after": { "limit": 200 } })),
        ];
        record_as(&site.bank, site.bank.source, &rows);
        let today = page(&site, &officer, "/").text;
        for words in ["and 1 of records", "Open breaks of records</h2>", "/record\"", "customer"] {
            assert!(today.to_lowercase().contains(&words.to_lowercase()), "{kind:?} {words}: {today}");
        }
        let admin = page(&site, &site.sign_in(Role::Admin), "/").text;
        assert!(!admin.contains("Open breaks of records</h2>"), "whoever sees no customers sees the number only");
        let context = Context::new(&site.app.config, site.app.clock.clone());
        let date = site.app.clock.now().utc().date_naive();
        let report = site.app.db.read(|conn| reports::preview(conn, &context, date)).unwrap();
        assert!(report.verdict.contains("1 record break found (1 open)"), "{}", report.verdict);
        let rows = exported(&site, What::Breaks);
        let row = rows.iter().find(|row| row["kind"] == "record").unwrap_or_else(|| panic!("{rows:?}"));
        let told = ["source_ref", "account", "state", "type", "id"].map(|name| row[name].clone());
        assert_eq!(told, [json!("C2"), Value::Null, json!("open"), json!("customer"), json!("C-1")]);
    });
}

#[test]
fn exports_name_the_record_or_the_actor_of_a_hit() {
    on_both(|kind| {
        let site = Site::open(kind);
        let price = |reference: &str, n: u32| json!({ "source_ref": reference, "type": "price", "id": "P-1", "action": "update", "after": { "n": n }, "changed_at": NOON });
        record_as(&site.bank, site.bank.source, &[price("P1", 1), price("P2", 9)]);
        let mass = |n: u32| change(&format!("M{n}"), json!({ "id": format!("C-{n}"), "after": { "n": n }, "changed_at": NOON }));
        record_as(&site.bank, site.bank.source, &(0..50).map(mass).collect::<Vec<Value>>());
        for what in [What::Hits, What::Alerts] {
            let rows = exported(&site, what);
            let of = |rule: &str| {
                let row = rows.iter().find(|row| row["rule"] == rule).unwrap_or_else(|| panic!("{rule}: {rows:?}"));
                ["account", "type", "id", "actor"].map(|name| row[name].clone())
            };
            assert_eq!(of("large-change"), [Value::Null, json!("price"), json!("P-1"), Value::Null]);
            assert_eq!(of("many-records"), [Value::Null, Value::Null, Value::Null, json!("john_doe")]);
        }
    });
}

#[test]
fn a_source_reads_no_officer_s_name_and_nothing_they_wrote() {
    on_both(|kind| {
        let site = Site::open(kind);
        for n in 1..=2 {
            record_as(&site.bank, site.bank.source, &[change(&format!("R{n}"), json!({ "after": { "limit": n } }))]);
        }
        let record = site.events("record.defined").len() as i64;
        assert_eq!(record, 1);
        let id =
            site.app.db.read(|conn| counterfoil::records::store::record_by_reference(conn, site.bank.source, "customer", "C-1"));
        let restored = proposed(&site, id.unwrap().unwrap().id, 1);
        let (ada, bob) = (site.sign_in(Role::Officer), officer(&site, "bob"));
        let seq = site.bank.record(entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 100, 60)).seq;
        let reversed = proposal_of(&send(&site, &ada, &format!("/entries/{seq}/reversal"), &[("reason", WHY)]));
        approve(&site, reversed, bob);
        carry_out_due(&site.app).unwrap();
        let changes = site.get("/api/v1/records/customer/C-1/changes").json();
        let first = &changes["items"][0];
        assert_eq!((&first["actor"], &first["reason"]), (&json!("officer"), &json!(format!("proposal {restored}"))), "{changes}");
        assert_eq!(changes["items"][1]["actor"], "john_doe", "who the source itself names");
        let entries = site.get("/api/v1/accounts/ACC-1/entries").json();
        let reversal = entries["items"].as_array().unwrap().iter().find(|item| item["kind"] == "reversal").unwrap();
        assert_eq!((&reversal["actor"], &reversal["reason"]), (&json!("officer"), &json!(format!("proposal {reversed}"))));
        for told in [changes.to_string(), entries.to_string()] {
            assert!(!told.contains("bank.example") && !told.contains("in error") && !told.contains("twice"), "{told}");
        }
        // Officers read all of it.
        let shown = page(&site, &ada, &format!("/entries/{}", reversal["seq"])).text;
        assert!(shown.contains("officer@bank.example"), "{shown}");
    });
}

#[test]
fn pages_head_a_conflict_by_its_cause_and_lead_nobody_where_they_may_not_go() {
    on_both(|kind| {
        let site = Site::open(kind);
        let (ada, analyst) = (site.sign_in(Role::Officer), site.sign_in(Role::Analyst));
        let seq = site.bank.record(entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 100, 60)).seq;
        let id = proposal_of(&send(&site, &ada, &format!("/entries/{seq}/reversal"), &[("reason", WHY)]));
        let again = send(&site, &ada, &format!("/entries/{seq}/reversal"), &[("reason", WHY)]);
        assert!(again.status == 409 && again.text.contains("<h1>Waits for a decision</h1>"), "{again:?}");
        let link = format!("href=\"/approvals/{id}\"");
        let shown = |who| page(&site, who, &format!("/entries/{seq}")).text;
        assert!(shown(&ada).contains(&link) && !shown(&analyst).contains(&link), "{}", shown(&analyst));
        assert!(shown(&analyst).contains(&format!("proposal {id}")), "it says so all the same");
        let gone = send(&site, &ada, "/holders/hold", &[("name", "Ann Nobody"), ("reason", WHY)]);
        let told = Answer::of(
            site.plain(Method::GET, gone.header("location")).header("cookie", with_flash(&ada.cookie, &gone)).send().unwrap(),
        );
        assert!(told.text.contains("check how it is written"), "{kind:?}: {told:?}");
        let again = send(&site, &ada, "/holders/hold", &[("name", "Ann Nobody"), ("reason", WHY)]);
        assert!(again.status == 409 && again.text.contains("<h1>There already</h1>"), "{again:?}");
        // An erasure says whom it is about in words.
        record_as(
            &site.bank,
            site.bank.source,
            &[change("H1", json!({ "after": { "n": 1 }, "subject": "Eve Holder", "changed_at": "2001-01-01T00:00:00Z" }))],
        );
        site.bank.clock.advance(4_000 * counterfoil::clock::DAY);
        let ada = site.sign_in(Role::Officer);
        let asked = send(&site, &ada, "/holders/erasure", &[("name", "Eve Holder"), ("reason", WHY)]);
        let shown = page(&site, &ada, &format!("/approvals/{}", proposal_of(&asked))).text;
        assert!(
            shown.contains("Holder Eve Holder") && !shown.contains("&quot;scope&quot;") && !shown.contains("{&#34;"),
            "{shown}"
        );
    });
}

/// The session and what the answer set beside it.
fn with_flash(cookie: &str, answer: &Answer) -> String {
    let set = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()?.split(';').next());
    set.fold(cookie.to_owned(), |all, one| format!("{all}; {one}"))
}

#[test]
fn a_span_the_wrong_way_round_is_told_alike_everywhere() {
    let site = Site::open(crate::bank::Kind::Sqlite);
    record_as(&site.bank, site.bank.source, &[change("R1", json!({ "after": { "limit": 1 } }))]);
    site.bank.record(entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 100, 60));
    let officer = site.sign_in(Role::Officer);
    let record = site.events("record.changed")[0]["record"].clone();
    let words = "it ends before it begins";
    for path in [
        "/api/v1/records/customer/C-1/difference?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z",
        "/api/v1/accounts/ACC-1/entries?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z",
    ] {
        let problem = site.get(path).problem(400, "parameter_invalid");
        assert!(problem["detail"].as_str().unwrap().contains(words) && problem["field"] == "to", "{path}: {problem}");
    }
    for path in [
        format!("/records/{record}?from=2026-03-02T00:00&to=2026-03-01T00:00"),
        "/reports/users?from=2026-03-02&through=2026-03-01".to_owned(),
        "/trail/acts?from=2026-03-02&through=2026-03-01".to_owned(),
        "/api/v1/reports/users?from=2026-03-02&through=2026-03-01".to_owned(),
        "/api/v1/acts?from=2026-03-04&to=2026-03-02".to_owned(),
    ] {
        let answer = page(&site, &officer, &path);
        assert!(answer.status == 400 && answer.text.contains(words), "{path}: {answer:?}");
    }
}
