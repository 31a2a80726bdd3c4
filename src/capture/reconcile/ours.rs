//! Our side of the comparison: what the log says of each row.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::config::{CapturedTable, Config};
use crate::db::{Conn, Db, DbResult};
use crate::ids::Seq;
use crate::ledger::{Draft, Refusal, history, store as ledger};
use crate::money::plain;
use crate::records::{Action, NewChange, Recorder, newest, store as records};
use crate::trail::store as trail;

use super::super::CaptureError;
use super::super::drain::{Balance, Hides, UNKNOWN, moved, subject};
use super::super::names::Columns;
use super::Difference;

/// Why each change that is recorded from here was made.
pub const REASON: &str = "found by capture reconcile: nobody recorded it when it was made";

/// What is compared with.
pub struct Ours {
    db: Db,
    source: Option<Seq>,
    origin: String,
    recorder: Recorder,
    clock: Clock,
    newest: Arc<history::Newest>,
}

/// What differs of one row, and what would record it.
#[derive(Default)]
pub struct Unlike {
    /// The record's id.
    pub id: String,
    /// What to tell.
    pub differences: Vec<Difference>,
    /// A change of the record, without its reference.
    pub change: Option<Value>,
    /// The whole record after it, as JSON.
    pub after: Option<String>,
    /// An entry, without its reference.
    pub entry: Option<Draft>,
}

impl Ours {
    /// As the settings say.
    pub fn open(config: &Config, db: &Db, source: &str) -> Result<Ours, CaptureError> {
        let (known, state) = db.read(|conn| Ok::<_, CaptureError>((ledger::sources(conn)?, trail::state(conn)?)))?;
        Ok(Ours {
            db: db.clone(),
            source: known.into_iter().find(|row| row.name == source).map(|row| row.id),
            origin: state.map(|state| state.origin).unwrap_or_default(),
            recorder: Recorder::new(config, db.address()),
            clock: Clock::system(),
            newest: Arc::default(),
        })
    }

    /// The source's number, if anything came from it.
    pub fn source(&self) -> Option<Seq> {
        self.source
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Compares rows of the table: each with its record's id. Only what differs is answered.
    pub fn compare(&self, of: (&CapturedTable, &Hides), rows: &[(String, Columns)]) -> Result<Vec<Unlike>, CaptureError> {
        let compared = self.db.read(|conn| {
            conn.snapshot(|conn| rows.iter().map(|(id, row)| self.one(conn, of, id, row)).collect::<DbResult<Vec<Unlike>>>())
        })?;
        Ok(compared.into_iter().filter(|unlike| !unlike.differences.is_empty()).collect())
    }

    fn one(&self, conn: &mut Conn, of: (&CapturedTable, &Hides), id: &str, row: &Columns) -> DbResult<Unlike> {
        let mut unlike = Unlike { id: id.to_owned(), ..Unlike::default() };
        self.record(conn, of, (id, row), &mut unlike)?;
        if let Some(map) = &of.0.entries {
            match Balance::of(map, row) {
                Ok(is) => self.balance(conn, id, &is, &mut unlike)?,
                Err(refusal) => unlike.differences.push(Difference::unreadable(id, &refusal)),
            }
        }
        Ok(unlike)
    }

    fn record(
        &self,
        conn: &mut Conn,
        (table, hides): (&CapturedTable, &Hides),
        (id, row): (&str, &Columns),
        unlike: &mut Unlike,
    ) -> DbResult<()> {
        let balance = table.entries.as_ref().map(|map| map.balance.as_str());
        let members = row.iter().filter(|(column, _)| Some(column.as_str()) != balance);
        let members: Vec<String> =
            members.map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), value.get())).collect();
        let after = format!("{{{}}}", members.join(","));
        let known = match self.source {
            Some(source) => records::record_by_reference(conn, source, &table.kind, id)?,
            None => None,
        };
        let state = match &known {
            Some(record) => newest(conn, record.id)?.filter(|state| state.exists),
            None => None,
        };
        let action = if state.is_some() { "update" } else { "create" };
        let mut change = json!({ "type": table.kind, "id": id, "action": action, "actor": UNKNOWN, "reason": REASON });
        let sealed = hides.paths();
        if !sealed.is_empty() {
            change["sensitive"] = sealed.into();
        }
        if let Some(subject) = subject(table, row).filter(|_| !hides.seals(&table.subject)) {
            change["subject"] = subject.into();
        }
        match (&known, &state) {
            (Some(record), Some(state)) => match self.read(&change, &after) {
                Ok(read) => {
                    let paths = self.recorder.differing((&self.clock, &self.origin), record.id, state, &read)?;
                    if paths.is_empty() {
                        return Ok(());
                    }
                    unlike.differences.push(Difference::Differs { id: id.to_owned(), paths });
                }
                Err(refusal) => {
                    unlike.differences.push(Difference::unreadable(id, &refusal));
                    return Ok(());
                }
            },
            _ => unlike.differences.push(Difference::Unrecorded { id: id.to_owned() }),
        }
        (unlike.change, unlike.after) = (Some(change), Some(after));
        Ok(())
    }

    fn read(&self, change: &Value, after: &str) -> Result<NewChange, Refusal> {
        let mut change = change.clone();
        change["source_ref"] = json!("compared");
        NewChange::read(with_after(&change, Some(after)).as_bytes(), &self.recorder.kinds)
    }

    fn balance(&self, conn: &mut Conn, id: &str, is: &Balance, unlike: &mut Unlike) -> DbResult<()> {
        let account = ledger::account_by_number(conn, &is.account)?;
        if let Some(account) = account.as_ref().filter(|account| account.currency != is.currency.code()) {
            let (ours, theirs) = (account.currency.clone(), is.currency.code().to_owned());
            unlike.differences.push(Difference::Currency { id: id.to_owned(), ours, theirs });
            return Ok(());
        }
        let newest = match account {
            Some(account) => history::newest(conn, &self.newest, account.id)?,
            None => None,
        };
        let entry = match newest {
            Some((seq, _)) => ledger::entry(conn, seq)?,
            None => None,
        };
        let known = entry.and_then(|entry| entry.balance_after).map(i128::from);
        if known == Some(is.minor) {
            return Ok(());
        }
        unlike.differences.push(Difference::Balance {
            id: id.to_owned(),
            ours: known.map(|minor| plain(minor, is.currency)),
            theirs: plain(is.minor, is.currency),
        });
        let (actor, reason) = (Some(UNKNOWN.to_owned()), Some(REASON.to_owned()));
        unlike.entry = Some(Draft { actor, reason, ..moved(is, known.unwrap_or(0), "adjustment") });
        Ok(())
    }

    /// Records of a type that are there by the log, after one of them: number and id; and the number of the last
    /// one looked at.
    pub fn records_after(&self, kind: &str, after: Seq, limit: i64) -> Result<(Vec<String>, Option<Seq>), CaptureError> {
        let Some(source) = self.source else { return Ok((Vec::new(), None)) };
        self.db.read(|conn| {
            let page = records::records_after(conn, source, kind, after, limit)?;
            let last = page.last().map(|record| record.id);
            let mut there = Vec::with_capacity(page.len());
            for record in page {
                let newest = records::newest(conn, record.id)?;
                if newest.is_some_and(|change| change.action != Action::Delete.code()) {
                    there.push(record.reference);
                }
            }
            Ok((there, last))
        })
    }
}

/// A change with the record after it, as JSON text: no number in it is read.
pub fn with_after(change: &Value, after: Option<&str>) -> String {
    let mut json = change.to_string();
    if let Some(after) = after {
        json.pop();
        json.push_str(&format!(",\"after\":{after}}}"));
    }
    json
}
