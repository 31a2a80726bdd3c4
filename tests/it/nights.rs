//! The night comes once for every date, on days off too: the mail with the checkpoint, the verification.

use counterfoil::app::{App, Inbox, Leader, Request};
use counterfoil::clock::Moment;
use counterfoil::jobs;
use counterfoil::notify::store::{OutboxRow, about};
use counterfoil::notify::{Mailer, deliver_due};
use serde_json::{Value, json};

use crate::bank::{Kind, entry, on_both};
use crate::site::Site;

fn site(kind: Kind) -> Site {
    Site::with(kind, |config| {
        config.bank.weekend = vec![chrono::Weekday::Sat, chrono::Weekday::Sun];
        config.anchor.mail_to = vec!["notary@law.example".into()];
        config.mail.reports_to = vec!["officer@bank.example".into()];
        config.mail.url = "smtp://127.0.0.1:2525".into();
    })
}

/// The clock goes on to `instant`, and the scheduler has its turn; twice, as it has one every few seconds.
fn turn(site: &Site, app: &App, instant: &str) {
    let ahead = Moment::parse(instant).unwrap().0 - site.bank.clock.now().0;
    site.bank.clock.advance(ahead);
    jobs::night(app).unwrap();
    jobs::night(app).unwrap();
}

fn nights(site: &Site) -> Vec<(Value, Value, Value)> {
    let told = |body: Value| (body["date"].clone(), body["reports"].clone(), body["mail"].clone());
    site.events("night.passed").into_iter().map(told).collect()
}

fn verified(site: &Site) -> usize {
    site.events("log.verified").len()
}

#[test]
fn the_night_of_a_day_off_has_its_mail_and_its_verification_once() {
    on_both(|kind| {
        let site = site(kind);
        let app = &site.app;
        turn(&site, app, "2026-03-07T00:31:00Z");
        assert_eq!(nights(&site).len(), 1, "{:?}", nights(&site));
        let (date, reports, mail) = nights(&site).remove(0);
        assert_eq!((date, mail), (json!("2026-03-06"), Value::Null), "a report was stored: its mail has the checkpoint");
        assert!(reports.as_i64().unwrap() >= 1);
        assert_eq!(verified(&site), 1);
        turn(&site, app, "2026-03-08T00:29:00Z");
        assert_eq!((nights(&site).len(), verified(&site)), (1, 1), "its time has not come");
        turn(&site, app, "2026-03-08T00:31:00Z");
        assert_eq!(nights(&site)[1..], [(json!("2026-03-07"), json!(0), json!(2))]);
        assert_eq!(verified(&site), 2);
        turn(&site, app, "2026-03-08T23:00:00Z");
        assert_eq!((nights(&site).len(), verified(&site)), (2, 2), "once");
        turn(&site, app, "2026-03-09T11:00:00Z");
        assert_eq!(nights(&site)[2..], [(json!("2026-03-08"), json!(0), json!(2))], "a missed night is caught up with");
        turn(&site, app, "2026-03-10T00:31:00Z");
        assert_eq!(nights(&site)[3], (json!("2026-03-09"), json!(1), Value::Null));
        assert_eq!(verified(&site), 4);
        assert_eq!(site.bank.findings(), [], "{kind:?}: the job and the mail follow from the log");
    });
}

#[test]
fn the_command_notes_the_night_as_the_scheduler_does() {
    on_both(|kind| {
        let site = site(kind);
        let inbox = Inbox::open(site.app.clone()).unwrap();
        let ahead = Moment::parse("2026-03-07T00:31:00Z").unwrap().0 - site.bank.clock.now().0;
        site.bank.clock.advance(ahead);
        let mut config = site.bank.config.clone();
        config.database.url = site.bank.home.url();
        let leader = Leader::find(config, site.bank.clock.clone(), json!({})).unwrap();
        let nightly = |date: Option<&str>| {
            let date = date.map(|date| date.parse().unwrap());
            leader.perform(Request::Nightly { date }).unwrap();
        };
        nightly(Some("2026-03-05"));
        assert_eq!(nights(&site), [], "a date that is asked for is no night");
        nightly(None);
        nightly(None);
        let (date, _, mail) = nights(&site).remove(0);
        assert_eq!((nights(&site).len(), date, mail), (1, json!("2026-03-06"), Value::Null), "{kind:?}");
        jobs::night(&site.app).unwrap();
        assert_eq!((nights(&site).len(), verified(&site)), (1, 1), "the scheduler verifies, and notes it no second time");
        leader.close();
        drop(inbox);
        assert_eq!(site.bank.findings(), [], "{kind:?}");
    });
}

#[test]
fn the_mail_of_a_night_without_a_report_has_the_checkpoint() {
    on_both(|kind| {
        let site = site(kind);
        turn(&site, &site.app, "2026-03-07T00:31:00Z");
        turn(&site, &site.app, "2026-03-09T00:31:00Z");
        let seq = site.bank.db.read(|conn| counterfoil::trail::store::event_after(conn, "night.passed", 0)).unwrap();
        assert!(seq.is_some());
        let all = site.bank.db.read(|conn| counterfoil::trail::store::events_between(conn, 0, i64::MAX, 100_000)).unwrap();
        let seq = all.iter().rfind(|row| row.kind == "night.passed").unwrap().seq;
        let rows: Vec<OutboxRow> = site.bank.db.read(|conn| about(conn, seq)).unwrap();
        let to: Vec<_> = rows.iter().map(|row| (row.kind.as_str(), row.recipient.as_str())).collect();
        assert_eq!(to, [("notice", "officer@bank.example"), ("notice", "notary@law.example")]);
        let (folder, mut config) = (tempfile::tempdir().unwrap(), site.bank.config.clone());
        config.mail.url = format!("file:{}", folder.path().display());
        let mailer = Mailer::from_config(&config.mail).unwrap();
        let sign = || site.app.signer.sign(&site.app.log()).map(drop);
        deliver_due(&site.bank.db, &site.app.log(), &mailer, &config, &site.bank.clock, &sign).unwrap();
        let files = std::fs::read_dir(folder.path()).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        let mails: Vec<String> = files.map(|mail| mail.replace("=\r\n", "")).collect();
        let night =
            mails.iter().find(|mail| mail.contains("notary@law.example") && mail.contains("2026-03-08 is no business day"));
        let night = night.unwrap_or_else(|| panic!("{kind:?}: {mails:?}"));
        assert!(night.contains("Checkpoint ") && night.contains("covers the "), "{night}");
    });
}

fn version(site: &Site, date: &str) -> (i64, i64) {
    let report = site.get(&format!("/api/v1/reports/{date}")).json();
    (report["version"].as_i64().unwrap(), report["totals"]["USD"]["entries"].as_i64().unwrap_or(0))
}

#[test]
fn an_entry_that_comes_after_its_date_s_report_is_in_a_restatement_the_next_night() {
    on_both(|kind| {
        let site = site(kind);
        site.bank.record(entry("a", "A", "2026-03-06T12:00:00Z", 0, 100));
        turn(&site, &site.app, "2026-03-07T00:31:00Z");
        assert_eq!(version(&site, "2026-03-06"), (1, 1));
        site.bank.record(entry("late", "A", "2026-03-06T13:00:00Z", 100, 800));
        turn(&site, &site.app, "2026-03-07T12:00:00Z");
        assert_eq!(version(&site, "2026-03-06"), (1, 1), "nothing is restated by day");
        turn(&site, &site.app, "2026-03-08T00:31:00Z");
        assert_eq!(version(&site, "2026-03-06"), (2, 2), "{kind:?}");
        turn(&site, &site.app, "2026-03-09T00:31:00Z");
        assert_eq!(version(&site, "2026-03-06"), (2, 2), "once");
        assert_eq!(site.bank.findings(), [], "{kind:?}");
    });
}

#[test]
fn a_clock_that_was_ahead_hides_no_entry_and_no_night() {
    on_both(|kind| {
        let site = site(kind);
        let balance = || site.get("/api/v1/accounts/A").json()["balance"]["balance"].clone();
        let clock = || {
            let checks = site.get("/readyz").json()["checks"].clone();
            checks.as_array().unwrap().iter().any(|check| check["name"] == "clock" && check["warning"] == true)
        };
        site.bank.record(entry("a", "A", "2026-03-05T10:00:00Z", 0, 100));
        assert!(!clock());
        // A year ahead for one night.
        turn(&site, &site.app, "2027-03-05T00:31:00Z");
        site.bank.record(entry("b", "A", "2026-03-05T11:00:00Z", 100, 200));
        turn(&site, &site.app, "2026-03-05T12:00:00Z");
        assert!(clock());
        site.bank.record(entry("c", "A", "2026-03-05T11:30:00Z", 200, 300));
        assert_eq!(balance(), "300.00", "{kind:?}");
        let (before, passed) = (verified(&site), nights(&site).len());
        turn(&site, &site.app, "2026-03-06T00:31:00Z");
        assert_eq!((verified(&site), nights(&site).len()), (before + 1, passed + 1), "the true night comes too");
        assert_eq!(version(&site, "2026-03-05").1, 3, "its report has every entry");
        assert_eq!(site.bank.findings(), [], "{kind:?}");
    });
}
