//! A bank for tests: a fresh database of either kind, a clock that stands still, and the log.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use counterfoil::audit;
use counterfoil::clock::{Clock, Moment};
use counterfoil::config::Config;
use counterfoil::db::{self, Db};
use counterfoil::ids::Seq;
use counterfoil::intake::{self, Delivery, DeliveryKind, Failed, Intake, Receipt, Row, RowResult, Submission};
use counterfoil::ledger::{Draft, store::SourceRow};
use counterfoil::trail::{Changed, NewEvent};
use serde_json::json;

use crate::support::cluster::{Database, cluster};

/// What a sender is answered.
pub type Answer = Result<Vec<RowResult>, Failed>;

/// Which database a story runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// Runs a story on both databases.
pub fn on_both(story: impl Fn(Kind)) {
    story(Kind::Sqlite);
    story(Kind::Postgres);
}

/// Where the log is kept, as long as this lives.
pub enum Home {
    Sqlite(tempfile::TempDir),
    Postgres(Database<'static>, tempfile::TempDir),
}

impl Home {
    pub fn new(kind: Kind) -> Home {
        match kind {
            Kind::Sqlite => Home::Sqlite(tempfile::tempdir().unwrap()),
            Kind::Postgres => {
                cluster().template(|url| {
                    db::migrate::up(&mut Db::open(url, 1).unwrap().connect().unwrap()).unwrap();
                });
                Home::Postgres(cluster().database(), tempfile::tempdir().unwrap())
            }
        }
    }

    pub fn url(&self) -> String {
        match self {
            Home::Sqlite(dir) => format!("sqlite:{}", dir.path().join("bank.db").display()),
            Home::Postgres(database, _) => database.url().to_owned(),
        }
    }

    /// As the role that may do everything: the product itself connects as the writer.
    pub fn owner_url(&self) -> String {
        match self {
            Home::Sqlite(_) => self.url(),
            Home::Postgres(database, _) => database.url_as("postgres"),
        }
    }

    /// Where keys are kept that must not be in the database.
    pub fn keys(&self) -> String {
        let (Home::Sqlite(dir) | Home::Postgres(_, dir)) = self;
        dir.path().join("keys").display().to_string()
    }
}

/// A bank whose log is open for writing.
pub struct Bank {
    pub home: Home,
    pub config: Config,
    pub clock: Clock,
    pub db: Db,
    pub intake: Intake,
    pub source: Seq,
}

impl Bank {
    pub fn open(kind: Kind) -> Bank {
        Bank::with(kind, |_| {})
    }

    pub fn with(kind: Kind, change: impl FnOnce(&mut Config)) -> Bank {
        let mut config = Config::default();
        change(&mut config);
        Bank::at(Home::new(kind), config, Clock::fixed(Moment::parse("2026-03-02T12:00:00Z").unwrap(), 7))
    }

    pub fn at(home: Home, mut config: Config, clock: Clock) -> Bank {
        if config.keys.dir.is_empty() {
            config.keys.dir = home.keys();
        }
        let db = Db::open(&home.url(), 4).unwrap();
        let intake = intake::start(&db, &config, clock.clone()).unwrap();
        let known = db.read(counterfoil::ledger::store::sources).unwrap();
        let source = known.first().map_or_else(|| define_source(&intake, "core"), |row| row.id);
        Bank { home, config, clock, db, intake, source }
    }

    /// A bank whose log another `app` writes.
    pub fn attached(app: &counterfoil::app::App, of: &Bank) -> Bank {
        let (config, clock, db, intake) = (of.config.clone(), of.clock.clone(), app.db.clone(), app.intake().unwrap());
        Bank { home: Home::Sqlite(tempfile::tempdir().unwrap()), config, clock, db, intake, source: of.source }
    }

    /// Stops writing and opens the same log again.
    pub fn restart(self) -> Bank {
        self.intake.stop();
        let Bank { home, config, clock, .. } = self;
        Bank::at(home, config, clock)
    }

    pub fn row(line: u64, json: serde_json::Value) -> Row {
        let bytes = json.to_string().into_bytes();
        let entry = Draft::from_json(&bytes).and_then(Draft::check);
        Row { line, entry: entry.map_err(|refusal| intake::Refused { refusal, bytes }), with_next: false }
    }

    /// What would be submitted, and where its answer arrives.
    pub fn submission(&self, source: Seq, rows: Vec<Row>, atomic: bool) -> (Submission, Receiver<Answer>) {
        let (send, receive) = sync_channel(1);
        let delivery = Delivery { kind: DeliveryKind::Api, api_key: None, origin: Some("10.0.0.9".into()) };
        let reply: intake::Reply = Box::new(move |results| send.send(results).unwrap());
        (Submission { source, delivery, rows, atomic, history: false, reply }, receive)
    }

    pub fn rows(entries: Vec<serde_json::Value>) -> Vec<Row> {
        entries.into_iter().zip(1..).map(|(entry, line)| Bank::row(line, entry)).collect()
    }

    pub fn submit_rows(&self, source: Seq, rows: Vec<Row>, atomic: bool) -> Answer {
        let (submission, answer) = self.submission(source, rows, atomic);
        self.intake.submit_wait(submission).unwrap();
        answer.recv_timeout(Duration::from_secs(60)).expect("an answer within a minute")
    }

    /// What verification of everything finds.
    pub fn findings(&self) -> Vec<audit::Finding> {
        let options =
            audit::Options { config: &self.config, now: self.clock.now(), progress: &|_, _| {}, given: audit::Given::NONE };
        audit::verify(&self.db, options).unwrap().findings
    }

    pub fn submit(&self, entries: Vec<serde_json::Value>) -> Vec<RowResult> {
        self.submit_rows(self.source, Bank::rows(entries), false).unwrap()
    }

    pub fn record(&self, entry: serde_json::Value) -> Receipt {
        match self.submit(vec![entry]).remove(0) {
            RowResult::Recorded(receipt) => receipt,
            other => panic!("not recorded: {other:?}"),
        }
    }
}

pub fn define_source(intake: &Intake, name: &'static str) -> Seq {
    let act = intake.log().act(move |tx| {
        let id = tx.append(NewEvent::public("source.defined", json!({ "name": name })))?;
        let row = SourceRow { id, name: name.into(), created_at: tx.now().0 };
        db::bulk::append(tx.conn, &[row])?;
        tx.changed(Changed::Sources);
        Ok(id)
    });
    act.unwrap()
}

/// An entry of account `account`: `before` and `after` in whole units.
pub fn entry(reference: &str, account: &str, at: &str, before: i64, after: i64) -> serde_json::Value {
    let (kind, amount) = if after >= before { ("deposit", after - before) } else { ("withdrawal", before - after) };
    json!({
        "source_ref": reference, "account": account, "currency": "USD", "kind": kind, "amount": format!("{amount}.00"),
        "balance_before": format!("{before}.00"), "balance_after": format!("{after}.00"), "booked_at": at,
    })
}

/// Lets the senders end, also when what they are there for fails.
pub struct Ending<'a>(pub &'a std::sync::atomic::AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}
