//! The register of erasures: an older copy of the database brings nothing back.

use std::path::Path;
use std::process::Command;

use counterfoil::app::App;
use counterfoil::db::Db;
use counterfoil::privacy::{Scope, register};
use counterfoil::trail::keys::KeyFolder;
use serde_json::json;

use super::house::{ACCOUNT, CANARIES, erased, everything, house, lines, verified};
use crate::bank::{Bank, Home, Kind, entry, on_both};
use crate::support::cluster::{Database, cluster};

/// A copy of the database, as a backup has it.
enum Backup {
    File(tempfile::TempDir),
    Server(Database<'static>),
}

fn backup(bank: &Bank) -> Backup {
    match &bank.home {
        Home::Sqlite(_) => {
            let folder = tempfile::tempdir().unwrap();
            bank.db.connect().unwrap().execute(&format!("VACUUM INTO '{}'", folder.path().join("copy.db").display())).unwrap();
            Backup::File(folder)
        }
        Home::Postgres(..) => {
            let copy = cluster().empty_database();
            let dump = Command::new("pg_dump").arg("--no-owner").arg("--dbname").arg(bank.home.owner_url()).output().unwrap();
            assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &dump.stdout).unwrap();
            let psql = Command::new("psql").arg("--quiet").arg("--file").arg(file.path()).arg(copy.url()).output().unwrap();
            assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
            Backup::Server(copy)
        }
    }
}

impl Backup {
    fn url(&self) -> String {
        match self {
            Backup::File(folder) => format!("sqlite:{}", folder.path().join("copy.db").display()),
            Backup::Server(database) => database.url().to_owned(),
        }
    }
}

fn events(db: &Db) -> usize {
    let sql = "SELECT kind AS line FROM events WHERE kind = 'parts.erased' AND body LIKE '%\"cause\":\"register\"%'";
    lines(&mut db.connect().unwrap(), sql).len()
}

#[test]
fn an_older_copy_brings_nothing_back() {
    on_both(|kind| {
        let bank = house(kind);
        let copy = backup(&bank);
        let erasure = erased(&bank, Scope::Account, ACCOUNT);
        register::sync(&bank.db, &KeyFolder::of(&bank.config, bank.db.address())).unwrap();
        let text = std::fs::read_dir(Path::new(&bank.config.keys.dir))
            .unwrap()
            .map(|file| file.unwrap().path())
            .find(|path| path.extension().is_some_and(|e| e == "erased"))
            .map(|path| std::fs::read_to_string(path).unwrap())
            .unwrap();
        assert!(CANARIES.iter().all(|canary| !text.contains(canary)), "nothing personal in the register");
        assert!(text.starts_with(&format!("{} ", erasure.event)));
        bank.intake.stop();
        // The backup, under the keys as they are now.
        let (url, config, clock) = (copy.url(), bank.config.clone(), bank.clock.clone());
        let options = |db: &Db| {
            let options = counterfoil::audit::Options {
                config: &config,
                now: clock.now(),
                progress: &|_, _| {},
                given: counterfoil::audit::Given::NONE,
            };
            counterfoil::audit::verify(db, options).unwrap().findings
        };
        let db = Db::open(&url, 2).unwrap();
        assert!(everything(&mut db.connect().unwrap()).contains("reason-canary"), "the copy is older");
        let undone = options(&db);
        assert!(undone.iter().any(|f| (f.level, f.kind) == ("L5", "erasure_undone")), "{kind:?}: {undone:?}");
        let app = App::start(config.clone(), db.clone(), clock.clone()).unwrap();
        let after = everything(&mut db.connect().unwrap());
        for canary in CANARIES {
            assert!(!after.contains(canary), "{kind:?}: {canary} is back");
        }
        assert_eq!(events(&db), 1);
        assert_eq!(options(&db), [], "{kind:?}");
        app.stop();
        // The log goes on with other leaves at places that the register names, too.
        let app = App::start(config.clone(), db.clone(), clock.clone()).unwrap();
        assert_eq!(events(&db), 1, "once");
        app.stop();
        drop(copy);
    });
}

#[test]
fn what_came_after_the_restore_is_not_taken_for_what_was_erased() {
    let bank = house(Kind::Sqlite);
    let copy = backup(&bank);
    // Entries that the copy does not have, erased with the rest.
    for n in 0..10 {
        let mut row = entry(&format!("L{n}"), ACCOUNT, "2015-03-03T10:00:00Z", 60 + n, 61 + n);
        row["reason"] = json!("reason-canary");
        bank.record(row);
    }
    erased(&bank, Scope::Account, ACCOUNT);
    register::sync(&bank.db, &KeyFolder::of(&bank.config, bank.db.address())).unwrap();
    bank.intake.stop();
    let Backup::File(folder) = copy else { unreachable!() };
    std::fs::rename(folder.path().join("copy.db"), folder.path().join("bank.db")).unwrap();
    let _keys = bank.home;
    let bank = Bank::at(Home::Sqlite(folder), bank.config, bank.clock);
    register::reapply(&bank.db, &bank.intake.log(), &KeyFolder::of(&bank.config, bank.db.address())).unwrap();
    for n in 0..30 {
        let mut row = entry(&format!("N{n}"), "ACC-NEW-1", "2026-03-02T10:00:00Z", n, n + 1);
        row["reason"] = json!("fresh");
        bank.record(row);
    }
    let again = register::reapply(&bank.db, &bank.intake.log(), &KeyFolder::of(&bank.config, bank.db.address())).unwrap();
    assert_eq!(again, 0);
    let fresh = lines(&mut bank.db.connect().unwrap(), "SELECT reason AS line FROM entry_parts WHERE reason = 'fresh'");
    assert_eq!(fresh.len(), 30);
    assert_eq!(verified(&bank).findings, []);
}
