//! `counterfoil restore-record`: what going back would change, proposed from a shell, decided by others.

use counterfoil::access::Role;
use counterfoil::app::carry_out_due;
use counterfoil::approvals::{Decision, State};
use counterfoil::records::{newest, store};
use serde_json::{Value, json};

use super::house::{Shell, WHY, approve, decide, ending, officer, state};
use crate::bank::on_both;
use crate::records::{change, record_as};
use crate::site::Site;

fn send(site: &Site, reference: &str, limit: u32) {
    let row: Value = change(reference, json!({ "after": { "name": "Ann", "limit": limit } }));
    record_as(&site.bank, site.bank.source, &[row]);
}

fn limit(site: &Site) -> String {
    let source = site.bank.source;
    let found = site.app.db.read(|conn| {
        let record = store::record_by_reference(conn, source, "customer", "C-1")?.unwrap();
        newest(conn, record.id)
    });
    found.unwrap().unwrap().values["/limit"].value.as_ref().unwrap().as_str().to_owned()
}

/// The proposal that a command says it submitted.
fn submitted(stderr: &str) -> i64 {
    let words = stderr.split_once("Proposal ").unwrap_or_else(|| panic!("{stderr}")).1;
    words.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn restore_record_prints_what_it_would_change_and_proposes_it() {
    on_both(|kind| {
        let site = Site::open(kind);
        (1..=3).for_each(|n| send(&site, &format!("R{n}"), n));
        let (ada, bob) = (officer(&site, "ada"), officer(&site, "bob"));
        site.sign_in(Role::Analyst);
        let shell = Shell::beside(&site);
        let to = |version: &str, more: &[&str]| {
            let args = ["restore-record", "customer", "C-1", "--source", "core", "--version", version];
            shell.run(&[&args, more].concat())
        };
        // What cannot be: an unknown record, source and version, and the state that it is in.
        for (args, words) in [
            (["customer", "C-2", "--source", "core", "--version", "1"], "source core has no record customer C-2"),
            (["customer", "C-1", "--source", "none", "--version", "1"], "source none has no record"),
        ] {
            let refused = shell.run(&[&["restore-record"], &args[..]].concat()).failed_with(2).stderr;
            assert!(refused.contains(words), "{kind:?}: {refused}");
        }
        assert!(to("9", &[]).failed_with(2).stderr.contains("no such version"));
        assert!(to("3", &[]).failed_with(2).stderr.contains("in that state now"));
        // A dry run changes nothing.
        assert_eq!(to("1", &[]).succeeded().stdout.trim(), "/limit: 3 becomes 1");
        let acts: Vec<Value> = site.events("act.attempted").iter().map(|act| act["act"].clone()).collect();
        assert!(site.events("approval.submitted").is_empty() && acts.iter().all(|act| act == "record.read"), "{acts:?}");
        assert_eq!(site.events("customer.viewed").len(), 1, "what it shows of a customer is recorded");
        // Who may propose, and with what reason.
        to("1", &["--propose"]).failed_with(2);
        let short = to("1", &["--propose", "--reason", "too short"]).failed_with(2).stderr;
        assert!(short.contains("9 characters"), "{short}");
        let by = |email: &'static str| ["--propose", "--reason", WHY, "--as", email, "--password-stdin"];
        let lacking = to("1", &by("analyst@bank.example")).failed_with(2).stderr;
        assert!(lacking.contains("may not submit that"), "{lacking}");
        assert!(site.events("approval.submitted").is_empty());
        assert_eq!(site.events("approval.submit_refused").last().unwrap()["code"], "forbidden");
        // The second person refuses: nothing changes.
        let asked = to("1", &by("ada@bank.example")).succeeded();
        assert!(asked.stderr.contains("another officer approves"), "{}", asked.stderr);
        let id = submitted(&asked.stderr);
        let own = decide(&site, id, ada, Decision::Approve).unwrap_err().to_string();
        assert!(own.contains("somebody else must approve it"), "{own}");
        assert!(to("2", &by("ada@bank.example")).failed_with(2).stderr.contains("is open"), "one at a time");
        decide(&site, id, bob, Decision::Refuse).unwrap();
        carry_out_due(&site.app).unwrap();
        assert_eq!((state(&site, id), limit(&site)), (State::Refused, "3".to_owned()));
        // The record changes in between: nothing is done, and it can be proposed again.
        let id = submitted(&to("1", &by("ada@bank.example")).succeeded().stderr);
        send(&site, "R4", 4);
        approve(&site, id, bob);
        carry_out_due(&site.app).unwrap();
        assert_eq!((state(&site, id), limit(&site)), (State::Refused, "4".to_owned()));
        assert!(ending(&site, id).contains("changed since this was proposed"), "{}", ending(&site, id));
        // From a shell that proves nobody it takes two officers.
        let asked = to("1", &["--propose", "--reason", WHY]).succeeded();
        assert!(asked.stderr.contains("two officers approve"), "{}", asked.stderr);
        let id = submitted(&asked.stderr);
        approve(&site, id, ada);
        carry_out_due(&site.app).unwrap();
        assert_eq!((state(&site, id), limit(&site)), (State::Submitted, "4".to_owned()));
        approve(&site, id, bob);
        carry_out_due(&site.app).unwrap();
        assert_eq!((state(&site, id), limit(&site)), (State::CarriedOut, "1".to_owned()));
        assert!(site.events("record.changed").pop().unwrap()["restores"].is_i64());
        assert_eq!(site.bank.findings(), [], "{kind:?}");
    });
}
