//! What leaves refer to: sources, accounts, contexts, deliveries, rule sets and records, each defined
//! by an event of its own.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::decode::Leaf;
use crate::leaf::EventLeaf;

/// The kind of the event that a change of a record is.
pub const CHANGED: &str = "record.changed";

/// Something that leaves refer to, by the number of the event that defined it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Defined {
    /// Who sends: its name.
    Source(String),
    /// An account: its number, where its private part is there.
    Account(Option<String>),
    /// Session, address and device: the fields of its private part, where that is there.
    Context(Option<Box<Value>>),
    /// How entries came.
    Delivery,
    /// A rule set.
    Rules,
    /// A record: its type, and its id where its private part is there.
    Record(String, Option<String>),
}

impl Defined {
    const fn word(&self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Account(_) => "account",
            Self::Context(_) => "context",
            Self::Delivery => "delivery",
            Self::Rules => "rules",
            Self::Record(..) => "record",
        }
    }

    /// What an event defines; `private` is its private part, if that is there.
    #[must_use]
    pub fn by(event: &EventLeaf<'_>, private: Option<&str>) -> Option<Self> {
        let body: Value = serde_json::from_str(event.body).unwrap_or_default();
        let private: Option<Value> = private.and_then(|text| serde_json::from_str(text).ok());
        let text = |json: &Value, name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
        let hidden = |name: &str| private.as_ref().and_then(|private| text(private, name));
        Some(match event.kind {
            "source.defined" => Self::Source(text(&body, "name").unwrap_or_default()),
            "account.defined" => Self::Account(hidden("account")),
            "context.defined" => Self::Context(private.map(Box::new)),
            "delivery.defined" => Self::Delivery,
            "ruleset.defined" => Self::Rules,
            "record.defined" => Self::Record(text(&body, "type").unwrap_or_default(), hidden("id")),
            _ => return None,
        })
    }
}

/// What a leaf refers to: each with the word of what it must be.
#[must_use]
pub fn references(leaf: &Leaf<'_>) -> Vec<(&'static str, i64)> {
    match leaf {
        Leaf::Entry(_, e) => vec![
            ("source", e.source),
            ("account", e.account),
            ("context", e.context),
            ("delivery", e.delivery),
            ("rules", e.rules),
        ],
        Leaf::Event(_, e) if e.kind == CHANGED => {
            let body: Value = serde_json::from_str(e.body).unwrap_or_default();
            let number = |name| body.get(name).and_then(Value::as_i64);
            ["source", "record"].into_iter().filter_map(|name| Some((name, number(name)?))).collect()
        }
        Leaf::Event(..) => Vec::new(),
    }
}

/// Everything defined so far.
#[derive(Debug, Default)]
pub struct Definitions {
    defined: HashMap<i64, Defined>,
    /// Those from before the range that nothing has referred to yet.
    unused: BTreeSet<i64>,
}

impl Definitions {
    /// Takes what an event before the range defines; `false` if it defines nothing.
    pub fn take_earlier(&mut self, event: &EventLeaf<'_>, private: Option<&str>) -> bool {
        self.unused.insert(event.seq);
        self.take(event, private)
    }

    /// Takes what an event defines; `false` if it defines nothing.
    pub fn take(&mut self, event: &EventLeaf<'_>, private: Option<&str>) -> bool {
        let defined = Defined::by(event, private);
        let is = defined.is_some();
        self.defined.extend(defined.map(|defined| (event.seq, defined)));
        is
    }

    /// What has this number.
    #[must_use]
    pub fn get(&self, seq: i64) -> Option<&Defined> {
        self.defined.get(&seq)
    }

    /// The references of a leaf that lead to nothing of their kind.
    pub(super) fn wrong(&mut self, leaf: &Leaf<'_>) -> Vec<(&'static str, i64)> {
        let mut wrong = references(leaf);
        wrong.retain(|(word, seq)| {
            self.unused.remove(seq);
            self.defined.get(seq).is_none_or(|defined| defined.word() != *word)
        });
        wrong
    }

    /// Those from before the range that nothing refers to.
    pub(super) const fn unused(&self) -> &BTreeSet<i64> {
        &self.unused
    }
}
