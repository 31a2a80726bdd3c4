//! A bank that owes mail, and passes of the worker that delivers it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use counterfoil::alerts::store::{AlertRow, Opening};
use counterfoil::clock::{Moment, day_number, parse_date};
use counterfoil::config::Config;
use counterfoil::db::{DbError, bulk};
use counterfoil::detect::Severity;
use counterfoil::ids::{AlertRef, Seq};
use counterfoil::ledger::leaves;
use counterfoil::ledger::store::AccountRow;
use counterfoil::notify::store::{self, Summary};
use counterfoil::notify::{DeliverError, Delivered, MailKind, Mailer, deliver_due};
use counterfoil::trail::{Act, ActError, Acts, Log, NewEvent, Side, Signer, store as trail};
use serde_json::{Value, json};

use super::settings;
use crate::bank::{Bank, Kind};
use crate::support::smtp::{Received, Sink};

/// Who gets mail.
pub const OFFICER: &str = "officer@bank.example";
/// Who gets mail too.
pub const SECOND: &str = "second@bank.example";

/// A bank, and its log as the worker sees it, which can fail.
pub struct Office {
    pub bank: Bank,
    log: Log,
    failing: Arc<Failing>,
    signer: Signer,
}

/// The bank's log, or one whose disk is full.
struct Failing {
    log: Log,
    full: AtomicBool,
}

impl Acts for Failing {
    fn act(&self, act: Act) -> Result<(), ActError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(ActError::Db(DbError::Unfit("the disk is full".into())));
        }
        self.log.act(act)
    }

    fn side(&self, side: Side) -> Result<(), ActError> {
        self.log.side(side)
    }
}

impl Office {
    /// A bank with one account that no entry was booked on.
    pub fn open(kind: Kind) -> Office {
        let bank = Bank::open(kind);
        let row = AccountRow { id: 1, source: 0, number: "CANARY2606".into(), currency: "EUR".into(), created_at: 0 };
        bank.intake.log().side(move |conn| bulk::append(conn, &[row])).unwrap();
        Office::of(bank)
    }

    pub fn of(bank: Bank) -> Office {
        let failing = Arc::new(Failing { log: bank.intake.log(), full: AtomicBool::new(false) });
        let signer = Signer::open(&bank.db, &bank.config, bank.clock.clone(), leaves::hashes).unwrap();
        Office { log: Log::new(failing.clone()), bank, failing, signer }
    }

    /// Whether results cannot be recorded from now on.
    pub fn fill_disk(&self, full: bool) {
        self.failing.full.store(full, Ordering::SeqCst);
    }

    /// Moves time.
    pub fn advance(&self, micros: i64) {
        self.bank.clock.advance(micros);
    }

    /// Raises alert number `number`, owed to `recipients`, as the sequencer would.
    pub fn raise(&self, number: u32, severity: Severity, recipients: &[&str]) -> Seq {
        let recipients: Vec<String> = recipients.iter().map(|&to| to.to_owned()).collect();
        let raised = self.bank.intake.log().act(move |tx| {
            let reference = AlertRef { year: 2026, number }.to_string();
            let id = tx.append(NewEvent::public("alert.opened", json!({ "reference": reference })))?;
            bulk::append(tx.conn, &[alert(id, reference, severity)])?;
            store::owe(tx.conn, &store::owed_rows(MailKind::Alert, id, &recipients, severity, tx.now()))?;
            Ok(id)
        });
        raised.unwrap()
    }

    /// A pass of the worker.
    pub fn deliver(&self, mailer: &Mailer, config: &Config) -> Result<Delivered, DeliverError> {
        let sign = || self.signer.sign(&self.log).map(drop);
        deliver_due(&self.bank.db, &self.log, mailer, config, &self.bank.clock, &sign)
    }

    /// (sent, failed, dead) of a pass.
    #[track_caller]
    pub fn pass(&self, mailer: &Mailer, config: &Config) -> (usize, usize, usize) {
        let Delivered { sent, failed, dead, .. } = self.deliver(mailer, config).unwrap();
        (sent, failed, dead)
    }

    pub fn summary(&self) -> Summary {
        self.bank.db.read(store::summary).unwrap()
    }

    /// Public and private bodies of the events of this kind.
    pub fn events(&self, kind: &str) -> Vec<(Value, Value)> {
        let read = |text: &str| serde_json::from_str(text).unwrap();
        let found: Result<Vec<(Value, Value)>, DbError> = self.bank.db.read(|conn| {
            let rows = trail::events_between(conn, 0, Seq::MAX, 10_000)?;
            let mut found = Vec::new();
            for row in rows.iter().filter(|row| row.kind == kind) {
                let private = trail::event(conn, row.seq)?.and_then(|(_, part)| part).map(|part| read(&part.body));
                found.push((read(&row.body), private.unwrap_or_default()));
            }
            Ok(found)
        });
        found.unwrap()
    }
}

fn alert(id: Seq, reference: String, severity: Severity) -> AlertRow {
    let of = Opening {
        reference,
        rule: "high-value".into(),
        rules: 0,
        account: 1,
        severity: severity.code(),
        business_date: day_number(parse_date("2026-11-20").unwrap()),
        first_booked_at: 0,
        last_seq: id,
        hits: 1,
        explanation: "{}".into(),
        previous: None,
    };
    AlertRow { comment: Some("CANARY".into()), ..AlertRow::opened((id, Moment(0)), of) }
}

/// The settings of a bank whose relay is `sink`.
pub fn config(sink: &Sink) -> Config {
    let mut config = Config { mail: settings(sink), ..Config::default() };
    config.server.public_url = "https://monitor.bank.example/".into();
    config
}

pub fn mailer(config: &Config) -> Mailer {
    Mailer::from_config(&config.mail).unwrap()
}

/// How many alerts each mail lists.
pub fn listed(mails: &[Received]) -> Vec<usize> {
    mails.iter().map(|mail| mail.text().matches("rule family").count()).collect()
}
