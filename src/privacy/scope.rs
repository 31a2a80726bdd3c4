//! Everything that is stored of a subject: which private parts, accounts and contexts are its own.
//!
//! The log has no index from a person to places, and must not: looking is one pass over entries and
//! event parts. It is made outside the log's turn up to its present end, and inside only over what
//! came since.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::records::store as records;

use super::subject::mentions;
use super::{Ranges, Scope, Subject, store};

/// Events whose private parts say nothing of a customer, or are found by what they define. All other
/// kinds are looked through.
const NEVER: &[&str] = &[
    "account.defined",
    "context.defined",
    "delivery.defined",
    "alert.opened",
    "import.started",
    "mail.sent",
    "mail.dead",
    "mail.resent",
    "mail.acknowledged",
    "session.opened",
    "session.closed",
    "user.added",
    "user.reset",
    "user.disabled",
    "program.started",
    "program.stopped",
    "report.stored",
    "ruleset.defined",
    "recovery.made",
    "recovery.tested",
    "keys.rewrapped",
];

/// What is stored of a subject up to a place of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdings {
    subject: Subject,
    /// Looked through before this place.
    to: Seq,
    /// Accounts that are the subject's alone.
    own: BTreeSet<Seq>,
    /// Accounts that have entries of the subject, its own among them.
    accounts: BTreeSet<Seq>,
    /// Entries of the subject.
    entries: BTreeSet<Seq>,
    /// Contexts that entries of the subject came from.
    contexts: BTreeSet<Seq>,
    /// Those among them that others came from, too.
    shared: BTreeSet<Seq>,
    /// Events that mention the subject, and every change of its own records.
    events: BTreeSet<Seq>,
    /// Records that are the subject's alone.
    records: BTreeSet<Seq>,
}

impl Holdings {
    /// Looks through the log before `to`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn find(conn: &mut Conn, subject: &Subject, to: Seq) -> DbResult<Holdings> {
        let mut found = Holdings {
            subject: subject.clone(),
            to: 0,
            own: BTreeSet::new(),
            accounts: BTreeSet::new(),
            entries: BTreeSet::new(),
            contexts: BTreeSet::new(),
            shared: BTreeSet::new(),
            events: BTreeSet::new(),
            records: BTreeSet::new(),
        };
        found.extend(conn, to)?;
        Ok(found)
    }

    /// Looks through what came since, before `to`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn extend(&mut self, conn: &mut Conn, to: Seq) -> DbResult<()> {
        let from = std::mem::replace(&mut self.to, to);
        match self.subject.scope {
            Scope::Account => {
                self.accounts.extend(store::account_by_number(conn, &self.subject.name)?);
                self.own.clone_from(&self.accounts);
            }
            Scope::Party => self.of_party(conn, from, to)?,
            Scope::Range => {}
        }
        let own: Vec<Seq> = self.own.iter().copied().collect();
        self.learn(store::entries_of(conn, &own, from, to)?);
        // An account that became another holder's keeps what is not the subject's.
        self.share(conn, from, to)?;
        self.mentioned(conn, from, to)?;
        self.own_records(conn, to)
    }

    /// Records whose id is the subject's name go whole; so does one of which every change names the subject.
    fn own_records(&mut self, conn: &mut Conn, to: Seq) -> DbResult<()> {
        let events: Vec<Seq> = self.events.iter().copied().collect();
        let named: BTreeSet<Seq> = records::defined_as(conn, &events, &self.subject.name)?.into_iter().collect();
        let mentioned = records::records_at(conn, &events)?;
        for record in named.iter().copied().chain(mentioned).collect::<BTreeSet<Seq>>() {
            let places = records::places_of(conn, record, to)?;
            if named.contains(&record) || places.iter().all(|seq| self.events.contains(seq)) {
                self.records.insert(record);
                self.events.insert(record);
                self.events.extend(places);
            }
        }
        Ok(())
    }

    fn learn(&mut self, rows: Vec<store::Place>) {
        for (seq, account, context) in rows {
            self.entries.insert(seq);
            self.accounts.insert(account);
            self.contexts.insert(context);
        }
    }

    /// Entries that name the holder; an account with no other holder is the subject's own.
    fn of_party(&mut self, conn: &mut Conn, from: Seq, to: Seq) -> DbResult<()> {
        self.learn(store::entries_of_party(conn, &self.subject.name, from, to)?);
        let accounts: Vec<Seq> = self.accounts.iter().copied().collect();
        let others = store::accounts_with_others(conn, &accounts, &self.subject.name, to)?;
        let own: BTreeSet<Seq> = accounts.into_iter().filter(|account| !others.contains(account)).collect();
        // What the account has of entries without a holder was not looked at before it was known.
        let fresh: Vec<Seq> = own.difference(&self.own).copied().collect();
        self.learn(store::entries_of(conn, &fresh, 0, from)?);
        self.own = own;
        Ok(())
    }

    fn share(&mut self, conn: &mut Conn, from: Seq, to: Seq) -> DbResult<()> {
        let contexts: Vec<Seq> = self.contexts.difference(&self.shared).copied().collect();
        for (seq, context) in store::entries_from(conn, &contexts, from, to)? {
            if !self.entries.contains(&seq) {
                self.shared.insert(context);
            }
        }
        Ok(())
    }

    fn mentioned(&mut self, conn: &mut Conn, from: Seq, to: Seq) -> DbResult<()> {
        let mut names = vec![self.subject.name.clone()];
        let own: Vec<Seq> = self.own.iter().copied().collect();
        names.extend(store::numbers(conn, &own)?);
        let about: BTreeSet<Seq> = store::closings_of(conn, &own)?.into_iter().collect();
        let (events, mut after) = (&mut self.events, from - 1);
        events.extend(about);
        loop {
            let page = store::parts_after(conn, after, to, NEVER)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            for (seq, body) in page {
                let said: Value = serde_json::from_str(&body).unwrap_or(Value::String(body));
                if names.iter().any(|name| says(&said, name)) {
                    events.insert(seq);
                }
            }
        }
    }

    /// Whom it is about.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Accounts that have entries of the subject.
    pub fn accounts(&self) -> Vec<Seq> {
        self.accounts.iter().copied().collect()
    }

    /// Its entries.
    pub fn entry_places(&self) -> Vec<Seq> {
        self.entries.iter().copied().collect()
    }

    /// Whether anything is known of the subject.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.records.is_empty()
    }

    /// Records that are the subject's alone.
    pub fn records(&self) -> Vec<Seq> {
        self.records.iter().copied().collect()
    }

    /// How many entries are the subject's.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// How many events are about it: what defined its accounts and contexts, and what mentions it.
    pub fn events(&self) -> usize {
        self.own.len() + self.erasable_contexts().count() + self.events.len()
    }

    /// Contexts that nobody else's entries came from.
    pub fn erasable_contexts(&self) -> impl Iterator<Item = Seq> {
        self.contexts.difference(&self.shared).copied()
    }

    /// Every place whose private part is the subject's.
    pub fn places(&self) -> Ranges {
        let events = self.own.iter().chain(&self.events).copied().chain(self.erasable_contexts());
        Ranges::of(self.entries.iter().copied().chain(events).collect())
    }

    /// Up to where the log was looked through.
    pub fn to(&self) -> Seq {
        self.to
    }
}

/// Whether a text anywhere in a value mentions the name. A text may be a row of JSON itself.
pub(super) fn says(said: &Value, name: &str) -> bool {
    match said {
        Value::String(text) => {
            mentions(text, name)
                || (text.starts_with('{') && serde_json::from_str::<Value>(text).is_ok_and(|inner| says(&inner, name)))
        }
        Value::Array(list) => list.iter().any(|item| says(item, name)),
        Value::Object(fields) => fields.values().any(|item| says(item, name)),
        Value::Number(number) => number.to_string() == name,
        Value::Null | Value::Bool(_) => false,
    }
}
