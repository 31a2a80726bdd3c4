//! What an archive holds, and that it verifies with nothing but a key.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use counterfoil::export::archive::{Bound, choose, next};
use counterfoil::money::{Currency, Money};
use counterfoil::trail::keys::KeyFolder;
use counterfoil_verify::Checkpoint;
use counterfoil_verify::archive::{Table, decimals};
use serde_json::Value;

use super::house::{House, day, files, report};
use crate::bank::on_both;

fn rows(folder: &std::path::Path, table: Table) -> Vec<Value> {
    let text = fs::read_to_string(folder.join(table.path("ndjson"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_archive_of_yesterday_verifies_alone() {
    on_both(|kind| {
        let house = House::new(kind);
        // The day in the middle: it refers to accounts that were defined the day before.
        let chosen = choose(&house.bank.db, day("2026-03-03"), day("2026-03-03")).unwrap();
        assert!(
            chosen.from.is_multiple_of(256)
                && chosen.to.is_multiple_of(256)
                && chosen
                    .asked
                    .is_some_and(|(first, end)| { chosen.from <= first && (chosen.to >= end || chosen.to == chosen.closed) }),
            "{chosen:?}"
        );
        let (out, archived) = house.archived("yesterday", (256, 512), true);
        assert_eq!(house.found(&out), [], "{kind:?}");
        let manifest = &archived.manifest;
        assert_eq!((manifest.entries + manifest.events, manifest.size), (256, house.size()));
        assert!(manifest.definitions > 40 && manifest.openings > 100 && manifest.values > 0, "{manifest:?}");
        assert_eq!(manifest.left_out, []);

        let entries = rows(&out, Table::Entries);
        assert_eq!(entries.len() as u64, manifest.entries);
        let names: BTreeSet<&str> = entries.iter().map(|row| row["account"].as_str().unwrap()).collect();
        assert!(names.contains("KONTO-007") && names.len() == 40, "{names:?}");
        let yen = entries.iter().find(|row| row["currency"] == "JPY").unwrap();
        assert_eq!((&yen["amount"], &yen["currency_decimals"]), (&"10".into(), &0.into()));
        assert!(entries.iter().any(|row| row["counterparty_name"] == "Zoë \"3\"" && row["amount"] == "10.00"));
        assert!(entries.iter().any(|row| row["breaks"] == "chain"), "a break stands with its entry");
        assert!(entries.iter().all(|row| row["source"] == "core" && row["session_id"].as_str().unwrap().starts_with("sess-")));
        let changes = rows(&out, Table::Changes);
        let limit = changes.iter().find(|row| row["path"] == "/limit").unwrap();
        assert_eq!((&limit["type"], &limit["id"], &limit["new"]), (&"customer".into(), &"C-1".into(), &"100".into()), "{limit}");
        assert_eq!((&limit["actor"], &limit["reason"]), (&"john_doe".into(), &"review".into()));

        for path in files(&out).keys() {
            let mode = fs::metadata(out.join(path)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{path}");
        }
        assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o700);
    });
}

#[test]
fn without_private_parts_it_holds_nothing_personal() {
    on_both(|kind| {
        let house = House::new(kind);
        let (out, archived) = house.archived("bare", (0, 512), false);
        assert_eq!(house.found(&out), [], "{kind:?}");
        let left = &archived.manifest.left_out;
        assert!(left.iter().all(|l| l.why == "not_asked" && l.count > 0) && left.len() == 2, "{left:?}");
        for (path, content) in files(&out) {
            let text = String::from_utf8_lossy(&content).into_owned();
            for canary in ["KONTO", "Zoë", "Miete", "sess-", "Ada Roe", "john_doe"] {
                assert!(!text.contains(canary), "{canary} in {path}");
            }
        }
        assert!(rows(&out, Table::Entries).iter().all(|row| row["account"].is_null() && row["account_id"].is_i64()));
    });
}

#[test]
fn the_next_archive_begins_where_the_last_ended() {
    on_both(|kind| {
        let house = House::new(kind);
        let (_, first) = house.archived("first", (0, 256), false);
        let (out, second) = house.rest("second", false);
        assert_eq!((first.manifest.to, second.manifest.from), (256, 256));
        assert_eq!(house.found(&out), []);
        let closed = house.size() / 256 * 256;
        assert_eq!(second.manifest.to, closed, "never the open edge");
        let nothing = choose(&house.bank.db, None, None).unwrap_err().to_string();
        assert!(nothing.contains("is closed"), "{nothing}");
        // One that leaves a gap moves no end.
        house.day(3);
        house.day(4);
        house.archived("gap", (768, 1024), false);
        assert_eq!(house.bank.db.read(next).unwrap(), closed);
        let events = house.bank.db.read(|conn| counterfoil::trail::store::events_of(conn, &["archive.made"], None, 9)).unwrap();
        let body: Value = serde_json::from_str(&events.last().unwrap().body).unwrap();
        assert_eq!((&body["from"], &body["to"], &body["private"]), (&0.into(), &256.into(), &false.into()));
        assert_eq!(body["manifest"], first.digest);
        assert_eq!(house.bank.findings(), [], "{kind:?}");
    });
}

#[test]
fn a_checkpoint_kept_from_earlier_is_held_against_it() {
    let house = House::new(crate::bank::Kind::Sqlite);
    let rows = house.bank.db.read(|conn| counterfoil::trail::store::checkpoints_after(conn, 0, 100)).unwrap();
    let (out, archived) = house.archived("kept", (0, 512), false);
    let within = rows.iter().rfind(|row| row.size <= 512).unwrap();
    assert_eq!(report(&out, &house.key, &[("kept".into(), within.note.clone().into_bytes())]).findings, []);
    // Another state of the log, signed by its own key: somebody saw another history.
    let folder = KeyFolder::of(&house.bank.config, house.bank.db.address());
    let secret = folder.key(house.key.name()).unwrap().unwrap();
    let other = Checkpoint::new(secret.name(), 300, [1; 32]).sign(&[&secret]).unwrap();
    let clash = report(&out, &house.key, &[("kept".into(), other.to_string().into_bytes())]);
    assert_eq!(clash.findings.iter().map(|f| f.kind).collect::<Vec<_>>(), ["checkpoint_differs"]);
    // One that lies past the range cannot be judged by it, and that is said.
    let past = Checkpoint::new(secret.name(), archived.manifest.size + 1, [1; 32]).sign(&[&secret]).unwrap();
    let said = report(&out, &house.key, &[("past".into(), past.to_string().into_bytes())]);
    assert!(said.findings.is_empty() && said.said[0].contains("not held against it"), "{said:?}");
}

#[test]
fn ranges_are_widened_to_what_is_closed() {
    let house = House::new(crate::bank::Kind::Sqlite);
    let chosen = |from, to| choose(&house.bank.db, Some(Bound::Seq(from)), Some(Bound::Seq(to)));
    let one = chosen(300, 300).unwrap();
    assert_eq!((one.from, one.to, one.asked), (256, 512, Some((300, 301))));
    let whole = chosen(256, 511).unwrap();
    assert_eq!((whole.from, whole.to, whole.asked), (256, 512, None));
    let size = house.size();
    assert!(chosen(size, size + 10).unwrap_err().to_string().contains("is closed"));
    assert_eq!(Bound::parse("2026-13-01"), None);
}

#[test]
fn amounts_have_the_decimals_that_the_product_gives_them() {
    for a in b'A'..=b'Z' {
        for b in b'A'..=b'Z' {
            for c in b'A'..=b'Z' {
                let code = String::from_utf8(vec![a, b, c]).unwrap();
                if let Ok(currency) = Currency::parse(&code) {
                    assert_eq!(decimals(&code), currency.decimals(), "{code}");
                    assert_eq!(Money::new(-1_234, currency).minor(), -1_234);
                }
            }
        }
    }
}
