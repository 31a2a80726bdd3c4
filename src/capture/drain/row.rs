//! What a row of the queue becomes: changes of records, an entry. Pure: the same row always becomes the same.

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::clock::Moment;
use crate::config::CapturedTable;
use crate::ledger::{Draft, Refusal};
use crate::records::{CAPTURED_TABLE, Json};

use super::super::bank::store::Queued;
use super::super::names::{Columns, columns, record_id, text};
use super::balance;
use super::hidden::Hides;

/// Who changed a row of which nobody said who.
pub const UNKNOWN: &str = "unknown";

/// What a row becomes.
#[derive(Debug, Default)]
pub struct Made {
    /// A change of balance.
    pub entry: Option<Box<Draft>>,
    /// Changes of records, as JSON.
    pub changes: Vec<String>,
}

/// Who, whence and why: what the fields of the contract take of it.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Never empty.
    pub actor: String,
    /// The session.
    pub session: Option<String>,
    /// The address, if it is one.
    pub ip: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Which role and program of the database.
    pub agent: String,
}

impl Context {
    /// Of a row.
    pub fn of(row: &Queued) -> Context {
        let address = row.ip.as_deref().map(|ip| ip.split('/').next().unwrap_or_default().trim());
        let ip = address.and_then(|ip| ip.parse::<IpAddr>().ok()).map(|ip| ip.to_string());
        let unread = if row.ip.is_some() && ip.is_none() { ", counterfoil.ip is no address" } else { "" };
        let role = clean(&row.role, 200).unwrap_or_else(|| UNKNOWN.into());
        let application = clean(&row.application, 200).map_or_else(String::new, |name| format!(", {name}"));
        Context {
            actor: clean(&row.actor, 256).unwrap_or_else(|| UNKNOWN.into()),
            session: clean(&row.session, 256),
            ip,
            reason: clean(&row.reason, 2_000),
            agent: format!("PostgreSQL role {role}{application}{unread}"),
        }
    }
}

/// Printable, and not longer than that.
fn clean(text: &Option<String>, max: usize) -> Option<String> {
    let kept: String = text.as_deref()?.chars().filter(|c| !c.is_control()).take(max).collect();
    Some(kept).filter(|text| !text.trim().is_empty())
}

/// Its reference: the installation and the time are in it, so that a queue made anew, or set back with its
/// database, repeats none; and the transaction, by which changes made together are found together.
pub fn reference(installation: &str, row: &Queued) -> String {
    format!("capture:{installation}:{}:{}:{}", row.id, row.at, row.txid)
}

/// The changes and the entry that a row becomes; one that empties its table is not for here.
///
/// # Errors
/// Why it cannot be recorded.
pub fn made(
    row: &Queued,
    (table, hides): (&CapturedTable, &Hides),
    source_ref: &str,
    reason_required: bool,
) -> Result<Made, Refusal> {
    let context = Context::of(row);
    if row.action == "DDL" {
        let of = Of { row, table, hides, source_ref, context, reason_required };
        return Ok(Made { entry: None, changes: vec![of.structure()] });
    }
    let read = |json: &Option<String>| match json {
        None => Ok(None),
        Some(json) => {
            let row = columns(json).ok_or_else(|| Refusal::unreadable("the captured row cannot be read"))?;
            hides.without(row).map(Some)
        }
    };
    let (old, new) = (read(&row.old)?, read(&row.new)?);
    let hides = &hides.sealing_new(old.iter().chain(&new));
    let of = Of { row, table, hides, source_ref, context, reason_required };
    let entry = match &table.entries {
        Some(map) => balance::entry(&of, map, old.as_ref(), new.as_ref())?.map(Box::new),
        None => None,
    };
    Ok(Made { entry, changes: of.changes(old, new)? })
}

/// A row with what is known of it.
pub struct Of<'a> {
    /// The row.
    pub row: &'a Queued,
    /// Its table's settings.
    pub table: &'a CapturedTable,
    /// What of it must not go out in the clear.
    pub hides: &'a Hides,
    /// Its reference.
    pub source_ref: &'a str,
    /// Who and why.
    pub context: Context,
    /// Whether its type wants a reason.
    pub reason_required: bool,
}

impl Of<'_> {
    fn changes(&self, old: Option<Columns>, new: Option<Columns>) -> Result<Vec<String>, Refusal> {
        let id = |columns: &Option<Columns>| {
            let id = columns.as_ref().map(|columns| record_id(&self.row.key, columns));
            id.map(|id| id.ok_or_else(|| self.no_key())).transpose()
        };
        let (was, is) = (id(&old)?, id(&new)?);
        let (old, new) = (old.map(|row| self.document(row)), new.map(|row| self.document(row)));
        let change = |n: &str, id: &str, action: &str| self.change(n, id, action, old.as_ref(), new.as_ref());
        Ok(match (was, is) {
            (None, Some(id)) => vec![change("", &id, "create")],
            (Some(id), None) => vec![change("", &id, "delete")],
            (Some(was), Some(is)) if was != is => vec![change(":1", &was, "delete"), change(":2", &is, "create")],
            // What changes nothing in the record would be compared with what came after it, were it sent again.
            (Some(_), Some(_)) if same(old.as_ref(), new.as_ref()) => Vec::new(),
            (Some(id), Some(_)) => vec![change("", &id, "update")],
            (None, None) => Vec::new(),
        })
    }

    fn no_key(&self) -> Refusal {
        let detail = format!("the row has no value for its key {}: run `capture add` again", self.row.key.join(", "));
        Refusal::whole("key_missing", detail)
    }

    /// The record of a row: a balance is in entries, and not here too.
    fn document(&self, mut row: Columns) -> Columns {
        if let Some(map) = &self.table.entries {
            row.remove(&map.balance);
        }
        row
    }

    fn change(&self, n: &str, id: &str, action: &str, old: Option<&Columns>, new: Option<&Columns>) -> String {
        let mut members = self.members(&format!("{}{n}", self.source_ref), &self.table.kind, id, action);
        if let Some(subject) = new.or(old).and_then(|row| self.subject(row)) {
            members.insert("subject".into(), subject.into());
        }
        let before = old.filter(|_| action != "create").map(|row| ("before", json(row)));
        let after = new.filter(|_| action != "delete").map(|row| ("after", json(row)));
        with(members, before.into_iter().chain(after))
    }

    fn members(&self, source_ref: &str, kind: &str, id: &str, action: &str) -> Map<String, Value> {
        let mut members = Map::new();
        let mut put = |name: &str, value: &str| drop(members.insert(name.to_owned(), Value::from(value)));
        put("source_ref", source_ref);
        put("type", kind);
        put("id", id);
        put("action", action);
        put("changed_at", &Moment(self.row.at).to_string());
        put("actor", &self.context.actor);
        put("user_agent", &self.context.agent);
        let unknown = self.reason_required.then(|| UNKNOWN.to_owned());
        let optional = [("session_id", &self.context.session), ("ip", &self.context.ip)];
        for (name, value) in optional {
            value.iter().for_each(|value| put(name, value));
        }
        if let Some(reason) = self.context.reason.clone().or(unknown) {
            put("reason", &reason);
        }
        let sealed = self.hides.paths();
        if !sealed.is_empty() && kind != CAPTURED_TABLE {
            members.insert("sensitive".into(), Value::from(sealed));
        }
        members
    }

    /// Whom a row is about, unless that is sealed: a subject is not.
    pub fn subject(&self, row: &Columns) -> Option<String> {
        if self.hides.seals(&self.table.subject) { None } else { subject(self.table, row) }
    }

    /// How the table is made since a command on it. With the time, each differs from the one before: what is not
    /// recorded as unchanged would be compared with what came after it, were it sent again.
    fn structure(&self) -> String {
        let members = self.members(self.source_ref, CAPTURED_TABLE, &self.row.table, "update");
        let mut after: Value = self.row.new.as_deref().and_then(|new| serde_json::from_str(new).ok()).unwrap_or_default();
        after["at"] = Value::from(Moment(self.row.at).to_string());
        with(members, [("after", after.to_string())].into_iter())
    }

    /// That the table was emptied.
    pub fn emptied(&self) -> String {
        let members = self.members(self.source_ref, CAPTURED_TABLE, &self.row.table, "update");
        let fields = serde_json::json!([
            { "path": "/command", "new": "TRUNCATE" }, { "path": "/emptied_at", "new": Moment(self.row.at).to_string() },
            { "path": "/role", "new": self.row.role },
        ]);
        with(members, [("fields", fields.to_string())].into_iter())
    }

    /// That a record went with its table's other rows.
    pub fn gone(&self, number: i64, id: &str) -> String {
        self.change(&format!(":{number}"), id, "delete", None, None)
    }
}

/// The object with these members added, whose values are JSON already: no number in them is read.
fn with(members: Map<String, Value>, more: impl Iterator<Item = (&'static str, String)>) -> String {
    let mut json = Value::Object(members).to_string();
    json.pop();
    for (name, value) in more {
        json.push_str(&format!(",\"{name}\":{value}"));
    }
    json.push('}');
    json
}

fn json(row: &Columns) -> String {
    let members: Vec<String> =
        row.iter().map(|(column, value)| format!("{}:{}", Value::from(column.as_str()), value.get())).collect();
    format!("{{{}}}", members.join(","))
}

/// Whether two rows mean the same.
fn same(old: Option<&Columns>, new: Option<&Columns>) -> bool {
    let (Some(old), Some(new)) = (old, new) else { return false };
    let equal =
        |one: &str, two: &str| one == two || matches!((Json::parse(one), Json::parse(two)), (Ok(one), Ok(two)) if one.same(&two));
    old.len() == new.len()
        && old.iter().all(|(column, value)| new.get(column).is_some_and(|other| equal(value.get(), other.get())))
}

/// Whom a row is about.
pub fn subject(table: &CapturedTable, row: &Columns) -> Option<String> {
    Some(&table.subject).filter(|name| !name.is_empty()).and_then(|name| clean(&column(row, name), 256))
}

/// The text of a column.
pub fn column(row: &Columns, name: &str) -> Option<String> {
    row.get(name).and_then(|value| text(value))
}
