//! Reversing an entry: worked out first, approved by another officer, recorded once, whoever else tries.

use std::sync::Barrier;

use counterfoil::access::Role;
use counterfoil::app::carry_out_due;
use counterfoil::approvals::State;
use counterfoil::ids::Seq;
use counterfoil::intake::RowResult;
use counterfoil::ledger::reversals::own_reference;
use counterfoil::ledger::store::{self as ledger, EntryRow};
use counterfoil::trail::store as trail;
use serde_json::{Value, json};

use super::house::{Shell, WHY, approve, ending, officer, page, proposal_of, replays, send, state};
use crate::bank::{Bank, define_source, entry, on_both};
use crate::site::{SignedIn, Site};

fn propose(site: &Site, who: &SignedIn, seq: Seq, forced: bool) -> Seq {
    let mut form = vec![("reason", WHY)];
    form.extend(forced.then_some(("forced", "yes")));
    proposal_of(&send(site, who, &format!("/entries/{seq}/reversal"), &form))
}

/// Every entry that names another, in order.
fn reversals(site: &Site) -> Vec<EntryRow> {
    let rows = site.app.db.read(|conn| {
        let end = trail::state(conn)?.unwrap().size;
        ledger::entries_between(conn, 0, end, 100_000)
    });
    rows.unwrap().into_iter().filter(|row| row.reverses.is_some()).collect()
}

/// A sender's own reversal of one of its entries.
fn sent(reference: &str, reverses: &str, before: i64, after: i64) -> Value {
    let mut row = entry(reference, "ACC-1", "2026-03-02T11:00:00Z", before, after);
    row["kind"] = json!("reversal");
    row["direction"] = json!(if after >= before { "credit" } else { "debit" });
    row["reverses"] = json!(reverses);
    row
}

#[test]
fn an_entry_is_reversed_by_two_officers_once() {
    on_both(|kind| {
        let site = Site::open(kind);
        let (ada, bob) = (site.sign_in(Role::Officer), officer(&site, "bob"));
        let first = site.bank.record(entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 0, 100)).seq;
        let second = site.bank.record(entry("E2", "ACC-1", "2026-03-02T09:00:00Z", 100, 60)).seq;
        let shown = page(&site, &ada, &format!("/entries/{first}")).text;
        for words in ["Debit of USD 100.00", "USD 60.00", "USD \u{2212}40.00", "The funds do not suffice", "name=\"forced\""] {
            assert!(shown.contains(words), "{kind:?} {words}: {shown}");
        }
        let analyst = site.sign_in(Role::Analyst);
        assert!(!page(&site, &analyst, &format!("/entries/{first}")).text.contains("Reverse this entry"));
        let lacking = send(&site, &ada, &format!("/entries/{first}/reversal"), &[("reason", WHY)]);
        assert!(lacking.status == 422 && lacking.text.contains("would fall below zero"), "{lacking:?}");
        assert!(lacking.text.contains(WHY), "what was typed is still there");
        let short = send(&site, &ada, &format!("/entries/{second}/reversal"), &[("reason", "no")]);
        assert!(short.status == 422 && short.text.contains("2 characters"), "{short:?}");
        // The withdrawal of 40 comes back: the funds suffice for that.
        let id = propose(&site, &ada, second, false);
        assert!(page(&site, &ada, &format!("/entries/{second}")).text.contains("waits for another officer"));
        let shown = page(&site, &ada, &format!("/approvals/{id}")).text;
        assert!(shown.contains("A credit of USD 40.00 is recorded") && shown.contains("must book it too"), "{shown}");
        approve(&site, id, bob);
        carry_out_due(&site.app).unwrap();
        let made = reversals(&site).remove(0);
        assert_eq!((made.reverses.as_deref(), made.source_ref), (Some("E2"), own_reference(second)));
        assert_eq!((made.balance_before, made.balance_after, made.source), (Some(6_000), Some(10_000), site.bank.source));
        assert_eq!(state(&site, id), State::CarriedOut);
        let outcome = site.events("approval.carried_out").remove(0);
        assert_eq!(outcome["outcome"]["entry"], made.seq);
        let shown = page(&site, &ada, &format!("/entries/{second}")).text;
        assert!(shown.contains(&format!("/entries/{}", made.seq)) && shown.contains("reversed it"), "{shown}");
        let again = send(&site, &ada, &format!("/entries/{second}/reversal"), &[("reason", WHY)]);
        assert!(again.status == 409 && again.text.contains("has reversed it already"), "{again:?}");
        // Forced, the deposit of 100 goes too.
        let id = propose(&site, &ada, first, true);
        approve(&site, id, bob);
        site.bank.record(entry("E3", "ACC-1", "2026-03-02T12:30:00Z", 100, 70));
        carry_out_due(&site.app).unwrap();
        let made = reversals(&site).pop().unwrap();
        assert_eq!((made.balance_before, made.balance_after), (Some(7_000), Some(-3_000)), "where the account then stands");
        // The core books both, and goes on from there.
        assert!(site.bank.record(entry("E4", "ACC-1", "2026-03-02T13:00:00Z", -30, 20)).breaks.is_empty());
        assert_eq!(site.bank.findings(), [], "{kind:?}");
        replays(&site);
    });
}

#[test]
fn officers_reverse_once_and_nobody_reverses_what_they_did() {
    on_both(|kind| {
        let site = Site::open(kind);
        let (ada, bob) = (site.sign_in(Role::Officer), officer(&site, "bob"));
        let one = site.bank.record(entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 100, 60)).seq;
        let two = site.bank.record(entry("E2", "ACC-1", "2026-03-02T09:00:00Z", 60, 30)).seq;
        // Two officers did, then the core sends its own.
        let id = propose(&site, &ada, one, false);
        approve(&site, id, bob);
        carry_out_due(&site.app).unwrap();
        let ours = reversals(&site).remove(0).seq;
        let answer = site.post("/api/v1/entries", &sent("CORE-1", "E1", 30, 70));
        assert_eq!(answer.problem(409, "reversed_already")["first_seq"], ours);
        // The core does, while the officers' waits.
        let id = propose(&site, &ada, two, false);
        let theirs = site.bank.record(sent("CORE-2", "E2", 70, 100)).seq;
        approve(&site, id, bob);
        carry_out_due(&site.app).unwrap();
        assert_eq!((state(&site, id), reversals(&site).len()), (State::Refused, 2));
        assert!(ending(&site, id).contains(&format!("entry {theirs} has reversed it already")), "{}", ending(&site, id));
        let shown = page(&site, &ada, &format!("/approvals/{id}")).text;
        assert!(shown.contains("without an officer") && !shown.contains("An officer said no"), "{shown}");
        // A sender gives back in parts: in one submission, atomic or not, and later.
        let third = site.bank.record(entry("E3", "ACC-1", "2026-03-02T11:30:00Z", 100, 70)).seq;
        let pair = || vec![sent("CORE-3", "E3", 70, 80), sent("CORE-4", "E3", 80, 90)];
        let parts = site.bank.submit_rows(site.bank.source, Bank::rows(pair()), true).unwrap();
        assert!(parts.iter().all(|result| matches!(result, RowResult::Recorded(_))), "{parts:?}");
        assert!(site.bank.record(sent("CORE-5", "E3", 90, 100)).breaks.is_empty());
        assert!(matches!(site.bank.submit(pair()).remove(0), RowResult::Duplicate(_)), "the same again is the same");
        let late = send(&site, &ada, &format!("/entries/{third}/reversal"), &[("reason", WHY)]);
        assert!(late.status == 409 && late.text.contains("has reversed it already"), "{late:?}");
        // One that was only attempted cancels nothing; nor does another source's of the same reference.
        let mut attempted = sent("CORE-6", "E9", 100, 120);
        attempted["status"] = json!("attempted");
        site.bank.record(attempted.clone());
        attempted["source_ref"] = json!("CORE-7");
        site.bank.record(attempted);
        let other = define_source(&site.bank.intake, "cards");
        let mut foreign = sent("X", "E3", 0, 20);
        foreign["account"] = json!("CARD-1");
        let results = site.bank.submit_rows(other, Bank::rows(vec![foreign]), false).unwrap();
        assert!(matches!(results[0], RowResult::Recorded(_)), "{results:?}");
        assert_eq!(site.bank.findings(), [], "{kind:?}");
        replays(&site);
    });
}

#[test]
fn officers_and_a_sender_at_once_reverse_an_entry_once() {
    on_both(|kind| {
        let site = Site::open(kind);
        let (ada, bob) = (site.sign_in(Role::Officer), officer(&site, "bob"));
        for n in 0..8_i64 {
            let reference = format!("E{n}");
            let account = format!("RACE-{n}");
            let seq = site.bank.record(entry(&reference, &account, "2026-03-02T08:00:00Z", 100, 60)).seq;
            let id = propose(&site, &ada, seq, false);
            approve(&site, id, bob);
            let mut row = sent(&format!("CORE-{n}"), &reference, 60, 100);
            row["account"] = json!(account);
            let start = Barrier::new(3);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        start.wait();
                        // Whoever comes second finds it done.
                        let _ = carry_out_due(&site.app);
                    });
                }
                scope.spawn(|| {
                    start.wait();
                    site.bank.submit(vec![row.clone()]);
                });
            });
            carry_out_due(&site.app).unwrap();
            let made: Vec<EntryRow> =
                reversals(&site).into_iter().filter(|row| row.reverses.as_ref() == Some(&reference)).collect();
            assert_eq!(made.len(), 1, "{kind:?} {n}: {made:?}");
            let ours = made[0].source_ref == own_reference(seq);
            assert_eq!(state(&site, id), if ours { State::CarriedOut } else { State::Refused });
        }
        assert_eq!(site.bank.findings(), [], "{kind:?}");
        replays(&site);
    });
}

#[test]
fn what_cannot_be_reversed_is_refused_with_its_reason() {
    on_both(|kind| {
        let site = Site::open(kind);
        let (ada, bob) = (site.sign_in(Role::Officer), officer(&site, "bob"));
        let first = site.bank.record(entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 0, 100)).seq;
        let zero = site.bank.record(entry("ZERO", "ACC-1", "2026-03-02T08:10:00Z", 100, 100)).seq;
        let mut row = entry("TRIED", "ACC-1", "2026-03-02T08:20:00Z", 100, 50);
        row["status"] = json!("attempted");
        let tried = site.bank.record(row).seq;
        let back = site.bank.record(sent("BACK", "GONE", 100, 90)).seq;
        let other = define_source(&site.bank.intake, "cards");
        let rows = Bank::rows(vec![entry("F1", "ACC-1", "2026-03-02T11:30:00Z", 90, 80)]);
        let RowResult::Recorded(foreign) = site.bank.submit_rows(other, rows, false).unwrap().remove(0) else { panic!() };
        for (seq, words) in [
            (zero, "amount is zero"),
            (tried, "only attempted"),
            (back, "reverses an entry itself"),
            (foreign.seq, "another source than its account"),
        ] {
            let answer = send(&site, &ada, &format!("/entries/{seq}/reversal"), &[("reason", WHY), ("forced", "yes")]);
            assert!(answer.status == 409 && answer.text.contains(words), "{kind:?} {words}: {answer:?}");
            let shown = page(&site, &ada, &format!("/entries/{seq}")).text;
            assert!(shown.contains("It cannot be reversed") && !shown.contains("Reverse this entry"), "{shown}");
        }
        assert_eq!(send(&site, &ada, "/entries/1/reversal", &[("reason", WHY)]).status, 404);
        // Of an account that tells no balance nobody knows: it takes force.
        let mut silent = entry("S1", "ACC-2", "2026-03-02T08:00:00Z", 0, 10);
        silent.as_object_mut().unwrap().retain(|name, _| !name.starts_with("balance"));
        let silent = site.bank.record(silent).seq;
        let unknown = send(&site, &ada, &format!("/entries/{silent}/reversal"), &[("reason", WHY)]);
        assert!(unknown.status == 422 && unknown.text.contains("is not known"), "{unknown:?}");
        let id = propose(&site, &ada, silent, true);
        approve(&site, id, bob);
        carry_out_due(&site.app).unwrap();
        assert_eq!(reversals(&site).pop().unwrap().balance_after, None);
        // The funds suffice when it is proposed and no more when it is due.
        site.bank.record(entry("E8", "ACC-1", "2026-03-02T11:40:00Z", 80, 120));
        let id = propose(&site, &ada, first, false);
        approve(&site, id, bob);
        site.bank.record(entry("E9", "ACC-1", "2026-03-02T11:50:00Z", 120, 5));
        carry_out_due(&site.app).unwrap();
        assert_eq!((state(&site, id), reversals(&site).len()), (State::Refused, 2));
        assert!(ending(&site, id).contains("would fall below zero"), "{}", ending(&site, id));
        // The core has not booked a reversal: its next entry shows it.
        let id = propose(&site, &ada, first, true);
        approve(&site, id, bob);
        carry_out_due(&site.app).unwrap();
        let next = site.bank.record(entry("E10", "ACC-1", "2026-03-02T13:00:00Z", 5, 6));
        assert_eq!(next.breaks.iter().map(|b| b.kind.as_str()).collect::<Vec<_>>(), ["chain"], "{next:?}");
        assert_eq!(site.bank.findings(), [], "{kind:?}");
        replays(&site);
    });
}

#[test]
fn a_reversal_that_was_recorded_and_not_yet_noted_is_noted_and_not_made_again() {
    on_both(|kind| {
        let site = Site::open(kind);
        let (ada, bob) = (site.sign_in(Role::Officer), officer(&site, "bob"));
        let seq = site.bank.record(entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 100, 60)).seq;
        let id = propose(&site, &ada, seq, false);
        approve(&site, id, bob);
        // As a process leaves it that ends between the two commits.
        let made = site.bank.record(sent(&own_reference(seq), "E1", 60, 100)).seq;
        carry_out_due(&site.app).unwrap();
        assert_eq!((state(&site, id), reversals(&site).len()), (State::CarriedOut, 1));
        assert_eq!(site.events("approval.carried_out").remove(0)["outcome"]["entry"], made);
        assert_eq!(site.bank.findings(), [], "{kind:?}");
    });
}

#[test]
fn reverse_prints_what_it_would_come_to_and_proposes_it() {
    on_both(|kind| {
        let site = Site::open(kind);
        officer(&site, "ada");
        let seq = site.bank.record(entry("E1", "ACC-1", "2026-03-02T08:00:00Z", 0, 100)).seq;
        site.bank.record(entry("E2", "ACC-1", "2026-03-02T09:00:00Z", 100, 60));
        let shell = Shell::beside(&site);
        let place = seq.to_string();
        let dry = shell.run(&["reverse", &place]).succeeded().stdout;
        for words in ["a debit of USD 100.00", "USD 60.00 becomes USD \u{2212}40.00", "do not suffice"] {
            assert!(dry.contains(words), "{kind:?} {words}: {dry}");
        }
        assert!(!dry.contains("ACC-1"), "the account is masked: {dry}");
        assert!(site.events("approval.submitted").is_empty());
        let by = ["--propose", "--reason", WHY, "--as", "ada@bank.example", "--password-stdin"];
        let lacking = shell.run(&[&["reverse", &place], &by[..]].concat()).failed_with(2).stderr;
        assert!(lacking.contains("would fall below zero"), "{lacking}");
        let asked = shell.run(&[&["reverse", &place, "--force"], &by[..]].concat()).succeeded().stderr;
        assert!(asked.contains("another officer approves"), "{asked}");
        assert_eq!(site.events("approval.submitted").remove(0)["facts"]["forced"], true);
        assert!(shell.run(&["reverse", "99999"]).failed_with(2).stderr.contains("no such entry"));
        let help = shell.run(&["reverse", "--help"]).succeeded().stdout;
        assert!(help.contains("core must book the reversal too"), "{help}");
    });
}
