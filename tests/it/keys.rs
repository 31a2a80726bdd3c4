//! The key that signs the log: changed by two people, followed by outsiders, never missing unnoticed.

use std::os::unix::fs::PermissionsExt;

use counterfoil::app::{App, carry_out_due};
use counterfoil::approvals::{self, Deciding, Decision, Kind as What, State, Submission};
use counterfoil::audit::{Given, Options, Outcome, verify};
use counterfoil::clock::Clock;
use counterfoil::ids::Seq;
use counterfoil::ledger::leaves;
use counterfoil::trail::Signer;
use counterfoil::trail::keys::KeyFolder;
use counterfoil::trail::returned::{self, Compared};
use counterfoil::trail::store;
use counterfoil_verify::{Checkpoint, Note, Origin, Rotation, VerifierKey};
use serde_json::json;

use crate::approvals::officer;
use crate::bank::{Bank, Kind, entry, on_both};
use crate::site::Site;
use crate::support::program::Program;
use crate::verifier::exported::Exported;

const WHY: &str = "The yearly change of the key is due, see the handbook.";

pub fn folder(bank: &Bank) -> KeyFolder {
    KeyFolder::of(&bank.config, bank.db.address())
}

/// A new key beside the present one, proposed and approved.
pub fn approved(bank: &Bank, old: &VerifierKey) -> (VerifierKey, Seq) {
    let new = folder(bank).make_next(old.name(), &Clock::system()).unwrap().verifier();
    let facts = json!({ "origin": old.name(), "old": old.to_string(), "new": new.to_string() });
    let (log, about) = (bank.intake.log(), old.name().to_owned());
    let submission =
        Submission { kind: What::RotateKey, about, facts, reason: WHY.into(), detail: None, by: None, whence: json!({}) };
    let id = approvals::submit(&log, submission).unwrap();
    for name in ["first", "second"] {
        let user = officer(bank, &format!("{name}-{id}"));
        let deciding = Deciding { id, decision: Decision::Approve, comment: WHY.into(), user, whence: json!({}) };
        approvals::decide(&log, deciding).unwrap();
    }
    (new, id)
}

fn verified(bank: &Bank, given: &Given) -> Outcome {
    verify(&bank.db, Options { config: &bank.config, now: bank.clock.now(), progress: &|_, _| {}, given }).unwrap()
}

fn signers(note: &str, keys: &[&VerifierKey]) -> Vec<VerifierKey> {
    let keys: Vec<VerifierKey> = keys.iter().map(|key| (*key).clone()).collect();
    Checkpoint::open(&Note::parse(note).unwrap(), &keys, Origin::OfKey).unwrap().log_keys
}

fn more(bank: &Bank, name: &str) {
    bank.record(entry(name, &format!("A-{name}"), "2026-03-02T10:00:00Z", 0, 100));
}

#[test]
fn an_approved_change_is_signed_by_both_keys_and_followed_from_either() {
    on_both(|kind| {
        let site = Site::open(kind);
        more(&site.bank, "1");
        let before = site.app.signer.sign(&site.app.log()).unwrap();
        let old = site.app.signer.verifier();
        let (new, id) = approved(&site.bank, &old);
        assert_eq!(site.app.signer.verifier(), old, "approved is not yet done");
        carry_out_due(&site.app).unwrap();
        assert_eq!(site.app.signer.verifier(), new);
        let proposal = site.app.db.read(|conn| approvals::find(conn, id)).unwrap().unwrap();
        assert_eq!(proposal.state, State::CarriedOut);
        let event = &site.events("log.key_rotated")[0];
        let said = Rotation::open(&Note::parse(event["note"].as_str().unwrap()).unwrap()).unwrap();
        assert_eq!((&said.old, &said.new), (&old, &new));
        let first = site.app.db.read(store::newest_checkpoint).unwrap().unwrap();
        assert_eq!(signers(&first.note, &[&old, &new]).len(), 2, "the first one bears both");
        more(&site.bank, "2");
        let next = site.app.signer.sign(&site.app.log()).unwrap();
        assert_eq!(signers(&next.note, &[&old, &new]), std::slice::from_ref(&new));
        assert_eq!(verified(&site.bank, Given::NONE).findings, []);
        for pinned in [&old, &new] {
            let given =
                Given { keys: vec![pinned.clone()], checkpoints: vec![("mail".into(), before.note.clone().into_bytes())] };
            assert_eq!(verified(&site.bank, &given).findings, [], "{kind:?}");
            assert_eq!(Exported::of(&site, false).findings(pinned, &[&before.note]), [""; 0], "{kind:?}");
        }
        let back = |note: &str| {
            let (signer, note) = (site.app.signer.clone(), note.to_owned());
            site.app.db.read(move |c| {
                let keys = signer.verifiers(c)?;
                returned::compare(c, &keys, &note, leaves::hashes)
            })
        };
        assert!(matches!(back(&before.note).unwrap(), Compared::Consistent { .. }));
        // What somebody signs with the old key after it was put away.
        let stolen = folder(&site.bank);
        assert!(stolen.key_of(&old).unwrap().is_none(), "the old secret is put away");
        assert_eq!(stolen.key(old.name()).unwrap().unwrap().verifier(), new);
    });
}

#[test]
fn a_stop_in_the_middle_of_a_change_is_made_good() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let start =
            |bank: &Bank| App::new(bank.config.clone(), bank.db.clone(), bank.clock.clone(), bank.intake.clone()).unwrap();
        let app = start(&bank);
        app.signer.sign(&app.log()).unwrap();
        let old = app.signer.verifier();
        let (new, id) = approved(&bank, &old);
        app.signer
            .rotate(&app.log(), &new, move |tx, _| approvals::carried_out(tx, id, What::RotateKey, &json!({})).map(drop))
            .unwrap();
        // The program ends here: the event is there, no file was touched, nothing signed.
        drop(app);
        let bank = bank.restart();
        let again = start(&bank);
        assert_eq!(again.signer.verifier(), new, "{kind:?}");
        let row = again.signer.sign(&again.log()).unwrap();
        assert_eq!(signers(&row.note, &[&old, &new]).len(), 2);
        assert_eq!(folder(&bank).key(old.name()).unwrap().unwrap().verifier(), new);
        assert_eq!(verified(&bank, Given::NONE).findings, []);
        let retired = std::fs::read_dir(folder(&bank).dir()).unwrap().filter_map(|f| {
            let path = f.unwrap().path();
            path.extension().is_some_and(|e| e == "retired").then(|| std::fs::read_to_string(path).unwrap())
        });
        assert_eq!(retired.collect::<String>().trim(), old.to_string());
        bank.intake.stop();
    });
}

#[test]
fn whoever_takes_over_signs_with_the_key_in_force() {
    let site = Site::open(Kind::Sqlite);
    let standing_by = Signer::open(&site.app.db, &site.app.config, site.app.clock.clone(), leaves::hashes).unwrap();
    let (new, _) = approved(&site.bank, &site.app.signer.verifier());
    carry_out_due(&site.app).unwrap();
    more(&site.bank, "1");
    let refused = standing_by.sign(&site.app.log()).unwrap_err().to_string();
    assert!(refused.contains("another key signs it"), "what the old key signs counts no more: {refused}");
    standing_by.reload(&site.app.db).unwrap();
    assert_eq!(standing_by.verifier(), new);
    standing_by.sign(&site.app.log()).unwrap();
}

#[test]
fn a_change_whose_new_key_is_gone_is_not_made() {
    let site = Site::open(Kind::Sqlite);
    let old = site.app.signer.verifier();
    let (new, id) = approved(&site.bank, &old);
    folder(&site.bank).drop_next(&new);
    let refused = carry_out_due(&site.app).unwrap_err().to_string();
    assert!(refused.contains("is not in"), "{refused}");
    assert_eq!((site.app.signer.verifier(), site.events("log.key_rotated").len()), (old, 0));
    assert_eq!(site.app.db.read(|c| approvals::find(c, id)).unwrap().unwrap().state, State::Approved, "it can still be done");
}

#[test]
fn the_command_proposes_and_serve_carries_out() {
    let home = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", home.path().join("bank.db").display());
    let command = |args: &[&str]| Program::new(home.path()).args(args).args(["--database", &database]);
    let _serve = command(&[]).spawn_serve();
    let password = "tinder ocelot brick";
    let add = |email: &str| {
        command(&["user", "add", "--role", "officer", "--password-stdin", "--email", email]).input(password).run().succeeded();
    };
    add("ada@bank.example");
    let key = || command(&["log", "key"]).run().succeeded().stdout.trim().to_owned();
    let old = key();
    let rotate = ["log", "rotate-key", "--reason", WHY, "--as", "ada@bank.example", "--password-stdin"];
    let wrong = command(&rotate).input("not the password").run().failed_with(2);
    assert!(wrong.stderr.contains("is not right"), "{}", wrong.stderr);
    let unknown = ["log", "rotate-key", "--reason", WHY, "--as", "bob@bank.example", "--password-stdin"];
    command(&unknown).input(password).run().failed_with(2);
    let made = command(&rotate).input(password).run().succeeded();
    let events = command(&["export", "events", "--format", "ndjson"]).run().succeeded().stdout;
    let count = |words: &[&str]| events.lines().filter(|line| words.iter().all(|word| line.contains(word))).count();
    assert_eq!(count(&["session.refused", "wrong_password", "command"]), 1, "{events}");
    assert_eq!(count(&["session.refused", "unknown", "command"]), 1, "{events}");
    assert_eq!(count(&["act.attempted", "approval.submit", "\\\"user\\\":null"]), 0, "an officer's act is theirs: {events}");
    assert_eq!(count(&["act.attempted", "approval.submit"]), 1, "{events}");
    assert!(made.stderr.contains("another officer approves"), "{}", made.stderr);
    let twice = command(&rotate).input(password).run().failed_with(2);
    assert!(twice.stderr.contains("is open"), "{}", twice.stderr);
    assert_eq!(key(), old, "nothing is done yet");
    let keys: Vec<String> = std::fs::read_dir(home.path().join("keys"))
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".key"))
        .collect();
    assert_eq!(keys.len(), 2, "the refused ones left no key behind: {keys:?}");
}

#[test]
fn a_secret_that_others_may_read_is_said() {
    on_both(|kind| {
        let site = Site::open(kind);
        let keys = folder(&site.bank);
        assert_eq!(keys.exposed(), Vec::<std::path::PathBuf>::new(), "what the program makes is its owner's alone");
        let files = keys.dir().read_dir().unwrap().map(|file| file.unwrap().path());
        let key = files.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "key")).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(keys.exposed(), [key]);
    });
}
