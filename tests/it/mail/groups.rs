//! Which alerts make one mail, and when it leaves.

use counterfoil::clock::{MINUTE, SECOND};
use counterfoil::config::Config;
use counterfoil::detect::Severity;
use counterfoil::notify::store::{self, Summary};
use counterfoil::notify::{Delivered, GROUP_WINDOW, MailKind};

use super::office::{OFFICER, Office, SECOND as OTHER, config, listed, mailer};
use crate::bank::on_both;
use crate::support::smtp::Sink;

#[test]
fn what_follows_is_held_and_something_graver_takes_it_along() {
    on_both(|kind| {
        let office = Office::open(kind);
        let sink = Sink::start();
        let config = config(&sink);
        let mailer = mailer(&config);
        office.raise(1, Severity::Medium, &[OFFICER]);
        assert_eq!(office.pass(&mailer, &config), (1, 0, 0));
        let end = office.bank.clock.now().plus(GROUP_WINDOW);

        office.advance(10 * SECOND);
        office.raise(2, Severity::Medium, &[OFFICER]);
        office.raise(3, Severity::Low, &[OFFICER]);
        let held = office.deliver(&mailer, &config).unwrap();
        assert_eq!((held.sent, held.next_due), (0, Some(end)));
        // Someone else's group is another one.
        office.raise(4, Severity::Low, &[OTHER]);
        assert_eq!(office.pass(&mailer, &config), (1, 0, 0));

        office.raise(5, Severity::Critical, &[OFFICER]);
        assert_eq!(office.pass(&mailer, &config), (1, 0, 0));
        let grave = &sink.received()[2];
        assert_eq!(grave.header("Subject").as_deref(), Some("[Example Bank monitor] Critical: 3 alerts need review"));

        office.raise(6, Severity::Critical, &[OFFICER]);
        office.raise(7, Severity::High, &[OFFICER]);
        assert_eq!(office.pass(&mailer, &config), (0, 0, 0));
        office.advance(5 * MINUTE - 10 * SECOND);
        assert_eq!(office.pass(&mailer, &config), (1, 0, 0));
        office.advance(SECOND);
        office.raise(8, Severity::Low, &[OFFICER]);
        assert_eq!(office.pass(&mailer, &config), (1, 0, 0));
        assert_eq!(listed(&sink.received()), [1, 1, 3, 2, 1]);
    });
}

#[test]
fn a_storm_makes_one_mail_whose_results_name_every_row() {
    on_both(|kind| {
        let office = Office::open(kind);
        let sink = Sink::start();
        let config = config(&sink);
        let mailer = mailer(&config);
        office.raise(1, Severity::High, &[OFFICER]);
        assert_eq!(office.pass(&mailer, &config), (1, 0, 0));
        let rows = store::ROWS_PER_EVENT * 2 + 500;
        let stored = office.bank.intake.log().act(move |tx| {
            let now = tx.now();
            // Ids as long as those of a log with ten thousand million leaves.
            let owed = (0..rows as i64)
                .map(|n| store::owed_rows(MailKind::Alert, 10_000_000_000 + n, &[OFFICER.into()], Severity::High, now));
            store::owe(tx.conn, &owed.flatten().collect::<Vec<_>>())?;
            Ok(())
        });
        stored.unwrap();
        assert_eq!(office.pass(&mailer, &config), (0, 0, 0));
        office.advance(GROUP_WINDOW);
        // All that followed within five minutes is one mail, however much it is.
        assert_eq!(office.pass(&mailer, &config), (1, 0, 0));
        assert_eq!(office.pass(&mailer, &config), (0, 0, 0));
        assert_eq!(office.summary(), Summary { pending: 0, sent: rows as i64 + 1, dead: 0 });
        let results = office.events("mail.sent");
        assert_eq!(results.len(), 1 + 3);
        let named: usize = results.iter().map(|(body, _)| body["outbox"].as_array().map_or(0, Vec::len)).sum();
        assert_eq!(named, rows + 1);
        let ids: std::collections::BTreeSet<_> = results[1..].iter().map(|(body, _)| body["message_id"].to_string()).collect();
        assert_eq!((ids.len(), &results[1].0["of"]), (1, &rows.into()));
        assert!(sink.received()[1].text().contains("and 4500 more."));
    });
}

#[test]
fn without_a_relay_what_is_owed_waits() {
    on_both(|kind| {
        let office = Office::open(kind);
        let config = Config::default();
        office.raise(1, Severity::High, &[OFFICER]);
        assert_eq!(office.deliver(&mailer(&config), &config).unwrap(), Delivered::default());
        assert_eq!(office.summary().pending, 1);
        // Once there is a folder, it leaves.
        let folder = tempfile::tempdir().unwrap();
        let mut config = config;
        config.mail.url = format!("file:{}", folder.path().join("out").display());
        assert_eq!(office.pass(&mailer(&config), &config), (1, 0, 0));
        let files: Vec<_> = std::fs::read_dir(folder.path().join("out")).unwrap().collect();
        assert_eq!(files.len(), 1);
    });
}
