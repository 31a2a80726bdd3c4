//! Account heads: at each close of a day the log commits to the last entry of every account.

use chrono::NaiveDate;
use counterfoil::access::Role;
use counterfoil::app;
use counterfoil::audit::{self, Given, Options};
use counterfoil::ledger::heads::{NoProof, prove};
use counterfoil::privacy::Scope;
use counterfoil::trail::NewEvent;
use counterfoil::trail::returned::Compared;
use counterfoil::trail::store::newest_checkpoint;
use counterfoil::trail::witnessed::{COSIGNATURE, WITNESS};
use counterfoil_verify::heads::{Close, HeadsError, KIND};
use counterfoil_verify::heads_proof::{Claim, HeadsProof, HeadsProofError, Proven};
use counterfoil_verify::{Note, Origin, SignerKey, VerifierKey};
use reqwest::Method;
use serde_json::json;

use crate::bank::{Home, Kind, entry, on_both};
use crate::privacy::house::erased;
use crate::site::Site;
use crate::support::program::Program;
use crate::verifier::exported::Exported;

const DAY: i64 = 86_400_000_000;

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, day).unwrap()
}

/// One entry on day `day` of March; answers its place.
fn send(site: &Site, reference: &str, account: &str, day: u32, (before, after): (i64, i64)) -> i64 {
    site.bank.record(entry(reference, account, &format!("2026-03-{day:02}T10:00:00Z"), before, after)).seq
}

/// A day later the night's work is done and signed.
fn night(site: &Site) -> usize {
    site.bank.clock.advance(DAY);
    let made = app::nightly(&site.app, None).unwrap();
    site.app.sign();
    made.len()
}

fn closes(site: &Site) -> Vec<Close> {
    site.events(KIND).iter().map(|body| Close::parse(&body.to_string()).unwrap()).collect()
}

fn proof(site: &Site, day: u32, account: &str) -> Result<HeadsProof, NoProof> {
    prove(&mut site.bank.db.connect().unwrap(), date(day), account, 0)
}

fn check(site: &Site, proof: &HeadsProof) -> Result<Proven, HeadsProofError> {
    let read = HeadsProof::parse(proof.to_string()).unwrap();
    read.verify(&[site.app.signer.verifier()], Origin::OfKey, &[])
}

fn findings(site: &Site) -> Vec<(&'static str, &'static str, Option<i64>)> {
    let options = Options { config: &site.bank.config, now: site.bank.clock.now(), progress: &|_, _| {}, given: Given::NONE };
    audit::verify(&site.bank.db, options).unwrap().findings.iter().map(|f| (f.level, f.kind, f.seq)).collect()
}

/// Two days with a close each: `A-1` on both, `A-2` on the first, `A-9` from the second on.
fn two_days(kind: Kind) -> (Site, [i64; 5]) {
    let site = Site::open(kind);
    let [first, second] = [(0, 100), (100, 250)].map(|b| send(&site, &format!("E{}", b.1), "A-1", 2, b));
    let other = send(&site, "E3", "A-2", 2, (0, 7));
    assert_eq!((night(&site), closes(&site).len()), (1, 1));
    let third = send(&site, "E4", "A-1", 3, (250, 90));
    let new = send(&site, "E5", "A-9", 3, (0, 1));
    assert_eq!((night(&site), closes(&site).len()), (1, 2));
    (site, [first, second, other, third, new])
}

#[test]
fn the_last_entry_at_a_close_and_an_account_left_out_are_proven() {
    on_both(|kind| {
        let (site, [_, second, other, third, new]) = two_days(kind);
        let told: Vec<_> = closes(&site).iter().map(|c| (c.business_date.clone(), c.accounts)).collect();
        assert_eq!(told, [("2026-03-02".to_owned(), 2), ("2026-03-03".to_owned(), 3)]);
        let last =
            [(2, "A-1", second, 2, 25_000), (2, "A-2", other, 1, 700), (3, "A-1", third, 3, 9_000), (3, "A-9", new, 1, 100)];
        for (day, account, seq, position, balance) in last {
            let proven = check(&site, &proof(&site, day, account).unwrap()).unwrap();
            let head = proven.head.unwrap();
            assert_eq!((head.seq, head.position, head.balance_after), (seq, position, Some(balance)), "{kind:?} {account} {day}");
            assert_eq!(proven.close.business_date, date(day).to_string());
        }
        let absent = proof(&site, 2, "A-9").unwrap();
        assert_eq!((absent.claim, check(&site, &absent).unwrap().head), (Claim::Absent, None));
        assert!(matches!(proof(&site, 2, "NOBODY"), Err(NoProof::NoAccount)));
        let none = proof(&site, 9, "A-1").unwrap_err().to_string();
        assert!(none.contains("no close of 2026-03-09") && none.contains("2026-03-03"), "{none}");
        assert_eq!(findings(&site), [], "{kind:?}");
        let exported = Exported::of(&site, false);
        assert_eq!(exported.findings(&site.app.signer.verifier(), &[]), [""; 0], "the stand-alone verifier makes the same lists");
    });
}

#[test]
fn a_proof_ends_at_a_checkpoint_that_so_many_witnesses_signed() {
    on_both(|kind| {
        let (site, [_, second, ..]) = two_days(kind);
        let with = |witnesses| prove(&mut site.bank.db.connect().unwrap(), date(2), "A-1", witnesses);
        assert!(matches!(with(1), Err(NoProof::Unsigned { .. })), "{kind:?}: none signed yet");
        site.app.sign();
        let witness = SignerKey::witness_from_seed("w.example", [3; 32]).unwrap();
        let row = site.app.db.read(newest_checkpoint).unwrap().unwrap();
        let mut note = Note::parse(&row.note).unwrap();
        note.cosign(&witness, 1_790_000_000).unwrap();
        let line = note.signatures().last().unwrap().to_string();
        let (size, root) = (row.size.unsigned_abs(), row.root.as_slice().try_into().unwrap());
        let by = json!({ "witness": "w.example", "witnessed_at": 1_790_000_000, COSIGNATURE: line });
        site.app.log().act(move |tx| Compared::Consistent { size, root }.record(tx, WITNESS, &by)).unwrap();
        let keys = [site.app.signer.verifier(), witness.verifier()];
        let proven = with(1).unwrap().verify(&keys, Origin::OfKey, &[]).unwrap();
        assert_eq!((proven.head.unwrap().seq, proven.signed.witnesses.len()), (second, 1), "{kind:?}");
        assert!(matches!(with(2), Err(NoProof::Unsigned { .. })));
    });
}

#[test]
fn an_account_whose_holder_was_erased_is_proven_by_its_place() {
    let (site, [_, second, ..]) = two_days(Kind::Sqlite);
    let before = proof(&site, 2, "A-1").unwrap();
    erased(&site.bank, Scope::Account, "A-1");
    let gone = proof(&site, 2, "A-1").unwrap_err().to_string();
    assert!(gone.contains("no account of this number") && gone.contains("`erased N`"), "{gone}");
    let after = proof(&site, 2, &format!("erased {}", before.account)).unwrap();
    assert_eq!(check(&site, &after).unwrap().head.map(|head| head.seq), Some(second));
    let options = Options { config: &site.app.config, now: site.app.clock.now(), progress: &|_, _| {}, given: Given::NONE };
    assert!(audit::verify_account(&site.app.db, &format!("erased {}", before.account), options).unwrap().ok);
    assert!(matches!(proof(&site, 2, "erased 9999"), Err(NoProof::NoAccount)));
}

#[test]
fn an_auditor_takes_the_proof_from_the_page_of_the_account() {
    on_both(|kind| {
        let (site, [_, second, ..]) = two_days(kind);
        let ada = site.sign_in(Role::Auditor);
        let get = |path: &str| {
            let asked = site.plain(Method::GET, path).header("Cookie", &ada.cookie);
            asked.send().unwrap()
        };
        let account = proof(&site, 2, "A-1").unwrap().account;
        let page = get(&format!("/accounts/{account}")).text().unwrap();
        assert!(page.contains(&format!("action=\"/accounts/{account}/heads-proof\"")), "{page}");
        let taken = get(&format!("/accounts/{account}/heads-proof?date=2026-03-02"));
        assert_eq!(taken.status(), 200, "{kind:?}");
        let name = taken.headers()["content-disposition"].to_str().unwrap().to_owned();
        assert!(name.contains(&format!("account-{account}-2026-03-02.heads-proof")), "{name}");
        let read = HeadsProof::parse(taken.text().unwrap()).unwrap();
        let proven = read.verify(&[site.app.signer.verifier()], Origin::OfKey, &[]).unwrap();
        assert_eq!(proven.head.unwrap().seq, second);
        let made = site.events("export.made").pop().unwrap();
        assert_eq!((&made["what"], &made["business_date"]), (&json!("account heads"), &json!("2026-03-02")), "{made}");
        let refused = get(&format!("/accounts/{account}/heads-proof?date=2026-03-09"));
        assert_eq!(refused.status(), 409);
        assert!(refused.text().unwrap().contains("no close of 2026-03-09"), "{kind:?}");
        assert_eq!(get(&format!("/accounts/{account}/heads-proof?date=yesterday")).status(), 400);
        assert_eq!(get("/accounts/999999/heads-proof?date=2026-03-02").status(), 404);
    });
}

#[test]
fn a_stale_head_proves_nothing() {
    on_both(|kind| {
        let (site, [first, second, ..]) = two_days(kind);
        let (old, new) = (proof(&site, 2, "A-1").unwrap(), proof(&site, 3, "A-1").unwrap());
        let stale = HeadsProof { heads: old.heads.clone(), ..new.clone() };
        let refused = check(&site, &stale).unwrap_err();
        assert_eq!(refused, HeadsProofError::Heads(HeadsError::NotInList { account: old.account }), "{kind:?}");
        let mut earlier = old.clone();
        earlier.heads[0].head.seq = first;
        assert!(check(&site, &earlier).is_err());
        let denied = HeadsProof { claim: Claim::Absent, ..old.clone() };
        let refused = check(&site, &denied).unwrap_err();
        assert_eq!(refused, HeadsProofError::Heads(HeadsError::HasEntry { account: old.account, seq: second }));
        assert!(check(&site, &old).is_ok(), "the old proof still tells of its own day");
    });
}

#[test]
fn a_day_is_closed_once_in_order_and_not_before_it_is_over() {
    on_both(|kind| {
        let site = Site::open(kind);
        send(&site, "E1", "A-1", 2, (0, 100));
        let nightly = |day| app::nightly(&site.app, Some(date(day))).unwrap();
        assert_eq!(nightly(2).len(), 1, "a report of the day that still runs");
        assert_eq!(closes(&site), [], "{kind:?}");
        send(&site, "E2", "A-1", 2, (100, 200));
        assert_eq!((night(&site), closes(&site).len()), (1, 1), "the final report, and the close");
        for _ in 0..2 {
            app::nightly(&site.app, None).unwrap();
            nightly(2);
        }
        assert_eq!(closes(&site).len(), 1, "{kind:?}: a second nightly adds none");
        nightly(1);
        assert_eq!(closes(&site).len(), 1, "a day before the last close stays without");
        site.bank.clock.advance(2 * DAY);
        assert_eq!(night(&site), 3);
        let all = closes(&site);
        let dates: Vec<&str> = all.iter().map(|c| c.business_date.as_str()).collect();
        assert_eq!(dates, ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05"], "{kind:?}: nights made up for");
        assert!(all.windows(2).all(|pair| pair[0].size <= pair[1].size) && all[1].size == all[3].size);
        assert_eq!(findings(&site), []);
    });
}

#[test]
fn a_close_that_the_entries_do_not_give_is_found_and_not_proven() {
    on_both(|kind| {
        let (site, _) = two_days(kind);
        let second = closes(&site).pop().unwrap();
        let commit = |close: Close| site.app.log().append(NewEvent::public(KIND, close.body())).unwrap();
        let wrong = commit(Close { business_date: "2026-03-04".into(), root: [7; 32], ..second.clone() });
        site.app.sign();
        assert_eq!(findings(&site), [("L4", "heads_differ", Some(wrong))], "{kind:?}");
        assert!(matches!(proof(&site, 4, "A-1"), Err(NoProof::Differs { event, .. }) if event == wrong));
        assert!(proof(&site, 3, "A-1").is_ok());
        let ahead = commit(Close { business_date: "2026-03-05".into(), size: 1_000_000, ..second.clone() });
        let twice = commit(Close { business_date: "2026-03-05".into(), size: 1_000_000, ..second.clone() });
        site.app.sign();
        let expected = [
            ("L4", "heads_differ", Some(wrong)),
            ("L4", "close_wrong", Some(ahead)),
            ("L4", "close_repeated", Some(twice)),
            ("L4", "close_wrong", Some(twice)),
        ];
        assert_eq!(findings(&site), expected, "{kind:?}");
        let words = proof(&site, 3, "A-1").unwrap_err().to_string();
        assert!(words.contains("closed 2026-03-05 twice"), "{words}");
    });
}

#[test]
fn the_command_writes_a_proof_that_stands_alone() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let database = home.url();
        let command = |args: &[&str]| Program::new(dir.path()).args(args).args(["--database", &database]);
        command(&["key", "issue", "--source", "core"]).run().succeeded();
        let lines = (0..3).map(|i| entry(&format!("N{i}"), "ACC-77", "2026-03-02T10:00:00Z", i, i + 1).to_string());
        std::fs::write(dir.path().join("day.ndjson"), lines.collect::<Vec<_>>().join("\n")).unwrap();
        command(&["import", "day.ndjson", "--source", "core"]).run().succeeded();
        let heads = |day: &str, account: &str| command(&["log", "heads", "--date", day, "--account", account]);
        let early = heads("2026-03-02", "ACC-77").run().failed_with(1);
        assert!(early.stderr.contains("no close of 2026-03-02"), "{}", early.stderr);
        command(&["nightly", "--date", "2026-03-02"]).run().succeeded();
        heads("2026-03-02", "ACC-77").args(["--out", "a.heads-proof"]).run().succeeded();
        let written = std::fs::read_to_string(dir.path().join("a.heads-proof")).unwrap();
        assert!(!written.contains("ACC-77"), "the number of the account stays with the bank");
        let key: VerifierKey = command(&["log", "key"]).run().succeeded().stdout.trim().parse().unwrap();
        let proven = HeadsProof::parse(&written).unwrap().verify(&[key], Origin::OfKey, &[]).unwrap();
        let head = proven.head.unwrap();
        assert_eq!((head.position, head.balance_after), (3, Some(300)), "{kind:?}");
        let said = heads("2026-03-02", "ACC-77").run().succeeded();
        let printed = HeadsProof::parse(&said.stdout).unwrap();
        assert_eq!(printed.heads[0].head, head);
        assert!(said.stderr.contains(&format!("Entry {} (position 3) was the last", head.seq)), "{}", said.stderr);
        let unknown = heads("2026-03-02", "NOBODY").run().failed_with(1);
        assert!(unknown.stderr.contains("no account of this number"), "{}", unknown.stderr);
        let again = heads("2026-03-02", "ACC-77").args(["--out", "a.heads-proof"]).run().failed_with(2);
        assert!(again.stderr.contains("cannot be made"), "{}", again.stderr);
        command(&["verify"]).run().succeeded();
    });
}
