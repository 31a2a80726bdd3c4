//! Whoever is killed while making an archive leaves nothing that passes for one.

use std::fs;
use std::time::{Duration, Instant};

use counterfoil::export::ExportError;
use counterfoil::export::archive::{self, ArchiveRequest, Making, Outcome};

use super::house::House;
use crate::bank::{Kind, entry};
use crate::support::program::Program;
use crate::support::reaper::{self, Extent};
use crate::support::rounds;

const REQUEST: ArchiveRequest = ArchiveRequest { from: 0, to: 256, ndjson: true, parquet: true, private: true };

#[test]
fn an_archive_that_is_not_recorded_gets_no_name() {
    let house = House::new(Kind::Sqlite);
    let out = house.out("refused");
    let refused =
        archive::make(&house.bank.db, &REQUEST, &out, |_| Err(ExportError::Range("the log is gone".into())), &|_, _| {});
    assert!(refused.is_err() && !out.exists());
    assert_eq!(fs::read_dir(house.folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn what_a_killed_process_left_is_removed_or_completed() {
    let house = House::new(Kind::Sqlite);
    let (out, part) = (house.out("archive"), house.out(".archive.part"));
    fs::create_dir_all(part.join("leaves")).unwrap();
    fs::write(part.join("leaves/00000.ndjson"), "half a li").unwrap();
    let (made, _) = house.archived("archive", (0, 256), true);
    assert_eq!((house.found(&made), part.exists()), (Vec::new(), false));

    // Killed between the event and the name: the next one gives it the name, without another event.
    fs::rename(&out, &part).unwrap();
    let events = |house: &House| {
        house.bank.db.read(|c| counterfoil::trail::store::events_of(c, &["archive.made"], None, 99)).unwrap().len()
    };
    let before = events(&house);
    let again = archive::make(&house.bank.db, &REQUEST, &out, |body| house.note(body), &|_, _| {}).unwrap();
    assert_eq!((again, events(&house)), (Outcome::Completed, before));
    assert_eq!(house.found(&out), []);

    // A name that is taken, and two who write at once.
    let taken = archive::make(&house.bank.db, &REQUEST, &out, |body| house.note(body), &|_, _| {}).unwrap_err();
    assert!(taken.to_string().contains("is not empty"), "{taken}");
    let writing = Making::begin(&house.out("busy")).unwrap();
    let second = Making::begin(&house.out("busy")).err().unwrap();
    assert!(second.to_string().contains("another process"), "{second}");
    drop(writing);
}

#[test]
fn a_kill_at_any_instant_leaves_an_archive_or_none() {
    let home = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", home.path().join("bank.db").display());
    let command = |args: &[&str]| Program::new(home.path()).args(args).args(["--database", &database]);
    let rows: String = (0..6_000)
        .map(|i| {
            format!(
                "{}\n",
                entry(&format!("E{i}"), &format!("ACC-{}", i % 50), "2026-03-02T10:00:00Z", i / 50 * 10, i / 50 * 10 + 10)
            )
        })
        .collect();
    fs::write(home.path().join("day.ndjson"), rows).unwrap();
    command(&["import", "day.ndjson", "--source", "core"]).run().succeeded();
    let key = command(&["log", "key"]).run().succeeded().stdout.trim().parse().unwrap();
    let (mut whole, mut none) = (0, 0);
    for round in 0..rounds(6) {
        let out = home.path().join(format!("archive-{round}"));
        let mut killed = reaper::command(env!("CARGO_BIN_EXE_counterfoil"));
        killed.args(["log", "archive", "--from", "0", "--private", "--out"]).arg(&out).args(["--database", &database]);
        killed.current_dir(home.path()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let (mut child, _watch) = reaper::launch(&mut killed, Extent::Process).unwrap();
        let (part, began) = (home.path().join(format!(".archive-{round}.part")), Instant::now());
        while !part.exists() && !out.exists() && began.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(u64::from(round) * 60));
        let _ = child.kill();
        child.wait().unwrap();
        match out.exists() {
            true => {
                whole += 1;
                assert_eq!(super::house::found(&out, &key), [], "round {round}");
            }
            false => none += 1,
        }
        // It is made all the same when it is asked for again.
        command(&["log", "archive", "--from", "0", "--private", "--out", out.to_str().unwrap()]).run();
        assert_eq!(super::house::found(&out, &key), [], "round {round}");
        assert!(!part.exists(), "round {round}");
    }
    assert!(none > 0, "{whole} whole, {none} none: no kill came in time");
}
