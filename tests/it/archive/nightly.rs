//! Closed segments are archived by night, each once.

use std::fs;

use counterfoil::app::archive_due;
use counterfoil::clock::DAY;

use super::house::House;
use super::shell::Shell;
use crate::bank::on_both;

#[test]
fn each_closed_segment_is_archived_once() {
    on_both(|kind| {
        let folder = tempfile::tempdir().unwrap();
        let house = House::with(kind, |config| {
            config.archive.folder = folder.path().join("archives").display().to_string();
            config.archive.segment_leaves = 256;
            config.archive.after_days = 1;
            config.archive.private = true;
        });
        let names = |made: Vec<std::path::PathBuf>| -> Vec<String> {
            made.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(archive_due(&house.app).unwrap()), ["main-000000000000-000000000255"], "only what is a day old");
        assert_eq!(archive_due(&house.app).unwrap(), Vec::<std::path::PathBuf>::new(), "once");
        house.bank.clock.advance(5 * DAY);
        let made = archive_due(&house.app).unwrap();
        assert_eq!(names(made.clone()), ["main-000000000256-000000000511"], "the last segment is not closed");
        for path in fs::read_dir(folder.path().join("archives")).unwrap() {
            assert_eq!(house.found(&path.unwrap().path()), [], "{kind:?}");
        }
        // Moved to where archives are kept: none is made again.
        fs::remove_dir_all(&made[0]).unwrap();
        assert_eq!(archive_due(&house.app).unwrap(), Vec::<std::path::PathBuf>::new());
        assert_eq!(house.bank.findings(), []);
    });
}

#[test]
fn the_commands_make_and_check_an_archive() {
    let shell = Shell::imported();
    let (command, key) = (|args: &[&str]| shell.command(args), &shell.key);
    let said = command(&["log", "archive", "--out", "one", "--to", "300", "--private"]).run().succeeded();
    assert!(said.stderr.contains("archived are 0 to 511"), "{}", said.stderr);
    let wrong = command(&["log", "archive", "--out", "one", "--from", "yesterday"]).run().failed_with(2);
    assert!(wrong.stderr.contains("neither a leaf's number nor a date"), "{}", wrong.stderr);
    let own = command(&["verify", "--archive", "one"]).run().succeeded();
    assert!(own.stdout.contains("says that this archive was made"), "{}", own.stdout);
    let verified = command(&["verify", "--archive", "one", "--key", key, "--json"]).run().succeeded();
    let json: serde_json::Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!((&json["ok"], &json["levels"][4]["level"]), (&true.into(), &"L4".into()), "{json}");
    assert!(json["levels"][4]["checked"].as_u64() >= Some(1_000), "rows in both formats: {json}");
    fs::write(shell.path("one/tables/events.ndjson"), "").unwrap();
    let spoilt = command(&["verify", "--archive", "one", "--key", key]).run().failed_with(1);
    assert!(spoilt.stdout.contains("tables/events.ndjson"), "{}", spoilt.stdout);
}
