//! The interface for programs, over the wire.

use std::io::{Read, Write};
use std::net::TcpStream;

use counterfoil::access::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::bank::{Kind, entry, on_both};
use crate::site::{Answer, Site};

const ENTRIES: &str = "/api/v1/entries";

fn seed() -> Value {
    json!({
        "source_ref": "T1", "account": "12345", "currency": "USD", "kind": "deposit", "amount": "500.00",
        "balance_before": "1000.00", "balance_after": "1500.00", "booked_at": "2026-03-02T10:00:00Z",
        "actor": "john_doe", "ip": "192.168.1.100", "session_id": "s-1", "party": "P7", "reason": "salary",
    })
}

fn send(site: &Site, path: &str, media: &str, body: impl Into<reqwest::blocking::Body>) -> Answer {
    Answer::of(site.by_key(Method::POST, path).header("content-type", media).body(body).send().unwrap())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn one_entry_is_created_repeated_or_in_conflict() {
    on_both(|kind| {
        let site = Site::open(kind);
        let created = site.post(ENTRIES, &seed());
        assert_eq!(created.status, 201, "{created:#?}");
        let receipt = created.json();
        let keys: Vec<&str> = receipt.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["seq", "leaf", "position", "status", "hits", "breaks"]);
        assert_eq!((&receipt["status"], &receipt["position"]), (&json!("recorded"), &json!(1)));
        assert!(receipt["leaf"].as_str().is_some_and(|leaf| leaf.len() == 64 && leaf == leaf.to_lowercase()));

        let again = site.post(ENTRIES, &seed());
        assert_eq!(again.status, 200);
        assert_eq!(again.json()["leaf"], receipt["leaf"]);
        assert_eq!(again.json()["status"], "duplicate");

        let mut other = seed();
        other["amount"] = json!("500.01");
        let conflict = site.post(ENTRIES, &other).problem(409, "source_ref_conflict");
        assert!(conflict["detail"].as_str().unwrap().contains(&receipt["seq"].to_string()), "{conflict}");

        let next = site.post(ENTRIES, &entry("T2", "12345", "2026-03-02T10:05:00Z", 990, 1000)).json();
        assert_eq!(
            next["breaks"],
            json!([{ "kind": "chain", "expected": "1500.00", "found": "990.00", "difference": "-510.00" }])
        );
    });
}

#[test]
fn what_cannot_be_taken_says_why_and_is_recorded_as_a_refusal() {
    on_both(|kind| {
        let site = Site::with(kind, |config| config.server.body_limit = 4096);
        let mut negative = seed();
        negative["amount"] = json!("-1");
        let problem = site.post(ENTRIES, &negative).problem(422, "amount_negative");
        assert_eq!(problem["field"], "amount");
        send(&site, ENTRIES, "application/json", "{nope").problem(400, "unreadable");
        send(&site, ENTRIES, "application/json", "[{}, nope]").problem(400, "unreadable");
        send(&site, ENTRIES, "application/json", "").problem(400, "unreadable");
        assert!(!site.events("entries.refused").is_empty());
        send(&site, ENTRIES, "text/plain", "{}").problem(415, "media_type_unknown");
        send(&site, ENTRIES, "application/json", vec![b' '; 5000]).problem(413, "too_large");
        let packed =
            site.by_key(Method::POST, ENTRIES).header("content-type", "application/json").header("content-encoding", "gzip");
        Answer::of(packed.body(gzip(&vec![b' '; 1 << 20])).send().unwrap()).problem(413, "too_large");
        let packed =
            site.by_key(Method::POST, ENTRIES).header("content-type", "application/json").header("content-encoding", "br");
        Answer::of(packed.body("x").send().unwrap()).problem(415, "encoding_unknown");
        let unknown = site.post(&format!("{ENTRIES}?nope=1"), &seed()).problem(400, "parameter_invalid");
        assert_eq!(unknown["field"], "nope");
    });
}

#[test]
fn an_array_is_answered_in_its_order() {
    on_both(|kind| {
        let site = Site::open(kind);
        let rows = json!([seed(), { "nope": 1 }, seed(), entry("T2", "12345", "2026-03-02T10:05:00Z", 1500, 1400)]);
        let answer = site.post(ENTRIES, &rows);
        assert_eq!(answer.status, 200, "{answer:#?}");
        let body = answer.json();
        assert_eq!(body["summary"], json!({ "recorded": 2, "duplicates": 1, "rejected": 1 }));
        let states: Vec<&Value> = body["results"].as_array().unwrap().iter().map(|row| &row["status"]).collect();
        assert_eq!(states, ["recorded", "rejected", "duplicate", "recorded"]);
        assert_eq!(body["results"][1]["line"], 2);
        assert_eq!(body["results"][1]["problem"]["code"], "unknown_field");
        assert_eq!(site.post(ENTRIES, &json!([])).json()["results"], json!([]));
    });
}

#[test]
fn an_atomic_array_is_recorded_whole_or_not_at_all() {
    on_both(|kind| {
        let site = Site::with(kind, |config| config.server.batch_limit = 3);
        let atomic = format!("{ENTRIES}?atomic=true");
        let refused = site.post(&atomic, &json!([seed(), { "nope": 1 }]));
        let body = refused.problem(422, "atomic_refused");
        assert_eq!(body["summary"], json!({ "recorded": 0, "duplicates": 0, "rejected": 2 }));
        assert_eq!(body["results"].as_array().unwrap().len(), 2);
        assert_eq!(site.get("/api/v1/accounts/12345").status, 404, "nothing was stored");
        let whole = site.post(&atomic, &json!([seed(), entry("T2", "12345", "2026-03-02T10:05:00Z", 1500, 1400)]));
        assert_eq!((whole.status, &whole.json()["summary"]["recorded"]), (200, &json!(2)));
        site.post(&atomic, &json!([seed(), seed(), seed(), seed()])).problem(413, "batch_too_large");
        send(&site, &atomic, "application/x-ndjson", "{}").problem(400, "parameter_invalid");
    });
}

fn lines(count: i64) -> String {
    let line = |i: i64| entry(&format!("N{i}"), &format!("A{}", i % 7), "2026-03-02T10:00:00Z", 100 + i, 101 + i).to_string();
    (0..count).map(|i| if i == 1234 { "nope\n".to_owned() } else { line(i) + "\n" }).collect()
}

fn check_stream(answer: &Answer, count: usize) {
    assert_eq!(answer.status, 200, "{answer:#?}");
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let rows: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), count);
    for (i, row) in rows.iter().enumerate() {
        let expected = if i == 1234 { "rejected" } else { "recorded" };
        assert_eq!(row["status"], expected, "line {}: {row}", i + 1);
    }
    assert_eq!(rows[1234]["line"], 1235);
    let places: Vec<i64> = rows.iter().filter_map(|row| row["seq"].as_i64()).collect();
    assert!(places.is_sorted(), "receipts stand in the order of the lines");
}

#[test]
fn a_stream_is_answered_line_by_line_plain_or_packed() {
    on_both(|kind| {
        let site = Site::with(kind, |config| config.limits.queue_entries = 500);
        check_stream(&send(&site, ENTRIES, "application/x-ndjson", lines(3_000)), 3_000);
        let site = Site::open(kind);
        let packed =
            site.by_key(Method::POST, ENTRIES).header("content-type", "application/x-ndjson").header("content-encoding", "gzip");
        check_stream(&Answer::of(packed.body(gzip(lines(3_000).trim_end().as_bytes())).send().unwrap()), 3_000);
    });
}

#[test]
fn a_line_is_answered_before_the_next_one_is_sent() {
    let site = Site::open(Kind::Sqlite);
    let mut stream = TcpStream::connect(site.address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let head = format!(
        "POST {ENTRIES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/x-ndjson\r\n\
         Transfer-Encoding: chunked\r\nAccept-Encoding: gzip\r\n\r\n",
        site.key
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut seen = String::new();
    for i in 0..3 {
        let line = entry(&format!("L{i}"), "77", "2026-03-02T10:00:00Z", i, i + 1).to_string() + "\n";
        write!(stream, "{:x}\r\n{line}\r\n", line.len()).unwrap();
        while seen.matches("\"status\":\"recorded\"").count() <= i as usize {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).expect("an answer to the line");
            assert!(read > 0, "{seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
}

#[test]
fn an_entry_an_account_and_its_past_are_read_back() {
    on_both(|kind| {
        let site = Site::open(kind);
        let first = site.post(ENTRIES, &seed()).json();
        site.bank.clock.advance(3_600_000_000);
        for (reference, at, before, after) in [("T3", "12:00", 1400, 1300), ("T2", "11:00", 1500, 1400)] {
            site.post(ENTRIES, &entry(reference, "12345", &format!("2026-03-02T{at}:00Z"), before, after));
        }
        let view = site.get(&format!("{ENTRIES}/{}", first["seq"])).json();
        for (field, value) in seed().as_object().unwrap() {
            assert_eq!(&view[field], value, "{field}");
        }
        assert_eq!(view["leaf"], first["leaf"]);
        assert_eq!(
            (&view["direction"], &view["business_date"], &view["status"]),
            (&json!("credit"), &json!("2026-03-02"), &json!("booked"))
        );
        assert_eq!(view["recorded_at"], "2026-03-02T12:00:00Z");

        let account = site.get("/api/v1/accounts/12345").json();
        assert_eq!((&account["entries"], &account["source"], &account["currency"]), (&json!(3), &json!("core"), &json!("USD")));
        assert_eq!(account["balance"]["balance"], "1300.00");

        let balance = |query: &str| site.get(&format!("/api/v1/accounts/12345/balance{query}")).json();
        assert_eq!(balance("?at=2026-03-02T11:30:00Z")["balance"], "1400.00");
        assert_eq!(balance("?at=2026-03-02T11:30:00Z&known_at=2026-03-02T12:00:00Z")["balance"], "1500.00");
        assert_eq!(balance("?at=2026-03-02T11:00:00Z")["balance"], "1500.00", "the instant itself is not before it");
        let before = balance("?at=2026-03-01T00:00:00Z");
        assert_eq!((&before["balance"], &before["reason"]), (&Value::Null, &json!("no_entry")));

        let mut seen = Vec::new();
        let mut path = "/api/v1/accounts/12345/entries?limit=2".to_owned();
        loop {
            let page = site.get(&path).json();
            seen.extend(page["items"].as_array().unwrap().iter().map(|row| row["source_ref"].clone()));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/api/v1/accounts/12345/entries?limit=2&after={next}");
        }
        assert_eq!(seen, ["T1", "T3", "T2"]);
        let window = site.get("/api/v1/accounts/12345/entries?from=2026-03-02T11:00:00Z&to=2026-03-02T12:00:00Z").json();
        assert_eq!(window["items"].as_array().unwrap().len(), 1);
        assert_eq!(window["items"][0]["source_ref"], "T2");
        let problem = site.get("/api/v1/accounts/12345/entries?limit=1001").problem(400, "parameter_invalid");
        assert_eq!(problem["field"], "limit");
    });
}

#[test]
fn a_key_without_receipt_full_learns_of_no_hit() {
    on_both(|kind| {
        let site = Site::open(kind);
        let tight = site.issue("core", "entries:write read");
        let high = entry("H1", "900", "2026-03-02T10:00:00Z", 0, 10_000);
        let sent = site.plain(Method::POST, ENTRIES).bearer_auth(&tight).json(&high).send().unwrap();
        let receipt = Answer::of(sent).json();
        assert_eq!(receipt["hits"], json!([]));
        let full = site.post(ENTRIES, &high).json();
        assert_eq!(full["hits"][0]["rule"], "high-value");
        let seen = |key: &str, path: &str| Answer::of(site.plain(Method::GET, path).bearer_auth(key).send().unwrap());
        assert_eq!(seen(&tight, &format!("{ENTRIES}/{}", receipt["seq"])).json()["hits"], json!([]));
        assert_eq!(site.get(&format!("{ENTRIES}/{}", receipt["seq"])).json()["hits"], full["hits"]);
        seen(&tight, "/api/v1/alerts").problem(403, "scope_missing");
    });
}

#[test]
fn an_alert_is_listed_shown_and_closed_by_an_officer_only() {
    on_both(|kind| {
        let site = Site::open(kind);
        let receipt = site.post(ENTRIES, &entry("H1", "900", "2026-03-02T10:00:00Z", 0, 10_000)).json();
        let reference = receipt["hits"][0]["alert"].as_str().unwrap().to_owned();
        let list = site.get("/api/v1/alerts?state=open&severity=high&rule=high-value").json();
        assert_eq!((list["items"][0]["ref"].as_str(), &list["next"]), (Some(reference.as_str()), &Value::Null));
        assert_eq!(site.get("/api/v1/alerts?state=closed").json()["items"], json!([]));
        assert_eq!(site.get("/api/v1/alerts?severity=nope").problem(400, "parameter_invalid")["field"], "severity");
        let path = format!("/api/v1/alerts/{reference}");
        assert_eq!(site.get(&path).json()["entries"], json!([receipt["seq"]]));
        assert!(site.events("customer.viewed").is_empty(), "a key's own entries are no view of an officer");

        let decision = json!({ "disposition": "nope", "comment": "Salary, agreed with the branch by telephone." });
        let closing = format!("{path}/disposition");
        site.post(&closing, &decision).problem(403, "officers_only");
        Answer::of(site.plain(Method::POST, &closing).json(&decision).send().unwrap()).problem(401, "not_signed_in");
        let officer = site.sign_in(Role::Officer);
        let by_officer = |method: Method, path: &str| {
            site.plain(method, path).header("cookie", &officer.cookie).header("x-csrf-token", &officer.csrf)
        };
        let masked = Answer::of(by_officer(Method::GET, &path).send().unwrap()).json();
        assert_eq!(masked["account"], "•••• 0");
        assert_eq!(site.events("customer.viewed").len(), 1);
        let decide = |body: &Value| Answer::of(by_officer(Method::POST, &closing).json(body).send().unwrap());
        let unknown = decide(&decision).problem(422, "disposition_unknown");
        let choice = unknown["detail"].as_str().unwrap().split(": ").nth(1).unwrap().split(", ").next().unwrap().to_owned();
        let mut right = decision.clone();
        right["disposition"] = json!(choice);
        assert_eq!(decide(&right).status, 200);
        decide(&right).problem(409, "alert_closed");
        assert_eq!(site.get(&path).json()["state"], "closed");
        let forged = site.plain(Method::POST, &closing).header("cookie", &officer.cookie).json(&right).send().unwrap();
        Answer::of(forged).problem(403, "form_token");
    });
}

#[test]
fn a_report_comes_in_every_format() {
    on_both(|kind| {
        let site = Site::open(kind);
        site.post(ENTRIES, &seed());
        let json = site.get("/api/v1/reports/2026-03-02");
        assert_eq!((json.status, json.header("content-type")), (200, "application/json"), "{json:#?}");
        assert_eq!((json.json()["version"].clone(), json.json()["status"].clone()), (json!(0), json!("preview")));
        assert_eq!(json.json()["totals"]["USD"]["credits"], "500.00");
        for (extension, media) in
            [("json", "application/json"), ("csv", "text/csv"), ("txt", "text/plain"), ("html", "text/html")]
        {
            let answer = site.get(&format!("/api/v1/reports/2026-03-02.{extension}"));
            assert!(answer.status == 200 && answer.header("content-type").starts_with(media), "{extension}: {answer:#?}");
        }
        let accept = |media: &str| {
            Answer::of(site.by_key(Method::GET, "/api/v1/reports/2026-03-02").header("accept", media).send().unwrap())
        };
        assert!(accept("text/csv").header("content-type").starts_with("text/csv"));
        accept("application/pdf").problem(406, "format_unknown");
        site.get("/api/v1/reports/2026-03-02.doc").problem(404, "format_unknown");
        site.get("/api/v1/reports/2026-03-02?version=1").problem(404, "not_found");
        assert_eq!(site.get("/api/v1/reports/2026-3-2").problem(400, "parameter_invalid")["field"], "business_date");
        let html = site.get("/api/v1/reports/2026-03-02.html");
        assert!(html.header("content-security-policy").contains("'sha256-"), "{html:#?}");
    });
}

#[test]
fn the_end_of_a_feed_s_day_is_an_event() {
    on_both(|kind| {
        let site = Site::open(kind);
        let path = "/api/v1/feeds/core/close";
        let body =
            json!({ "business_date": "2026-03-02", "totals": { "USD": { "count": 1, "debits": "0.00", "credits": "500.00" } } });
        let closed = site.post(path, &body);
        assert_eq!((closed.status, &closed.json()["source"]), (201, &json!("core")), "{closed:#?}");
        let flat = json!({ "business_date": "2026-03-02", "currency": "USD", "count": 1, "debits": "0", "credits": "500.00" });
        assert_eq!(site.post(path, &flat).status, 201);
        let events = site.events("feed.closed");
        assert_eq!((events.len(), &events[0]["totals"]["USD"]["credits"]), (2, &json!("500.00")));
        assert_eq!(site.post(path, &json!({ "business_date": "2026-03-02" })).problem(422, "totals_invalid")["field"], "totals");
        site.post("/api/v1/feeds/other/close", &body).problem(404, "not_found");
        let by_writer =
            site.plain(Method::POST, path).bearer_auth(site.issue("core", "entries:write")).json(&body).send().unwrap();
        Answer::of(by_writer).problem(403, "scope_missing");
    });
}

#[test]
fn operators_see_health_readiness_and_numbers() {
    on_both(|kind| {
        let site = Site::open(kind);
        let plain = |path: &str| Answer::of(site.plain(Method::GET, path).send().unwrap());
        assert_eq!(plain("/healthz").json(), json!({ "status": "ok", "role": "leader" }));
        let head = Answer::of(site.plain(Method::HEAD, "/healthz").send().unwrap());
        assert_eq!((head.status, head.text.as_str(), head.header("content-length")), (200, "", "31"));
        let ready = plain("/readyz");
        assert_eq!(ready.status, 200, "{ready:#?}");
        let names: Vec<String> =
            ready.json()["checks"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().into()).collect();
        assert_eq!(names, ["database", "schema", "report", "mail", "sealing", "anchor", "writing"]);
        assert!(plain("/openapi.json").json()["paths"]["/api/v1/entries"]["post"].is_object());
        site.post(ENTRIES, &seed());
        let metrics = site.http.get(format!("http://{}/metrics", site.admin.unwrap())).send().unwrap().text().unwrap();
        for name in [
            "counterfoil_log_leaves",
            "counterfoil_accounts_held",
            "counterfoil_queue_entries",
            "counterfoil_outbox_rows{book=\"main\",state=\"dead\"}",
        ] {
            assert!(metrics.contains(name), "{name}: {metrics}");
        }
        assert!(metrics.contains("route=\"/api/v1/entries\"") && !metrics.contains("12345"), "{metrics}");
        assert_eq!(plain("/metrics").status, 404);
        site.bank.intake.stop();
        let stopped = plain("/readyz");
        assert_eq!((stopped.status, &stopped.json()["status"]), (503, &json!("not_ready")));
        let refused = site.post(ENTRIES, &seed());
        assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{refused:#?}");
    });
}

#[test]
fn mail_that_was_given_up_is_a_warning_and_turns_no_entry_away() {
    on_both(|kind| {
        let site = Site::open(kind);
        let ready = || Answer::of(site.plain(Method::GET, "/readyz").send().unwrap());
        let mail =
            |ready: &Answer| ready.json()["checks"].as_array().unwrap().iter().find(|c| c["name"] == "mail").unwrap().clone();
        assert_eq!(mail(&ready())["warning"], false);
        let dead =
            "INSERT INTO outbox (id, kind, about, recipient, severity, state, created_at, not_before, attempts, message_id)
            VALUES (64, 'report', 1, 'gone@bank.example', 1, 3, 0, 0, 10, '<report.64@bank.example>')";
        site.app.log().side(|conn| conn.execute(dead)).unwrap();
        let answer = ready();
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("ready")), "{answer:#?}");
        let check = mail(&answer);
        assert_eq!((&check["ok"], &check["warning"]), (&json!(true), &json!(true)), "{check}");
        assert!(check["detail"].as_str().unwrap().contains("1 given up"), "{check}");
        assert_eq!(site.post(ENTRIES, &seed()).status, 201);
    });
}

#[test]
fn every_answer_carries_the_headers_that_protect_a_browser() {
    let site = Site::open(Kind::Sqlite);
    let plain = |path: &str| Answer::of(site.plain(Method::GET, path).send().unwrap());
    for path in ["/healthz", "/sign-in", "/nowhere", "/api/v1/nowhere", "/assets/app.css", "/api/v1/alerts"] {
        let answer = plain(path);
        assert!(
            answer.header("content-security-policy").starts_with("default-src 'none'; style-src 'self'; script-src 'self'"),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        if !path.starts_with("/assets/") {
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        }
    }
    plain("/api/v1/nowhere").problem(404, "no_such_path");
    let wrong = Answer::of(site.plain(Method::DELETE, ENTRIES).send().unwrap());
    wrong.problem(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), "POST");
    assert!(plain("/nowhere").header("content-type").starts_with("text/html"));
    let css = plain("/assets/app.css");
    let tagged = site.plain(Method::GET, "/assets/app.css").header("if-none-match", css.header("etag")).send().unwrap();
    assert_eq!(tagged.status().as_u16(), 304);
}
