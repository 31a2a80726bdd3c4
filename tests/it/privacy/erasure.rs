//! The mechanism: what goes, what stays, and that triggers let nothing else through.

use counterfoil::db::{Conn, Db};
use counterfoil::intake::RowResult;
use counterfoil::privacy::Scope;
use serde_json::json;

use super::house::{ACCOUNT, CANARIES, PARTY, erased, everything, house, lines, verified};
use crate::bank::{Bank, Kind, entry, on_both};

fn texts(bank: &Bank) -> String {
    everything(&mut bank.db.connect().unwrap())
}

#[test]
fn everything_personal_of_an_account_goes_and_every_leaf_stays() {
    on_both(|kind| {
        let bank = house(kind);
        let before = texts(&bank);
        for canary in CANARIES {
            assert!(before.contains(canary), "{kind:?}: {canary} is stored before");
        }
        let clean = verified(&bank);
        assert_eq!(clean.findings, []);
        let erasure = erased(&bank, Scope::Account, ACCOUNT);
        assert_eq!((erasure.accounts.len(), erasure.contexts), (1, 1), "the shared context stays");
        let after = texts(&bank);
        for canary in CANARIES {
            assert!(!after.contains(canary), "{kind:?}: {canary} is still stored");
        }
        for kept in ["ACC-OTHER-1", "Other-Person", "sess-shared", "rent"] {
            assert!(after.contains(kept), "{kind:?}: {kept} is gone");
        }
        let outcome = verified(&bank);
        assert_eq!(outcome.findings, [], "{kind:?}");
        let note = outcome.levels[5].note.clone().unwrap_or_default();
        assert!(note.contains(&format!("under event {}", erasure.event)), "{note}");
        // Its place is free for whoever has the number next, and what is sent again is known still.
        let again = bank.submit(vec![json!({ "same": false }), entry("E9", ACCOUNT, "2026-03-02T10:00:00Z", 0, 1)]);
        assert!(matches!(again[1], RowResult::Recorded(ref receipt) if receipt.position == 1), "{again:?}");
        let bank = bank.restart();
        assert_eq!(verified(&bank).findings, [], "{kind:?}: after a restart");
    });
}

#[test]
fn a_holder_goes_with_what_is_the_holder_s_alone() {
    on_both(|kind| {
        let bank = house(kind);
        let mut joint = entry("J1", "ACC-OTHER-1", "2015-03-03T10:00:00Z", 60, 70);
        joint["party"] = json!(PARTY);
        joint["session_id"] = json!("sess-joint");
        bank.record(joint);
        let erasure = erased(&bank, Scope::Party, PARTY);
        assert_eq!(erasure.accounts.len(), 1, "the account that is another's too keeps its number");
        let after = texts(&bank);
        for canary in CANARIES.iter().chain(&["sess-joint"]) {
            assert!(!after.contains(canary), "{kind:?}: {canary} is still stored");
        }
        assert!(after.contains("ACC-OTHER-1") && after.contains("Other-Person"));
        assert_eq!(verified(&bank).findings, [], "{kind:?}");
    });
}

#[test]
fn nothing_is_left_in_the_file() {
    let bank = house(Kind::Sqlite);
    erased(&bank, Scope::Account, ACCOUNT);
    let file = bank.home.url().trim_start_matches("sqlite:").to_owned();
    bank.intake.stop();
    let mut conn = bank.db.connect().unwrap();
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(conn);
    let bytes = std::fs::read(&file).unwrap();
    for canary in CANARIES {
        let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
        assert!(!found, "{canary} is still in the file");
    }
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("Other-Person"), "the file holds what was not erased");
}

#[test]
fn nothing_but_an_erasure_gets_at_private_parts() {
    on_both(|kind| {
        let bank = house(kind);
        erased(&bank, Scope::Account, ACCOUNT);
        // Not even who owns the schema gets past the triggers.
        let mut conn = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        let range = lines(&mut conn, "SELECT CAST(MIN(first_seq) AS TEXT) AS line FROM erased").remove(0);
        let size = lines(&mut conn, "SELECT CAST(size AS TEXT) AS line FROM log_state").remove(0);
        let mut attempts = vec![
            "DELETE FROM entry_parts".to_owned(),
            "UPDATE entry_parts SET reason = NULL".to_owned(),
            "DELETE FROM event_parts".to_owned(),
            "UPDATE event_parts SET body = ''".to_owned(),
            "DELETE FROM accounts".to_owned(),
            "UPDATE accounts SET number = ' erased ' || id WHERE number LIKE 'ACC%'".to_owned(),
            "UPDATE contexts SET session_id = NULL".to_owned(),
            "DELETE FROM contexts".to_owned(),
            "UPDATE erased SET last_seq = 100000".to_owned(),
            "DELETE FROM erased".to_owned(),
            "UPDATE erasures SET digest = ''".to_owned(),
            "DELETE FROM erasures".to_owned(),
            // Neither a range of an old erasure nor an erasure without its event.
            format!("INSERT INTO erased SELECT id, {range} + 90000, {range} + 90001 FROM erasures"),
            format!("INSERT INTO erasures VALUES ({size}, 'subject', 1, NULL, 1, 'x', 1)"),
        ];
        if kind == Kind::Postgres {
            for table in ["entry_parts", "event_parts", "sealed_parts", "accounts", "contexts", "erased", "erasures"] {
                attempts.push(format!("TRUNCATE {table}"));
            }
            attempts.push("SET session_replication_role = replica; DELETE FROM entry_parts".to_owned());
        }
        for sql in attempts {
            let refused = conn.execute(&sql).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(
                refused.contains("erasure") || refused.contains("append-only") || refused.contains("never change"),
                "{kind:?} {sql}: {refused}"
            );
            if matches!(conn, Conn::Postgres(_)) {
                conn.execute("RESET session_replication_role").unwrap();
            }
        }
        assert_eq!(verified(&bank).findings, [], "{kind:?}");
    });
}
