//! A real loss: an older copy, or a key that is gone. Nothing is written until two officers let the log go
//! on under a new name; then everyone can see what was lost, and nothing that was signed is contradicted.

use std::fs;

use counterfoil::app::App;
use counterfoil::audit::{Given, Options, Outcome, ReplayOptions, replay, verify};
use counterfoil::clock::Clock;
use counterfoil::db::Db;
use counterfoil::intake::{RowResult, StartError};
use counterfoil::ledger::leaves;
use counterfoil::reports;
use counterfoil::trail::keys::KeyFolder;
use counterfoil::trail::recovery::{self, Decided, Plan};
use counterfoil::trail::returned::{self, Compared};
use counterfoil::trail::store;
use counterfoil_verify::check::{Report, Scope, check, follow_rotations, open_notes};
use counterfoil_verify::files::Export;
use counterfoil_verify::{Checkpoint, Note, Policy, SignerKey};
use serde_json::json;

use crate::approvals::officer;
use crate::bank::{Bank, Home, Kind, entry, on_both};
use crate::support::program::Program;
use crate::verifier::exported::Exported;

const WHY: &str = "The disk of the database failed; the backup of last night was restored.";

fn folder(bank: &Bank) -> KeyFolder {
    KeyFolder::of(&bank.config, bank.db.address())
}

/// Opened for writing, once PostgreSQL has noticed that who held the log before is gone.
pub fn opened(bank: &Bank) -> Result<App, StartError> {
    let open = || App::start(bank.config.clone(), bank.db.clone(), bank.clock.clone());
    let free = (0..50).find_map(|_| match open() {
        Err(StartError::Held) => {
            std::thread::sleep(std::time::Duration::from_millis(100));
            None
        }
        opened => Some(opened),
    });
    free.unwrap_or_else(open)
}

fn refused(bank: &Bank) -> String {
    opened(bank).err().expect("a log that lacks what was signed is not opened").to_string()
}

/// A bank that was stopped after some entries, with two officers.
pub struct Stopped {
    pub bank: Bank,
    pub officers: [i64; 2],
    pub key: SignerKey,
    size: u64,
    /// A checkpoint kept in a mailbox before the loss.
    early: String,
    receipt: counterfoil::intake::Receipt,
}

impl Stopped {
    pub fn new(kind: Kind) -> Stopped {
        let bank = Bank::open(kind);
        let officers = [officer(&bank, "ada"), officer(&bank, "bob")];
        let receipt = bank.record(entry("E1", "A-1", "2026-03-02T10:00:00Z", 0, 100));
        bank.intake.stop();
        let app = opened(&bank).unwrap();
        let early = app.signer.sign(&app.log()).unwrap().note;
        let origin = app.signer.verifier().name().to_owned();
        app.stop();
        let key = folder(&bank).key(&origin).unwrap().unwrap();
        let size = bank.db.read(store::state).unwrap().unwrap().size.unsigned_abs();
        Stopped { bank, officers, key, size, early, receipt }
    }

    /// What lay behind the last backup: leaves that nobody has any more, and the checkpoint over them.
    pub fn lose(&self, leaves: u64) -> String {
        let note = Checkpoint::new(self.key.name(), self.size + leaves, [9; 32]).sign(&[&self.key]).unwrap();
        folder(&self.bank).keep(self.key.name(), &note).unwrap();
        note.to_string()
    }

    fn plan(&self) -> Result<Plan, String> {
        let mut conn = self.bank.db.connect().unwrap();
        recovery::plan(&mut conn, &folder(&self.bank), None, leaves::hashes).map_err(|e| e.to_string())
    }

    pub fn recover(&self, officers: [i64; 2]) -> Result<i64, String> {
        let plan = self.plan()?;
        let by = Decided { officers, reason: WHY.into(), whence: json!({ "os_user": "operator-canary" }) };
        let mut conn = self.bank.db.connect().unwrap();
        let done = recovery::carry_out(&mut conn, &folder(&self.bank), &Clock::system(), &plan, &by, leaves::hashes);
        done.map_err(|e| e.to_string())
    }

    fn verified(&self, given: &Given) -> Outcome {
        let now = Clock::system().now();
        verify(&self.bank.db, Options { config: &self.bank.config, now, progress: &|_, _| {}, given }).unwrap()
    }
}

#[test]
fn an_older_copy_goes_on_under_a_new_name() {
    on_both(|kind| {
        let old = Stopped::new(kind);
        let lost = old.lose(5);
        assert!(refused(&old.bank).contains("counterfoil log recover"));
        let (from, to) = (old.size as i64, old.size as i64 + 5);
        assert_eq!(old.plan().unwrap().lost, Some((from, to)));
        let seq = old.recover(old.officers).unwrap();
        assert_eq!(seq, from, "the first leaf after the copy");
        let (event, part) = old.bank.db.read(|c| store::event(c, seq)).unwrap().unwrap();
        let body: serde_json::Value = serde_json::from_str(&event.body).unwrap();
        assert_eq!((&body["lost"], &body["officers"]), (&json!([from, to]), &json!(old.officers)));
        assert_eq!(body["checkpoint"], lost.as_str());
        assert!(!event.body.contains("canary") && part.unwrap().body.contains("canary"));
        assert_eq!(old.verified(Given::NONE).findings, [], "{kind:?}: before anything else is written");
        goes_on(&old, &lost, kind);
    });
}

fn goes_on(old: &Stopped, lost: &str, kind: Kind) {
    let app = opened(&old.bank).unwrap();
    let key = app.signer.verifier();
    assert_eq!(key.name(), old.key.name().replace("/g1", "/g2"));
    let bank = Bank::attached(&app, &old.bank);
    match bank.submit(vec![entry("E1", "A-1", "2026-03-02T10:00:00Z", 0, 100)]).remove(0) {
        RowResult::Duplicate(again) => assert_eq!(again, old.receipt, "a receipt from before the loss is the same again"),
        other => panic!("{other:?}"),
    }
    bank.record(entry("E2", "A-1", "2026-03-02T11:00:00Z", 100, 300));
    app.sign();
    assert_eq!(old.verified(Given::NONE).findings, [], "{kind:?}");
    let into = crate::bank::Home::new(Kind::Sqlite);
    let options = counterfoil::audit::ReplayOptions { config: &old.bank.config, batch: 7, progress: &|_, _| {} };
    let again = counterfoil::audit::replay(&old.bank.db, &counterfoil::db::Db::open(&into.url(), 1).unwrap(), None, &options);
    assert_eq!(again.unwrap().differences, [], "{kind:?}: under both names it is made again");
    let keys = vec![key.clone(), old.key.verifier()];
    let given = |note: &str| Given { keys: keys.clone(), checkpoints: vec![("mail".into(), note.as_bytes().to_vec())] };
    assert_eq!(old.verified(&given(&old.early)).findings, [], "what was signed before is still so");
    let outcome = old.verified(&given(lost));
    assert_eq!(outcome.findings, []);
    assert!(outcome.levels[0].note.as_ref().unwrap().contains("were lost, as the recovery in event"), "{outcome:?}");
    let beyond = Checkpoint::new(old.key.name(), old.size + 6, [9; 32]).sign(&[&old.key]).unwrap().to_string();
    assert_eq!(old.verified(&given(&beyond)).findings[0].kind, "checkpoint_contradicts");
    let back = |note: &str| app.db.read(|c| returned::compare(c, &keys, note, leaves::hashes)).unwrap();
    assert!(matches!(back(&old.early), Compared::Consistent { .. }));
    assert!(matches!(back(lost), Compared::NotThisLog(why) if why.contains("were lost")));
    outsiders(&app, &keys, &old.early, lost);
    let context = reports::Context::new(&old.bank.config, old.bank.clock.clone());
    let report = app.db.read(|c| reports::preview(c, &context, "2026-03-02".parse().unwrap())).unwrap();
    assert_eq!(report.integrity.recovered[0].lost_to, Some(old.size as i64 + 5));
    assert!(report.verdict.contains("were lost"), "{}", report.verdict);
    app.stop();
    opened(&old.bank).unwrap().stop();
    assert_eq!(old.verified(Given::NONE).findings, []);
    let (into, options) = (Home::new(Kind::Sqlite), ReplayOptions { config: &old.bank.config, batch: 5, progress: &|_, _| {} });
    let again = replay(&old.bank.db, &Db::open(&into.url(), 1).unwrap(), None, &options).unwrap();
    assert_eq!(again.differences, [], "{kind:?}: made again from its leaves, under both names");
}

/// The stand-alone verifier: by the new key alone, and with the old one and what was signed by it.
fn outsiders(app: &App, keys: &[counterfoil_verify::VerifierKey], early: &str, lost: &str) {
    let mut files = Exported::default();
    counterfoil::export::log(&app.db, false, 0, &mut files).unwrap();
    let run = |keys: &[counterfoil_verify::VerifierKey], kept: &str| {
        let (mut report, mut source) = (Report::default(), Export::new(files.clone()));
        let (Ok(newest), Ok(mut notes), Ok(rotations)) = (source.checkpoint(), source.remembered(), source.rotations());
        notes.push(("kept".into(), kept.as_bytes().to_vec()));
        let policy = follow_rotations(Policy::of_keys(keys.to_vec()), &rotations, &mut report);
        let opened = open_notes(&policy, None, &newest.unwrap(), &notes, &mut report).unwrap();
        let scope = Scope { newest: &opened.newest.checkpoint, remembered: &opened.remembered, loss_known: opened.loss_known };
        let Ok(()) = check(&mut source, scope, &mut report, |_| ());
        report
    };
    assert_eq!(run(&keys[..1], early).findings, []);
    assert_eq!(run(keys, early).findings, []);
    let told = run(keys, lost);
    assert_eq!((told.findings.len(), told.findings[0].kind), (1, "leaves_lost"));
    assert!(told.findings[0].detail.contains("were lost, as the recovery in leaf"), "{told:?}");
}

#[test]
fn a_stop_before_its_end_leaves_what_the_same_officers_finish() {
    on_both(|kind| {
        let old = Stopped::new(kind);
        old.lose(3);
        let seq = old.recover(old.officers).unwrap();
        // As if the program had ended between its transaction and the note beside the keys.
        folder(&old.bank).set_origin(old.key.name()).unwrap();
        assert!(refused(&old.bank).contains("run `counterfoil log recover` again"));
        let others = old.recover([old.officers[0], 99]).unwrap_err();
        assert!(others.contains("decided by other officers"), "{others}");
        assert_eq!(old.recover(old.officers).unwrap(), seq, "{kind:?}: no second event");
        opened(&old.bank).unwrap().stop();
        assert_eq!(old.verified(Given::NONE).findings, []);
    });
}

#[test]
fn what_is_whole_or_changed_is_not_let_go_on() {
    on_both(|kind| {
        let old = Stopped::new(kind);
        assert!(old.plan().unwrap_err().contains("nothing is lost"), "{kind:?}");
        let forged = Checkpoint::new(old.key.name(), old.size, [9; 32]).sign(&[&old.key]).unwrap();
        folder(&old.bank).keep(old.key.name(), &forged).unwrap();
        assert!(old.plan().unwrap_err().contains("this is no loss"));
        let thief = SignerKey::from_seed(old.key.name(), [3; 32]).unwrap();
        let foreign = Checkpoint::new(old.key.name(), old.size + 9, [9; 32]).sign(&[&thief]).unwrap();
        folder(&old.bank).keep(old.key.name(), &Note::parse(&old.early).unwrap()).unwrap();
        let mut conn = old.bank.db.connect().unwrap();
        let refused = recovery::plan(&mut conn, &folder(&old.bank), Some(foreign), leaves::hashes).unwrap_err().to_string();
        assert!(refused.contains("cannot be trusted"), "{refused}");
    });
}

#[test]
fn a_signed_log_without_its_key_is_not_opened() {
    on_both(|kind| {
        let old = Stopped::new(kind);
        // The folder of the keys is gone, and with it the last checkpoint: nothing says how old the copy is.
        fs::remove_dir_all(folder(&old.bank).dir()).unwrap();
        let words = refused(&old.bank);
        assert!(words.contains("is not in") && words.contains("put the key back") && words.contains("log recover"), "{words}");
        assert!(!folder(&old.bank).dir().exists(), "{kind:?}: no key was made in its place");
        let plan = old.plan().unwrap();
        assert_eq!((plan.lost, plan.previous.as_str()), (None, old.key.name()));
        old.recover(old.officers).unwrap();
        let app = opened(&old.bank).unwrap();
        assert!(app.signer.verifier().name().ends_with("/g2"));
        app.stop();
        assert_eq!(old.verified(Given::NONE).findings, []);
    });
}

#[test]
fn the_command_asks_two_officers_for_their_passwords() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("bank.db");
    let database = format!("sqlite:{}", file.display());
    let command = |args: &[&str]| Program::new(home.path()).args(args).args(["--database", &database]);
    let passwords = [("ada", "tinder ocelot brick"), ("bob", "velvet harbour comet")];
    for (name, password) in passwords {
        let email = format!("{name}@bank.example");
        command(&["user", "add", "--role", "officer", "--password-stdin", "--email", &email]).input(password).run().succeeded();
    }
    let (copy, key) = (home.path().join("copy.db"), command(&["log", "key"]).run().succeeded().stdout);
    fs::copy(&file, &copy).unwrap();
    command(&["key", "issue", "--source", "core"]).run().succeeded();
    let kept = command(&["log", "checkpoint"]).run().succeeded().stdout;
    fs::write(home.path().join("mail.txt"), &kept).unwrap();
    for name in ["bank.db", "bank.db-wal", "bank.db-shm"] {
        let _ = fs::remove_file(home.path().join(name));
    }
    fs::copy(&copy, &file).unwrap();
    let refused = command(&["key", "issue", "--source", "core"]).run().failed_with(2);
    assert!(refused.stderr.contains("older than the last signed checkpoint"), "{}", refused.stderr);
    let recover = ["log", "recover", "--reason", WHY, "--officer", "ada@bank.example", "--officer", "bob@bank.example"];
    let wrong = command(&recover).input("tinder ocelot brick\nnot the password\n").run().failed_with(2);
    assert!(wrong.stderr.contains("bob@bank.example"), "{}", wrong.stderr);
    let alone = ["log", "recover", "--reason", WHY, "--officer", "ada@bank.example", "--officer", "ada@bank.example"];
    let alone = command(&alone).input("tinder ocelot brick\ntinder ocelot brick\n").run().failed_with(2);
    assert!(alone.stderr.contains("two different officers"), "{}", alone.stderr);
    let done = command(&recover).input("tinder ocelot brick\nvelvet harbour comet\n").run().succeeded();
    assert!(done.stdout.trim().ends_with("/g2") && done.stderr.contains("were signed and are lost"), "{done:?}");
    command(&["key", "issue", "--source", "core"]).run().succeeded();
    let now = command(&["log", "key"]).run().succeeded().stdout;
    let verify = command(&["verify", "--checkpoint", "mail.txt", "--key", now.trim(), "--key", key.trim()]).run().succeeded();
    assert!(verify.stdout.contains("were lost"), "{}", verify.stdout);
    let again = command(&recover).input("tinder ocelot brick\nvelvet harbour comet\n").run().failed_with(2);
    assert!(again.stderr.contains("nothing is lost"), "{}", again.stderr);
}
