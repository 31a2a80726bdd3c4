//! Control: settings that changed, checkpoints that do not come back, proposals that wait.

use std::path::Path;

use chrono::NaiveDate;
use counterfoil::access::{Role, users};
use counterfoil::app::App;
use counterfoil::approvals::{self, Kind as What, Submission};
use counterfoil::clock::HOUR;
use counterfoil::config::Config;
use counterfoil::jobs::{AnchorWatch, Announcer};
use counterfoil::ledger::leaves;
use counterfoil::notify::store::{OutboxRow, about};
use counterfoil::notify::{Mailer, deliver_due};
use counterfoil::reports;
use counterfoil::trail::{returned, store as trail};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bank::{Bank, Kind, on_both};
use crate::site::{Answer, PASSWORD, Site};

/// Place and public body of the events of a kind, oldest first.
fn events(bank: &Bank, kind: &str) -> Vec<(i64, Value)> {
    let rows = bank.db.read(|conn| trail::events_between(conn, 0, i64::MAX, 100_000)).unwrap();
    let rows = rows.into_iter().filter(|row| row.kind == kind);
    rows.map(|row| (row.seq, serde_json::from_str(&row.body).unwrap())).collect()
}

fn owed(bank: &Bank, seq: i64) -> Vec<String> {
    let rows: Vec<OutboxRow> = bank.db.read(|conn| about(conn, seq)).unwrap();
    assert!(rows.iter().all(|row| row.kind == "notice"), "{rows:?}");
    rows.into_iter().map(|row| row.recipient).collect()
}

/// The mails that leave now, as they lie in the folder.
fn mails(bank: &Bank, folder: &Path) -> Vec<String> {
    let mut config = bank.config.clone();
    config.mail.url = format!("file:{}", folder.display());
    let mailer = Mailer::from_config(&config.mail).unwrap();
    deliver_due(&bank.db, &bank.intake.log(), &mailer, &config, &bank.clock, &|| Ok(())).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let read = files.iter().filter(|file| file.extension().is_some_and(|e| e == "eml"));
    read.map(|file| std::fs::read_to_string(file).unwrap().replace("=\r\n", "")).collect()
}

fn again(bank: Bank, change: impl FnOnce(&mut Config)) -> Bank {
    bank.intake.stop();
    let Bank { home, mut config, clock, .. } = bank;
    change(&mut config);
    Bank::at(home, config, clock)
}

#[test]
fn a_start_after_one_that_did_not_stop_in_good_order_says_since_when_the_log_was_silent() {
    on_both(|kind| {
        let bank = again(Bank::open(kind), |_| {});
        assert!(events(&bank, "program.started").iter().all(|(_, body)| body["silent_since"].is_null()), "{kind:?}");
        let last = bank.clock.now();
        bank.intake.halt();
        let Bank { home, config, clock, .. } = bank;
        clock.advance(3_600_000_000);
        let bank = Bank::at(home, config, clock);
        let said = events(&bank, "program.started");
        let silent: Vec<&str> = said.iter().filter_map(|(_, body)| body["silent_since"].as_str()).collect();
        assert_eq!(silent, [last.to_string()], "{kind:?}: once, and when the log was written last");
        let bank = again(bank, |_| {});
        let again = events(&bank, "program.started").iter().filter(|(_, body)| !body["silent_since"].is_null()).count();
        assert_eq!(again, 1);
    });
}

#[test]
fn changed_settings_are_an_event_on_the_report_and_mailed_to_whoever_got_mail_before() {
    on_both(|kind| {
        let bank = Bank::with(kind, |config| {
            config.mail.alerts_to = vec!["canary-old@bank.example".into(), "both@bank.example".into()];
            config.mail.reports_to = vec!["both@bank.example".into()];
        });
        let (_, started) = events(&bank, "program.started").remove(0);
        assert_eq!(started["binary"].as_str().map(str::len), Some(64), "{started}");
        assert!(!started.to_string().contains('@'), "{started}");
        let bank = again(bank, |_| {});
        assert_eq!(events(&bank, "settings.changed"), [], "the same settings");
        let bank = again(bank, |config| {
            config.mail.alerts_to = vec!["new@bank.example".into()];
            config.anchor.max_age_hours = 4_000;
            config.bank.name = "Other Bank".into();
        });
        let (seq, said) = events(&bank, "settings.changed").remove(0);
        assert_eq!(said["changed"], json!(["anchor.max_age_hours", "bank.name", "mail.alerts_to"]));
        assert_eq!(said["values"]["anchor.max_age_hours"], json!([48, 4_000]));
        assert!(!said.to_string().contains('@'), "addresses are private: {said}");
        assert_eq!(owed(&bank, seq), ["canary-old@bank.example", "both@bank.example"]);
        let context = reports::Context::new(&bank.config, bank.clock.clone());
        let date = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();
        let report = bank.db.read(|conn| reports::preview(conn, &context, date)).unwrap();
        let told = &report.integrity.settings_changed;
        assert_eq!((told.len(), told[0].event, told[0].total), (1, seq, 3), "{told:?}");
        assert!(report.verdict.contains("1 start with other control settings"), "{}", report.verdict);
        let folder = tempfile::tempdir().unwrap();
        let mails = mails(&bank, folder.path());
        assert_eq!(mails.len(), 2, "{mails:?}");
        assert!(mails.iter().all(|mail| mail.contains("Control settings were changed") && mail.contains("mail.alerts_to")));
        assert!(mails.iter().all(|mail| !mail.contains("new@bank.example") && !mail.contains("Other Bank:")));
        assert_eq!(bank.findings(), [], "{kind:?}");
    });
}

#[test]
fn of_a_secret_only_that_it_changed_is_told() {
    let url = |password: &str| format!("smtp://robot:{password}@127.0.0.1:2525");
    let bank = Bank::with(Kind::Sqlite, |config| config.mail.url = url("canary-one"));
    let bank = again(bank, |config| config.mail.url = url("canary-two"));
    let (seq, said) = events(&bank, "settings.changed").remove(0);
    assert_eq!(said["changed"], json!(["mail.url (password)"]));
    let rows = bank.db.read(|conn| trail::event_parts_between(conn, 0, seq + 1)).unwrap();
    assert!(rows.iter().all(|row| !row.body.contains("canary")), "{rows:?}");
    let bank = again(bank, |_| {});
    assert_eq!(events(&bank, "settings.changed").len(), 1);
}

#[test]
fn a_checkpoint_that_does_not_come_back_is_told_once_until_one_does() {
    on_both(|kind| {
        let site = Site::with(kind, |config| {
            config.mail.alerts_to = vec!["desk@bank.example".into()];
            config.mail.url = "smtp://127.0.0.1:2525".into();
        });
        let (bank, watch) = (&site.bank, AnchorWatch::default());
        assert_eq!(watch.turn(&site.app).unwrap(), None, "the log is young");
        let officer = site.sign_in(Role::Officer);
        let page = || Answer::of(site.plain(Method::GET, "/trail").header("cookie", &officer.cookie).send().unwrap()).text;
        assert!(!page().contains("Needs attention"));
        bank.clock.advance(48 * HOUR);
        assert_eq!(watch.turn(&site.app).unwrap(), None, "48 hours are allowed");
        bank.clock.advance(HOUR);
        let seq = watch.turn(&site.app).unwrap().expect("an event");
        assert_eq!(events(bank, "anchor.overdue")[0].1["age_hours"], 49);
        assert_eq!(owed(bank, seq), ["desk@bank.example"]);
        for watch in [&watch, &AnchorWatch::default()] {
            assert_eq!(watch.turn(&site.app).unwrap(), None, "told once, also by another process");
        }
        let officer = site.sign_in(Role::Officer);
        let page = || Answer::of(site.plain(Method::GET, "/trail").header("cookie", &officer.cookie).send().unwrap()).text;
        assert!(page().contains("Needs attention") && page().contains("49 hours"), "{}", page());
        let context = reports::Context::new(&bank.config, bank.clock.clone());
        let date = NaiveDate::from_ymd_opt(2026, 3, 4).unwrap();
        let overdue = |bank: &Bank| bank.db.read(|conn| reports::preview(conn, &context, date)).unwrap().integrity.anchor_overdue;
        assert!(overdue(bank).is_some());
        let row = site.app.signer.sign(&site.app.log()).unwrap();
        let back = bank.db.read(|c| returned::compare(c, &[site.app.signer.verifier()], &row.note, leaves::hashes)).unwrap();
        site.app.log().act(move |tx| back.record(tx, "officer", &json!({}))).unwrap();
        assert_eq!((watch.turn(&site.app).unwrap(), overdue(bank)), (None, None));
        assert!(!page().contains("Needs attention"));
        bank.clock.advance(50 * HOUR);
        assert!(watch.turn(&site.app).unwrap().is_some(), "another episode");
        let folder = tempfile::tempdir().unwrap();
        let mails = mails(bank, folder.path());
        assert!(mails.iter().any(|mail| mail.contains("hours old")), "{mails:?}");
        assert_eq!(bank.findings(), [], "{kind:?}");
    });
}

#[test]
fn a_proposal_that_waits_is_mailed_to_those_who_may_approve_it() {
    on_both(|kind| {
        let mut bank = Bank::with(kind, |config| config.mail.url = "smtp://127.0.0.1:2525".into());
        let add = |bank: &Bank, name: &str, role| {
            users::add(&bank.intake.log(), &bank.clock, &format!("{name}@bank.example"), role, PASSWORD).unwrap()
        };
        let ada = add(&bank, "ada", Role::Officer);
        for (name, role) in [("bob", Role::Officer), ("eve", Role::Auditor), ("ann", Role::Analyst), ("gone", Role::Officer)] {
            add(&bank, name, role);
        }
        users::disable(&bank.intake.log(), "gone@bank.example").unwrap();
        let submit = |bank: &Bank, about: &str, by| {
            let submission = Submission {
                kind: What::RotateKey,
                about: about.into(),
                facts: json!({ "origin": "bank/log", "old": "old-key", "new": "new-key" }),
                reason: "The canary of the yearly change of the key is due.".into(),
                detail: None,
                by,
                whence: json!({}),
            };
            approvals::submit(&bank.intake.log(), submission).unwrap()
        };
        let app = |bank: &Bank| App::new(bank.config.clone(), bank.db.clone(), bank.clock.clone(), bank.intake.clone()).unwrap();
        let (serving, announcer) = (app(&bank), Announcer::default());
        let first = submit(&bank, "one", Some(ada));
        assert_eq!((announcer.turn(&serving).unwrap(), announcer.turn(&serving).unwrap()), (1, 0));
        assert_eq!(Announcer::default().turn(&serving).unwrap(), 0, "told once, also by another process");
        let (seq, said) = events(&bank, "approval.announced").remove(0);
        assert_eq!(said, json!({ "proposal": first, "kind": "log.rotate_key", "mail": 1 }));
        assert_eq!(owed(&bank, seq), ["bob@bank.example"]);
        submit(&bank, "two", None);
        assert_eq!(announcer.turn(&serving).unwrap(), 1);
        let (seq, _) = events(&bank, "approval.announced").remove(1);
        assert_eq!(owed(&bank, seq), ["ada@bank.example", "bob@bank.example"], "a command's waits for both");
        let folder = tempfile::tempdir().unwrap();
        let mails = mails(&bank, folder.path());
        // Ada has one; Bob's two are one mail.
        assert_eq!(mails.len(), 2);
        assert!(mails.iter().all(|mail| mail.contains("/approvals/") && !mail.contains("canary")), "{mails:?}");
        assert_eq!(bank.findings(), [], "{kind:?}");
        bank.config.mail.url = String::new();
        submit(&bank, "three", None);
        assert_eq!(Announcer::default().turn(&app(&bank)).unwrap(), 0, "without a relay nothing is owed");
    });
}
