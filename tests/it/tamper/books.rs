//! A bank in which every table has rows: the book that is tampered with.

use std::path::Path;
use std::sync::OnceLock;

use counterfoil::access::searches::{self, Search};
use counterfoil::access::{Door, Origin, Role, Scopes, keys, searches as access_searches, users};
use counterfoil::alerts::{AlertFilter, Disposition, State, close, grace, queue};
use counterfoil::approvals::{self, Deciding, Decision, Kind as ApprovalKind, Submission};
use counterfoil::audit::{Options, Outcome, Verified, verify};
use counterfoil::clock::{MINUTE, Moment};
use counterfoil::config::{Config, RecordType, Source};
use counterfoil::db::Db;
use counterfoil::detect::{self, RuleSetBody};
use counterfoil::import::{self, Format, ImportRequest, Local};
use counterfoil::intake::define_rules;
use counterfoil::ledger::feeds::{self, Closing, Sums};
use counterfoil::ledger::{BusinessCalendar, leaves};
use counterfoil::money::Currency;
use counterfoil::notify::{Mailer, deliver_due};
use counterfoil::privacy::{Cause, Holdings, PlaceHold, Scope, Subject, erase};
use counterfoil::reports;
use counterfoil::trail::attempts::{Attempt, Outcome as AttemptOutcome, begin, end};
use counterfoil::trail::keys::KeyFolder;
use counterfoil::trail::sealing::{self, Challenged, NewRecovery, PrivateKey};
use counterfoil::trail::{Signer, returned, store};
use serde_json::json;

use crate::bank::{Bank, Home, Kind, define_source, entry};
use crate::records::record_as;
use crate::support::free_port;

/// Verifies a database as it lies there.
pub fn verified(url: &str, config: &Config, now: Moment) -> Outcome {
    let db = Db::open(url, 1).unwrap();
    verify(&db, Options { config, now, progress: &|_, _| {}, given: counterfoil::audit::Given::NONE }).unwrap()
}

/// A closed book.
pub struct Book {
    pub home: Home,
    pub config: Config,
    /// When it was closed.
    pub now: Moment,
}

impl Book {
    /// The book on SQLite, made once; every case works on a copy.
    pub fn sqlite() -> &'static Book {
        static BOOK: OnceLock<Book> = OnceLock::new();
        BOOK.get_or_init(|| Book::write(Kind::Sqlite))
    }

    /// A book of this kind, closed and clean.
    pub fn write(kind: Kind) -> Book {
        let bank = Bank::with(kind, |config| {
            config.limits.segment_entries = 100;
            config.limits.accounts_cached = 1_000;
            config.mail.alerts_to = vec!["desk@bank.example".into(), "night@bank.example".into()];
            config.mail.reports_to = vec!["head@bank.example".into()];
            config.mail.attempts = 1;
            let sensitive = vec!["reason".to_owned()];
            config.source = vec![Source { name: "vault".into(), sensitive, ..Source::default() }];
            let customer = RecordType { name: "customer".into(), sensitive: vec!["/tax".into()], ..RecordType::default() };
            config.records.types = vec![customer];
        });
        let bank = fill(bank);
        let (config, now) = (bank.config.clone(), bank.clock.now());
        bank.intake.stop();
        let Bank { home, db, .. } = bank;
        if let Home::Sqlite(_) = home {
            db.connect().unwrap().execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        }
        let book = Book { home, config, now };
        assert_eq!(book.verified(&book.home.url()).findings, [], "{kind:?}: the book must be clean before it is tampered with");
        book
    }

    pub fn verified(&self, url: &str) -> Outcome {
        verified(url, &self.config, self.now)
    }

    /// A copy of the SQLite book in a folder; its address.
    pub fn copy_to(&self, folder: &Path) -> String {
        let from = self.home.url().trim_start_matches("sqlite:").to_owned();
        let to = folder.join("copy.db");
        std::fs::copy(from, &to).unwrap();
        format!("sqlite:{}", to.display())
    }
}

fn fill(bank: Bank) -> Bank {
    people(&bank);
    let other = define_source(&bank.intake, "cards");
    entries(&bank, other);
    refusals(&bank, other);
    import_file(&bank);
    totals(&bank);
    alerts(&bank);
    rules(&bank);
    proposals(&bank);
    private(&bank);
    records(&bank);
    super::explained::explained(&bank);
    let bank = bank.restart();
    let more = |n: i64| entry(&format!("M{n}"), &format!("ACC-{}", n % 3), "2026-03-02T11:00:00Z", 1_000 + n, 1_001 + n);
    (0..160).for_each(|n| drop(bank.record(more(n))));
    bank.record(entry("HV", "ACC-9", "2026-03-02T11:10:00Z", 0, 60_000));
    sign(&bank);
    mail(&bank);
    visits(&bank);
    bank.record(entry("HW", "ACC-8", "2026-03-02T11:20:00Z", 0, 70_000));
    night(&bank);
    settle(&bank);
    bank
}

fn people(bank: &Bank) {
    let log = bank.intake.log();
    for (name, role) in [("ada", Role::Officer), ("bob", Role::Analyst), ("eve", Role::Auditor)] {
        users::add(&log, &bank.clock, &format!("{name}@bank.example"), role, "correct horse battery").unwrap();
    }
    users::reset(&log, &bank.clock, "bob@bank.example", "velvet harbour comet").unwrap();
    users::disable(&log, "eve@bank.example").unwrap();
    let (_, text) = keys::issue(&log, &bank.clock, "core", Scopes::ALL).unwrap();
    keys::issue(&log, &bank.clock, "core", Scopes::parse("read").unwrap()).unwrap();
    keys::revoke(&log, &text[3..11]).unwrap();
}

fn entries(bank: &Bank, other: i64) {
    let at = |n: i64| format!("2026-03-02T{:02}:{:02}:{:02}Z", 6 + n / 240, n / 4 % 60, n % 4 * 15);
    let mut balance = [0_i64; 7];
    for n in 0..420_i64 {
        let who = (n % 7) as usize;
        let amount = if n % 60 == 3 { 12_000 } else { n % 30 };
        if n % 60 == 30 {
            balance[who] += 5;
        }
        let mut row = entry(&format!("E{n}"), &format!("ACC-{who}"), &at(n), balance[who], balance[who] + amount);
        balance[who] += amount;
        if n % 9 == 0 {
            row["party"] = json!(format!("P-{n}"));
            row["counterparty"] = json!("C-1");
            row["counterparty_name"] = json!("Name");
            row["counterparty_country"] = json!("SE");
            row["reason"] = json!("rent");
        }
        row["session_id"] = json!(format!("s-{}", n / 50));
        row["ip"] = json!("192.0.2.1");
        row["user_agent"] = json!("Bank/1");
        row["device_id"] = json!("d1");
        row["actor"] = json!("holder");
        row["actor_kind"] = json!("customer");
        row["channel"] = json!("online");
        row["instrument"] = json!("transfer");
        row["value_date"] = json!("2026-03-02");
        row["transaction_ref"] = json!(format!("T{n}"));
        bank.record(row);
    }
    bank.record(entry("L2", "LATE", "2026-03-02T10:00:00Z", 10, 20));
    bank.record(entry("L4", "LATE", "2026-03-02T10:20:00Z", 30, 40));
    bank.record(entry("L3", "LATE", "2026-03-02T10:10:00Z", 20, 30));
    let mut reversal = entry("RV", "LATE", "2026-03-02T10:30:00Z", 40, 30);
    reversal["kind"] = json!("reversal");
    reversal["direction"] = json!("debit");
    reversal["reverses"] = json!("L4");
    reversal["account_seq"] = json!(4);
    bank.record(reversal);
    for n in [3, 2] {
        let before = if n == 3 { 30 } else { 20 };
        let mut row = entry(&format!("RV{n}"), "LATE", &format!("2026-03-02T10:3{}:00Z", 4 - n), before, before - 10);
        row["kind"] = json!("reversal");
        row["direction"] = json!("debit");
        row["reverses"] = json!(format!("L{n}"));
        row["account_seq"] = json!(8 - n);
        bank.record(row);
    }
    beside(bank);
    bank.submit_rows(other, vec![Bank::row(1, entry("F1", "ACC-2", "2026-03-02T10:40:00Z", balance[2], balance[2] + 1))], false)
        .unwrap();
}

/// Entries that are not in order of booked time: attempts, and late ones.
fn beside(bank: &Bank) {
    let attempt = |n: i64, at: &str| {
        let mut row = entry(&format!("TRY{n}"), "BESIDE", at, 0, 7);
        row["status"] = json!("attempted");
        row
    };
    bank.record(attempt(1, "2026-03-02T10:31:00Z"));
    bank.record(entry("BES3", "BESIDE", "2026-03-02T10:39:00Z", 0, 10));
    bank.record(attempt(2, "2026-03-02T10:35:00Z"));
    bank.record(entry("BES2", "BESIDE", "2026-03-02T10:36:00Z", -5, 0));
    bank.record(entry("BES4", "BESIDE", "2026-03-02T10:40:00Z", 10, 15));
    bank.record(entry("BES1", "BESIDE", "2026-03-02T10:33:00Z", -9, -5));
    bank.record(attempt(3, "2026-03-02T10:38:00Z"));
}

fn refusals(bank: &Bank, other: i64) {
    for n in 0..3 {
        bank.submit(vec![json!({ "source_ref": format!("bad{n}") })]);
    }
    bank.submit_rows(other, vec![Bank::row(1, json!({ "source_ref": 7 }))], false).unwrap();
}

fn import_file(bank: &Bank) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.ndjson");
    let lines: Vec<String> = (0..5)
        .map(|n| entry(&format!("I{n}"), "OLD-1", &format!("2026-02-0{}T10:00:00Z", n + 1), n * 10, n * 10 + 10).to_string())
        .collect();
    for (name, history) in [("history.ndjson", true), ("second.ndjson", false)] {
        let path = path.with_file_name(name);
        std::fs::write(&path, lines.join("\n") + if history { "\n" } else { "\n{}\n" }).unwrap();
        let request = ImportRequest {
            path,
            source: "old-books".into(),
            format: Format::Auto,
            profile: None,
            history,
            mail_to: bank.config.mail.alerts_to.clone(),
        };
        import::run(&request, &Local(&bank.intake), &bank.db, &()).unwrap();
    }
}

fn totals(bank: &Bank) {
    let sums = |code: &str, count| Sums { currency: Currency::parse(code).unwrap(), count, debits: 100, credits: 50_000 };
    for (day, list) in [(20_514, vec![sums("USD", 3), sums("EUR", 0)]), (20_515, vec![]), (20_516, vec![sums("JPY", 9)])] {
        feeds::close(&bank.intake.log(), Closing { source: bank.source, api_key: None, business_date: day, sums: list }).unwrap();
    }
}

fn alerts(bank: &Bank) {
    bank.clock.advance(20 * MINUTE);
    let calendar = BusinessCalendar::new(&bank.config.bank);
    grace::raise_overdue(&bank.db, &bank.intake.log(), &calendar, &bank.config, bank.clock.now()).unwrap();
    // Another break of an account whose alert is open joins it.
    bank.record(entry("B2", "ACC-1", "2026-03-02T10:50:00Z", 77, 78));
    bank.clock.advance(20 * MINUTE);
    grace::raise_overdue(&bank.db, &bank.intake.log(), &calendar, &bank.config, bank.clock.now()).unwrap();
    let open = AlertFilter { state: Some(State::Open), ..AlertFilter::default() };
    let page = bank.db.read(|c| queue::list(c, &open, counterfoil::alerts::Order::Newest, None, 100)).unwrap();
    let references: Vec<String> = page.items.iter().map(|alert| alert.reference.to_string()).collect();
    let officer = bank.db.read(users::list).unwrap().iter().find(|user| user.role == Role::Officer).unwrap().id;
    let comment = "Pay slips of the last three months were seen.";
    let how = |n: usize| if n == 2 { Disposition::DuplicateOf } else { Disposition::ExplainedWithEvidence };
    for (n, reference) in references.iter().enumerate().filter(|(n, _)| n % 2 == 0) {
        let duplicate = (n == 2).then(|| references[1].as_str());
        close(&bank.intake.log(), reference, how(n), comment, duplicate, officer).unwrap();
    }
    // One that follows a closed one.
    for n in 0..7 {
        bank.record(entry(&format!("N{n}"), &format!("ACC-{n}"), "2026-03-02T10:55:00Z", 9, 40_009));
    }
}

fn rules(bank: &Bank) {
    let mut body = RuleSetBody::first();
    body.version = 2;
    body.rules[1].mode = detect::Mode::DryRun;
    let log = bank.intake.log();
    let [ada, bob] = ["ada", "bob"].map(|name| {
        let email = format!("{name}.rules@bank.example");
        users::add(&log, &bank.clock, &email, Role::Officer, "correct horse battery").unwrap()
    });
    let submission = Submission {
        kind: ApprovalKind::LoosenRules,
        about: "rules".into(),
        facts: json!({ "rules": body, "loosens": ["high-frequency is tried only"] }),
        reason: "high-frequency is tried only, for a month.".into(),
        detail: None,
        by: Some(ada),
        whence: json!({}),
    };
    let id = approvals::submit(&log, submission).unwrap();
    let comment = "The back office asked for it.".to_owned();
    approvals::decide(&log, Deciding { id, decision: Decision::Approve, comment, user: bob, whence: json!({}) }).unwrap();
    define_rules(&log, body, "high-frequency is tried only".into(), Some(id)).unwrap();
}

/// Proposals at each of their ends, and on the way.
fn proposals(bank: &Bank) {
    let log = bank.intake.log();
    let officer = |name: &str| {
        users::add(&log, &bank.clock, &format!("{name}@bank.example"), Role::Officer, "correct horse battery").unwrap()
    };
    let (one, two, three) = (officer("one"), officer("two"), officer("three"));
    let submit = |about: &str, by| {
        let submission = Submission {
            kind: ApprovalKind::RotateKey,
            about: about.into(),
            facts: json!({ "old": about, "new": "b" }),
            reason: format!("The yearly change of the key {about} is due."),
            detail: Some(json!({ "file": about })),
            by,
            whence: json!({ "os_user": about }),
        };
        approvals::submit(&log, submission).unwrap()
    };
    let say = |id, decision, user| {
        bank.clock.advance(MINUTE / 60);
        let comment = format!("I have read what proposal {id} says.");
        approvals::decide(&log, Deciding { id, decision, comment, user, whence: json!({}) }).unwrap();
    };
    let stale = submit("stale", None);
    say(stale, Decision::Approve, one);
    bank.clock.advance(approvals::KEPT);
    approvals::expire_due(&bank.db, &log, bank.clock.now()).unwrap();
    for n in 0..2 {
        submit(&format!("open {n}"), Some(one));
        let command = submit(&format!("command {n}"), None);
        say(command, Decision::Approve, one);
        say(command, Decision::Approve, two);
        let done = submit(&format!("done {n}"), Some(two));
        say(done, Decision::Approve, three);
        log.act(move |tx| approvals::carried_out(tx, done, ApprovalKind::RotateKey, &json!({ "event": n }))).unwrap();
        say(submit(&format!("refused {n}"), Some(one)), Decision::Refuse, two);
        say(submit(&format!("back {n}"), Some(one)), Decision::Withdraw, one);
    }
}

/// Something is sealed, something is erased, something is held.
fn private(bank: &Bank) {
    let vault = define_source(&bank.intake, "vault");
    let log = bank.intake.log();
    let folder = KeyFolder::of(&bank.config, bank.db.address());
    let origin = bank.db.read(store::state).unwrap().unwrap().origin;
    for n in 0..2 {
        let key = PrivateKey::new(&bank.clock);
        let new = NewRecovery::of(&key, &bank.clock, json!({})).unwrap();
        bank.clock.advance(MINUTE);
        log.act(move |tx| new.run(tx)).unwrap();
        if n == 0 {
            let tested = bank.db.read(Challenged::newest).unwrap().unwrap().open(&key, json!({})).unwrap();
            let (folder, origin) = (folder.clone(), origin.clone());
            log.act(move |tx| sealing::note_tested(tx, &folder, &origin, tested)).unwrap();
        }
    }
    for n in 0..6 {
        let mut row = entry(&format!("V{n}"), "VLT-1", "2026-03-02T11:00:00Z", n, n + 1);
        row["reason"] = json!(format!("sealed {n}"));
        bank.submit_rows(vault, vec![Bank::row(1, row)], false).unwrap();
    }
    let (keys, book) = (folder.clone(), origin.clone());
    let name = log.act(move |tx| sealing::rotate_master(tx, &keys, &book, json!({}))).unwrap();
    sealing::forget_others(&folder, &origin, &name).unwrap();
    for (n, name) in ["GONE-1", "GONE-2"].into_iter().enumerate() {
        let mut row = entry(&format!("G{n}"), name, "2026-03-02T11:01:00Z", 0, 1);
        row["party"] = json!("gone");
        row["session_id"] = json!(format!("gone-{n}"));
        bank.record(row);
        let erasure = log.act(move |tx| {
            let to = tx.log_size();
            let found = Holdings::find(tx.conn, &Subject::new(Scope::Account, name)?, to)?;
            erase(tx, Cause::Register { again: n as i64 + 1 }, &found.places())
        });
        assert!(erasure.unwrap().places.places() > 2);
        let subject = Subject::new(Scope::Account, &format!("ACC-{n}")).unwrap();
        let hold = PlaceHold { subject, reason: "An order of the court of the second of March.".into(), whence: json!({}) };
        bank.clock.advance(MINUTE);
        log.act(move |tx| hold.run(tx)).unwrap();
    }
}

/// Two customers and a price change again and again, a tax number among it; some changes do not follow.
fn records(bank: &Bank) {
    for n in 0..110_i64 {
        let (kind, id) = [("customer", "C-1"), ("customer", "C-2"), ("price", "P-1")][(n % 3) as usize];
        let mut after = json!({ "name": format!("N{n}"), "limit": n / 4, "tags": [n] });
        if n % 6 == 0 {
            after["tax"] = json!(format!("T{n}"));
        }
        let mut row = json!({
            "source_ref": format!("CH{n}"), "type": kind, "id": id, "action": "update", "after": after,
            "actor": format!("clerk {}", n % 4), "reason": "by letter", "class": (["debug", "critical"][(n % 2) as usize]),
            "changed_at": format!("2026-03-02T08:{:02}:{:02}Z", n / 60, n % 60),
        });
        if n % 20 == 19 {
            row["before"] = json!({ "name": "somebody else" });
        }
        bank.clock.advance(MINUTE / 60);
        let results = record_as(bank, bank.source, &[row]);
        assert!(matches!(results[0], counterfoil::records::ChangeResult::Recorded(_)), "{results:?}");
    }
}

/// Checkpoints are signed; two come back.
fn sign(bank: &Bank) {
    let folder = KeyFolder::of(&bank.config, bank.db.address());
    let signer = Signer::open(&bank.db, &bank.config, bank.clock.clone(), leaves::hashes).unwrap();
    for n in 0..4 {
        bank.clock.advance(MINUTE);
        bank.record(entry(&format!("S{n}"), "ACC-1", "2026-03-02T11:12:00Z", 1_000 + n, 1_001 + n));
        let row = signer.sign(&bank.intake.log()).unwrap();
        if n % 2 == 1 {
            let back = bank.db.read(|c| returned::compare(c, &[signer.verifier()], &row.note, leaves::hashes)).unwrap();
            bank.clock.advance(MINUTE);
            let how = if n == 1 { "officer" } else { "witness" };
            bank.intake.log().act(move |tx| back.record(tx, how, &json!({}))).unwrap();
        }
    }
    // The key is changed twice.
    for n in 0..2 {
        let key = folder.make_next(signer.verifier().name(), &bank.clock).unwrap().verifier();
        signer.rotate(&bank.intake.log(), &key, |_, _| Ok(())).unwrap();
        bank.clock.advance(MINUTE);
        bank.record(entry(&format!("R{n}"), "ACC-1", "2026-03-02T11:13:00Z", 1_004 + n, 1_005 + n));
        signer.sign(&bank.intake.log()).unwrap();
    }
}

/// Some mail is sent, some is given up; what comes after waits.
fn mail(bank: &Bank) {
    let folder = tempfile::tempdir().unwrap();
    let log = bank.intake.log();
    let mut config = bank.config.clone();
    config.mail.url = format!("file:{}", folder.path().display());
    let mailer = Mailer::from_config(&config.mail).unwrap();
    let sent = deliver_due(&bank.db, &log, &mailer, &config, &bank.clock, &|| Ok(())).unwrap();
    assert!(sent.sent > 0, "{sent:?}");
    bank.record(entry("HX", "ACC-7", "2026-03-02T11:15:00Z", 0, 80_000));
    bank.clock.advance(6 * MINUTE);
    config.mail.url = format!("smtp://127.0.0.1:{}", free_port());
    let mailer = Mailer::from_config(&config.mail).unwrap();
    let dead = deliver_due(&bank.db, &log, &mailer, &config, &bank.clock, &|| Ok(())).unwrap();
    assert!(dead.dead > 0, "{dead:?}");
}

fn visits(bank: &Bank) {
    let door = Door::new(bank.db.clone(), bank.intake.log(), bank.clock.clone());
    let visit = |name: &str, password| {
        bank.clock.advance(MINUTE / 60);
        door.sign_in(
            &format!("{name}@bank.example"),
            password,
            &Origin { ip: Some("192.0.2.7"), user_agent: Some("Browser/1.0"), session: None },
        )
    };
    for _ in 0..4 {
        visit("ada", "correct horse battery").unwrap();
    }
    let bob = visit("bob", "velvet harbour comet").unwrap();
    attempts(bank, bob.user.id);
    assert!(visit("bob", "wrong").is_err());
    for (kind, query) in [
        (access_searches::Kind::Ip, "192.0.2.7"),
        (access_searches::Kind::Account, "ACC"),
        (access_searches::Kind::Session, "s-1"),
    ] {
        bank.clock.advance(MINUTE / 60);
        searches::make(&bank.intake.log(), bob.user.id, Search { kind, query: query.into() }, None).unwrap();
    }
}

/// Acts that were done, refused, and begun only.
fn attempts(bank: &Bank, user: i64) {
    let log = bank.intake.log();
    for (user, status) in [(Some(user), Some(303)), (Some(user), Some(422)), (None, None), (Some(user), Some(0))] {
        let session = user.map(|_| "0123456789abcdef".to_owned());
        let attempt = Attempt { act: "alert.decide", door: "/alerts", user, session, whence: json!({ "ip": "192.0.2.7" }) };
        let seq = begin(&log, attempt).unwrap();
        bank.clock.advance(MINUTE / 60);
        if status != Some(0) {
            end(&log, seq, status.map_or(AttemptOutcome::Succeeded, AttemptOutcome::of_status), status).unwrap();
        }
    }
}

fn night(bank: &Bank) {
    let context = reports::Context::new(&bank.config, bank.clock.clone());
    for date in ["2026-03-01", "2026-03-02"] {
        let date = reports::Due::Date(date.parse().unwrap());
        reports::run_nightly(&bank.intake.log(), &bank.db, &context, date, &|_| "<html>frozen</html>".to_owned()).unwrap();
    }
    // The day before is over, and closed: the log commits to the head of each account.
    assert_eq!(reports::close_days(&bank.intake.log(), &bank.db, &context).unwrap().len(), 1);
    bank.record(entry("HY", "ACC-6", "2026-03-02T11:30:00Z", 0, 90_000));
    let date = reports::Due::Date("2026-03-02".parse().unwrap());
    reports::run_nightly(&bank.intake.log(), &bank.db, &context, date, &|_| "<html>again</html>".to_owned()).unwrap();
    let outcome = verify(
        &bank.db,
        Options { config: &bank.config, now: bank.clock.now(), progress: &|_, _| {}, given: counterfoil::audit::Given::NONE },
    )
    .unwrap();
    assert_eq!(outcome.findings, []);
    Verified::new(&outcome, bank.clock.now()).note(&bank.intake.log()).unwrap();
}

/// Waits until the closed segments are indexed.
fn settle(bank: &Bank) {
    let started = std::time::Instant::now();
    let reach = |c: &mut _| counterfoil::intake::runs::indexed_to(c);
    while bank.db.read(reach).unwrap() + 100 <= bank.intake.size() {
        assert!(started.elapsed().as_secs() < 60, "the index runs are not made");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
