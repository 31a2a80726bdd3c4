//! Changes over the wire and by the command.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::house::{change, record_as, verified};
use crate::bank::{Bank, Home, Kind, on_both};
use crate::site::{Answer, Site};
use crate::support::program::Program;

const CHANGES: &str = "/api/v1/changes";

fn ann(limit: u32) -> Value {
    json!({ "name": "Ann", "limit": limit })
}

#[test]
fn a_change_is_recorded_repeated_in_conflict_or_unchanged() {
    on_both(|kind| {
        let site = Site::open(kind);
        let created = site.post(CHANGES, &change("R1", json!({ "action": "create", "after": ann(100) })));
        assert_eq!(created.status, 201, "{created:#?}");
        let receipt = created.json();
        assert_eq!((&receipt["status"], &receipt["position"], &receipt["breaks"]), (&json!("recorded"), &json!(1), &json!([])));

        let row = change("R2", json!({ "before": ann(100), "after": ann(200), "reason": "by letter" }));
        let recorded = site.post(CHANGES, &row).json();
        assert_eq!(recorded["position"], 2, "{recorded}");
        let again = site.post(CHANGES, &row);
        assert_eq!((again.status, &again.json()["status"]), (200, &json!("duplicate")));
        assert_eq!((&again.json()["leaf"], &again.json()["seq"]), (&recorded["leaf"], &recorded["seq"]));
        let other = site.post(CHANGES, &change("R2", json!({ "after": ann(300) }))).problem(409, "source_ref_conflict");
        assert_eq!(other["first_seq"], recorded["seq"]);

        let same = site.post(CHANGES, &change("R3", json!({ "after": ann(200) })));
        assert_eq!((same.status, same.json()), (200, json!({ "status": "unchanged", "seq": recorded["seq"] })));
        let fields = json!([{ "path": "/limit", "old": 200, "new": 200.00 }]);
        assert_eq!(site.post(CHANGES, &change("R4", json!({ "fields": fields }))).json()["status"], "unchanged");
        assert_eq!(site.events("record.changed").len(), 2);
        assert_eq!(verified(&site.bank).findings, [], "{kind:?}");
    });
}

#[test]
fn a_before_that_is_not_our_last_state_is_recorded_with_a_break() {
    on_both(|kind| {
        let site = Site::open(kind);
        site.post(CHANGES, &change("R1", json!({ "action": "create", "after": ann(100) })));
        let behind = site.post(CHANGES, &change("R2", json!({ "before": ann(150), "after": ann(200) })));
        assert_eq!(behind.status, 201);
        let expected = json!([{ "kind": "record", "path": "/limit", "expected": "100", "found": "150", "difference": null }]);
        assert_eq!(behind.json()["breaks"], expected);
        let again = site.post(CHANGES, &change("R2", json!({ "before": ann(150), "after": ann(200) })));
        assert_eq!(again.json()["breaks"], expected, "the first receipt again");
        // Continuity goes on from what the change says.
        let next = site.post(CHANGES, &change("R3", json!({ "before": ann(200), "after": ann(250) }))).json();
        assert_eq!(next["breaks"], json!([]));
        let event = &site.events("record.changed")[1];
        assert_eq!(event["mismatches"], 1);
        assert!(!event.to_string().contains("limit"), "nothing personal in public: {event}");
        assert_eq!(verified(&site.bank).findings, [], "{kind:?}");
    });
}

#[test]
fn numbers_are_compared_digit_by_digit() {
    let site = Site::open(Kind::Sqlite);
    let send = |reference: &str, body: &str| {
        let row = format!(r#"{{"source_ref":"{reference}","type":"price","id":"P-1","action":"update",{body}}}"#);
        let request = site.by_key(Method::POST, CHANGES).header("content-type", "application/json").body(row);
        Answer::of(request.send().unwrap()).json()
    };
    assert_eq!(send("A", r#""after":{"price":9007199254740992.10}"#)["status"], "recorded");
    assert_eq!(send("B", r#""after":{"price":9007199254740992.100}"#)["status"], "unchanged");
    assert_eq!(send("C", r#""after":{"price":9007199254740992.11}"#)["status"], "recorded");
    let off = send("D", r#""before":{"price":9007199254740992.1},"after":{"price":1}"#);
    assert_eq!(
        (&off["breaks"][0]["expected"], &off["breaks"][0]["found"]),
        (&json!("9007199254740992.11"), &json!("9007199254740992.1"))
    );
}

#[test]
fn arrays_and_streams_are_answered_row_by_row() {
    on_both(|kind| {
        let site = Site::open(kind);
        let rows = json!([
            change("R1", json!({ "action": "create", "after": ann(1) })),
            change("R2", json!({ "after": ann(1) })),
            change("R3", json!({ "action": "nope" })),
            change("R1", json!({ "action": "create", "after": ann(1) })),
        ]);
        let answer = site.post(CHANGES, &rows).json();
        let states: Vec<&str> = answer["results"].as_array().unwrap().iter().map(|row| row["status"].as_str().unwrap()).collect();
        assert_eq!(states, ["recorded", "unchanged", "rejected", "duplicate"]);
        assert_eq!(answer["summary"], json!({ "recorded": 1, "duplicates": 1, "unchanged": 1, "rejected": 1 }));
        assert_eq!(answer["results"][2]["line"], 3);

        let atomic = json!([change("R5", json!({ "after": ann(5) })), change("R6", json!({ "after": 7 }))]);
        let refused = site.post(&format!("{CHANGES}?atomic=true"), &atomic).problem(422, "atomic_refused");
        assert_eq!(refused["results"][0]["problem"]["code"], "atomic_aborted");
        assert_eq!(refused["results"][1]["problem"]["code"], "document_not_object");
        assert_eq!(site.events("record.changed").len(), 1, "nothing of it");

        let lines: Vec<String> =
            (0..1_500).map(|n| change(&format!("S{n}"), json!({ "after": ann(n + 10) })).to_string()).collect();
        let request = site.by_key(Method::POST, CHANGES).header("content-type", "application/x-ndjson").body(lines.join("\n"));
        // In a debug build on a busy machine 1,500 changes take longer than the client waits by itself.
        let streamed = Answer::of(request.timeout(Duration::from_secs(180)).send().unwrap());
        let positions: Vec<i64> = streamed
            .text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["position"].as_i64().unwrap())
            .collect();
        assert_eq!(positions, (2..1_502).collect::<Vec<i64>>(), "in their order");
        assert_eq!(verified(&site.bank).findings, [], "{kind:?}");
    });
}

#[test]
fn what_cannot_be_taken_says_why_and_keeps_its_bytes_once() {
    let site = Site::with(Kind::Sqlite, |config| {
        config.records = toml::from_str(
            "unknown_types = \"refuse\"\n[[type]]\nname = \"customer\"\nreason = \"required\"\nclass = \"critical\"",
        )
        .unwrap();
    });
    let refused = |more: Value, code: &str| site.post(CHANGES, &change("R1", more)).problem(422, code);
    refused(json!({ "after": {} }), "reason_required");
    refused(json!({ "after": {}, "reason": "  " }), "reason_required");
    refused(json!({ "type": "price", "after": {} }), "record_type_unknown");
    refused(json!({ "type": "Price", "after": {} }), "record_type_invalid");
    refused(json!({ "reason": "x", "after": {}, "nope": 1 }), "unknown_field");
    refused(json!({ "reason": "x", "after": {}, "fields": [] }), "field_not_allowed");
    refused(json!({ "reason": "x", "fields": [{ "path": "limit", "new": 1 }] }), "path_invalid");
    refused(json!({ "reason": "x", "after": {}, "changed_at": "2099-01-01T00:00:00Z" }), "time_ahead");
    refused(json!({ "reason": "x", "after": {}, "action": "delete" }), "field_not_allowed");
    let deep: Value = serde_json::from_str(&format!("{}{}", "[".repeat(120), "]".repeat(120))).unwrap();
    refused(json!({ "reason": "x", "fields": [{ "path": "/a", "new": 1 }, { "path": "/a/b", "new": 1 }] }), "paths_overlap");
    refused(json!({ "reason": "x", "fields": [{ "path": "/a/b", "new": 1 }, { "path": "/a", "new": 1 }] }), "paths_overlap");
    // Whatever reads a value calls itself once a level: a hundred thousand of them ended the program.
    let text = change("R1", json!({ "reason": "x", "after": { "a": "DEEP" } })).to_string();
    for (levels, whole) in [(130, false), (100_000, false), (100_000, true)] {
        let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let body = if whole { format!("[{}]", text.replace("\"DEEP\"", &deep)) } else { text.replace("\"DEEP\"", &deep) };
        let sent = site.by_key(Method::POST, CHANGES).header("content-type", "application/json").body(body);
        let answer = Answer::of(sent.send().unwrap());
        let refused = if whole { answer.json()["results"][0]["problem"].clone() } else { answer.problem(422, "too_deep") };
        assert_eq!(refused["code"], "too_deep", "{levels} {whole}: {}", answer.text);
    }
    refused(json!({ "reason": "x", "after": { "a": deep }, "action": "delete" }), "field_not_allowed");
    assert_eq!(site.events("changes.refused").len(), 15);
    let taken = site.post(CHANGES, &change("R1", json!({ "reason": "x", "after": { "a": 1 }, "class": "debug" })));
    assert_eq!(taken.status, 201, "{taken:#?}");
    assert_eq!(site.events("record.changed")[0]["class"], "critical", "a sender may only lengthen");
    let other = site.issue("cards", "read");
    let denied = site.plain(Method::POST, CHANGES).bearer_auth(other).json(&json!({})).send().unwrap();
    assert_eq!(denied.status().as_u16(), 403);
}

#[test]
fn card_numbers_in_free_text_are_masked_and_told() {
    let site = Site::with(Kind::Sqlite, |config| {
        config.records = toml::from_str("[[type]]\nname = \"customer\"\nnot_cards = [\"/account\"]").unwrap();
    });
    let row = json!({ "after": { "note": "card 4111 1111 1111 1111", "account": "4111111111111111" }, "reason": "lost 5555555555554444" });
    let answer = site.post(CHANGES, &change("R1", row)).json();
    assert_eq!(answer["masked"], 2, "{answer}");
    // Written as a number it is one all the same; a fraction is none.
    let numbers = json!({ "id": "N", "after": { "card": 378282246310005_i64, "of": ["x", 6011111111111117_i64], "rate": 0.4111111111111111 } });
    let answer = site.post(CHANGES, &change("R3", numbers)).json();
    assert_eq!(answer["masked"], 2, "{answer}");
    let number = site.get("/api/v1/records/customer/N").json()["document"].clone();
    assert_eq!(number, json!({ "card": "378282*****0005", "of": ["x", "601111******1117"], "rate": 0.4111111111111111 }));
    let stored = crate::privacy::everything(&mut site.bank.db.connect().unwrap());
    assert!(!stored.contains("4111 1111 1111 1111") && !stored.contains("5555555555554444"));
    assert!(stored.contains("4111 11** **** 1111") && stored.contains("4111111111111111"), "an account number stays");
    let same = json!({ "after": { "note": "card 4111 1111 1111 1111", "account": "4111111111111111" } });
    assert_eq!(site.post(CHANGES, &change("R2", same)).json()["status"], "unchanged", "what was masked compares as masked");
}

#[test]
fn two_sources_have_records_of_their_own() {
    let bank = Bank::open(Kind::Sqlite);
    let cards = crate::bank::define_source(&bank.intake, "cards");
    let row = change("R1", json!({ "action": "create", "after": ann(1) }));
    for source in [bank.source, cards] {
        let done = record_as(&bank, source, std::slice::from_ref(&row)).remove(0);
        assert!(matches!(done, counterfoil::records::ChangeResult::Recorded(ref receipt) if receipt.version == 1), "{done:?}");
    }
    assert_eq!(verified(&bank).findings, []);
}

#[test]
fn the_command_records_beside_a_running_server() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let database = home.url();
        let program = Program::new(dir.path()).args(["--database", &database]);
        let call = |more: &[&str]| {
            let base = ["record", "customer", "C-1", "--source", "core", "--reason", "asked for by letter"];
            Program::new(dir.path()).args(base).args(more).args(["--database", &database]).run()
        };
        let mut serve = program.spawn_serve();
        call(&["--ref", "A", "--action", "create", "--after", r#"{"limit":1.10,"name":"Ann"}"#]).succeeded();
        let second = call(&["--ref", "B", "--set", "/limit=2.50", "--json"]).succeeded();
        let told: Value = serde_json::from_str(second.stdout.lines().next().unwrap()).unwrap();
        assert_eq!((&told["status"], &told["position"]), (&json!("recorded"), &json!(2)));
        let third = call(&["--ref", "C", "--set", "nope=1"]).failed_with(1);
        assert!(third.stderr.contains("path_invalid"), "{third:?}");
        let lines = format!("{}\n{}\n", change("D", json!({ "fields": [{ "path": "/limit", "new": 3 }] })), "{nope");
        let piped = ["record", "--source", "core", "--lines", "-", "--database", &database];
        let piped = Program::new(dir.path()).args(piped).input(lines).run().failed_with(1);
        assert!(piped.stderr.contains("1 recorded") && piped.stderr.contains("1 rejected"), "{piped:?}");
        assert_eq!(serve.terminate(), Some(0));
        call(&["--ref", "E", "--action", "delete"]).succeeded();
        Program::new(dir.path()).args(["verify", "--database", &database]).run().succeeded();
    });
}
