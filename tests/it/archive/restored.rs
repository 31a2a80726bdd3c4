//! Archives from the first leaf on are a log again: for reading, and for comparing with the live one.

use counterfoil::audit::{self, Exported, ReplayOptions};
use counterfoil::db::{Conn, Db};
use counterfoil::ledger::store::{account_by_number, breaks_of};
use counterfoil_verify::check::Source;
use counterfoil_verify::export::Opening;
use counterfoil_verify::files::Export;
use counterfoil_verify::folder::Folder;

use super::house::House;
use super::shell::Shell;
use crate::bank::{Home, Kind, on_both};
use crate::replay::root_of_rows;

/// Archives of 256 leaves each, one after the other.
struct Chain(Vec<Export<Folder>>);

impl Source for Chain {
    type Error = String;

    fn leaves(&mut self, first: u64, end: u64) -> Result<Vec<(u64, Vec<u8>)>, String> {
        self.0[first as usize / 256].leaves(first, end)
    }

    fn openings(&mut self, first: u64, end: u64) -> Result<Vec<Opening>, String> {
        self.0[first as usize / 256].openings(first, end)
    }

    fn tile(&mut self, _: u8, _: u64, _: u16) -> Result<Option<Vec<u8>>, String> {
        Err("no tiles".into())
    }
}

#[test]
fn archives_from_the_first_leaf_on_are_a_log_to_read() {
    on_both(|kind| {
        let house = House::new(kind);
        let times = std::cell::Cell::new(0);
        let archives = |private: bool| {
            times.set(times.get() + 1);
            let one = |n: u64| house.archived(&format!("{n}-{}", times.get()), (n * 256, n * 256 + 256), private).0;
            Chain((0..2).map(|n| Export::new(Folder::new(&one(n)))).collect())
        };
        let options = ReplayOptions { config: &house.bank.config, batch: 97, progress: &|_, _| {} };
        for (private, other) in [(true, Kind::Sqlite), (true, Kind::Postgres), (false, Kind::Sqlite)] {
            let into = Home::new(other);
            let db = Db::open(&into.owner_url(), 1).unwrap();
            let restored =
                audit::restore(&db, Exported { leaves: &mut archives(private), size: 512 }, &options).unwrap().unwrap();
            assert_eq!(restored.size + restored.held_back, 512, "{restored:?}");
            assert!(restored.entries > 300 && restored.held_back <= 2, "{restored:?}");
            assert_eq!(restored.not_rederivable == 0, private, "{restored:?}");
            assert_eq!(hex::encode(root_of_rows(&into.url())), restored.root);
            let live = house.bank.db.read(|conn| counterfoil::ledger::leaves::bytes(conn, 0, restored.size as i64)).unwrap();
            let again = db.read(|conn| counterfoil::ledger::leaves::bytes(conn, 0, restored.size as i64)).unwrap();
            assert!(live == again, "the same leaves");
            let breaks = |db: &Db| {
                let read = |conn: &mut Conn| {
                    let account = account_by_number(conn, "KONTO-011")?.map_or(-1, |row| row.id);
                    breaks_of(conn, account, 9)
                };
                db.read(read).unwrap().len()
            };
            if private {
                assert!(breaks(&db) > 0 && breaks(&db) == breaks(&house.bank.db), "and what follows from them");
            }
        }
        // The same archives replayed against the live tables.
        let into = Home::new(Kind::Sqlite);
        let leaves: &mut dyn Source<Error = String> = &mut archives(true);
        let replayed =
            audit::replay(&house.bank.db, &Db::open(&into.url(), 1).unwrap(), Some(Exported { leaves, size: 512 }), &options)
                .unwrap();
        assert_eq!((replayed.differences.clone(), replayed.exported), (Vec::new(), 512), "{kind:?}");
    });
}

#[test]
fn the_command_restores_what_verifies_and_nothing_else() {
    let shell = Shell::imported();
    let (command, key) = (|args: &[&str]| shell.command(args), &shell.key);
    command(&["log", "archive", "--out", "one", "--to", "255", "--private"]).run().succeeded();
    command(&["log", "archive", "--out", "two", "--private"]).run().succeeded();
    let restore = |archives: &[&str], into: &str| {
        command(&[&["log", "restore-archive", "--key", key, "--into", into], archives].concat()).run()
    };
    let gap = restore(&["two"], "sqlite:gap.db").failed_with(2);
    assert!(gap.stderr.contains("from its first leaf on"), "{}", gap.stderr);
    let done = restore(&["two", "one"], "sqlite:again.db").succeeded();
    assert!(done.stderr.contains("leaves restored"), "{}", done.stderr);
    let replayed = command(&["replay", "one", "two"]).run().succeeded();
    assert!(replayed.stdout.contains("Equal"), "{}", replayed.stdout);
    std::fs::write(shell.path("two/checkpoint"), "x").unwrap();
    let spoilt = restore(&["one", "two"], "sqlite:spoilt.db").failed_with(1);
    assert!(spoilt.stderr.contains("nothing was restored") && !shell.path("spoilt.db").exists(), "{}", spoilt.stderr);
}
