//! Mail that was given up: seen, sent again, acknowledged; by officers and by command.

use counterfoil::access::Role;
use counterfoil::audit::{self, ReplayOptions};
use counterfoil::db::Db;
use counterfoil::notify::letters::{self, About, Deed, Order, Ordered};
use counterfoil::notify::store::Summary;
use counterfoil::notify::{GROUP_WINDOW, deliver_due};
use counterfoil::trail::ActError;
use reqwest::Method;

use super::office::{OFFICER, Office, SECOND, config, mailer};
use crate::bank::{Bank, Home, Kind, entry, on_both};
use crate::site::{Answer, SignedIn, Site};
use crate::support::program::Program;
use crate::support::smtp::{Behaviour, Sink};

const REASON: &str = "the relay takes our mail again";

fn order(deed: Deed, message_id: Option<&str>, reason: &str) -> Order {
    Order { deed, message_id: message_id.map(str::to_owned), reason: reason.to_owned(), user: None }
}

#[track_caller]
fn refused(done: Result<Ordered, ActError>, expected: u16) {
    assert!(matches!(done, Err(ActError::Refused { status, .. }) if status == expected), "{done:?}");
}

#[test]
fn what_was_given_up_is_sent_again_or_acknowledged_and_the_log_says_so() {
    on_both(|kind| {
        let office = Office::of(Bank::with(kind, |config| config.mail.alerts_to = vec![OFFICER.into()]));
        let (bank, sink) = (&office.bank, Sink::start());
        let config = config(&sink);
        let mailer = mailer(&config);
        let log = bank.intake.log();
        sink.behave(Behaviour::Reject(550));
        let receipt = bank.record(entry("H1", "900", "2026-03-02T10:00:00Z", 0, 1_200_000));
        let alert = receipt.hits[0].alert.clone().unwrap();
        assert_eq!(office.pass(&mailer, &config), (0, 0, 1));
        let found = bank.db.read(letters::list).unwrap();
        assert_eq!((found.len(), &found[0].about), (1, &vec![About::Alert(alert)]));
        assert_eq!((found[0].recipient.as_str(), found[0].tries), ("o…@bank.example", 1));
        assert!(found[0].error.contains("550") && !found[0].error.contains(OFFICER), "{}", found[0].error);
        assert_eq!(bank.findings(), [], "{kind:?}");

        let id = found[0].message_id.as_str();
        refused(letters::carry_out(&log, order(Deed::Resend, Some(id), "short")), 422);
        refused(letters::carry_out(&log, order(Deed::Resend, Some("<x@y>"), REASON)), 404);
        assert_eq!(letters::carry_out(&log, order(Deed::Resend, None, REASON)).unwrap(), Ordered { mails: 1, left: 0 });
        let resent = office.events("mail.resent");
        assert_eq!((resent.len(), &resent[0].1["reason"]), (1, &REASON.into()));
        assert!(!resent[0].0.to_string().contains(REASON), "why is private");
        assert_eq!(office.summary(), Summary { pending: 1, sent: 0, dead: 0 });
        assert_eq!(bank.findings(), [], "{kind:?}: it waits again");
        sink.behave(Behaviour::Accept);
        assert_eq!(office.pass(&mailer, &config), (1, 0, 0));
        assert_eq!(sink.received().last().unwrap().header("Message-ID").as_deref(), Some(id));
        assert_eq!(bank.findings(), [], "{kind:?}: it left");
        refused(letters::carry_out(&log, order(Deed::Resend, Some(id), REASON)), 404);

        sink.behave(Behaviour::Reject(550));
        for n in 2..4_i64 {
            office.advance(2 * GROUP_WINDOW);
            bank.record(entry(&format!("H{n}"), &format!("90{n}"), "2026-03-02T10:00:00Z", 0, 1_200_000));
            assert_eq!(office.pass(&mailer, &config), (0, 0, 1));
        }
        let id = bank.db.read(letters::list).unwrap()[0].message_id.clone();
        letters::carry_out(&log, order(Deed::Acknowledge, Some(&id), "she left the bank in March")).unwrap();
        let found = bank.db.read(letters::list).unwrap();
        assert_eq!((found.len(), found[0].acknowledged, found[1].acknowledged), (2, false, true));
        assert_eq!(bank.db.read(letters::count).unwrap(), 1);
        assert_eq!(bank.findings(), [], "{kind:?}: one is acknowledged");
        bank.intake.stop();
        by_command(bank);
        replays(bank);
        let mut conn = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        conn.execute("UPDATE outbox SET state = 4 WHERE state = 1").unwrap();
        let found = bank.findings();
        assert!(found.iter().any(|f| f.table == "outbox" && f.kind == "row_differs"), "{found:?}");
    });
}

/// What is left over is sent again by a command.
fn by_command(bank: &Bank) {
    let dir = tempfile::tempdir().unwrap();
    let command = |args: &[&str]| {
        let program = Program::new(dir.path()).args(args).args(["--database", &bank.home.url()]);
        program.env("COUNTERFOIL_KEYS__DIR", bank.home.keys())
    };
    let listed = command(&["mail", "list"]).run().succeeded().stdout;
    assert!(listed.contains("o…@bank.example") && listed.contains("acknowledged") && !listed.contains(OFFICER), "{listed}");
    command(&["mail", "resend", "--all", "--reason", "no"]).run().failed_with(2);
    let done = command(&["mail", "resend", "--all", "--reason", REASON]).run().succeeded();
    assert!(done.stderr.contains("1 of the mails"), "{}", done.stderr);
    command(&["mail", "resend", "--all", "--reason", REASON]).run().failed_with(2);
    command(&["verify"]).run().succeeded();
}

/// The outbox follows from the leaves.
fn replays(bank: &Bank) {
    let into = Home::new(Kind::Sqlite);
    let into = Db::open(&into.owner_url(), 1).unwrap();
    let options = ReplayOptions { config: &bank.config, batch: 10, progress: &|_, _| {} };
    assert_eq!(audit::replay(&bank.db, &into, None, &options).unwrap().differences, []);
}

fn get(site: &Site, who: &SignedIn, path: &str) -> Answer {
    Answer::of(site.plain(Method::GET, path).header("cookie", &who.cookie).send().unwrap())
}

fn send(site: &Site, who: &SignedIn, path: &str, fields: &[(&str, &str)]) -> Answer {
    let form: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", who.csrf.as_str())]).collect();
    Answer::of(site.plain(Method::POST, path).header("cookie", &who.cookie).form(&form).send().unwrap())
}

#[test]
fn an_officer_sees_what_was_given_up_where_it_matters_and_has_it_sent_again() {
    on_both(|kind| {
        let site = Site::with(kind, |config| config.mail.alerts_to = vec![SECOND.into()]);
        let officer = site.sign_in(Role::Officer);
        assert!(!get(&site, &officer, "/").text.contains("/trail/mail"));
        assert!(get(&site, &officer, "/trail/mail").text.contains("No mail was given up"));
        let receipt = site.bank.record(entry("H1", "900", "2026-03-02T10:00:00Z", 0, 1_200_000));
        let alert = receipt.hits[0].alert.clone().unwrap();
        let sink = Sink::start();
        sink.behave(Behaviour::Reject(550));
        let config = config(&sink);
        deliver_due(&site.bank.db, &site.app.log(), &mailer(&config), &config, &site.bank.clock, &|| Ok(())).unwrap();

        for path in ["/", "/trail"] {
            let page = get(&site, &officer, path).text;
            assert!(page.contains("href=\"/trail/mail\"") && page.contains("1 mail was given up"), "{path}: {page}");
        }
        let analyst = site.sign_in(Role::Analyst);
        let page = get(&site, &analyst, &format!("/alerts/{alert}")).text;
        assert!(page.contains("The mail about this alert was given up for 1 of 1 recipient."), "{page}");
        assert_eq!(get(&site, &analyst, "/trail/mail").status, 403);
        let page = get(&site, &officer, "/trail/mail").text;
        for shown in ["s…@bank.example", alert.as_str(), "550", "Given up", "Send again"] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        assert!(!page.contains(SECOND), "{page}");
        let auditor = get(&site, &site.sign_in(Role::Auditor), "/trail/mail").text;
        assert!(auditor.contains("Your role reads this list") && !auditor.contains("Send again"), "{auditor}");

        let short = send(&site, &officer, "/trail/mail/resend", &[("mail", "all"), ("reason", "no")]);
        assert!(short.status == 422 && short.text.contains("Say why"), "{short:#?}");
        let done = send(&site, &officer, "/trail/mail/resend", &[("mail", "all"), ("reason", REASON)]);
        assert_eq!((done.status, done.header("location")), (303, "/trail/mail"), "{done:#?}");
        let resent = site.events("mail.resent");
        assert!(resent.len() == 1 && resent[0]["user"].is_i64(), "{resent:?}");
        let none = send(&site, &officer, "/trail/mail/acknowledge", &[("mail", "all"), ("reason", REASON)]);
        assert_eq!(none.status, 404, "{none:#?}");
        let trail = get(&site, &officer, "/trail").text;
        assert!(trail.contains("officer@bank.example had a mail that was given up sent again: 1 alert."), "{trail}");
        assert_eq!(site.bank.findings(), [], "{kind:?}");
    });
}
