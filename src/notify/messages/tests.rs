#![allow(clippy::unwrap_used)]
use super::*;

fn frame() -> Frame {
    let note = format!("bank/log\n4711\n{}\n\n\u{2014} bank/log {}\n", "q".repeat(44), "Q".repeat(92));
    let checkpoint = CheckpointFact { number: 12, size: 4_711, note };
    Frame { bank: "Example Bank".into(), public_url: "https://monitor.bank.example".into(), checkpoint: Some(checkpoint) }
}

fn envelope() -> Envelope {
    Envelope {
        message_id: "<alert.450.1.5a@bank.example>".into(),
        recipient: "officer@bank.example".into(),
        date: Moment::parse("2026-11-22T10:00:00Z").unwrap(),
    }
}

fn day(text: &str) -> NaiveDate {
    crate::clock::parse_date(text).unwrap()
}

fn alert(number: u32, severity: Severity, rule: &str, account: &str) -> AlertFact {
    AlertFact::new(format!("ALR-2026-{number:06}"), severity, rule, account, day("2026-11-20"), day("2026-11-24"))
}

fn raw(letter: &Letter) -> String {
    let (from, to) = ("Monitor <monitor@bank.example>".parse().unwrap(), letter.recipient.parse().unwrap());
    let raw = letter.formatted(from, to).unwrap();
    assert!(raw.is_ascii());
    String::from_utf8(raw).unwrap()
}

/// Every line of the mail with quoted-printable undone, as a reader sees it.
fn readable(raw: &str) -> String {
    let joined = raw.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let [first, tail @ ..] = rest {
        let pair = tail.get(..2).and_then(|pair| hex::decode(pair).ok()).filter(|_| *first == b'=');
        match pair {
            Some(byte) => (bytes.extend(byte), rest = &tail[2..]).1,
            None => (bytes.push(*first), rest = tail).1,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The facts of a part: its words without mark-up.
fn words(html: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in html.replace("<style", "<").chars() {
        match c {
            '<' => inside = true,
            '>' => (inside, _) = (false, out.push(' ')),
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn one_alert() {
    let letter = alerts(
        &frame(),
        envelope(),
        Severity::High,
        &[alert(123, Severity::High, "high-frequency", "DE89370400440532013000")],
        1,
    )
    .unwrap();
    assert_eq!(letter.subject, "[Example Bank monitor] High: ALR-2026-000123 needs review");
    insta::assert_snapshot!(letter.text, @r#"
    High: ALR-2026-000123 needs review.

    ALR-2026-000123
      severity       high
      rule family    velocity
      account        •••• 3000
      business date  2026-11-20
      decide by      2026-11-24
      https://monitor.bank.example/alerts/ALR-2026-000123

    All alerts: https://monitor.bank.example/alerts

    Signing in is required; opening a link changes nothing.

    Checkpoint 12 covers the 4711 leaves of the log, and so all this mail
    reports. Keep this mail: with it anybody can tell whether they were changed later.

    bank/log
    4711
    qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq

    — bank/log QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ


    You receive this mail as part of your duties at Example Bank. To change
    who receives it, ask the administrator of the monitor. Do not forward it.
    "#);
}

#[test]
fn several_alerts_are_listed_and_counted() {
    let list = [alert(124, Severity::Critical, "continuity", "1234567890"), alert(123, Severity::Low, "high-value", "12")];
    let letter = alerts(&frame(), envelope(), Severity::Critical, &list, 2).unwrap();
    assert_eq!(letter.subject, "[Example Bank monitor] Critical: 2 alerts need review");
    for fact in [
        "ALR-2026-000124",
        "balance continuity",
        "•••• 890",
        "ALR-2026-000123",
        "  rule family    value",
        "  account        ••••\n",
    ] {
        assert!(letter.text.contains(fact), "{fact}\n{}", letter.text);
    }
}

#[test]
fn a_storm_is_listed_up_to_the_bound_and_then_counted() {
    let list: Vec<AlertFact> = (1..=60).map(|n| alert(n, Severity::Medium, "high-value", "1234567890")).collect();
    let letter = alerts(&frame(), envelope(), Severity::Medium, &list, 1_700).unwrap();
    assert_eq!(letter.subject, "[Example Bank monitor] Medium: 1700 alerts need review");
    assert!(letter.text.contains("ALR-2026-000050\n") && !letter.text.contains("ALR-2026-000051"));
    assert!(letter.text.contains("\nand 1650 more.\n") && letter.html.contains("and 1650 more."));
}

#[test]
fn alerts_that_cannot_be_read_are_still_counted() {
    let letter = alerts(&frame(), envelope(), Severity::High, &[], 1).unwrap();
    assert_eq!(letter.subject, "[Example Bank monitor] High: 1 alert needs review");
    assert!(letter.text.contains("and 1 more."));
}

#[test]
fn a_daily_report() {
    let report = ReportFact {
        business_date: day("2026-11-20"),
        version: 1,
        status: "provisional".into(),
        verdict: "Needs review: 2 open breaks.".into(),
        counts: vec![("new breaks", 2), ("alerts raised", 7)],
    };
    let letter = reports(&frame(), envelope(), &[report], 1).unwrap();
    assert_eq!(letter.subject, "[Example Bank monitor] Daily report for 2026-11-20: version 1, provisional");
    insta::assert_snapshot!(letter.text, @r#"
    Daily report for 2026-11-20: version 1, provisional.

    2026-11-20, version 1, provisional. Needs review: 2 open breaks.
      new breaks: 2
      alerts raised: 7
      https://monitor.bank.example/reports/2026-11-20

    All reports: https://monitor.bank.example/reports

    Signing in is required; opening a link changes nothing.

    Checkpoint 12 covers the 4711 leaves of the log, and so all this mail
    reports. Keep this mail: with it anybody can tell whether they were changed later.

    bank/log
    4711
    qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq

    — bank/log QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ


    You receive this mail as part of your duties at Example Bank. To change
    who receives it, ask the administrator of the monitor. Do not forward it.
    "#);
}

#[test]
fn many_reports_fit_on_a_screen() {
    let report = |n: u32| ReportFact {
        business_date: day(&format!("2026-11-{n:02}")),
        version: 1,
        status: "final".into(),
        verdict: "Nothing needs review.".into(),
        counts: vec![("alerts raised", 7); 11],
    };
    let list: Vec<ReportFact> = (1..=29).rev().map(report).collect();
    let letter = reports(&frame(), envelope(), &list, 29).unwrap();
    assert!(letter.text.lines().count() <= 52, "{}", letter.text);
    assert!(letter.text.contains("2026-11-23") && !letter.text.contains("2026-11-22"), "{}", letter.text);
    assert!(letter.text.contains("and 22 more.") && letter.html.contains("and 22 more."));
}

#[test]
fn an_import_of_history() {
    let history = HistoryFact { seq: 90_210, counts: vec![("entries recorded", 250_000), ("hits", 12)] };
    let letter = histories(&frame(), envelope(), &[history], 1).unwrap();
    assert_eq!(letter.subject, "[Example Bank monitor] Import of history finished");
    insta::assert_snapshot!(letter.text, @r#"
    Import of history finished.

    Import of history, event 90210 of the log
      entries recorded: 250000
      hits: 12

    The alerts it raised wait for review; they are not mailed one by one.

    All alerts: https://monitor.bank.example/alerts

    Signing in is required; opening a link changes nothing.

    Checkpoint 12 covers the 4711 leaves of the log, and so all this mail
    reports. Keep this mail: with it anybody can tell whether they were changed later.

    bank/log
    4711
    qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq

    — bank/log QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ


    You receive this mail as part of your duties at Example Bank. To change
    who receives it, ask the administrator of the monitor. Do not forward it.
    "#);
}

#[test]
fn both_parts_state_the_same_facts() {
    let list = [alert(124, Severity::Critical, "continuity", "1234567890"), alert(123, Severity::Low, "high-value", "98")];
    let report = ReportFact {
        business_date: day("2026-11-20"),
        version: 2,
        status: "final".into(),
        verdict: "Nothing needs review.".into(),
        counts: vec![("new breaks", 2)],
    };
    let history = HistoryFact { seq: 7, counts: vec![("hits", 12)] };
    for letter in [
        alerts(&frame(), envelope(), Severity::Critical, &list, 60).unwrap(),
        reports(&frame(), envelope(), &[report], 1).unwrap(),
        histories(&frame(), envelope(), &[history], 1).unwrap(),
    ] {
        let html = words(&letter.html);
        for word in letter.text.split_whitespace() {
            let word = word.trim_end_matches([':', ',']);
            assert!(html.contains(word) || letter.html.contains(word), "{word} is only in the plain part of\n{html}");
        }
        for tag in ["<img", "url(", "<script", "<link", "@import"] {
            assert!(!letter.html.contains(tag), "{tag}");
        }
    }
}

#[test]
fn the_mail_is_ascii_with_the_headers_it_needs_and_the_same_every_time() {
    let letter =
        alerts(&frame(), envelope(), Severity::High, &[alert(123, Severity::High, "high-value", "1234567890")], 1).unwrap();
    let raw = raw(&letter);
    for line in [
        "From: Monitor <monitor@bank.example>",
        "To: officer@bank.example",
        "Subject: [Example Bank monitor] High: ALR-2026-000123 needs review",
        "Date: Sun, 22 Nov 2026 10:00:00 +0000",
        "Message-ID: <alert.450.1.5a@bank.example>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ] {
        assert!(raw.contains(&format!("{line}\r\n")), "{line}\n{raw}");
    }
    assert!(raw.contains("Content-Type: multipart/alternative"), "{raw}");
    assert!(raw.find("text/plain").unwrap() < raw.find("text/html").unwrap());
    assert!(raw.lines().all(|line| line.len() <= 998));
    assert_eq!(raw, self::raw(&letter));
}

#[test]
fn a_bank_with_another_alphabet_and_a_line_break_in_its_name_stays_in_the_subject() {
    let frame = Frame { bank: "Банк <b>\r\nBcc: x@y.example".into(), ..frame() };
    let letter = alerts(&frame, envelope(), Severity::Low, &[], 2).unwrap();
    assert!(letter.html.contains("&#60;b&#62;"));
    let raw = raw(&letter);
    let head = raw.split("\r\n\r\n").next().unwrap();
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
}

#[test]
fn no_canary_gets_out() {
    let account = "CANARYACCOUNT4821";
    let list = [alert(1, Severity::High, "high-value", account), alert(2, Severity::High, "CANARYRULE", "77001122")];
    let body = r#"{"verdict":"CANARYVERDICT","high_value_total":1,"high_value":[{"account":"CANARYACCOUNT4821","amount":"31337.42",
        "counterparty_name":"CANARYNAME","ip":"203.0.113.77"}],"signoff":[{"by":"canary@bank.example"}]}"#;
    let report = ReportFact {
        business_date: day("2026-11-20"),
        version: 1,
        status: "final".into(),
        verdict: counts::verdict(body),
        counts: counts::of_report(body),
    };
    let event = r#"{"read":3,"file":"CANARYFILE.csv","actor":"canary@bank.example","origin":"203.0.113.77"}"#;
    let history = HistoryFact { seq: 7, counts: counts::of_history(event) };
    for letter in [
        alerts(&frame(), envelope(), Severity::High, &list, 2).unwrap(),
        alerts(&frame(), envelope(), Severity::High, &list[..1], 1).unwrap(),
        reports(&frame(), envelope(), &[report], 1).unwrap(),
        histories(&frame(), envelope(), &[history], 1).unwrap(),
    ] {
        let raw = raw(&letter);
        let read = readable(&raw);
        for canary in ["CANARY", "canary", "T4821", "001122", "31337", "203.0.113"] {
            assert!(!raw.contains(canary) && !read.contains(canary), "{canary} in\n{read}");
        }
        assert!(!letter.subject.contains("4821") && !letter.subject.contains("22"));
    }
    let shown = alerts(&frame(), envelope(), Severity::High, &list, 2).unwrap();
    assert!(shown.text.contains("•••• 4821") && shown.text.contains("•••• 22"));
}

#[test]
fn the_checkpoint_is_found_in_a_mail_as_it_goes_out() {
    let note = counterfoil_verify::Note::parse(frame().checkpoint.unwrap().note).unwrap();
    let list = [alert(1, Severity::High, "high-value", "DE02120300000000202051")];
    let sent = raw(&alerts(&frame(), envelope(), Severity::High, &list, 1).unwrap());
    assert!(!sent.contains(&note.to_string()), "as it goes out it is encoded");
    assert_eq!(counterfoil_verify::Note::find(&sent), Some(note));
}
