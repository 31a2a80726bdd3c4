//! What becomes of mail that fails, or whose fate is unknown.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use counterfoil::clock::MINUTE;
use counterfoil::detect::Severity;
use counterfoil::notify::store::{self, DEAD, PENDING, Summary};
use counterfoil::notify::{TRIES_MAX, letters};
use serde_json::json;

use super::office::{OFFICER, Office, config, listed, mailer};
use crate::bank::on_both;
use crate::support::smtp::{Behaviour, Sink, Stage};

#[test]
fn a_failed_mail_is_tried_again_as_the_same_mail() {
    on_both(|kind| {
        let office = Office::open(kind);
        let sink = Sink::start();
        let config = config(&sink);
        let mailer = mailer(&config);
        sink.behave(Behaviour::DropAfterData);
        let id = office.raise(1, Severity::High, &[OFFICER]);
        assert_eq!(office.pass(&mailer, &config), (0, 1, 0));
        let rows = office.bank.db.read(|conn| store::about(conn, id)).unwrap();
        assert_eq!((rows[0].state, rows[0].attempts), (PENDING, 1));
        assert!(rows[0].last_error.is_some());

        // What is raised meanwhile does not join a mail that may have arrived.
        sink.behave(Behaviour::TempFail(451));
        office.raise(2, Severity::High, &[OFFICER]);
        assert_eq!(office.pass(&mailer, &config), (0, 0, 0));
        office.advance(MINUTE);
        assert_eq!(office.pass(&mailer, &config), (0, 1, 0));
        sink.behave(Behaviour::Accept);
        office.advance(5 * MINUTE);
        assert_eq!(office.pass(&mailer, &config), (2, 0, 0));

        let mails = sink.received();
        assert_eq!(listed(&mails), [1, 1, 1]);
        let ids: Vec<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
        assert_eq!(ids[0], ids[1]);
        assert_ne!(ids[1], ids[2]);
        assert_eq!(office.events("mail.sent")[0].0["attempt"], 3);
        assert_eq!(office.summary(), Summary { pending: 0, sent: 2, dead: 0 });
    });
}

#[test]
fn a_refused_mail_is_dead_and_visible() {
    on_both(|kind| {
        let office = Office::open(kind);
        let sink = Sink::start();
        let config = config(&sink);
        sink.behave(Behaviour::Reject(550));
        let id = office.raise(1, Severity::High, &[OFFICER]);
        assert_eq!(office.pass(&mailer(&config), &config), (0, 0, 1));
        let dead = office.events("mail.dead");
        assert_eq!(dead.len(), 1);
        assert_eq!(dead[0].0["outbox"], json!([id * 64]));
        assert_eq!(dead[0].1["recipient"], OFFICER);
        assert!(dead[0].1["reply"].as_str().is_some_and(|reply| reply.contains("550")));
        let rows = office.bank.db.read(|conn| store::about(conn, id)).unwrap();
        assert_eq!(rows[0].state, DEAD);
        let letters = office.bank.db.read(letters::list).unwrap();
        assert_eq!((letters.len(), letters[0].acknowledged), (1, false));
        assert!(letters[0].error.contains("550"));
        assert_eq!(office.summary(), Summary { pending: 0, sent: 0, dead: 1 });
    });
}

#[test]
fn a_mail_that_fails_for_a_day_is_dead() {
    on_both(|kind| {
        let office = Office::open(kind);
        let sink = Sink::start();
        let mut config = config(&sink);
        config.mail.attempts = u32::MAX;
        let mailer = mailer(&config);
        sink.behave(Behaviour::RefuseConnection);
        let start = office.bank.clock.now();
        office.raise(1, Severity::High, &[OFFICER]);
        for tried in 1..TRIES_MAX {
            let delivered = office.deliver(&mailer, &config).unwrap();
            assert_eq!((delivered.failed, delivered.dead), (1, 0), "try {tried}");
            let wait = delivered.next_due.unwrap().0 - office.bank.clock.now().0;
            office.advance(wait - 1);
            assert_eq!(office.pass(&mailer, &config), (0, 0, 0), "try {tried}");
            office.advance(1);
        }
        assert_eq!(office.pass(&mailer, &config), (0, 0, 1));
        assert!(office.bank.clock.now().0 - start.0 <= 24 * 60 * MINUTE);
        assert_eq!(office.events("mail.dead")[0].0["attempt"], TRIES_MAX);
        assert_eq!(office.deliver(&mailer, &config).unwrap().next_due, None);
    });
}

#[test]
fn a_mail_known_to_be_taken_is_not_doubled_when_its_result_cannot_be_recorded() {
    on_both(|kind| {
        let office = Office::open(kind);
        let sink = Sink::start();
        let config = config(&sink);
        let first = mailer(&config);
        office.raise(1, Severity::High, &[OFFICER]);
        office.fill_disk(true);
        for _ in 0..3 {
            assert!(office.deliver(&first, &config).is_err());
        }
        assert_eq!(sink.received().len(), 1);
        assert_eq!(office.summary().pending, 1);
        office.fill_disk(false);
        assert_eq!(office.pass(&first, &config), (1, 0, 0));
        assert_eq!(sink.received().len(), 1);
        assert_eq!(office.events("mail.sent").len(), 1);
    });
}

#[test]
fn after_a_crash_before_the_record_the_same_mail_goes_again() {
    on_both(|kind| {
        let office = Office::open(kind);
        let sink = Sink::start();
        let config = config(&sink);
        office.raise(1, Severity::High, &[OFFICER]);
        office.fill_disk(true);
        assert!(office.deliver(&mailer(&config), &config).is_err());
        office.fill_disk(false);
        // Another alert does not change the mail whose fate is unknown.
        office.raise(2, Severity::High, &[OFFICER]);
        assert_eq!(office.pass(&mailer(&config), &config), (1, 0, 0));
        let mails = sink.received();
        assert_eq!(mails.len(), 2);
        assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
        assert_eq!(mails[0].text().lines().take(8).collect::<Vec<_>>(), mails[1].text().lines().take(8).collect::<Vec<_>>());
    });
}

#[test]
fn nobody_waits_for_the_relay() {
    on_both(|kind| {
        let office = Office::open(kind);
        let sink = Sink::start();
        let mut config = config(&sink);
        config.mail.timeout_seconds = 30;
        let mailer = mailer(&config);
        sink.behave(Behaviour::Stall(Stage::AfterData));
        office.raise(1, Severity::High, &[OFFICER]);
        thread::scope(|scope| {
            let (done, finished) = mpsc::channel();
            let (office, mailer, config) = (&office, &mailer, &config);
            scope.spawn(move || done.send(office.pass(mailer, config)));
            sink.wait_for_connections(1, Duration::from_secs(10));
            let start = Instant::now();
            office.raise(2, Severity::High, &[OFFICER]);
            assert_eq!(office.summary().pending, 2);
            assert!(start.elapsed() < Duration::from_secs(5));
            assert!(finished.try_recv().is_err(), "the relay did not stall");
            sink.behave(Behaviour::Accept);
            assert_eq!(finished.recv_timeout(Duration::from_secs(20)), Ok((1, 0, 0)));
        });
    });
}

#[test]
fn a_mail_that_can_never_be_written_does_not_hold_up_the_others() {
    on_both(|kind| {
        let office = Office::open(kind);
        let sink = Sink::start();
        let config = config(&sink);
        let id = office.raise(1, Severity::Critical, &[OFFICER]);
        let sql = format!("UPDATE outbox SET kind = 'pigeon' WHERE id = {}", id * 64);
        office.bank.intake.log().side(move |conn| conn.execute(&sql)).unwrap();
        office.raise(2, Severity::Low, &[OFFICER]);
        assert_eq!(office.pass(&mailer(&config), &config), (1, 0, 1));
        assert_eq!(listed(&sink.received()), [1]);
        let letters = office.bank.db.read(letters::list).unwrap();
        assert!(letters[0].error.contains("pigeon"));
    });
}
