//! Account heads: who was last, who is absent, and what must not be believed.

use counterfoil_verify::checkpoint::{Checkpoint, Origin};
use counterfoil_verify::heads::{Close, Head, Heads, HeadsError, KIND, Placed, verify_absent, verify_last};
use counterfoil_verify::heads_proof::{Claim, Closes, HeadsProof, HeadsProofError};
use counterfoil_verify::tree::empty_root;
use counterfoil_verify::{EventLeaf, Frontier, ProofError, TlogProof, leaf};

use crate::checkpoint::log_key;
use crate::proof::Nodes;
use crate::vectors::ORIGIN;

pub fn head(account: i64, seq: i64) -> Head {
    let balance_after = (account % 3 != 0).then_some(-seq * 100);
    Head { account, seq, position: seq / 2 + 1, balance_after, leaf: crate::tree::leaf(seq as u64) }
}

/// Accounts 10, 20, 30 … with entries from seq 100.
fn list(accounts: i64) -> Heads {
    Heads::new((1..=accounts).map(|n| head(10 * n, 100 + n)).collect()).unwrap()
}

fn close(heads: &Heads, date: &str) -> Close {
    heads.close(date, 1_000)
}

#[test]
fn every_last_entry_and_every_gap_is_proven() {
    for accounts in 0..40 {
        let heads = list(accounts);
        let close = close(&heads, "2026-03-01");
        for account in 0..10 * accounts + 20 {
            if account > 0 && account % 10 == 0 && account <= 10 * accounts {
                let placed = heads.prove_last(account).unwrap();
                assert_eq!(verify_last(&close, account, &placed), Ok(head(account, 100 + account / 10)));
                let seq = 100 + account / 10;
                assert_eq!(heads.prove_absent(account), Err(HeadsError::HasEntry { account, seq }));
            } else {
                assert_eq!(heads.prove_last(account), Err(HeadsError::NoEntry { account }));
                let beside = heads.prove_absent(account).unwrap();
                assert_eq!(verify_absent(&close, account, &beside), Ok(()), "{account} of {accounts}");
            }
        }
    }
}

#[test]
fn a_stale_head_is_not_the_last() {
    let (yesterday, today) = (list(9), {
        let mut heads: Vec<Head> = (1..=9).map(|n| head(10 * n, 100 + n)).collect();
        heads[4] = head(50, 200);
        Heads::new(heads).unwrap()
    });
    let (old, new) = (close(&yesterday, "2026-03-01"), close(&today, "2026-03-02"));
    let stale = yesterday.prove_last(50).unwrap();
    assert!(verify_last(&old, 50, &stale).is_ok(), "it was, the day before");
    assert_eq!(verify_last(&new, 50, &stale), Err(HeadsError::NotInList { account: 50 }));
    // The stale head on the new head's way up.
    let patched = Placed { head: stale.head, ..today.prove_last(50).unwrap() };
    assert_eq!(verify_last(&new, 50, &patched), Err(HeadsError::NotInList { account: 50 }));
}

#[test]
fn an_account_that_has_an_entry_is_never_absent() {
    let heads = list(9);
    let close = close(&heads, "2026-03-01");
    let at = |account: i64| heads.prove_last(account).unwrap();
    let not = Err(HeadsError::NotNeighbours { account: 50 });
    assert_eq!(verify_absent(&close, 50, &[]), not);
    assert_eq!(verify_absent(&close, 50, &[at(40)]), not);
    assert_eq!(verify_absent(&close, 50, &[at(60)]), not);
    assert_eq!(verify_absent(&close, 50, &[at(40), at(60)]), not, "one is left out between them");
    assert_eq!(verify_absent(&close, 50, &[at(60), at(40)]), not);
    assert_eq!(verify_absent(&close, 50, &[at(10), at(90)]), not);
    assert_eq!(verify_absent(&close, 50, &[at(40), at(50)]), Err(HeadsError::HasEntry { account: 50, seq: 105 }));
    assert_eq!(verify_absent(&close, 50, &[at(30), at(40), at(60)]), not);
    // The first and the last stand at the ends only.
    assert_eq!(verify_absent(&close, 5, &[at(20)]), Err(HeadsError::NotNeighbours { account: 5 }));
    assert_eq!(verify_absent(&close, 95, &[at(80)]), Err(HeadsError::NotNeighbours { account: 95 }));
    let moved = Placed { index: 5, ..at(40) };
    assert_eq!(verify_absent(&close, 50, &[moved, at(60)]), Err(HeadsError::NotInList { account: 40 }));
    let other = heads.close("2026-03-01", 1_000);
    let shorter = Close { accounts: 4, ..other };
    assert!(verify_absent(&shorter, 50, &[at(40)]).is_err(), "the number of accounts is part of the close");
}

#[test]
fn heads_are_sorted_and_within_the_close() {
    assert_eq!(Heads::new(vec![head(2, 5), head(1, 6)]).unwrap_err(), HeadsError::Unsorted { account: 1 });
    assert_eq!(Heads::new(vec![head(2, 5), head(2, 6)]).unwrap_err(), HeadsError::Unsorted { account: 2 });
    let heads = list(3);
    let early = heads.close("2026-03-01", 103);
    let placed = heads.prove_last(30).unwrap();
    assert_eq!(verify_last(&early, 30, &placed), Err(HeadsError::Beyond { seq: 103 }));
}

#[test]
fn a_close_is_read_as_it_was_written() {
    let close = close(&list(3), "2026-03-01");
    assert_eq!(Close::parse(&close.body().to_string()), Some(close.clone()));
    let none = Heads::new(Vec::new()).unwrap().close("2026-03-01", 4);
    assert_eq!((none.accounts, none.root), (0, empty_root()));
    assert_eq!(Close::parse(&none.body().to_string()), Some(none));
    let body = close.body().to_string();
    for (from, to) in
        [("2026-03-01", "1.3.2026"), ("\"size\":1000", "\"size\":-1"), ("\"accounts\":3", "\"accounts\":0"), ("{", "[")]
    {
        assert_eq!(Close::parse(&body.replacen(from, to, 1)), None, "{to}");
    }
}

/// A log whose leaf `at` is the event, and the proof of it.
fn log(event: &[u8], at: u64, size: u64) -> TlogProof {
    let hashes: Vec<_> = (0..size).map(|i| if i == at { leaf::hash(event) } else { crate::tree::leaf(i) }).collect();
    let mut frontier = Frontier::new();
    hashes.iter().for_each(|h| frontier.push(*h));
    let checkpoint = Checkpoint::new(ORIGIN, size, frontier.root()).sign(&[&log_key(1)]).unwrap();
    TlogProof { extra: None, index: at, hashes: Nodes::over(hashes).inclusion(at, size), checkpoint }
}

fn event(seq: i64, kind: &str, close: &Close) -> Vec<u8> {
    let mut out = Vec::new();
    let body = close.body().to_string();
    EventLeaf { seq, recorded_at: 1, kind, body: &body, blind: &[7; 16] }.encode(ORIGIN, &mut out).unwrap();
    out
}

fn travelling(heads: &Heads, claim: Claim, account: i64) -> HeadsProof {
    let event = event(1_003, KIND, &close(heads, "2026-03-01"));
    let proof = log(&event, 1_003, 1_100);
    let heads = match claim {
        Claim::Last => vec![heads.prove_last(account).unwrap()],
        Claim::Absent => heads.prove_absent(account).unwrap(),
    };
    HeadsProof { claim, account, heads, event, proof }
}

fn check(proof: &HeadsProof, known: &[(i64, Close)]) -> Result<Option<Head>, HeadsProofError> {
    proof.verify(&[log_key(1).verifier()], Origin::OfKey, known).map(|p| p.head)
}

#[test]
fn proofs_about_accounts_travel() {
    let heads = list(9);
    for (claim, account, found) in
        [(Claim::Last, 50, Some(head(50, 105))), (Claim::Absent, 55, None), (Claim::Absent, 5, None), (Claim::Absent, 99, None)]
    {
        let made = travelling(&heads, claim, account);
        let read = HeadsProof::parse(made.to_string()).unwrap();
        assert_eq!(read, made);
        assert_eq!(check(&read, &[]), Ok(found));
        let other = HeadsProof { account: 40, ..read };
        assert!(check(&other, &[]).is_err(), "of another account");
    }
    let empty = travelling(&Heads::new(Vec::new()).unwrap(), Claim::Absent, 7);
    assert_eq!(check(&empty, &[]), Ok(None));
    let none = HeadsProof { claim: Claim::Last, ..empty };
    assert_eq!(check(&none, &[]), Err(HeadsProofError::Heads(HeadsError::NoEntry { account: 7 })));
}

#[test]
fn the_event_must_be_a_close_at_its_place() {
    let good = travelling(&list(9), Claim::Last, 50);
    let with = |event: Vec<u8>, at: u64| HeadsProof { proof: log(&event, at, 1_100), event, ..good.clone() };
    let close = close(&list(9), "2026-03-01");
    assert_eq!(check(&with(event(1_003, "report.stored", &close), 1_003), &[]), Err(HeadsProofError::NoClose));
    assert_eq!(check(&with(event(1_004, KIND, &close), 1_003), &[]), Err(HeadsProofError::NoClose));
    assert_eq!(check(&with(event(990, KIND, &close), 990), &[]), Err(HeadsProofError::NoClose), "covers what is not there yet");
    let changed = HeadsProof { event: event(1_003, KIND, &list(8).close("2026-03-01", 1_000)), ..good.clone() };
    assert!(matches!(check(&changed, &[]), Err(HeadsProofError::Proof(ProofError::NotIncluded { .. }))));
    let stranger = good.verify(&[log_key(2).verifier()], Origin::OfKey, &[]);
    assert!(matches!(stranger, Err(HeadsProofError::Proof(ProofError::Checkpoint(_)))));
}

#[test]
fn two_closes_of_one_day_are_seen() {
    let proof = travelling(&list(9), Claim::Last, 50);
    let close = |date: &str, size: u64, accounts: i64| list(accounts).close(date, size);
    let own = (1_003, close("2026-03-01", 1_000, 9));
    let (before, after) = ((500, close("2026-02-28", 499, 8)), (1_050, close("2026-03-02", 1_049, 9)));
    assert!(check(&proof, &[before.clone(), own, after.clone()]).is_ok());
    for other in [(1_001, close("2026-03-01", 1_000, 9)), (1_050, close("2026-03-01", 1_049, 9))] {
        let (first, second) = (other.0.min(1_003), other.0.max(1_003));
        let twice = HeadsProofError::TwoCloses { business_date: "2026-03-01".into(), first, second };
        assert_eq!(check(&proof, &[before.clone(), other]), Err(twice));
    }
    let backwards = |first: i64, second: i64| Err(HeadsProofError::Backwards { first, second });
    assert_eq!(check(&proof, &[(1_050, close("2026-02-27", 1_049, 9))]), backwards(1_003, 1_050));
    assert_eq!(check(&proof, &[(1_050, close("2026-03-02", 999, 9))]), backwards(1_003, 1_050));
    assert_eq!(check(&proof, &[(1_050, close("2026-03-02", 1_049, 8))]), backwards(1_003, 1_050));
    let mut closes = Closes::default();
    assert_eq!([before, after].map(|(seq, c)| closes.add(seq, c)), [Ok(()), Ok(())]);
}

#[test]
fn misshapen_proofs_are_refused() {
    let good = travelling(&list(9), Claim::Absent, 55).to_string();
    let bad = [
        String::new(),
        good.replace("@v1\nabsent", "@v2\nabsent"),
        good.replace("absent 55", "absent 055"),
        good.replace("absent 55", "missing 55"),
        good.replace("absent 55", "absent -1"),
        good.replace("absent 55\n", "absent 55\nAAAA\n"),
        good.replace("head 4", "head x"),
        good.replace("event ", "evt "),
        good.replace("\nevent", "\nhead 0 AAAA\nevent"),
        good.replace("c2sp.org", "c3sp.org"),
    ];
    for text in bad {
        assert!(HeadsProof::parse(&text).is_err(), "{text}");
    }
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 1;
        let believed = HeadsProof::parse(&bytes).is_ok_and(|p| p.account == 55 && check(&p, &[]).is_ok());
        assert!(!believed, "byte {at} of\n{good}");
    }
}
