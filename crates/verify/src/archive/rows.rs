//! The tables to read: what their rows are, made from a leaf and what was opened of it.

use serde_json::Value as Json;

use crate::decode::Leaf;
use crate::leaf::{EntryLeaf, EventLeaf, Hash};
use crate::text::hex;

use super::cells::{Cell, Column, ColumnKind};
use super::definitions::{Defined, Definitions};
use super::names;
use super::values::{Value, committed};

use ColumnKind::{Date, Int, Money, Text, Time};

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// A row for each entry.
    Entries,
    /// A row for each event.
    Events,
    /// A row for each field of each change of a record.
    Changes,
}

macro_rules! columns {
    ($($name:literal $kind:ident),* $(,)?) => { &[$(Column { name: $name, kind: $kind }),*] };
}

/// Columns of the table of entries.
pub const ENTRIES: &[Column] = columns![
    "seq" Int, "recorded_at" Time, "booked_at" Time, "business_date" Date, "value_date" Date,
    "source" Text, "source_ref" Text, "account" Text, "account_id" Int, "position" Int,
    "kind" Text, "direction" Text, "amount" Money, "currency" Text, "currency_decimals" Int,
    "balance_before" Money, "balance_after" Money, "status" Text, "channel" Text, "instrument" Text,
    "transaction_ref" Text, "account_seq" Int, "reverses" Text, "reason" Text,
    "party" Text, "counterparty" Text, "counterparty_name" Text, "counterparty_country" Text,
    "context_id" Int, "session_id" Text, "ip" Text, "user_agent" Text, "device_id" Text, "actor" Text, "actor_kind" Text,
    "delivery_id" Int, "rules_id" Int, "hits" Text, "breaks" Text, "outcomes" Text, "leaf" Text,
];

/// Columns of the table of events.
pub const EVENTS: &[Column] = columns!["seq" Int, "recorded_at" Time, "kind" Text, "body" Text, "private" Text, "leaf" Text];

/// Columns of the table of changes.
pub const CHANGES: &[Column] = columns![
    "seq" Int, "recorded_at" Time, "at" Text, "source" Text, "source_ref" Text, "record_id" Int, "type" Text, "id" Text,
    "version" Int, "action" Text, "class" Text, "actor" Text, "reason" Text, "field" Int, "path" Text, "old" Text, "new" Text,
];

impl Table {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Entries, Self::Events, Self::Changes];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Events => "events",
            Self::Changes => "changes",
        }
    }

    /// Its columns, in order.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Entries => ENTRIES,
            Self::Events => EVENTS,
            Self::Changes => CHANGES,
        }
    }

    /// The path of its file in a format: `ndjson` or `parquet`.
    #[must_use]
    pub fn path(self, format: &str) -> String {
        format!("tables/{}.{format}", self.name())
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Of which table.
    pub table: Table,
    /// Its cells, parallel to the columns.
    pub cells: Vec<Cell>,
}

/// The rows of a leaf. `opened` are its private parts and `values` those of its fields, as far as they
/// are there and fit what was committed to.
#[must_use]
pub fn rows_of(
    leaf: &Leaf<'_>,
    hash: &Hash,
    opened: Option<&[Option<String>]>,
    values: &[Value],
    definitions: &Definitions,
) -> Vec<Row> {
    match leaf {
        Leaf::Entry(_, entry) => vec![Row { table: Table::Entries, cells: self::entry(entry, hash, opened, definitions) }],
        Leaf::Event(_, event) => {
            let private = opened.and_then(|parts| parts.first()?.as_deref());
            let mut rows = vec![Row { table: Table::Events, cells: self::event(event, hash, private) }];
            rows.extend(changes(event, private, values, definitions));
            rows
        }
    }
}

fn entry(e: &EntryLeaf<'_>, hash: &Hash, opened: Option<&[Option<String>]>, definitions: &Definitions) -> Vec<Cell> {
    let decimals = names::decimals(e.currency);
    let money = |minor: Option<i64>| minor.map_or(Cell::Null, |minor| Cell::Money(minor, decimals));
    let part = |n: usize| Cell::text(opened.and_then(|parts| parts.get(n)?.clone()));
    let account = match definitions.get(e.account) {
        Some(Defined::Account(number)) => number.clone(),
        _ => None,
    };
    let context = |name: &str| match definitions.get(e.context) {
        Some(Defined::Context(Some(fields))) => Cell::text(fields.get(name).and_then(Json::as_str)),
        _ => Cell::Null,
    };
    let (hits, breaks) = outcomes(e.outcomes);
    vec![
        Cell::Int(e.seq),
        Cell::Time(e.recorded_at),
        Cell::Time(e.booked_at),
        Cell::Date(e.business_date.into()),
        Cell::date(e.value_date),
        source(e.source, definitions),
        Cell::text(Some(e.source_ref)),
        Cell::text(account),
        Cell::Int(e.account),
        Cell::Int(e.position),
        Cell::Text(names::kind(e.kind)),
        Cell::Text(names::direction(e.direction)),
        money(Some(e.amount)),
        Cell::text(Some(e.currency)),
        Cell::Int(decimals.into()),
        money(e.balance_before),
        money(e.balance_after),
        Cell::Text(names::status(e.status)),
        Cell::text(e.channel.map(names::channel)),
        Cell::text(e.instrument.map(names::instrument)),
        Cell::text(e.transaction_ref),
        Cell::int(e.account_seq),
        Cell::text(e.reverses),
        part(4),
        part(0),
        part(1),
        part(2),
        part(3),
        Cell::Int(e.context),
        context("session_id"),
        context("ip"),
        context("user_agent"),
        context("device_id"),
        context("actor"),
        context("actor_kind"),
        Cell::Int(e.delivery),
        Cell::Int(e.rules),
        hits,
        breaks,
        Cell::text(e.outcomes),
        Cell::Text(hex(hash)),
    ]
}

fn source(seq: i64, definitions: &Definitions) -> Cell {
    match definitions.get(seq) {
        Some(Defined::Source(name)) => Cell::Text(name.clone()),
        _ => Cell::Null,
    }
}

/// The rules that hit and the kinds of the breaks that were opened, each in order, a blank between.
fn outcomes(text: Option<&str>) -> (Cell, Cell) {
    let json: Json = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let list = |name: &str| json.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
    let joined = |words: Vec<String>| Cell::text((!words.is_empty()).then(|| words.join(" ")));
    let word = |item: &Json, name: &str| item.get(name).and_then(Json::as_str).map(str::to_owned);
    let hits = list("rules")
        .iter()
        .filter(|rule| word(rule, "outcome").as_deref() == Some("hit"))
        .filter_map(|rule| word(rule, "rule"))
        .collect();
    let breaks = list("breaks").iter().filter_map(|one| word(one, "kind")).collect();
    (joined(hits), joined(breaks))
}

fn event(e: &EventLeaf<'_>, hash: &Hash, private: Option<&str>) -> Vec<Cell> {
    vec![
        Cell::Int(e.seq),
        Cell::Time(e.recorded_at),
        Cell::text(Some(e.kind)),
        Cell::text(Some(e.body)),
        Cell::text(private),
        Cell::Text(hex(hash)),
    ]
}

fn changes(e: &EventLeaf<'_>, private: Option<&str>, values: &[Value], definitions: &Definitions) -> Vec<Row> {
    let fields = committed(e.kind, e.body).len();
    let body: Json = serde_json::from_str(e.body).unwrap_or_default();
    let private: Json = private.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let text = |json: &Json, name: &str| Cell::text(json.get(name).and_then(Json::as_str));
    let number = |name: &str| Cell::int(body.get(name).and_then(Json::as_i64));
    let record = body.get("record").and_then(Json::as_i64).and_then(|record| definitions.get(record));
    let (kind, id) = match record {
        Some(Defined::Record(kind, id)) => (Cell::Text(kind.clone()), Cell::text(id.clone())),
        _ => (Cell::Null, Cell::Null),
    };
    let named = |n: usize| private.get("paths").and_then(|paths| paths.get(n)?.as_str());
    let row = |n: usize| {
        let value = values.iter().find(|value| usize::try_from(value.n) == Ok(n));
        let part = |i: usize| value.and_then(|value| value.parts[i].clone());
        vec![
            Cell::Int(e.seq),
            Cell::Time(e.recorded_at),
            text(&body, "at"),
            source(body.get("source").and_then(Json::as_i64).unwrap_or(-1), definitions),
            text(&body, "source_ref"),
            number("record"),
            kind.clone(),
            id.clone(),
            number("version"),
            text(&body, "action"),
            text(&body, "class"),
            private.get("who").map_or(Cell::Null, |who| text(who, "actor")),
            text(&private, "reason"),
            Cell::Int(n as i64),
            Cell::text(part(0).or_else(|| named(n).map(str::to_owned))),
            Cell::text(part(1)),
            Cell::text(part(2)),
        ]
    };
    (0..fields).map(|n| Row { table: Table::Changes, cells: row(n) }).collect()
}
