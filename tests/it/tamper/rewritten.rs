//! The log made over as a whole, every hash and root again: what is left to find it by is a signature, a
//! statement that an old key signed, or a checkpoint that somebody kept. Without any it cannot be found, and
//! verification says so.

use counterfoil::audit::{Given, Options, Outcome, verify};
use counterfoil::clock::MINUTE;
use counterfoil::db::{Conn, Db};
use counterfoil::ledger::leaves;
use counterfoil::trail::keys::KeyFolder;
use counterfoil::trail::{Signer, returned, store};
use counterfoil_verify::tree::Frontier;
use counterfoil_verify::{Checkpoint, Hash, SignerKey};
use serde_json::json;

use super::edits::{behind_the_triggers, lines};
use crate::bank::{Bank, Kind, entry};

/// A bank whose log was signed twice, the second checkpoint brought back; between the two its key is changed
/// if `rotated`.
fn bank(rotated: bool) -> (Bank, String) {
    let bank = Bank::open(Kind::Sqlite);
    let signer = Signer::open(&bank.db, &bank.config, bank.clock.clone(), leaves::hashes).unwrap();
    let record = |n: i64| drop(bank.record(entry(&format!("E{n}"), "ACC-1", "2026-03-02T09:00:00Z", n, n + 1)));
    (0..3).for_each(record);
    let kept = signer.sign(&bank.intake.log()).unwrap().note;
    if rotated {
        let folder = KeyFolder::of(&bank.config, bank.db.address());
        let next = folder.make_next(signer.verifier().name(), &bank.clock).unwrap().verifier();
        signer.rotate(&bank.intake.log(), &next, |_, _| Ok(())).unwrap();
    }
    bank.clock.advance(MINUTE);
    (3..6).for_each(record);
    let row = signer.sign(&bank.intake.log()).unwrap();
    bank.clock.advance(MINUTE);
    let keys = bank.db.read(|conn| signer.verifiers(conn)).unwrap();
    let back = bank.db.read(|conn| returned::compare(conn, &keys, &row.note, leaves::hashes)).unwrap();
    bank.intake.log().act(move |tx| back.record(tx, "officer", &json!({}))).unwrap();
    bank.intake.stop();
    assert_eq!(found(&outcome(&bank, &[])), [""; 0]);
    (bank, kept)
}

/// The key that signs.
fn key(bank: &Bank) -> SignerKey {
    let folder = KeyFolder::of(&bank.config, bank.db.address());
    let signer = Signer::open(&bank.db, &bank.config, bank.clock.clone(), leaves::hashes).unwrap();
    folder.key_of(&signer.verifier()).unwrap().unwrap()
}

fn outcome(bank: &Bank, kept: &[&str]) -> Outcome {
    let checkpoints = kept.iter().map(|note| ("kept".to_owned(), note.as_bytes().to_vec())).collect();
    let given = Given { keys: Vec::new(), checkpoints };
    verify(&bank.db, Options { config: &bank.config, now: bank.clock.now(), progress: &|_, _| {}, given: &given }).unwrap()
}

/// Level, kind and table of what was found.
fn found(outcome: &Outcome) -> Vec<String> {
    outcome.findings.iter().map(|found| format!("{} {} {}", found.level, found.kind, found.table)).collect()
}

/// Changes an entry early in the log, then makes every hash and root again and signs all that covers it with
/// `key`, in the database and beside it.
fn rewrite(bank: &Bank, key: &SignerKey) {
    let mut conn = Db::open(&bank.home.url(), 1).unwrap().connect().unwrap();
    let first: i64 = lines(&mut conn, "SELECT CAST(min(seq) AS TEXT) AS line FROM entries", "")[0].parse().unwrap();
    edit(&mut conn, "entries", &format!("UPDATE entries SET value_date = 20000 WHERE seq = {first}"));
    let state = store::state(&mut conn).unwrap().unwrap();
    assert!(state.size < 256, "no tile is full yet, so that there is none to make again");
    let hashes = leaves::hashes(&mut conn, 0, state.size).unwrap();
    edit(&mut conn, "log_state", &format!("UPDATE log_state SET root = {}", blob(&root(&hashes, state.size))));
    for row in store::checkpoints_after(&mut conn, 0, 100).unwrap().into_iter().filter(|row| row.size > first) {
        let root = root(&hashes, row.size);
        let note = Checkpoint::new(&state.origin, row.size.unsigned_abs(), root).sign(&[key]).unwrap();
        let (number, text) = (row.number, note.to_string());
        edit(
            &mut conn,
            "checkpoints",
            &format!("UPDATE checkpoints SET root = {}, note = '{text}' WHERE number = {number}", blob(&root)),
        );
        KeyFolder::of(&bank.config, bank.db.address()).keep(&state.origin, &note).unwrap();
    }
}

fn root(hashes: &[Hash], size: i64) -> Hash {
    let mut tree = Frontier::new();
    hashes.iter().take(usize::try_from(size).unwrap()).for_each(|hash| tree.push(*hash));
    tree.root()
}

fn blob(bytes: &[u8]) -> String {
    format!("x'{}'", hex::encode(bytes))
}

fn edit(conn: &mut Conn, table: &str, sql: &str) {
    behind_the_triggers(conn, table, sql).unwrap();
}

#[test]
fn made_over_and_signed_with_another_key_it_is_not_this_log() {
    let (bank, _) = bank(false);
    let own = key(&bank);
    rewrite(&bank, &SignerKey::from_seed(own.name(), [9; 32]).unwrap());
    let found = found(&outcome(&bank, &[]));
    assert!(found.contains(&"L0 checkpoint_differs checkpoints".to_owned()), "{found:?}");
}

#[test]
fn made_over_and_signed_with_its_own_key_it_is_undetectable_without_a_checkpoint_from_outside_and_that_is_said() {
    let (bank, kept) = bank(false);
    rewrite(&bank, &key(&bank));
    let outcome = outcome(&bank, &[]);
    assert_eq!(found(&outcome), [""; 0]);
    let said = outcome.levels.iter().find(|level| level.level == "L0").unwrap();
    assert!(format!("{said:?}").contains("undetectable"), "{said:?}");
    // With the one that left before, it is found.
    let outcome = super::rewritten::outcome(&bank, &[&kept]);
    assert_eq!(found(&outcome), ["L0 checkpoint_contradicts checkpoints"]);
    assert!(outcome.findings[0].detail.contains("changed after it was signed"), "{outcome:?}");
}

#[test]
fn what_an_old_key_signed_when_it_was_replaced_holds_the_log_to_what_it_was() {
    let (bank, _) = bank(true);
    rewrite(&bank, &key(&bank));
    let found = found(&outcome(&bank, &[]));
    assert_eq!(found.iter().filter(|found| *found == "L0 checkpoint_differs key_rotations").count(), 1, "{found:?}");
}

#[test]
fn a_checkpoint_does_not_become_younger_by_its_row() {
    let (bank, _) = bank(false);
    let mut conn = Db::open(&bank.home.url(), 1).unwrap().connect().unwrap();
    for table in ["checkpoints", "anchors"] {
        edit(&mut conn, table, &format!("UPDATE {table} SET signed_at = signed_at + 94608000000000"));
    }
    let found = found(&outcome(&bank, &[]));
    assert!(found.contains(&"L0 checkpoint_postdated checkpoints".to_owned()), "{found:?}");
    let age = bank.db.read(|conn| counterfoil::trail::anchor_age::AnchorAge::read(conn, bank.clock.now())).unwrap().unwrap();
    assert!(age.since <= bank.clock.now(), "no later than it came back: {age:?}");
}
