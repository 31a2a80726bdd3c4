#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::row::RowKind;

fn row(n: u64) -> Row {
    let kind = if n.is_multiple_of(3) { RowKind::Entry } else { RowKind::Change };
    Row::parse(kind, &json!({ "source_ref": format!("R{n:06}"), "note": "ü\nline" }).to_string()).unwrap()
}

fn open(folder: &Path) -> Spool {
    Spool::open(folder, Limits::default()).unwrap()
}

fn small() -> Limits {
    Limits { bytes: 2_000, rejected_bytes: 2_000, segment_bytes: 300 }
}

fn all(spool: &Spool) -> Vec<Row> {
    spool.oldest(usize::MAX, u64::MAX).unwrap().into_iter().map(|(row, _)| row).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<String> = names.filter(|name| name.ends_with(".rows")).collect();
    found.sort();
    found
}

#[test]
fn rows_come_out_as_and_in_the_order_in_which_they_went_in_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = (0..20).map(row).collect();
    let spool = Spool::open(dir.path(), small()).unwrap();
    rows[..15].iter().for_each(|row| spool.append(row).unwrap());
    assert!(files(dir.path()).len() > 2, "several segments");
    let some = spool.oldest(7, u64::MAX).unwrap();
    spool.settle(&some, &[]).unwrap();
    drop(spool);
    let spool = Spool::open(dir.path(), small()).unwrap();
    rows[15..].iter().for_each(|row| spool.append(row).unwrap());
    assert_eq!(all(&spool), rows[7..]);
    assert_eq!(spool.depth().rows, 13);
    spool.settle(&spool.oldest(usize::MAX, u64::MAX).unwrap(), &[]).unwrap();
    assert_eq!((spool.depth(), files(dir.path()).len()), (Depth::default(), 1), "what was settled is gone");
    drop(spool);
    assert!(all(&open(dir.path())).is_empty());
}

#[test]
fn a_row_that_was_half_written_is_none_and_the_next_one_takes_its_place() {
    let dir = tempfile::tempdir().unwrap();
    for cut in 1..60 {
        let folder = dir.path().join(cut.to_string());
        let spool = open(&folder);
        (0..3).for_each(|n| spool.append(&row(n)).unwrap());
        drop(spool);
        let path = folder.join(&files(&folder)[0]);
        let length = fs::metadata(&path).unwrap().len();
        File::options().write(true).open(&path).unwrap().set_len(length - cut).unwrap();
        let spool = open(&folder);
        assert_eq!(all(&spool), [row(0), row(1)], "cut {cut}");
        spool.append(&row(9)).unwrap();
        drop(spool);
        assert_eq!(all(&open(&folder)), [row(0), row(1), row(9)]);
    }
}

#[test]
fn zeros_that_a_loss_of_power_left_at_the_end_are_no_rows() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    spool.append(&row(0)).unwrap();
    drop(spool);
    let path = dir.path().join(&files(dir.path())[0]);
    File::options().append(true).open(&path).unwrap().write_all(&[0; 4096]).unwrap();
    assert_eq!(all(&open(dir.path())), [row(0)]);
}

#[test]
fn a_row_that_was_changed_or_a_file_that_is_missing_is_said_and_never_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), small()).unwrap();
    (0..15).for_each(|n| spool.append(&row(n)).unwrap());
    drop(spool);
    let names = files(dir.path());
    for name in [&names[0], names.last().unwrap()] {
        let path = dir.path().join(name);
        let kept = fs::read(&path).unwrap();
        let mut file = File::options().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(40)).unwrap();
        file.write_all(b"X").unwrap();
        let refused = Spool::open(dir.path(), small()).err().unwrap();
        assert!(matches!(refused, SpoolError::Damaged { at: 0, .. }), "{refused}");
        fs::write(&path, kept).unwrap();
    }
    fs::rename(dir.path().join(&names[1]), dir.path().join("elsewhere")).unwrap();
    let refused = Spool::open(dir.path(), small()).err().unwrap().to_string();
    assert!(refused.contains("the file before it is missing"), "{refused}");
}

#[test]
fn a_cursor_that_cannot_be_read_sends_again_and_one_that_points_nowhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    (0..4).for_each(|n| spool.append(&row(n)).unwrap());
    spool.settle(&spool.oldest(2, u64::MAX).unwrap(), &[]).unwrap();
    drop(spool);
    assert_eq!(all(&open(dir.path())), [row(2), row(3)]);
    fs::write(dir.path().join("cursor"), "00000000 9 9\n").unwrap();
    assert_eq!(all(&open(dir.path())).len(), 4, "again: they are duplicates to the server");
    cursor::write(dir.path(), Position { segment: 7, at: 0 }).unwrap();
    assert!(matches!(Spool::open(dir.path(), Limits::default()), Err(SpoolError::Damaged { .. })));
    // Somebody took the rows away and left the cursor: new rows before it would be passed over.
    cursor::write(dir.path(), Position { segment: 1, at: 50 }).unwrap();
    fs::remove_file(dir.path().join(&files(dir.path())[0])).unwrap();
    assert!(matches!(Spool::open(dir.path(), Limits::default()), Err(SpoolError::Damaged { .. })));
}

#[test]
fn a_full_spool_says_so_and_takes_rows_again_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), small()).unwrap();
    let taken = (0..).take_while(|n| spool.append(&row(*n)).is_ok()).count() as u64;
    assert!((10..100).contains(&taken), "{taken}");
    let refused = spool.append(&row(99)).unwrap_err();
    assert!(matches!(refused, SpoolError::Full { rows, .. } if rows == taken), "{refused}");
    assert_eq!(all(&spool), (0..taken).map(row).collect::<Vec<_>>(), "and what it has is untouched");
    spool.settle(&spool.oldest(1, u64::MAX).unwrap(), &[]).unwrap();
    spool.append(&row(99)).unwrap();
}

#[test]
fn refused_rows_are_kept_before_they_are_settled_and_their_file_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), Limits { rejected_bytes: 700, ..Limits::default() }).unwrap();
    (0..10).for_each(|n| spool.append(&row(n)).unwrap());
    let problem: Problem =
        serde_json::from_value(json!({ "status": 422, "code": "currency_unknown", "detail": "no", "field": "currency" }))
            .unwrap();
    let refuse = |n: usize| {
        let rows = spool.oldest(n, u64::MAX).unwrap();
        let refused: Vec<(&Row, &Problem)> = rows.iter().map(|(row, _)| (row, &problem)).collect();
        spool.settle(&rows, &refused)
    };
    refuse(2).unwrap();
    let text = fs::read_to_string(dir.path().join("rejected.ndjson")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[1]["kind"], &lines[1]["row"]["source_ref"]), (&json!("change"), &json!("R000001")));
    assert_eq!(lines[0]["problem"]["code"], "currency_unknown");
    let refused = refuse(8).unwrap_err();
    assert!(matches!(refused, SpoolError::RejectedFull { rows: 8, .. }), "{refused}");
    assert_eq!(spool.depth().rows, 8, "nothing was settled");
    fs::rename(dir.path().join("rejected.ndjson"), dir.path().join("seen.ndjson")).unwrap();
    refuse(3).unwrap();
    assert_eq!(all(&spool), (5..10).map(row).collect::<Vec<_>>());
}

#[cfg(unix)]
#[test]
fn nobody_but_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a/spool");
    let spool = open(&folder);
    spool.append(&row(0)).unwrap();
    spool.settle(&spool.oldest(1, u64::MAX).unwrap(), &[]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
    assert_eq!(mode(&folder), 0);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0, "{}", path.display());
    }
}

/// Runs this test binary as another process that does `what` with a spool.
fn child(what: &str, folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "spool::tests::the_other_process", "--nocapture"]);
    command.env("COUNTERFOIL_SPOOL_CHILD", what).env("COUNTERFOIL_SPOOL_FOLDER", folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Does nothing unless [`child`] runs it.
#[test]
fn the_other_process() {
    let Ok(what) = std::env::var("COUNTERFOIL_SPOOL_CHILD") else { return };
    let folder = std::env::var("COUNTERFOIL_SPOOL_FOLDER").unwrap();
    let spool = Spool::open(folder, Limits { segment_bytes: 4_000, ..Limits::default() });
    if what == "open" {
        println!("\nopened: {}", spool.map_or_else(|e| e.to_string(), |_| "yes".into()));
        return;
    }
    let spool = spool.unwrap();
    for n in 0.. {
        spool.append(&row(n)).unwrap();
        println!("\nkept {n}");
    }
}

#[test]
fn two_processes_never_have_the_same_spool() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let opened = || {
        let mut told = String::new();
        let mut other = child("open", dir.path());
        other.stdout.take().unwrap().read_to_string(&mut told).unwrap();
        other.wait().unwrap();
        told.lines().find_map(|line| line.strip_prefix("opened: ").map(str::to_owned)).unwrap()
    };
    assert!(opened().contains("in use by another process"));
    assert!(matches!(Spool::open(dir.path(), Limits::default()), Err(SpoolError::InUse(_))), "nor twice in one");
    drop(spool);
    assert_eq!(opened(), "yes");
}

#[test]
fn what_a_killed_process_was_told_is_kept_is_there_once_and_in_order() {
    for round in 0..5_u64 {
        let dir = tempfile::tempdir().unwrap();
        let mut other = child("append", dir.path());
        let mut lines = BufReader::new(other.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut acknowledged = None;
        for line in lines.by_ref() {
            acknowledged = line.strip_prefix("kept ").map(|n| n.parse::<u64>().unwrap()).or(acknowledged);
            if acknowledged == Some(20 + round * 37) {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(round * 700));
        other.kill().unwrap();
        other.wait().unwrap();
        // What it still said before it died counts too.
        for line in lines {
            acknowledged = line.strip_prefix("kept ").and_then(|n| n.parse::<u64>().ok()).or(acknowledged);
        }
        let found = all(&open(dir.path()));
        let expected: Vec<Row> = (0..found.len() as u64).map(row).collect();
        assert_eq!(found, expected);
        assert!(found.len() as u64 > acknowledged.unwrap(), "{} rows of {acknowledged:?} acknowledged", found.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against a queue in memory: appending, settling and opening again in any order.
    #[test]
    fn it_is_a_queue(steps in prop::collection::vec((0_u8..4, 1_usize..9), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { bytes: 3_000, ..small() };
        let (mut spool, mut model, mut next) = (Spool::open(dir.path(), limits).unwrap(), VecDeque::new(), 0);
        for (step, n) in steps {
            match step {
                0 | 1 => for _ in 0..n {
                    if spool.append(&row(next)).is_ok() {
                        model.push_back(row(next));
                    }
                    next += 1;
                },
                2 => {
                    let rows = spool.oldest(n, u64::MAX).unwrap();
                    spool.settle(&rows, &[]).unwrap();
                    let expected: Vec<Row> = model.drain(..n.min(model.len())).collect();
                    prop_assert_eq!(rows.into_iter().map(|(row, _)| row).collect::<Vec<_>>(), expected);
                }
                _ => {
                    drop(spool);
                    spool = Spool::open(dir.path(), limits).unwrap();
                }
            }
            prop_assert_eq!(spool.depth().rows, model.len() as u64);
        }
        prop_assert_eq!(all(&spool), Vec::from(model));
    }
}
