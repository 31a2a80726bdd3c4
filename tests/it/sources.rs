//! A key belongs to one source: it sees what its own source sent, and nothing else; and what is sent
//! is looked at before it is believed.

use reqwest::Method;
use serde_json::{Value, json};

use crate::bank::{entry, on_both};
use crate::site::{Answer, Site};

const ENTRIES: &str = "/api/v1/entries";

fn as_key(site: &Site, key: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let request = site.plain(method, path).bearer_auth(key);
    Answer::of(match body {
        Some(body) => request.json(body).send().unwrap(),
        None => request.send().unwrap(),
    })
}

#[test]
fn a_key_sees_what_its_own_source_sent_and_nothing_else() {
    on_both(|kind| {
        let site = Site::open(kind);
        let cards = site.issue("cards", "entries:write read receipt:full totals:write");
        let get = |key: &str, path: &str| as_key(&site, key, Method::GET, path, None);
        // Account 1 is core's, 2 is cards'; each source also sends an entry on the other's account.
        let send = |key: &str, reference: &str, account: &str, before: i64| {
            let body = entry(reference, account, "2026-03-02T10:00:00Z", before, before + 20_000);
            let answer = as_key(&site, key, Method::POST, ENTRIES, Some(&body));
            assert_eq!(answer.status, 201, "{answer:#?}");
            answer.json()["seq"].as_i64().unwrap()
        };
        let core = site.key.clone();
        let rows = [
            (&core, "core", send(&core, "a", "1", 0)),
            (&cards, "cards", send(&cards, "b", "2", 0)),
            (&cards, "cards", send(&cards, "c", "1", 20_000)),
            (&core, "core", send(&core, "d", "2", 20_000)),
        ];
        for (key, source) in [(&core, "core"), (&cards, "cards")] {
            for (_, sent_by, seq) in &rows {
                let answer = get(key, &format!("{ENTRIES}/{seq}"));
                assert_eq!(answer.status, if *sent_by == source { 200 } else { 404 }, "{source} asks for {sent_by}'s {seq}");
            }
            let (own, other) = if source == "core" { ("1", "2") } else { ("2", "1") };
            let items = get(key, &format!("/api/v1/accounts/{own}/entries")).json()["items"].clone();
            let listed: Vec<i64> = items.as_array().unwrap().iter().map(|item| item["seq"].as_i64().unwrap()).collect();
            assert_eq!(listed, [if source == "core" { rows[0].2 } else { rows[1].2 }]);
            let account = get(key, &format!("/api/v1/accounts/{own}")).json();
            assert_eq!((&account["newest"], &account["balance"]["seq"]), (&Value::Null, &Value::Null), "{account}");
            assert_eq!((&account["balance"]["balance"], &account["balance"]["reason"]), (&Value::Null, &json!("another_source")));
            for of_account in ["", "/entries", "/balance"] {
                get(key, &format!("/api/v1/accounts/{other}{of_account}")).problem(404, "not_found");
            }
            let alerts = get(key, "/api/v1/alerts").json();
            let alerts = alerts["items"].as_array().unwrap();
            assert!(!alerts.is_empty() && alerts.iter().all(|alert| alert["account"] == own), "{alerts:?}");
            let close = format!("/api/v1/feeds/{}/close", if source == "core" { "cards" } else { "core" });
            let body = json!({ "business_date": "2026-03-02", "totals": {} });
            as_key(&site, key, Method::POST, &close, Some(&body)).problem(404, "not_found");
            get(key, "/api/v1/reports/2026-03-02").problem(403, "report_of_all_sources");
        }
        let denied = site.events("access.denied").iter().filter(|e| e["reason"] == "report_of_all_sources").count();
        assert_eq!(denied, 2, "{:?}", site.events("access.denied"));
    });
}

#[test]
fn an_entry_on_another_source_s_account_is_recorded_and_its_sender_learns_nothing_of_the_account() {
    on_both(|kind| {
        let site = Site::open(kind);
        site.post(ENTRIES, &entry("a", "VICTIM", "2026-03-02T10:00:00Z", 4_100_000, 4_150_000));
        let spy = site.issue("spy", "entries:write read receipt:full");
        let send = |body: &Value| as_key(&site, &spy, Method::POST, ENTRIES, Some(body));
        let probe = entry("p", "VICTIM", "2026-03-02T10:01:00Z", 100, 20_100);
        for (sent, status) in [("recorded", 201), ("duplicate", 200)] {
            let answer = send(&probe);
            assert_eq!((answer.status, &answer.json()["status"]), (status, &json!(sent)));
            let receipt = answer.json();
            assert_eq!((&receipt["position"], &receipt["hits"]), (&Value::Null, &json!([])), "{receipt}");
            let breaks = receipt["breaks"].as_array().unwrap();
            let kinds: Vec<&str> = breaks.iter().map(|found| found["kind"].as_str().unwrap()).collect();
            assert_eq!(kinds, ["foreign_source"], "whether the chain breaks would tell the balance");
            let read = as_key(&site, &spy, Method::GET, &format!("{ENTRIES}/{}", receipt["seq"]), None).json();
            let kinds: Vec<&Value> = read["breaks"].as_array().unwrap().iter().map(|found| &found["kind"]).collect();
            assert_eq!(kinds, ["foreign_source"], "{read}");
            assert!(!answer.text.contains("4150000"), "{}", answer.text);
        }
        // Nor does the account's own source learn what balance the other one claimed.
        let own = entry("b", "VICTIM", "2026-03-02T10:01:30Z", 777_000, 778_000);
        for status in [201, 200] {
            let answer = site.post(ENTRIES, &own);
            assert_eq!(answer.status, status);
            let found = &answer.json()["breaks"][0];
            assert_eq!((&found["kind"], &found["found"]), (&json!("chain"), &json!("777000.00")), "{found}");
            assert_eq!((&found["expected"], &found["difference"]), (&Value::Null, &Value::Null), "{found}");
            let read = site.get(&format!("{ENTRIES}/{}", answer.json()["seq"])).json();
            assert_eq!(
                (&read["breaks"][0]["found"], &read["breaks"][0]["expected"]),
                (&json!("777000.00"), &Value::Null),
                "{read}"
            );
        }
        let mut attempted = entry("t", "VICTIM", "2026-03-02T10:02:00Z", 100, 200);
        attempted["status"] = json!("attempted");
        attempted.as_object_mut().unwrap().retain(|field, _| !field.starts_with("balance"));
        attempted["amount"] = json!("1.00");
        attempted["direction"] = json!("credit");
        assert_eq!(send(&attempted).json()["position"], Value::Null);
        let mut foreign = entry("e", "VICTIM", "2026-03-02T10:03:00Z", 100, 200);
        foreign["currency"] = json!("EUR");
        let refused = send(&foreign).problem(422, "currency_mismatch");
        assert!(!refused["detail"].as_str().unwrap().contains("USD"), "{refused}");
    });
}

#[test]
fn a_conflict_names_the_first_and_keeps_what_was_refused_in_private() {
    on_both(|kind| {
        let site = Site::open(kind);
        let first = site.post(ENTRIES, &entry("R-77", "1", "2026-03-02T10:00:00Z", 0, 5)).json()["seq"].clone();
        let other = entry("R-77", "1", "2026-03-02T10:00:00Z", 0, 6);
        let conflict = site.post(ENTRIES, &other).problem(409, "source_ref_conflict");
        assert_eq!((&conflict["first_seq"], &conflict["seq"]), (&first, &first));
        let row = site.post(ENTRIES, &json!([other])).json()["results"][0]["problem"].clone();
        assert_eq!(row["first_seq"], first, "{row}");
        let read = |conn: &mut counterfoil::db::Conn| {
            let events = counterfoil::trail::store::events_between(conn, 0, i64::MAX, 100_000)?;
            let parts = counterfoil::trail::store::event_parts_between(conn, 0, i64::MAX)?;
            Ok::<_, counterfoil::db::DbError>((events, parts))
        };
        let (events, parts) = site.app.db.read(read).unwrap();
        let event = events.iter().find(|event| event.kind == "entries.refused").unwrap();
        assert!(!event.body.contains("R-77"), "{}", event.body);
        let part = parts.iter().find(|part| part.seq == event.seq).unwrap();
        let kept: Value = serde_json::from_str(&part.body).unwrap();
        let sent: Value = serde_json::from_str(kept["rows"][0]["row"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&sent["source_ref"], &sent["amount"], &kept["rows"][0]["first_seq"]),
            (&json!("R-77"), &json!("6.00"), &first)
        );
    });
}

#[test]
fn what_an_entry_says_of_dates_countries_and_reversals_is_looked_at() {
    on_both(|kind| {
        let site = Site::open(kind);
        let with = |reference: &str, field: &str, value: &str| {
            let mut body = entry(reference, "1", "2026-03-02T10:00:00Z", 0, 1);
            body[field] = json!(value);
            body
        };
        let country = site.post(ENTRIES, &with("c", "counterparty_country", "Sweden")).problem(422, "country_unknown");
        assert_eq!(country["field"], "counterparty_country");
        let date = site.post(ENTRIES, &with("d", "business_date", "2036-03-02")).problem(422, "business_date_implausible");
        assert_eq!(date["field"], "business_date");
        let first = with("e", "counterparty_country", "SE");
        assert_eq!(site.post(ENTRIES, &first).status, 201);
        let notes = |body: &Value| {
            let answer = site.post(ENTRIES, body);
            assert_eq!(answer.status, 201, "the trail records reality: {answer:#?}");
            site.get(&format!("{ENTRIES}/{}", answer.json()["seq"])).json()["notes"].clone()
        };
        assert_eq!(notes(&with("f", "reverses", "e")), Value::Null);
        assert_eq!(notes(&with("g", "reverses", "never sent")), json!(["reverses_unknown"]));
    });
}

#[test]
fn a_closing_that_cannot_be_read_names_its_field() {
    on_both(|kind| {
        let site = Site::open(kind);
        let path = "/api/v1/feeds/core/close";
        for (body, status, code, field) in [
            (json!({ "business_date": "2026-03-02", "totals": [] }), 422, "field_type", "totals"),
            (json!({ "business_date": 20260302, "totals": {} }), 422, "field_type", "business_date"),
            (json!({ "business_date": "2026-02-30", "totals": {} }), 422, "totals_invalid", "business_date"),
            (json!({ "business_date": "2026-03-02", "total": {} }), 422, "unknown_field", "total"),
            (json!({ "totals": {} }), 422, "totals_invalid", "business_date"),
            (
                json!({ "business_date": "2026-03-02", "totals": { "USD": { "count": -1, "debits": "0", "credits": "0" } } }),
                422,
                "totals_invalid",
                "count",
            ),
            (
                json!({ "business_date": "2026-03-02", "totals": { "usd": { "count": 1, "debits": "0", "credits": "0" } } }),
                422,
                "totals_invalid",
                "currency",
            ),
        ] {
            let problem = site.post(path, &body).problem(status, code);
            assert_eq!(problem["field"], field, "{body}");
        }
        let send = |bytes: &'static str| {
            let request = site.by_key(Method::POST, path).header("content-type", "application/json").body(bytes);
            Answer::of(request.send().unwrap())
        };
        for bytes in ["", "{", "[]", "5", "null", "\u{0}"] {
            send(bytes).problem(400, "unreadable");
        }
        assert!(site.events("feed.closed").is_empty());
    });
}

#[test]
fn a_source_s_name_is_one_that_can_stand_in_an_address() {
    let site = Site::open(crate::bank::Kind::Sqlite);
    let issue = |name: &str| {
        let scopes = counterfoil::access::Scopes::ALL;
        counterfoil::access::keys::issue(&site.app.log(), &site.app.clock, name, scopes).map(drop).map_err(|e| e.to_string())
    };
    for name in ["a", "core-banking", "x_1.2", &"z".repeat(64)] {
        issue(name).unwrap();
    }
    for name in ["", " core", "Core", "core banking", "кор", "a/b", "a\0", &"z".repeat(65)] {
        assert!(issue(name).unwrap_err().contains("cannot be the name of a source"), "{name}");
    }
}
