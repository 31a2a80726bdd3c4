//! What a witness signs, and what it does not.
#![allow(clippy::unwrap_used)]

use counterfoil_verify::tree::{Frontier, consistency_proof, node};

use super::*;
use crate::notify::Mailer;

/// A log of numbered leaves.
struct Log {
    key: SignerKey,
    leaves: Vec<Hash>,
}

impl Log {
    fn new(size: u8) -> Log {
        let key = SignerKey::from_seed("bank/log", [5; 32]).unwrap();
        Log { key, leaves: (0..size).map(|i| [i; 32]).collect() }
    }

    fn subtree(&self, level: u32, index: u64) -> Hash {
        match level {
            0 => self.leaves[index as usize],
            _ => node(&self.subtree(level - 1, 2 * index), &self.subtree(level - 1, 2 * index + 1)),
        }
    }

    fn checkpoint(&self, size: usize) -> Note {
        let mut tree = Frontier::default();
        self.leaves[..size].iter().for_each(|leaf| tree.push(*leaf));
        Checkpoint::new("bank/log", size as u64, tree.root()).sign(&[&self.key]).unwrap()
    }

    fn request(&self, old: u64, size: usize) -> Vec<u8> {
        let proof = consistency_proof::<()>(old, size as u64, |level, index| Ok(self.subtree(level, index))).unwrap();
        Request { old, proof, note: self.checkpoint(size) }.body().into_bytes()
    }
}

fn witness(folder: &tempfile::TempDir, log: &Log) -> Witness {
    Witness::open(folder.path().join("w"), "witness.example", &[log.key.verifier()], Clock::fixed(Moment(1_000 * SECOND), 1))
        .unwrap()
}

#[test]
fn it_signs_what_extends_and_remembers_it_over_a_restart() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::new(20));
    let first = witness(&folder, &log);
    let Answer::Signed(line) = first.add_checkpoint(&log.request(0, 5)) else { panic!("the first is signed") };
    let note = Note::parse(format!("{}\n{line}", log.checkpoint(5).unverified_text())).unwrap();
    let signers = note.open(&[first.verifier()]).unwrap().signers;
    assert_eq!(signers[0].time, Some(1_000));
    drop(first);
    let again = witness(&folder, &log);
    assert_eq!(again.add_checkpoint(&log.request(0, 9)), Answer::OtherSize(5));
    assert!(matches!(again.add_checkpoint(&log.request(5, 20)), Answer::Signed(_)));
    assert!(matches!(again.add_checkpoint(&log.request(20, 20)), Answer::Signed(_)), "the same again is signed again");
    assert_eq!(again.untold(), []);
}

#[test]
fn it_knows_a_log_by_its_old_and_its_new_key_while_that_changes() {
    let (folder, old) = (tempfile::tempdir().unwrap(), Log::new(20));
    let new = Log { key: SignerKey::from_seed("bank/log", [6; 32]).unwrap(), ..Log::new(20) };
    let open = |keys: &[&SignerKey]| {
        let keys: Vec<_> = keys.iter().map(|key| key.verifier()).collect();
        Witness::open(folder.path().join("w"), "witness.example", &keys, Clock::fixed(Moment(1_000 * SECOND), 1)).unwrap()
    };
    let alone = open(&[&old.key]);
    assert!(matches!(alone.add_checkpoint(&old.request(0, 5)), Answer::Signed(_)));
    assert!(matches!(alone.add_checkpoint(&new.request(5, 9)), Answer::Untrusted(_)), "nobody told it of the new key");
    drop(alone);
    let both = open(&[&old.key, &new.key]);
    assert!(matches!(both.add_checkpoint(&old.request(5, 7)), Answer::Signed(_)));
    drop(both);
    // The old key is left out before anything signed by the new one was seen.
    let later = open(&[&new.key]);
    assert_eq!(later.add_checkpoint(&new.request(0, 9)), Answer::OtherSize(7), "what was seen stays seen");
    assert!(matches!(later.add_checkpoint(&new.request(7, 9)), Answer::Signed(_)));
    assert!(matches!(later.add_checkpoint(&old.request(9, 10)), Answer::Untrusted(_)));
}

#[test]
fn it_raises_an_alarm_for_a_log_that_forks_shrinks_or_was_rewritten() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::new(20));
    let witness = witness(&folder, &log);
    assert!(matches!(witness.add_checkpoint(&log.request(0, 10)), Answer::Signed(_)));
    let mut other = Log::new(20);
    other.leaves[3] = [99; 32];
    assert_eq!(witness.add_checkpoint(&other.request(10, 10)), Answer::Forked(10));
    assert!(matches!(witness.add_checkpoint(&other.request(10, 15)), Answer::NotExtended(_)));
    assert_eq!(witness.add_checkpoint(&log.request(4, 8)), Answer::OtherSize(10));
    let told: Vec<String> = witness.untold().into_iter().map(|alarm| alarm.what).collect();
    assert!(told[0].contains("two different roots") && told[1].contains("rewritten") && told[2].contains("shrunk"), "{told:?}");
    assert!(matches!(witness.add_checkpoint(&log.request(10, 11)), Answer::Signed(_)), "the true log goes on");
}

#[test]
fn what_it_signed_and_somebody_sends_again_raises_no_alarm() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::new(20));
    let witness = witness(&folder, &log);
    for (old, new) in [(0, 5), (5, 8), (8, 10)] {
        assert!(matches!(witness.add_checkpoint(&log.request(old, new)), Answer::Signed(_)));
    }
    assert_eq!(witness.add_checkpoint(&log.request(5, 8)), Answer::OtherSize(10));
    assert_eq!(witness.add_checkpoint(&log.request(0, 5)), Answer::OtherSize(10));
    assert!(witness.untold().is_empty(), "{:?}", witness.untold());
    let mut older = Log::new(20);
    older.leaves[7] = [99; 32];
    assert_eq!(witness.add_checkpoint(&older.request(5, 8)), Answer::OtherSize(10));
    assert!(witness.untold()[0].what.contains("shrunk"), "an older copy that went on otherwise");
}

#[test]
fn what_a_log_signed_against_itself_is_kept_whatever_the_request_says() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::new(20));
    let witness = witness(&folder, &log);
    assert!(matches!(witness.add_checkpoint(&log.request(0, 10)), Answer::Signed(_)));
    let mut other = Log::new(20);
    other.leaves[3] = [99; 32];
    for size in [10, 8] {
        let body = Request { old: 12, proof: Vec::new(), note: other.checkpoint(size) }.body();
        assert!(matches!(witness.add_checkpoint(body.as_bytes()), Answer::Malformed(_)));
    }
    let told: Vec<String> = witness.untold().into_iter().map(|alarm| alarm.what).collect();
    assert!(told.len() == 2 && told[0].contains("two different roots") && told[1].contains("shrunk"), "{told:?}");
}

#[test]
fn it_signs_for_nobody_else() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::new(9));
    let witness = witness(&folder, &log);
    let stranger = SignerKey::from_seed("bank/log", [6; 32]).unwrap();
    let forged = Checkpoint::new("bank/log", 3, [1; 32]).sign(&[&stranger]).unwrap();
    let forged = Request { old: 0, proof: Vec::new(), note: forged }.body();
    assert!(matches!(witness.add_checkpoint(forged.as_bytes()), Answer::Untrusted(_)));
    let other = SignerKey::from_seed("other/log", [5; 32]).unwrap();
    let other = Checkpoint::new("other/log", 3, [1; 32]).sign(&[&other]).unwrap();
    let other = Request { old: 0, proof: Vec::new(), note: other }.body();
    assert!(matches!(witness.add_checkpoint(other.as_bytes()), Answer::Unknown(_)));
    for body in ["", "old\n\n", "old 01\n\nx", "old 1\nnothash\n\nx", "old 0\n\nno note"] {
        assert!(matches!(witness.add_checkpoint(body.as_bytes()), Answer::Malformed(_)), "{body:?}");
    }
}

#[test]
fn of_two_requests_from_one_size_that_do_not_agree_one_is_signed() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::new(40));
    let witness = witness(&folder, &log);
    assert!(matches!(witness.add_checkpoint(&log.request(0, 10)), Answer::Signed(_)));
    let mut fork = Log::new(40);
    fork.leaves[12] = [77; 32];
    let bodies: Vec<Vec<u8>> = (0..8).map(|i| if i % 2 == 0 { &log } else { &fork }.request(10, 30)).collect();
    let answers: Vec<Answer> = std::thread::scope(|threads| {
        let witness = &witness;
        let running: Vec<_> = bodies.iter().map(|body| threads.spawn(move || witness.add_checkpoint(body))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Answer::Signed(_))).count(), 1);
}

#[test]
fn silence_is_told_once_until_the_log_speaks_again() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::new(9));
    let clock = Clock::fixed(Moment(0), 1);
    let witness = Witness::open(folder.path().join("w"), "w", &[log.key.verifier()], clock.clone()).unwrap();
    let mail = crate::config::Mail { url: format!("file:{}", folder.path().join("mail").display()), ..Default::default() };
    let mut watch = Watch::new(Mailer::from_config(&mail).unwrap(), vec!["a@bank.example".into()], 30, clock.clone());
    let mails = || std::fs::read_dir(folder.path().join("mail")).map_or(0, Iterator::count);
    watch.turn(&witness);
    assert_eq!(mails(), 0);
    clock.advance(31 * crate::clock::MINUTE);
    watch.turn(&witness);
    watch.turn(&witness);
    assert_eq!(mails(), 1);
    assert!(matches!(witness.add_checkpoint(&log.request(0, 3)), Answer::Signed(_)));
    watch.turn(&witness);
    clock.advance(31 * crate::clock::MINUTE);
    watch.turn(&witness);
    assert_eq!(mails(), 2);
}

#[test]
fn what_contradicts_is_kept_and_told_once_also_after_a_restart() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::new(20));
    let first = witness(&folder, &log);
    assert!(matches!(first.add_checkpoint(&log.request(0, 10)), Answer::Signed(_)));
    let mut other = Log::new(20);
    other.leaves[3] = [99; 32];
    assert_eq!(first.add_checkpoint(&other.request(10, 10)), Answer::Forked(10));
    // It is killed before it could tell.
    drop(first);
    let again = witness(&folder, &log);
    let untold = again.untold();
    let kept = untold[0].note.as_deref().unwrap();
    assert_eq!(std::fs::read_to_string(kept).unwrap(), other.checkpoint(10).to_string());
    let remembered = std::path::Path::new(kept).with_added_extension("remembered");
    assert_eq!(std::fs::read_to_string(remembered).unwrap(), log.checkpoint(10).to_string(), "both notes, to be compared");
    let mail = crate::config::Mail { url: format!("file:{}", folder.path().join("mail").display()), ..Default::default() };
    let watch = || Watch::new(Mailer::from_config(&mail).unwrap(), vec!["a@bank.example".into()], 30, Clock::fixed(Moment(0), 2));
    let mails = || {
        let files = std::fs::read_dir(folder.path().join("mail")).into_iter().flatten();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap().replace("=\r\n", "")).collect::<Vec<_>>()
    };
    watch().turn(&again);
    assert!(mails().len() == 1 && mails()[0].contains("two different roots") && mails()[0].contains(kept), "{:?}", mails());
    watch().turn(&again);
    assert_eq!(again.add_checkpoint(&other.request(10, 10)), Answer::Forked(10));
    watch().turn(&again);
    drop(again);
    let last = witness(&folder, &log);
    watch().turn(&last);
    assert_eq!(mails().len(), 1, "told once");
    assert!(matches!(last.add_checkpoint(&log.request(10, 12)), Answer::Signed(_)));
    assert_eq!(last.add_checkpoint(&other.request(12, 12)), Answer::Forked(12));
    watch().turn(&last);
    assert_eq!(mails().len(), 2, "after the log was signed again it is told anew");
}
