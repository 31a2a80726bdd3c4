//! What mail says, and what is recorded of it.

use counterfoil::detect::Severity;
use counterfoil::notify::MailKind;
use counterfoil::notify::store::{self, SENT, Summary};
use counterfoil::trail::NewEvent;
use serde_json::{Value, json};

use super::office::{OFFICER, Office, SECOND, config, mailer};
use crate::bank::{Bank, on_both};
use crate::support::smtp::{Received, Sink};

/// An entry over the limit with a canary in every field that takes text.
fn entry() -> Value {
    json!({
        "source_ref": "CANARY-1", "account": "CANARY20041010050500013M02606", "currency": "EUR", "kind": "transfer",
        "direction": "credit", "amount": "31337.42", "booked_at": "2026-03-02T11:00:00Z", "transaction_ref": "CANARY-T",
        "session_id": "CANARY-S", "ip": "203.0.113.77", "user_agent": "CANARY/1.0", "device_id": "CANARY-D",
        "actor": "canary@customer.example", "actor_kind": "customer", "channel": "online", "instrument": "transfer",
        "party": "CANARY-P", "counterparty": "CANARY-C", "counterparty_name": "Canary Name", "counterparty_country": "SE",
        "reason": "canary reason",
    })
}

/// What a mail may hold none of: raw or decoded, in headers or parts.
const CANARIES: [&str; 6] = ["canary", "m02606", "31337", "31,337", "203.0.113", "customer.example"];

#[track_caller]
fn assert_clean(mail: &Received) {
    let raw = String::from_utf8_lossy(&mail.raw);
    for text in [raw.as_ref(), &mail.header("Subject").unwrap(), &mail.text(), &mail.html()] {
        let text = text.to_lowercase();
        for canary in CANARIES {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
    assert!(!mail.header("Subject").unwrap().contains("2606"));
}

#[test]
fn a_recorded_entry_ends_as_a_mail_without_anything_personal() {
    on_both(|kind| {
        let sink = Sink::start();
        let mut config = config(&sink);
        config.mail.alerts_to = vec![OFFICER.into(), SECOND.into()];
        let office = Office::of(Bank::with(kind, |bank| *bank = config.clone()));
        let mailer = mailer(&config);
        let receipt = office.bank.record(entry());
        assert!(receipt.hits.iter().any(|hit| hit.rule == "high-value"), "{receipt:?}");
        assert_eq!(office.pass(&mailer, &config), (2, 0, 0));
        assert_eq!(office.pass(&mailer, &config), (0, 0, 0));

        let mails = sink.received();
        assert_eq!(mails.iter().map(|mail| mail.to.clone()).collect::<Vec<_>>(), [[OFFICER], [SECOND]]);
        let subject = mails[0].header("Subject").unwrap();
        assert!(
            subject.starts_with("[Example Bank monitor] ") && subject.ends_with(": ALR-2026-000001 needs review"),
            "{subject}"
        );
        let link = "https://monitor.bank.example/alerts/ALR-2026-000001";
        for fact in ["ALR-2026-000001", "value", "•••• 2606", "2026-03-02", link] {
            assert!(mails[0].text().contains(fact) && mails[0].html().contains(fact), "{fact} in {}", mails[0].text());
        }
        for mail in &mails {
            assert_clean(mail);
        }
        assert!(!String::from_utf8_lossy(&mails[0].raw).contains(SECOND));

        assert_eq!(office.summary(), Summary { pending: 0, sent: 2, dead: 0 });
        let sent = office.events("mail.sent");
        assert_eq!(sent.len(), 2);
        let (body, private) = &sent[0];
        assert_eq!((&body["kind"], &body["attempt"], &body["count"]), (&json!("alert"), &json!(1), &json!(1)));
        assert_eq!(body["message_id"].as_str(), mails[0].header("Message-ID").as_deref());
        assert!(!body.to_string().contains("officer"));
        assert_eq!(private, &json!({ "recipient": OFFICER, "reply": "250 kept" }));

        let id = body["outbox"][0].as_i64().unwrap();
        let rows = office.bank.db.read(|conn| store::about(conn, id / 64)).unwrap();
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [id, id + 1]);
        for row in rows {
            assert_eq!((row.state, row.attempts, row.last_error), (SENT, 1, None));
            assert_eq!(row.done_at, Some(office.bank.clock.now().0));
        }
    });
}

#[test]
fn reports_and_imports_are_mailed_with_their_counts() {
    on_both(|kind| {
        let office = Office::open(kind);
        let sink = Sink::start();
        let config = config(&sink);
        let owed = office.bank.intake.log().act(|tx| {
            let body = json!({ "read": 30, "recorded": 28, "rejected": 2, "hits": 3, "file": "CANARY.csv" });
            let import = tx.append(NewEvent::public("import.finished", body))?;
            let report = tx.append(NewEvent::public("report.stored", json!({})))?;
            let sql = format!(
                "INSERT INTO reports (business_date, version, status, seq, seq_from, seq_to, computed_at, body, html, body_sha256, html_sha256) \
                 VALUES (20777, 1, 'provisional', {report}, 0, 1, 0, \
                 '{{\"verdict\":\"CANARY\",\"continuity\":{{\"breaks_new\":2}},\"alerts\":{{\"raised\":7}}}}', '', '', '')"
            );
            tx.conn.execute(&sql)?;
            let to = [OFFICER.to_owned()];
            let mut rows = store::owed_rows(MailKind::History, import, &to, Severity::Low, tx.now());
            rows.extend(store::owed_rows(MailKind::Report, report, &to, Severity::Medium, tx.now()));
            store::owe(tx.conn, &rows)?;
            Ok(())
        });
        owed.unwrap();
        assert_eq!(office.pass(&mailer(&config), &config), (2, 0, 0));
        let mails = sink.received();
        let subjects: Vec<_> = mails.iter().filter_map(|mail| mail.header("Subject")).collect();
        assert_eq!(
            subjects,
            [
                "[Example Bank monitor] Daily report for 2026-11-20: version 1, provisional",
                "[Example Bank monitor] Import of history finished",
            ]
        );
        assert!(mails[0].text().contains("new breaks: 2") && mails[0].text().contains("alerts raised: 7"));
        assert!(mails[0].text().contains("https://monitor.bank.example/reports/2026-11-20"));
        assert!(mails[1].text().contains("entries recorded: 28") && mails[1].text().contains("rows rejected: 2"));
        for mail in &mails {
            assert_clean(mail);
        }
    });
}
