//! What lies outside the database (the last checkpoint beside the key, `anchor.file`, the key itself) against an
//! older copy, an emptied database and an exchanged key: the start refuses, and what comes to light later is said.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use counterfoil::app::{App, carry_out_due};
use counterfoil::audit::{Finding, Given, Options, Outcome, verify};
use counterfoil::clock::Clock;
use counterfoil::db::Db;
use counterfoil::ledger::leaves;
use counterfoil::trail::contradicted;
use counterfoil::trail::recovery::{self, Decided};
use counterfoil::trail::store as trail;
use counterfoil_verify::{Checkpoint, SignerKey};
use serde_json::json;

use crate::approvals::officer;
use crate::bank::{Bank, Kind, entry, on_both};
use crate::keys::{approved, folder};

/// A bank on one machine whose `anchor.file` lies on a share; none of its parts is in use between the steps.
struct Machine {
    bank: Bank,
    share: PathBuf,
}

impl Machine {
    fn new() -> Machine {
        let mut bank = Bank::open(Kind::Sqlite);
        let share = bank.db.address().file().unwrap().with_file_name("share");
        fs::create_dir(&share).unwrap();
        bank.config.anchor.file = share.join("anchors").display().to_string();
        bank.record(entry("E1", "A-1", "2026-03-02T10:00:00Z", 0, 100));
        bank.intake.stop();
        Machine { bank, share }
    }

    /// Opens the program on the database; the error's words if it refuses.
    fn opened(&self) -> Result<App, String> {
        App::start(self.bank.config.clone(), self.bank.db.clone(), Clock::system()).map_err(|e| e.to_string())
    }

    fn run_once(&self) {
        self.opened().unwrap().stop();
    }

    fn refused(&self) -> String {
        self.opened().err().expect("this start is refused")
    }

    fn file(&self) -> PathBuf {
        self.bank.db.address().file().unwrap().to_owned()
    }

    fn anchors(&self) -> PathBuf {
        self.share.join("anchors")
    }

    fn write(&self, text: &str) {
        OpenOptions::new().append(true).open(self.anchors()).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn copy(&self) -> PathBuf {
        self.bank.db.connect().unwrap().execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let copy = self.file().with_file_name("copy.db");
        fs::copy(self.file(), &copy).unwrap();
        copy
    }

    /// Exchanges the database for another file, or for none.
    fn put_back(self, copy: Option<&Path>) -> Machine {
        let file = self.file();
        for ending in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{ending}", file.display()));
        }
        copy.map(|copy| fs::copy(copy, &file).unwrap());
        let db = Db::open(&self.bank.home.url(), 2).unwrap();
        Machine { bank: Bank { db, ..self.bank }, share: self.share }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let files = fs::read_dir(folder(&self.bank).dir()).unwrap().map(|file| file.unwrap().path());
        let mut found: Vec<_> = files.filter(|path| path.extension().is_some_and(|found| found == ending)).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    fn key(&self) -> SignerKey {
        let origin = self.bank.db.read(trail::state).unwrap().unwrap().origin;
        folder(&self.bank).key(&origin).unwrap().unwrap()
    }

    fn verified(&self) -> Outcome {
        let (config, now) = (&self.bank.config, Clock::system().now());
        verify(&self.bank.db, Options { config, now, progress: &|_, _| {}, given: Given::NONE }).unwrap()
    }

    fn found(&self) -> Vec<(&'static str, String)> {
        self.verified().findings.into_iter().map(|Finding { kind, detail, .. }| (kind, detail)).collect()
    }
}

fn signed(key: &SignerKey, size: u64) -> String {
    Checkpoint::new(key.name(), size, [9; 32]).sign(&[key]).unwrap().to_string()
}

#[test]
fn a_database_older_than_what_was_signed_is_not_written_to() {
    let machine = Machine::new();
    machine.run_once();
    let copy = machine.copy();
    let first = fs::read_to_string(machine.anchors()).unwrap();
    machine.run_once();
    let machine = machine.put_back(Some(&copy));
    assert!(machine.refused().contains("older than the last signed checkpoint"));
    // Whoever puts the old copy there may take away what is kept beside the key, but not what another disk has; nor do
    // an older note, or much other text behind it, hide the newest.
    fs::remove_file(machine.beside("checkpoint")).unwrap();
    machine.write(&first);
    machine.write(&"what somebody else wrote\n".repeat(10_000));
    assert!(machine.refused().contains("older than the last signed checkpoint"));
    // What no key of the log signed says nothing.
    let stranger = SignerKey::from_seed(machine.key().name(), [1; 32]).unwrap();
    machine.write(&signed(&stranger, 1_000));
    assert!(machine.refused().contains("older than the last signed checkpoint"));
    fs::write(machine.anchors(), signed(&stranger, 1_000)).unwrap();
    machine.opened().expect("nothing that is trusted speaks against it").stop();
}

#[test]
fn a_copy_started_while_the_share_was_away_is_told_when_it_is_back() {
    let machine = Machine::new();
    machine.run_once();
    let copy = machine.copy();
    machine.run_once();
    let machine = machine.put_back(Some(&copy));
    fs::remove_file(machine.beside("checkpoint")).unwrap();
    let away = machine.share.with_extension("away");
    fs::rename(&machine.share, &away).unwrap();
    let app = machine.opened().expect("nothing at hand says that it is old");
    assert!(app.signer.trouble().unwrap().contains("anchor.file"), "what cannot be written is told");
    fs::rename(&away, &machine.share).unwrap();
    let before = fs::read(machine.anchors()).unwrap();
    app.sign();
    assert_eq!(fs::read(machine.anchors()).unwrap(), before, "nothing is appended to what speaks against it");
    let trouble = app.signer.trouble().unwrap();
    assert!(trouble.contains("signed with this log's key"), "{trouble}");
    let standing = app.db.read(contradicted::standing).unwrap();
    assert_eq!(standing.len(), 1);
    app.sign();
    let events = app.db.read(|c| trail::events_of(c, &["anchor.contradicted"], None, 10)).unwrap();
    assert_eq!(events.len(), 1, "once, however often it is tried");
    app.stop();
    assert!(machine.found().iter().any(|(kind, detail)| *kind == "checkpoint_contradicts" && detail.starts_with("anchor.file")));
    assert!(machine.refused().contains("they were changed"), "and the next start is refused");
}

#[test]
fn verification_reads_every_note_of_the_file() {
    let machine = Machine::new();
    machine.run_once();
    assert_eq!(machine.found(), []);
    let whole = fs::read_to_string(machine.anchors()).unwrap();
    let stranger = SignerKey::from_seed(machine.key().name(), [1; 32]).unwrap();
    let other = SignerKey::from_seed("another/log", [1; 32]).unwrap();
    // A fork that the key signed, ahead of everything; a note by nobody known; one of another log, which may be there.
    let forged = format!("{}\n{}\n{}\n{whole}", signed(&machine.key(), 2), signed(&stranger, 1), signed(&other, 1));
    fs::write(machine.anchors(), forged).unwrap();
    let found = machine.found();
    let kinds: Vec<_> = found.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, ["checkpoint_contradicts", "kept_unreadable"], "{found:?}");
    assert!(found[0].1.starts_with("anchor.file, note 1:") && found[1].1.starts_with("anchor.file, note 2:"), "{found:?}");
    let told = |machine: &Machine| machine.verified().levels[0].note.clone().unwrap();
    assert!(told(&machine).contains("in anchor.file"));
    fs::remove_file(machine.anchors()).unwrap();
    assert!(told(&machine).contains("holds no checkpoint of this log") && machine.found().is_empty());
    fs::create_dir(machine.anchors()).unwrap();
    assert!(told(&machine).contains("it is a folder"), "{}", told(&machine));
}

#[test]
fn no_log_is_begun_where_another_one_was() {
    let machine = Machine::new();
    machine.run_once();
    let (key, size) = (machine.key().name().to_owned(), machine.bank.db.read(trail::state).unwrap().unwrap().size);
    fs::remove_dir_all(folder(&machine.bank).dir()).unwrap();
    let machine = machine.put_back(None);
    counterfoil::db::migrate::up(&mut machine.bank.db.connect().unwrap()).unwrap();
    let found = machine.found();
    assert!(found.len() == 1 && found[0].1.starts_with("the largest in anchor.file"), "{found:?}");
    let words = machine.refused();
    assert!(words.contains(&key) && words.contains(&format!("{size} leaves")) && words.contains("anchor.file"), "{words}");
    let mut machine = machine;
    machine.bank.config.anchor.file = machine.share.join("others").display().to_string();
    machine.run_once();
    assert_ne!(machine.key().name(), key, "where a new log is meant, another file is chosen");
}

#[test]
fn a_last_checkpoint_that_no_database_holds_is_known() {
    let machine = Machine::new();
    machine.run_once();
    assert_eq!(folder(&machine.bank).unclaimed().unwrap(), []);
    fs::remove_file(machine.beside("log")).unwrap();
    let unclaimed = folder(&machine.bank).unclaimed().unwrap();
    assert_eq!((unclaimed.len(), unclaimed[0].origin.as_str()), (1, machine.key().name()));
}

#[test]
fn another_key_in_the_place_of_the_one_that_signed_is_refused() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        bank.intake.stop();
        let open = || crate::recovery::opened(&bank).map_err(|e| e.to_string());
        let app = open().unwrap();
        let name = app.signer.verifier().name().to_owned();
        app.stop();
        let files = || fs::read_dir(folder(&bank).dir()).unwrap().map(|file| file.unwrap().path());
        let beside = |ending: &str| files().find(|path| path.extension().is_some_and(|found| found == ending)).unwrap();
        let true_key = fs::read_to_string(beside("key")).unwrap();
        let thief = SignerKey::from_seed(&name, [3; 32]).unwrap();
        fs::write(beside("key"), format!("{}\n", thief.secret())).unwrap();
        fs::remove_file(beside("checkpoint")).unwrap();
        let words = open().err().expect("another key is refused");
        assert!(words.contains("another one lies in its place") && words.contains("log recover"), "{kind:?}: {words}");
        fs::write(beside("key"), true_key).unwrap();
        open().unwrap().stop();
    });
}

#[test]
fn a_copy_from_before_a_change_of_the_key_goes_on_without_false_findings() {
    let machine = Machine::new();
    let app = machine.opened().unwrap();
    let running = Bank::attached(&app, &machine.bank);
    let officers = [officer(&running, "ada"), officer(&running, "bob")];
    app.sign();
    let old = app.signer.verifier();
    app.stop();
    let copy = machine.copy();
    let app = machine.opened().unwrap();
    approved(&Bank::attached(&app, &machine.bank), &old);
    carry_out_due(&app).unwrap();
    assert_ne!(app.signer.verifier(), old);
    app.stop();
    let machine = machine.put_back(Some(&copy));
    assert!(machine.refused().contains("log recover"));
    let mut conn = machine.bank.db.connect().unwrap();
    let plan = recovery::plan(&mut conn, &folder(&machine.bank), None, leaves::hashes).unwrap();
    let by = Decided { officers, reason: "The disk failed, see the log book.".into(), whence: json!({}) };
    recovery::carry_out(&mut conn, &folder(&machine.bank), &Clock::system(), &plan, &by, leaves::hashes).unwrap();
    drop(conn);
    machine.run_once();
    assert_eq!(machine.found(), [], "what the old key signed before is known by the list of keys that were replaced");
}
