//! Sealed fields: nothing before the recovery key was tested, nothing in the clear afterwards, and no
//! proof that hangs on a key.

use counterfoil::clock::{Clock, DAY, MINUTE};
use counterfoil::config::{Config, Source};
use counterfoil::intake::RowResult;
use counterfoil::ledger::store as ledger;
use counterfoil::trail::keys::KeyFolder;
use counterfoil::trail::sealing::{self, Challenged, NewRecovery, Opened, Opener, PrivateKey, Status};
use counterfoil::trail::store;
use serde_json::{Value, json};

use super::house::{everything, verified};
use crate::bank::{Bank, Kind, entry, on_both};

const SECRETS: &[&str] = &["reason-canary", "Name-Canary"];

fn bank(kind: Kind) -> Bank {
    Bank::with(kind, |config: &mut Config| {
        let sensitive = vec!["reason".to_owned(), "counterparty_name".to_owned()];
        config.source = vec![Source { name: "core".to_owned(), sensitive, ..Source::default() }];
    })
}

fn sensitive(reference: &str, n: i64) -> Value {
    let mut row = entry(reference, "ACC-1", "2026-03-02T10:00:00Z", n, n + 1);
    row["party"] = json!("Open-Party");
    row["reason"] = json!("reason-canary");
    row["counterparty_name"] = json!("Name-Canary");
    row
}

fn folder(bank: &Bank) -> KeyFolder {
    KeyFolder::of(&bank.config, bank.db.address())
}

fn origin(bank: &Bank) -> String {
    bank.db.read(store::state).unwrap().unwrap().origin
}

fn status(bank: &Bank) -> Status {
    bank.db.read(|conn| sealing::status(conn, &folder(bank), &origin(bank))).unwrap()
}

/// A recovery key as `keys recovery new` makes it.
fn recovery(bank: &Bank) -> PrivateKey {
    let key = PrivateKey::new(&bank.clock);
    let new = NewRecovery::of(&key, &bank.clock, Value::Null).unwrap();
    bank.intake.log().act(move |tx| new.run(tx)).unwrap();
    key
}

/// As `keys recovery test` does it.
fn tested(bank: &Bank, key: &PrivateKey) {
    let challenged = bank.db.read(Challenged::newest).unwrap().unwrap();
    let tested = challenged.open(key, Value::Null).unwrap();
    let (keys, origin) = (folder(bank), origin(bank));
    bank.intake.log().act(move |tx| sealing::note_tested(tx, &keys, &origin, tested)).unwrap();
}

/// A recovery key that was tested: from here on values can be sealed.
pub fn ready_to_seal(bank: &Bank) {
    tested(bank, &recovery(bank));
}

fn opened(bank: &Bank, seq: i64) -> Option<Opened> {
    let mut opener = Opener::of(&folder(bank), &origin(bank)).unwrap();
    bank.db
        .read(|conn| {
            let row = ledger::entry(conn, seq)?.unwrap();
            let sealed = sealing::store::sealed_part(conn, seq)?.unwrap();
            opener.open(conn, &sealed, &row.blind)
        })
        .unwrap()
}

#[track_caller]
fn refused(bank: &Bank, row: Value, code: &str) {
    match bank.submit(vec![row]).remove(0) {
        RowResult::Rejected(refusal) => assert_eq!((refusal.code, refusal.status), (code, 503)),
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
fn nothing_in_the_clear(bank: &Bank) {
    let all = everything(&mut bank.db.connect().unwrap());
    for secret in SECRETS {
        assert!(!all.contains(secret), "{secret} is stored in the clear");
    }
}

#[test]
fn nothing_is_sealed_before_the_recovery_key_has_opened_a_test_value() {
    on_both(|kind| {
        let bank = bank(kind);
        assert_eq!(status(&bank), Status::NoRecoveryKey);
        refused(&bank, sensitive("S1", 0), "recovery_key_untested");
        bank.record(entry("P1", "ACC-1", "2026-03-02T10:00:00Z", 0, 1));
        let key = recovery(&bank);
        assert_eq!(status(&bank), Status::Untested);
        refused(&bank, sensitive("S1", 1), "recovery_key_untested");
        let other = PrivateKey::new(&Clock::system());
        assert!(bank.db.read(Challenged::newest).unwrap().unwrap().open(&other, Value::Null).is_none());
        tested(&bank, &key);
        assert_eq!(status(&bank), Status::Ready);
        bank.record(sensitive("S1", 1));
        nothing_in_the_clear(&bank);
        assert_eq!(verified(&bank).findings, [], "{kind:?}");
        let bank = bank.restart();
        bank.record(sensitive("S2", 2));
        nothing_in_the_clear(&bank);
        assert_eq!(verified(&bank).findings, [], "{kind:?}: after a restart");
    });
}

#[test]
fn sealed_values_come_back_and_what_is_sent_again_is_known() {
    on_both(|kind| {
        let bank = bank(kind);
        tested(&bank, &recovery(&bank));
        let receipt = bank.record(sensitive("S1", 0));
        let opened = opened(&bank, receipt.seq).unwrap();
        assert_eq!(opened.parts[4].as_deref(), Some("reason-canary"));
        assert_eq!((opened.parts[2].as_deref(), opened.parts[0].as_deref()), (Some("Name-Canary"), None));
        assert!(everything(&mut bank.db.connect().unwrap()).contains("Open-Party"), "what is not sensitive stays readable");
        let again = bank.submit(vec![sensitive("S1", 0)]).remove(0);
        assert!(matches!(again, RowResult::Duplicate(ref same) if same.seq == receipt.seq), "{again:?}");
        let mut other = sensitive("S1", 0);
        other["reason"] = json!("reason-canary, another");
        let conflict = bank.submit(vec![other]).remove(0);
        assert!(matches!(conflict, RowResult::Rejected(ref refusal) if refusal.code == "source_ref_conflict"), "{conflict:?}");
        // What cannot be read may hold anything.
        bank.submit(vec![json!({ "source_ref": "S3", "reason": "reason-canary", "amount": "x" })]);
        nothing_in_the_clear(&bank);
        // Another month has another key.
        bank.clock.advance(31 * DAY);
        bank.record(sensitive("S4", 1));
        let keys = bank.db.read(sealing::store::data_keys).unwrap();
        assert_eq!(keys.iter().map(|key| key.month).collect::<Vec<_>>(), [202_603, 202_604]);
        assert_eq!(verified(&bank).findings, [], "{kind:?}");
    });
}

#[test]
fn losing_every_key_loses_sealed_values_and_no_proof() {
    on_both(|kind| {
        let bank = bank(kind);
        let key = recovery(&bank);
        tested(&bank, &key);
        let receipt = bank.record(sensitive("S1", 0));
        let (keys, origin) = (folder(&bank), origin(&bank));
        std::fs::remove_file(keys.file(&origin, "master")).unwrap();
        let bank = bank.restart();
        assert_eq!(status(&bank), Status::NoMasterKey);
        refused(&bank, sensitive("S2", 1), "master_key_missing");
        bank.record(entry("P1", "ACC-1", "2026-03-02T10:00:00Z", 1, 2));
        assert_eq!(opened(&bank, receipt.seq), None);
        let outcome = verified(&bank);
        assert_eq!(outcome.findings, [], "{kind:?}: every proof stands without the key");
        assert!(outcome.levels[5].note.as_deref().unwrap_or_default().contains("1 sealed parts could not be opened"));
        // The paper brings everything back.
        let rewrapped =
            bank.db.read(|conn| sealing::recovered(conn, &keys, (&origin, &Clock::system()), &key, Value::Null)).unwrap();
        let (folder, book) = (keys.clone(), origin.clone());
        bank.intake.log().act(move |tx| rewrapped.run(tx, &folder, &book)).unwrap();
        assert_eq!(opened(&bank, receipt.seq).unwrap().parts[4].as_deref(), Some("reason-canary"));
        bank.record(sensitive("S2", 2));
        // Exchanged once more, without the paper.
        let (folder, book) = (keys.clone(), origin.clone());
        let name = bank.intake.log().act(move |tx| sealing::rotate_master(tx, &folder, &book, Value::Null)).unwrap();
        sealing::forget_others(&keys, &origin, &name).unwrap();
        assert!(opened(&bank, receipt.seq).is_some());
        bank.record(sensitive("S3", 3));
        // A new recovery key takes over once it was tested; the old paper opens nothing then.
        let next = recovery(&bank);
        tested(&bank, &next);
        let lost = bank.db.read(|conn| sealing::recovered(conn, &keys, (&origin, &Clock::system()), &key, Value::Null));
        assert!(lost.is_err());
        assert_eq!(verified(&bank).findings, [], "{kind:?}");
        nothing_in_the_clear(&bank);
    });
}

#[test]
fn another_recovery_key_put_into_the_database_seals_nothing() {
    let bank = bank(Kind::Sqlite);
    tested(&bank, &recovery(&bank));
    bank.record(sensitive("S1", 0));
    let mallory = PrivateKey::new(&Clock::system()).public();
    let mut conn = bank.db.connect().unwrap();
    conn.execute(&format!("UPDATE recovery_keys SET public_key = x'{}', name = '{}'", hex::encode(mallory.0), mallory.name()))
        .unwrap();
    drop(conn);
    assert_eq!(status(&bank), Status::OtherRecoveryKey);
    let bank = bank.restart();
    refused(&bank, sensitive("S2", 1), "recovery_key_differs");
    let outcome = verified(&bank);
    assert!(outcome.findings.iter().any(|f| (f.level, f.table) == ("L4", "recovery_keys")), "{:?}", outcome.findings);
}

#[test]
fn a_key_file_that_is_damaged_while_it_runs_stops_sealing_within_a_minute() {
    on_both(|kind| {
        let bank = bank(kind);
        tested(&bank, &recovery(&bank));
        bank.record(sensitive("S1", 0));
        for (n, (name, code)) in [("master", "master_key_missing"), ("recovery", "recovery_key_differs")].into_iter().enumerate()
        {
            let path = folder(&bank).file(&origin(&bank), name);
            let kept = std::fs::read(&path).unwrap();
            std::fs::write(&path, "garbage").unwrap();
            bank.clock.advance(MINUTE);
            refused(&bank, sensitive("S2", 1), code);
            bank.record(entry(&format!("P{n}"), "ACC-1", "2026-03-02T10:00:00Z", 1, 2));
            std::fs::write(path, kept).unwrap();
            bank.record(sensitive(&format!("S3-{n}"), 2));
        }
        assert_eq!(verified(&bank).findings, [], "{kind:?}");
    });
}

#[test]
fn a_key_file_that_holds_no_key_is_told_as_such_and_repaired_from_paper() {
    on_both(|kind| {
        let bank = bank(kind);
        let key = recovery(&bank);
        tested(&bank, &key);
        let receipt = bank.record(sensitive("S1", 0));
        let (keys, origin) = (folder(&bank), origin(&bank));
        let garbage = |bank: Bank, name: &str| {
            let path = keys.file(&origin, name);
            let kept = std::fs::read(&path).unwrap();
            std::fs::write(&path, [0xff, 0x00, b'x']).unwrap();
            (bank.restart(), path, kept)
        };
        let (bank, path, kept) = garbage(bank, "recovery");
        assert_eq!(status(&bank), Status::OtherRecoveryKey);
        refused(&bank, sensitive("S2", 1), "recovery_key_differs");
        std::fs::write(path, kept).unwrap();

        let (bank, path, kept) = garbage(bank, "master");
        assert_eq!(status(&bank), Status::NoMasterKey);
        refused(&bank, sensitive("S2", 1), "master_key_missing");
        bank.record(entry("P1", "ACC-1", "2026-03-02T10:00:00Z", 1, 2));
        let rewrapped =
            bank.db.read(|conn| sealing::recovered(conn, &keys, (&origin, &Clock::system()), &key, Value::Null)).unwrap();
        let book = origin.clone();
        let (there, aside) = (keys.clone(), path.with_added_extension("unreadable"));
        bank.intake.log().act(move |tx| rewrapped.run(tx, &there, &book)).unwrap();
        assert_eq!(std::fs::read(aside).unwrap(), [0xff, 0x00, b'x'], "what lay there is kept");
        assert!(opened(&bank, receipt.seq).is_some() && !kept.is_empty());
        bank.record(sensitive("S2", 2));
        assert_eq!(status(&bank), Status::Ready);
    });
}
