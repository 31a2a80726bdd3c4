//! One mail handed to a relay that behaves in every way.

use std::time::{Duration, Instant};

use counterfoil::clock::Moment;
use counterfoil::config;
use counterfoil::notify::messages::Letter;
use counterfoil::notify::{Answer, Mailer};

use super::settings;
use crate::support::smtp::{Behaviour, Sink, Stage};
use crate::support::tls::Certificates;

fn letter() -> Letter {
    Letter {
        message_id: "<alert.450.1.5a@bank.example>".into(),
        recipient: "Officer <officer@bank.example>".into(),
        subject: "[Example Bank monitor] High: ALR-2026-000123 needs review".into(),
        text: "ALR-2026-000123\n.\n  account •••• 3000\n".into(),
        html: "<p>ALR-2026-000123 = •••• 3000</p>\n".into(),
        date: Moment::parse("2026-11-22T10:00:00Z").unwrap(),
    }
}

fn mailer(mail: &config::Mail) -> Mailer {
    Mailer::from_config(mail).unwrap()
}

fn send(sink: &Sink) -> Answer {
    mailer(&settings(sink)).send(&letter())
}

#[track_caller]
fn assert_accepted(answer: &Answer) {
    assert!(matches!(answer, Answer::Accepted(reply) if reply == "250 kept"), "{answer:?}");
}

#[track_caller]
fn assert_unreachable(answer: &Answer) {
    assert!(matches!(answer, Answer::Unreachable(_)), "{answer:?}");
}

#[test]
fn a_mail_arrives_as_it_was_written() {
    let sink = Sink::start();
    assert_accepted(&send(&sink));
    let mails = sink.received();
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("monitor@bank.example", &["officer@bank.example".to_owned()][..]));
    assert!(!mail.tls && mail.user.is_none());
    assert_eq!(mail.header("Subject").as_deref(), Some("[Example Bank monitor] High: ALR-2026-000123 needs review"));
    assert_eq!(mail.header("Message-ID").as_deref(), Some("<alert.450.1.5a@bank.example>"));
    assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert_eq!(mail.header("Date").as_deref(), Some("Sun, 22 Nov 2026 10:00:00 +0000"));
    assert_eq!(mail.text(), letter().text);
    assert_eq!(mail.html(), letter().html);
    assert_eq!(mail.parts().len(), 2);
}

#[test]
fn what_a_mailer_knows_to_be_taken_is_not_sent_again_until_it_is_recorded() {
    let sink = Sink::start();
    let mailer = mailer(&settings(&sink));
    assert_accepted(&mailer.send(&letter()));
    assert_accepted(&mailer.send(&letter()));
    assert_eq!(sink.received().len(), 1);
    mailer.recorded(&letter().message_id);
    assert_accepted(&mailer.send(&letter()));
    assert_eq!(sink.received().len(), 2);
}

#[test]
fn a_relay_that_cannot_be_reached() {
    let sink = Sink::start();
    sink.behave(Behaviour::RefuseConnection);
    assert_unreachable(&send(&sink));
    let settings = settings(&sink);
    drop(sink);
    assert_unreachable(&mailer(&settings).send(&letter()));
}

#[test]
fn codes_of_the_relay_decide() {
    let sink = Sink::start();
    for (behaviour, permanent) in [
        (Behaviour::Reject(450), false),
        (Behaviour::Reject(550), true),
        (Behaviour::TempFail(451), false),
        (Behaviour::TempFail(554), true),
    ] {
        sink.behave(behaviour);
        let answer = send(&sink);
        match &answer {
            Answer::Permanent(_) if permanent => {}
            Answer::Temporary(_) if !permanent => {}
            _ => panic!("{behaviour:?}: {answer:?}"),
        }
    }
    assert!(sink.received().is_empty());
    sink.behave(Behaviour::Accept);
    assert_accepted(&send(&sink));
}

#[test]
fn a_relay_that_falls_silent_is_given_up_in_time() {
    let stages = [Stage::Greeting, Stage::Hello, Stage::Mail, Stage::Recipient, Stage::Data, Stage::AfterData];
    for stage in stages {
        let sink = Sink::start();
        sink.behave(Behaviour::Stall(stage));
        let start = Instant::now();
        let answer = send(&sink);
        let early = matches!(stage, Stage::Greeting | Stage::Hello);
        match &answer {
            Answer::Unreachable(_) if early => {}
            Answer::Temporary(_) if !early => {}
            _ => panic!("{stage:?}: {answer:?}"),
        }
        // One time-out of a second; after EHLO a second one for the farewell.
        assert!(start.elapsed() < Duration::from_secs(5), "{stage:?} took {:?}", start.elapsed());
    }
}

#[test]
fn a_lost_connection_is_tried_again_under_the_same_message_id() {
    let sink = Sink::start();
    let mailer = mailer(&settings(&sink));
    sink.behave(Behaviour::DropMidData);
    let answer = mailer.send(&letter());
    assert!(matches!(answer, Answer::Temporary(_)), "{answer:?}");
    assert!(sink.received().is_empty());
    sink.behave(Behaviour::DropAfterData);
    let answer = mailer.send(&letter());
    assert!(matches!(answer, Answer::Temporary(_)), "{answer:?}");
    sink.behave(Behaviour::Accept);
    assert_accepted(&mailer.send(&letter()));
    let ids: Vec<_> = sink.received().iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn starttls_and_smtps_with_a_private_authority() {
    let secured =
        [Sink::builder().starttls(Certificates::new()).start(), Sink::builder().implicit_tls(Certificates::new()).start()];
    for sink in secured {
        assert_accepted(&send(&sink));
        assert!(sink.received()[0].tls);
        // Without the authority the certificate is refused, and nothing is sent in the clear instead.
        let unknown = config::Mail { ca_file: String::new(), ..settings(&sink) };
        assert_unreachable(&mailer(&unknown).send(&letter()));
        assert_eq!(sink.received().len(), 1);
    }
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let other = || Certificates::naming("DNS:elsewhere.example");
    for sink in [Sink::builder().starttls(other()).start(), Sink::builder().implicit_tls(other()).start()] {
        assert_unreachable(&send(&sink));
        assert!(sink.received().is_empty());
    }
}

#[test]
fn a_login_is_given_over_tls_and_on_this_machine() {
    let build = || Sink::builder().login("monitor", "right");
    for sink in
        [build().start(), build().starttls(Certificates::new()).start(), build().implicit_tls(Certificates::new()).start()]
    {
        assert_accepted(&send(&sink));
        assert_eq!(sink.received()[0].user.as_deref(), Some("monitor"));
        // A wrong password is the installation's trouble, not the mail's: it is not given up for it.
        let wrong = config::Mail { url: sink.url().replace("right", "wrong"), ..settings(&sink) };
        assert_unreachable(&mailer(&wrong).send(&letter()));
        let none = config::Mail { url: sink.url().replace("monitor:right@", ""), ..settings(&sink) };
        assert_unreachable(&mailer(&none).send(&letter()));
        assert_eq!(sink.received().len(), 1);
    }
}
