//! The check of a whole log: a good one is clean, and whatever is changed is found and named.

use std::collections::BTreeMap;

use counterfoil_verify::check::{Level, MAX_FINDINGS, Report, Scope, check, consistent, included, open_notes};
use counterfoil_verify::decode::{Leaf, decode};
use counterfoil_verify::export::Opening;
use counterfoil_verify::files::Export;
use counterfoil_verify::folder::Bundle;
use counterfoil_verify::{Checkpoint, EventLeaf, Note, Policy, SignerKey, export, leaf};

use crate::bank::{Log, ORIGIN, key};

const SIZE: u64 = 700;

fn log() -> Log {
    Log::new(SIZE, 1)
}

fn found(level: &str, kind: &'static str, seq: impl Into<Option<u64>>) -> (String, &'static str, Option<u64>) {
    (level.to_owned(), kind, seq.into())
}

/// The findings of a check of these files.
fn of_files(files: BTreeMap<String, Vec<u8>>) -> Vec<(String, &'static str, Option<u64>)> {
    let lines = files.into_iter().map(|(path, content)| export::bundle_line(&path, &content));
    let bundle = Bundle::parse((export::bundle_header() + &lines.collect::<String>()).as_bytes()).unwrap();
    let (mut export, mut report) = (Export::new(bundle), Report::default());
    let (newest, remembered) = (export.checkpoint().unwrap().unwrap(), export.remembered().unwrap());
    let policy = Policy::of_keys(vec![key(1).verifier()]);
    let opened = open_notes(&policy, None, &newest, &remembered, &mut report).unwrap();
    let scope = Scope { newest: &opened.newest.checkpoint, remembered: &opened.remembered, loss_known: false };
    check(&mut export, scope, &mut report, |_| ()).unwrap();
    report.findings.into_iter().map(|f| (f.level.name().to_owned(), f.kind, f.seq)).collect()
}

#[test]
fn a_good_log_is_clean_at_every_size() {
    for size in [1, 5, 99, 100, 255, 256, 257, 511, 512, 600, SIZE] {
        let report = Log::new(size, 1).report(&Policy::of_keys(vec![key(1).verifier()]));
        assert!(report.is_clean(), "{size}: {:?}", report.findings);
        assert_eq!((report.leaves, report.unopened), (size, 0));
    }
}

#[test]
fn what_was_looked_at_is_counted() {
    let mut log = log();
    let openings = log.openings.len() as u64;
    log.openings.pop_last();
    let report = log.report(&Policy::of_keys(vec![key(1).verifier()]));
    assert_eq!((report.leaves, report.unopened, report.checked(Level::L5)), (SIZE, 1, openings - 1));
    assert_eq!(report.checked(Level::L0), 1 + 7 + 7);
    assert_eq!(report.checked(Level::L3), SIZE);
    assert!(report.is_clean() && report.entries > 500);
}

#[test]
fn a_changed_leaf_is_named() {
    // The last byte of the blind: the leaf can still be read, and its parts no longer fit.
    for seq in [0, 3, 255, 256, 500, SIZE - 1] {
        let mut log = log();
        let last = log.leaves[&seq].len() - 1;
        log.change(seq, last);
        let findings = log.findings(1);
        assert!(findings.contains(&found("L2", "leaf_changed", seq)), "{seq}: {findings:?}");
        assert!(!findings.iter().any(|f| f.1 == "root_differs"), "the tiles still have the root: {findings:?}");
    }
}

#[test]
fn a_changed_tile_is_named() {
    for (path, place, expected) in [
        ("tile/0/000", 31, found("L2", "tile_changed", 0)),
        ("tile/0/001", 32 * 256 - 1, found("L2", "tile_changed", 511)),
        ("tile/0/002.p/188", 32 * 187, found("L2", "tile_changed", 699)),
        ("tile/1/000.p/2", 40, found("L2", "tile_changed", None)),
    ] {
        let mut log = log();
        log.tiles.get_mut(path).unwrap()[place] ^= 4;
        let findings = log.findings(1);
        assert!(findings.contains(&expected), "{path}: {findings:?}");
        assert!(findings.iter().all(|f| f.1 == "tile_changed"), "{path}: {findings:?}");
    }
    for path in ["tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2"] {
        let mut log = log();
        log.tiles.remove(path).unwrap();
        assert_eq!(log.findings(1).iter().map(|f| f.1).collect::<Vec<_>>(), ["tile_missing"], "{path}");
        let mut log = self::log();
        log.tiles.get_mut(path).unwrap().pop();
        assert_eq!(log.findings(1).iter().map(|f| f.1).collect::<Vec<_>>(), ["tile_changed"], "{path}");
    }
}

#[test]
fn missing_and_misplaced_leaves_are_named() {
    for seq in [0, 13, 300, SIZE - 1] {
        let mut log = log();
        log.leaves.remove(&seq);
        assert!(log.findings(1).contains(&found("L2", "leaf_missing", seq)));
    }
    let mut log = log();
    let (a, b) = (log.leaves[&20].clone(), log.leaves[&21].clone());
    log.leaves.insert(20, b);
    log.leaves.insert(21, a);
    let findings = log.findings(1);
    for seq in [20, 21] {
        assert!(findings.contains(&found("L2", "leaf_changed", seq)));
        assert!(findings.contains(&found("L3", "seq_differs", seq)));
    }
}

#[test]
fn a_leaf_and_its_tile_both_gone_leave_no_root() {
    let mut log = log();
    log.leaves.remove(&300);
    log.tiles.remove("tile/0/001");
    let findings = log.findings(1);
    assert!(findings.contains(&found("L2", "root_unknown", None)), "{findings:?}");
    assert!(findings.contains(&found("L0", "checkpoint_unchecked", None)), "{findings:?}");
}

#[test]
fn a_leaf_that_no_checkpoint_covers_is_not_passed_off_as_signed() {
    let mut files = log().files();
    let (last, path) = (log().leaves[&(SIZE - 1)].clone(), export::leaves_path(SIZE));
    files.get_mut(&path).unwrap().extend(export::leaf_line(SIZE, &last).bytes());
    assert_eq!(of_files(files.clone()), [found("L2", "leaf_beyond", SIZE)]);
    let opening = Opening { seq: SIZE + 3, salt: [1; 32], parts: vec![None] };
    files.entry(export::private_path(SIZE)).or_default().extend(export::opening_line(&opening).bytes());
    files.insert(export::leaves_path(3 * export::LEAVES_PER_FILE), Vec::new());
    let places: Vec<_> = of_files(files).into_iter().map(|(_, kind, seq)| (kind, seq.unwrap())).collect();
    assert_eq!(
        places,
        [("leaf_beyond", 3 * export::LEAVES_PER_FILE), ("leaf_beyond", SIZE), ("leaf_beyond", SIZE + 3)],
        "whole files first"
    );
}

#[test]
fn a_checkpoint_of_more_leaves_than_there_can_be_ends() {
    for size in [SIZE + 1_000_000, 1 << 40, (1 << 53) + 2, u64::MAX] {
        let mut huge = log();
        let forged = Checkpoint::new(ORIGIN, size, [7; 32]).sign(&[&key(1)]).unwrap();
        huge.checkpoint = forged.to_string().into_bytes();
        huge.remembered
            .push(("late".into(), Checkpoint::new(ORIGIN, size - 1, [8; 32]).sign(&[&key(1)]).unwrap().to_string().into()));
        let findings = of_files(huge.files());
        assert!(findings.contains(&found("L2", "root_unknown", None)), "{findings:?}");
        assert!(findings.contains(&found("L0", "checkpoint_unchecked", None)), "{findings:?}");
        assert!(findings.contains(&found("L2", "leaf_missing", export::LEAVES_PER_FILE)), "{findings:?}");
    }
}

#[test]
fn a_rewritten_log_is_not_the_one_that_was_signed() {
    // Everything made again, with the wrong key.
    let mut rewritten = Log::of(ORIGIN, SIZE, 2, "x");
    assert_eq!(rewritten.findings(1), [found("L0", "checkpoint_untrusted", None)]);
    // With the old checkpoint put back.
    rewritten.checkpoint = log().checkpoint;
    rewritten.remembered.clear();
    assert_eq!(rewritten.findings(1), [found("L2", "root_differs", None)]);
    // With the right key, but against a checkpoint that was remembered outside.
    let mut stolen = Log::of(ORIGIN, SIZE, 1, "x");
    assert!(stolen.findings(1).is_empty(), "nobody outside kept anything: undetectable");
    stolen.remembered = vec![log().remembered[3].clone()];
    assert_eq!(stolen.findings(1), [found("L0", "checkpoint_differs", None)]);
}

#[test]
fn a_cut_log_is_shorter_than_what_is_remembered() {
    let mut cut = Log::new(350, 1);
    cut.remembered.push(log().remembered[4].clone());
    assert_eq!(cut.findings(1), [found("L0", "log_shorter", None)]);
    cut.remembered = vec![("newest".into(), log().checkpoint)];
    assert_eq!(cut.findings(1), [found("L0", "log_shorter", None)]);
}

#[test]
fn another_book_is_another_log() {
    let mut other = Log::of("bank.example/trail/other", SIZE, 1, "");
    assert_eq!(other.findings(1), [found("L0", "checkpoint_untrusted", None)]);
    // Its leaves under this log's name.
    let mut posing = other.clone();
    let signed = Checkpoint::new(ORIGIN, SIZE, other.root()).sign(&[&key(1)]).unwrap();
    posing.checkpoint = signed.to_string().into_bytes();
    posing.remembered.clear();
    let findings = posing.findings(1);
    assert_eq!(findings.len(), 700);
    assert!(findings.iter().all(|f| f.1 == "origin_differs"));
    // A checkpoint of the other log among those remembered.
    let mut log = log();
    let foreign = Checkpoint::new("bank.example/trail/other", 100, [1; 32]).sign(&[&key(1)]).unwrap();
    log.remembered.push(("foreign".into(), foreign.to_string().into_bytes()));
    assert_eq!(log.findings(1), [found("L0", "checkpoint_untrusted", None)]);
}

#[test]
fn openings_must_be_those_committed_to() {
    let mut log = log();
    log.openings.get_mut(&3).unwrap().parts[0] = Some(r#"{"ip":"192.0.2.8"}"#.into());
    log.openings.get_mut(&14).unwrap().parts[0] = Some(String::new());
    log.openings.get_mut(&16).unwrap().salt[5] ^= 1;
    log.openings.get_mut(&20).unwrap().parts.pop();
    let with_none = log.openings[&22].clone();
    log.openings.insert(23, counterfoil_verify::export::Opening { seq: 23, ..with_none });
    let expected: Vec<_> = [3, 14, 16, 20, 23].map(|seq| found("L5", "private_changed", seq)).into();
    assert_eq!(log.findings(1), expected);
}

/// Puts another leaf at a place and signs the log again with the right key: only what the leaves
/// say of one another can show it.
fn resealed(seq: u64, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<(String, &'static str, Option<u64>)> {
    let mut log = log();
    let leaf = change(log.leaves[&seq].clone());
    log.leaves.insert(seq, leaf);
    let mut tree = counterfoil_verify::Tiles::new();
    log.tiles.clear();
    for leaf in log.leaves.values() {
        let mut full = Vec::new();
        tree.push(leaf::hash(leaf), &mut full);
        log.tiles.extend(full.into_iter().map(|t| (counterfoil_verify::tile::path(t.level, t.index, 256), t.data)));
    }
    for level in 0..2 {
        let hashes = tree.partial(level);
        let index = SIZE >> (8 * (u32::from(level) + 1));
        log.tiles.insert(counterfoil_verify::tile::path(level, index, hashes.len() as u16), hashes.as_flattened().to_vec());
    }
    let signed = Checkpoint::new(ORIGIN, SIZE, tree.root()).sign(&[&key(1)]).unwrap();
    log.checkpoint = signed.to_string().into_bytes();
    log.remembered.clear();
    log.openings.remove(&seq);
    log.findings(1)
}

fn entry_with(bytes: &[u8], change: impl FnOnce(&mut counterfoil_verify::EntryLeaf<'_>)) -> Vec<u8> {
    let Ok(Leaf::Entry(origin, mut entry)) = decode(bytes) else { panic!("no entry") };
    change(&mut entry);
    let mut out = Vec::new();
    entry.encode(origin, &mut out).unwrap();
    out
}

#[test]
fn what_leaves_say_of_one_another_is_checked() {
    let kinds = |findings: Vec<(String, &'static str, Option<u64>)>| {
        findings.into_iter().map(|f| (f.1, f.2.unwrap())).collect::<Vec<_>>()
    };
    let with = |change: fn(&mut counterfoil_verify::EntryLeaf<'_>)| kinds(resealed(690, |leaf| entry_with(&leaf, change)));
    assert_eq!(with(|_| ()), []);
    assert_eq!(with(|e| e.prev = Some(1)), [("pointer_wrong", 690)]);
    assert_eq!(with(|e| e.jump = None), [("pointer_wrong", 690)]);
    assert_eq!(with(|e| e.position += 1), [("pointer_wrong", 690)]);
    assert_eq!(with(|e| e.recorded_at = 0), [("time_backwards", 690)]);
    assert_eq!(with(|e| e.context = 4), [("reference_wrong", 690)]);
    assert_eq!(with(|e| e.rules = 691), [("reference_wrong", 690)]);
    assert_eq!(with(|e| e.seq = 689)[0], ("seq_differs", 690));
    let unreadable = kinds(resealed(690, |mut leaf| {
        leaf.pop();
        leaf
    }));
    // And the next on the account has lost the one before it.
    assert_eq!((unreadable[0], unreadable[1]), (("leaf_unreadable", 690), ("pointer_wrong", 697)));
    let event = |kind: &'static str| {
        move |_| {
            let mut out = Vec::new();
            EventLeaf { seq: 600, recorded_at: 600_000, kind, body: "{}", blind: &[0; 16] }.encode(ORIGIN, &mut out).unwrap();
            out
        }
    };
    let first = kinds(resealed(600, event("log.created")));
    assert_eq!(first[0], ("creation_misplaced", 600));
}

#[test]
fn closes_are_made_again() {
    let kinds = |findings: Vec<(String, &'static str, Option<u64>)>| {
        findings.into_iter().map(|f| (f.1, f.2.unwrap())).collect::<Vec<_>>()
    };
    let close = |seq: u64, change: fn(&mut counterfoil_verify::heads::Close)| {
        let findings = resealed(seq, |leaf| {
            let Ok(Leaf::Event(origin, event)) = decode(&leaf) else { panic!("no event") };
            let mut close = counterfoil_verify::heads::Close::parse(event.body).unwrap();
            change(&mut close);
            let mut out = Vec::new();
            EventLeaf { body: &close.body().to_string(), ..event }.encode(origin, &mut out).unwrap();
            out
        });
        kinds(findings)
    };
    assert_eq!(close(399, |_| ()), []);
    assert_eq!(close(399, |c| c.root[0] ^= 1), [("heads_differ", 399)]);
    assert_eq!(close(399, |c| c.size -= 9), [("heads_differ", 399)]);
    assert_eq!(close(399, |c| c.size = 400), [("close_wrong", 399)]);
    assert_eq!(close(399, |c| c.accounts += 1), [("heads_differ", 399), ("close_repeated", 599)]);
    assert_eq!(close(399, |c| c.business_date = "2026-03-01".into()), [("close_repeated", 399)]);
    assert_eq!(close(399, |c| c.business_date = "2026-03-03".into()), [("close_repeated", 599)]);
    assert_eq!(close(399, |c| c.business_date = "2026-02-03".into()), [("close_repeated", 399)]);
    assert_eq!(close(399, |c| c.business_date = "now".into()), [("close_wrong", 399)]);
}

#[test]
fn an_endless_number_of_findings_is_counted() {
    let mut log = Log::new(2_000, 1);
    log.tiles.values_mut().for_each(|tile| tile.iter_mut().for_each(|b| *b ^= 255));
    let report = log.report(&Policy::of_keys(vec![key(1).verifier()]));
    assert_eq!(report.findings.len(), MAX_FINDINGS);
    assert!(report.more >= 1_000, "{}", report.more);
}

#[test]
fn a_new_key_follows_the_old_one() {
    let both = Policy::of_keys(vec![key(1).verifier(), key(2).verifier()]);
    let kinds = |log: &mut Log, policy: &Policy| log.report(policy).findings.iter().map(|f| f.kind).collect::<Vec<_>>();
    // The newest signed by the new key alone, the earlier ones by the old.
    let mut log = log();
    let newest = log.newest();
    log.checkpoint = newest.sign(&[&key(2)]).unwrap().to_string().into_bytes();
    assert_eq!(kinds(&mut log, &both), ["key_discontinuity"]);
    let file = |more: &str| {
        let text = format!("log {}\nlog {}\n{more}quorum none\n", key(1).verifier(), key(2).verifier());
        Policy::parse(&text).unwrap()
    };
    let accepted = format!("discontinuity {}\n", key(2).verifier());
    assert_eq!(kinds(&mut log, &file("")), ["key_discontinuity"]);
    assert_eq!(kinds(&mut log, &file(&accepted)), [""; 0]);
    // One between them signed by both.
    let middle = Checkpoint::parse(Note::parse(&log.remembered[6].1).unwrap().unverified_text()).unwrap();
    log.remembered[6].1 = middle.sign(&[&key(1), &key(2)]).unwrap().to_string().into_bytes();
    assert_eq!(kinds(&mut log, &both), [""; 0]);
    // The old key alone no longer opens the newest.
    assert_eq!(kinds(&mut log, &Policy::of_keys(vec![key(1).verifier()])), ["checkpoint_untrusted"]);
}

#[test]
fn witnesses_are_asked_for() {
    let witness = |n: u8| SignerKey::witness_from_seed(&format!("w{n}"), [100 + n; 32]).unwrap();
    let mut text = format!("log {}\n", key(1).verifier());
    (1..=3).for_each(|n| text += &format!("witness W{n} {}\n", witness(n).verifier()));
    let policy = Policy::parse(&format!("{text}group G 2 W1 W2 W3\nquorum G\n")).unwrap();
    let mut log = log();
    let mut note = Note::parse(&log.checkpoint).unwrap();
    for (n, expected) in [(1, vec!["quorum_missed"]), (3, vec![])] {
        note.cosign(&witness(n), 1_000).unwrap();
        log.checkpoint = note.to_string().into_bytes();
        let report = log.report(&policy);
        assert_eq!(report.findings.iter().map(|f| f.kind).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn single_leaves_and_states_are_proven_from_tiles() {
    let mut log = log();
    let newest = log.newest();
    for seq in 0..SIZE {
        assert_eq!(included(&mut log, &newest, seq), Ok(true), "{seq}");
    }
    log.change(300, 5);
    assert_eq!(included(&mut log, &newest, 300), Ok(false));
    log.leaves.remove(&301);
    assert_eq!(included(&mut log, &newest, 301), Ok(false));
    for (_, note) in log.remembered.clone() {
        let mut old = Checkpoint::parse(Note::parse(&note).unwrap().unverified_text()).unwrap();
        assert_eq!(consistent(&mut log, &old, &newest), Ok(true));
        old.root[3] ^= 1;
        assert_eq!(consistent(&mut log, &old, &newest), Ok(false));
        old.size = SIZE + 1;
        assert_eq!(consistent(&mut log, &old, &newest), Ok(false));
    }
    log.tiles.remove("tile/0/001");
    assert_eq!(included(&mut log, &newest, 256), Ok(false));
}

#[test]
fn lines_are_read_in_any_spelling_of_json() {
    let leaf = (7, vec![1, 2, 255]);
    let line = export::leaf_line(leaf.0, &leaf.1);
    assert_eq!(line, "{\"seq\":7,\"leaf\":\"AQL/\"}\n");
    for same in [&line, line.trim_end(), "{\"leaf\":\"AQL/\",\"seq\":7}", r#" { "seq": 7, "more": [], "leaf": "AQL\/" }"#] {
        assert_eq!(export::parse_leaf(same), Some(leaf.clone()), "{same}");
    }
    for other in
        ["", "7", "{\"seq\":-7,\"leaf\":\"\"}", "{\"seq\":7.5,\"leaf\":\"\"}", "{\"seq\":7,\"leaf\":\"AQL\"}", "{\"seq\":7}"]
    {
        assert_eq!(export::parse_leaf(other), None, "{other}");
    }
}
