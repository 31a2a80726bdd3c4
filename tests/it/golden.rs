//! Databases that earlier versions made: each must migrate, verify clean and replay to the same root.
//! `tests/golden/README.md` says how they are made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use counterfoil::audit::{self, Given, Options, Outcome, ReplayOptions};
use counterfoil::clock::Moment;
use counterfoil::config::Config;
use counterfoil::db::{Db, migrate};
use counterfoil_verify::VerifierKey;
use serde_json::{Value, json};

use crate::bank::{Home, Kind};
use crate::replay::root_of_rows;
use crate::support::cluster::cluster;
use crate::tamper::books::Book;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The versions there is a folder for.
fn versions() -> Vec<PathBuf> {
    let found = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut found: Vec<PathBuf> = found.collect();
    found.sort();
    found
}

fn unpacked(file: &Path) -> Vec<u8> {
    zstd::decode_all(fs::File::open(file).unwrap()).unwrap()
}

/// Migrates what was restored at `url`, verifies and replays it.
fn check(url: &str, facts: &Value) {
    let db = Db::open(url, 1).unwrap();
    migrate::up(&mut db.connect().unwrap()).unwrap();
    let outcome = verified(&db, facts);
    assert_eq!(outcome.findings, [], "{url}");
    assert_eq!((outcome.size, json!(outcome.root)), (facts["size"].as_i64().unwrap(), facts["root"].clone()), "{url}");
    assert!(outcome.levels[0].checked > 2 && outcome.levels[3].checked > 400, "{:?}", outcome.levels);
    assert_eq!(json!(hex::encode(root_of_rows(url))), facts["root"]);
    let into = Home::new(Kind::Sqlite);
    let options = ReplayOptions { config: &Config::default(), batch: 60, progress: &|_, _| {} };
    let again = audit::replay(&db, &Db::open(&into.url(), 1).unwrap(), None, &options).unwrap();
    assert_eq!((again.differences, json!(again.root)), (Vec::new(), facts["root"].clone()), "{url}");
}

fn verified(db: &Db, facts: &Value) -> Outcome {
    let keys = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.keys.dir = keys.path().display().to_string();
    let key: VerifierKey = facts["key"].as_str().unwrap().parse().unwrap();
    let given = Given { keys: vec![key], checkpoints: vec![("kept".into(), facts["checkpoint"].as_str().unwrap().into())] };
    let now = Moment(facts["now"].as_i64().unwrap());
    audit::verify(db, Options { config: &config, now, progress: &|_, _| {}, given: &given }).unwrap()
}

/// Restores both databases of a version and checks them.
fn check_version(version: &Path) {
    let facts: Value = serde_json::from_slice(&fs::read(version.join("facts.json")).unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bank.db");
    fs::write(&file, unpacked(&version.join("sqlite.db.zst"))).unwrap();
    check(&format!("sqlite:{}", file.display()), &facts["sqlite"]);

    // A dump names the roles that the tables' rights are of: the first bank of a run makes them.
    let _bank = Home::new(Kind::Postgres);
    let database = cluster().empty_database();
    let dump = dir.path().join("dump.sql");
    fs::write(&dump, unpacked(&version.join("postgres.sql.zst"))).unwrap();
    let psql = Command::new("psql").args(["--quiet", "-v", "ON_ERROR_STOP=1", "--file"]).arg(&dump).arg(database.url()).output();
    let psql = psql.expect("psql is on the path");
    assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
    check(database.url(), &facts["postgres"]);
}

#[test]
fn a_database_of_each_earlier_version_migrates_and_verifies_clean() {
    let versions = versions();
    assert!(!versions.is_empty());
    versions.iter().for_each(|version| check_version(version));
}

#[test]
fn what_the_present_version_makes_can_be_kept_for_later_ones() {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden").join(env!("CARGO_PKG_VERSION"));
    make(&to);
    check_version(&to);
}

/// Makes the files of the present version.
fn make(to: &Path) {
    fs::create_dir_all(to).unwrap();
    let mut facts = json!({});
    let book = Book::write(Kind::Sqlite);
    facts["sqlite"] = told(&book);
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("small.db");
    let mut conn = Db::open(&book.home.url(), 1).unwrap().connect().unwrap();
    conn.execute(&format!("VACUUM INTO '{}'", copy.display())).unwrap();
    pack(&to.join("sqlite.db.zst"), &fs::read(copy).unwrap());

    let book = Book::write(Kind::Postgres);
    facts["postgres"] = told(&book);
    let dump = Command::new("pg_dump")
        .args(["--no-owner", "--inserts", "--rows-per-insert=200", "--dbname"])
        .arg(book.home.owner_url())
        .output();
    let dump = dump.expect("pg_dump is on the path");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    // What only psql of the same month understands is not SQL.
    let text = String::from_utf8(dump.stdout).unwrap();
    let sql: String = text.lines().filter(|line| !line.starts_with('\\')).map(|line| format!("{line}\n")).collect();
    pack(&to.join("postgres.sql.zst"), sql.as_bytes());
    fs::write(to.join("facts.json"), serde_json::to_string_pretty(&facts).unwrap() + "\n").unwrap();
}

fn pack(file: &Path, content: &[u8]) {
    fs::write(file, zstd::encode_all(content, 19).unwrap()).unwrap();
}

/// What whoever holds this database must know of it.
fn told(book: &Book) -> Value {
    let outcome = book.verified(&book.home.url());
    let db = Db::open(&book.home.url(), 1).unwrap();
    let newest = db.read(counterfoil::trail::store::newest_checkpoint).unwrap().unwrap();
    let keys = counterfoil::trail::keys::KeyFolder::of(&book.config, db.address());
    let state = db.read(counterfoil::trail::store::state).unwrap().unwrap();
    let key = keys.key(&state.origin).unwrap().unwrap().verifier().to_string();
    json!({ "size": outcome.size, "root": outcome.root, "now": book.now.0, "key": key, "checkpoint": newest.note })
}
