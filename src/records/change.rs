//! A change as it is sent: read, checked against the contract and the type's settings, not yet
//! compared with anything.

use serde_json::value::RawValue;

use crate::clock::Moment;
use crate::config::{Class, Reason};
use crate::ids::is_source_name;
use crate::ledger::fields::{address, choice, required, tidy, time};
use crate::ledger::{ActorKind, Refusal, cards};

use super::document::{Document, Unfit, check_path};
use super::json::{self, Members};
use super::kinds::Kinds;

/// Fields whose text is bounded, with the characters they may have.
const TEXTS: &[(&str, usize)] = &[
    ("source_ref", 200),
    ("type", 64),
    ("id", 200),
    ("action", 20),
    ("changed_at", 40),
    ("session_id", 256),
    ("ip", 64),
    ("user_agent", 1024),
    ("device_id", 256),
    ("actor", 256),
    ("actor_kind", 20),
    ("reason", 2000),
    ("subject", 256),
    ("class", 20),
];
/// Single fields in a list of changes, at most.
const LISTED_MAX: usize = 300;
/// Paths that a sender may declare sensitive, at most.
const SENSITIVE_MAX: usize = 100;

/// What was done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is new.
    Create = 1,
    /// It is other than before.
    Update = 2,
    /// It is gone.
    Delete = 3,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 3] = [Action::Create, Action::Update, Action::Delete];

    /// As stored.
    pub fn code(self) -> i16 {
        self as i16
    }

    /// From its stored number.
    pub fn from_code(code: i16) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.code() == code)
    }

    /// `update`
    pub fn text(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.text() == text)
    }
}

/// `critical`, …
pub fn class_text(class: Class) -> &'static str {
    match class {
        Class::Debug => "debug",
        Class::Normal => "normal",
        Class::Critical => "critical",
    }
}

/// As stored.
pub fn class_code(class: Class) -> i16 {
    class as i16
}

/// From its stored number.
pub fn class_from_code(code: i16) -> Option<Class> {
    [Class::Debug, Class::Normal, Class::Critical].into_iter().find(|class| class_code(*class) == code)
}

/// From its text.
pub fn parse_class(text: &str) -> Option<Class> {
    [Class::Debug, Class::Normal, Class::Critical].into_iter().find(|class| class_text(*class) == text)
}

/// Who changed it, and whence; all of it private.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the fields of the contract
pub struct Who {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
}

/// One field of a change that lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where.
    pub path: String,
    /// What was there, if the sender says; empty: nothing.
    pub old: Option<Document>,
    /// What is there now; empty: nothing.
    pub new: Document,
}

/// What a change says of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The whole record: before, if the sender says, and after (a deletion has none).
    Whole {
        /// Before.
        before: Option<Document>,
        /// After.
        after: Document,
    },
    /// Single fields.
    Fields(Vec<Listed>),
}

/// A change that has no place in the log yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChange {
    /// The sender's id of it; `None` for our own.
    pub source_ref: Option<String>,
    /// The record's type.
    pub kind: String,
    /// The record's id within the type.
    pub id: String,
    /// What was done.
    pub action: Action,
    /// What it was done to.
    pub content: Content,
    /// When, as the sender says.
    pub changed_at: Option<Moment>,
    /// By whom.
    pub who: Who,
    /// Why.
    pub reason: Option<String>,
    /// Whom the record is about, if the sender says.
    pub subject: Option<String>,
    /// How long its values are kept.
    pub class: Class,
    /// Paths the sender declares sensitive.
    pub sensitive: Vec<String>,
    /// Card numbers that were masked.
    pub masked: u32,
    /// Whether its documents name every value there is, `null` too, as rows of a table do: what our state has not
    /// even as `null` came to be there without a change of the record, as a new column does.
    pub whole_row: bool,
    /// The change whose state it restores.
    pub restores: Option<i64>,
    /// The proposal by which officers restore it.
    pub proposal: Option<i64>,
}

/// The members of the object as they came.
struct Sent(Vec<(String, Box<RawValue>)>);

impl Sent {
    fn read(json: &[u8]) -> Result<Sent, Refusal> {
        let text = std::str::from_utf8(json).map_err(|_| Refusal::unreadable("the change is not UTF-8"))?;
        if json::is_too_deep(text) {
            let detail = format!("the change has more than {} lists and objects within each other", json::DEPTH_MAX);
            return Err(Refusal { status: 422, code: "too_deep", ..Refusal::unreadable(detail) });
        }
        if !text.trim_start().starts_with('{') {
            return Err(Refusal::unreadable("a change is a JSON object; see /docs for its fields"));
        }
        let Members(members) =
            serde_json::from_str(text).map_err(|e| Refusal::unreadable(format!("the change is not readable as JSON: {e}")))?;
        let known =
            |key: &str| TEXTS.iter().any(|(name, _)| *name == key) || ["before", "after", "fields", "sensitive"].contains(&key);
        if let Some((key, _)) = members.iter().find(|(key, _)| !known(key)) {
            let key: String = key.chars().take(40).collect();
            return Err(Refusal::field("unknown_field", &key, format!("`{key}` is not a field of a change; see /docs")));
        }
        Ok(Sent(members))
    }

    /// A member, unless it is null.
    fn raw(&mut self, field: &str) -> Option<Box<RawValue>> {
        let at = self.0.iter().position(|(key, _)| key == field)?;
        Some(self.0.swap_remove(at).1).filter(|raw| raw.get() != "null")
    }

    fn text(&mut self, field: &'static str) -> Result<Option<String>, Refusal> {
        let Some(raw) = self.raw(field) else { return Ok(None) };
        let wrong = |_| Refusal::field("field_type", field, format!("{field} must be a text"));
        let mut text = Some(serde_json::from_str::<String>(raw.get()).map_err(wrong)?);
        let max = TEXTS.iter().find(|(name, _)| *name == field).map_or(0, |(_, max)| *max);
        tidy(field, max, &mut text)?;
        Ok(text)
    }
}

fn refusal(field: &str, unfit: Unfit) -> Refusal {
    Refusal::field(unfit.code, field, unfit.detail)
}

impl NewChange {
    /// Reads one JSON object and checks it.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn read(json: &[u8], kinds: &Kinds) -> Result<NewChange, Refusal> {
        let mut sent = Sent::read(json)?;
        let source_ref = Some(required("source_ref", sent.text("source_ref")?)?);
        let kind = required("type", sent.text("type")?)?;
        if !is_source_name(&kind) {
            let detail = "a type has 1 to 64 of a-z, 0-9, point, hyphen and underscore, for example customer";
            return Err(Refusal::field("record_type_invalid", "type", detail));
        }
        let rules = kinds.of(&kind)?;
        let id = required("id", sent.text("id")?)?;
        let action = choice("action", sent.text("action")?, Action::parse, || "create update delete".into())?;
        let action = action.ok_or_else(|| Refusal::field("field_required", "action", "action is required"))?;
        let changed_at = sent.text("changed_at")?.map(|text| time("changed_at", &text)).transpose()?;
        let class = choice("class", sent.text("class")?, parse_class, || "critical normal debug".into())?;
        let sensitive = sensitive(sent.raw("sensitive"))?;
        let mut masked = 0;
        let reason = sent.text("reason")?.map(|text| mask(text, &mut masked));
        let said = reason.as_deref().is_some_and(|reason| !reason.trim().is_empty());
        if !said && rules.reason == Reason::Required {
            return Err(Refusal::field("reason_required", "reason", format!("a change of type {kind} must say why")));
        }
        let subject = sent.text("subject")?;
        let who = who(&mut sent)?;
        let mut edit = |path: &str, text: String| {
            let kept = rules.is_sensitive(path, &sensitive) || rules.is_no_card(path);
            if kept { text } else { mask(text, &mut masked) }
        };
        let content = content(&mut sent, action, &mut edit)?;
        let class = class.unwrap_or(rules.class).max(rules.class);
        let (restores, proposal) = (None, None);
        Ok(NewChange {
            source_ref,
            kind,
            id,
            action,
            content,
            changed_at,
            who,
            reason,
            subject,
            class,
            sensitive,
            masked,
            whole_row: false,
            restores,
            proposal,
        })
    }
}

fn mask(text: String, masked: &mut u32) -> String {
    let (text, found) = cards::mask(&text);
    *masked = masked.saturating_add(found);
    text
}

fn who(sent: &mut Sent) -> Result<Who, Refusal> {
    let kind = choice("actor_kind", sent.text("actor_kind")?, ActorKind::parse, ActorKind::choices)?;
    Ok(Who {
        actor: sent.text("actor")?,
        actor_kind: kind.map(|kind| kind.text().to_owned()),
        session_id: sent.text("session_id")?,
        ip: sent.text("ip")?.map(|text| address(&text)).transpose()?,
        user_agent: sent.text("user_agent")?,
        device_id: sent.text("device_id")?,
    })
}

fn sensitive(raw: Option<Box<RawValue>>) -> Result<Vec<String>, Refusal> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let wrong = |_| Refusal::field("field_type", "sensitive", "sensitive must be a list of paths");
    let paths: Vec<String> = serde_json::from_str(raw.get()).map_err(wrong)?;
    if paths.len() > SENSITIVE_MAX {
        return Err(Refusal::field(
            "too_many_paths",
            "sensitive",
            format!("at most {SENSITIVE_MAX} paths can be declared sensitive"),
        ));
    }
    paths.iter().try_for_each(|path| check_path(path).map_err(|unfit| refusal("sensitive", unfit)))?;
    Ok(paths)
}

fn content(sent: &mut Sent, action: Action, edit: &mut dyn FnMut(&str, String) -> String) -> Result<Content, Refusal> {
    let (before, after, fields) = (sent.raw("before"), sent.raw("after"), sent.raw("fields"));
    let not_allowed = |field: &str, detail: &str| Err(Refusal::field("field_not_allowed", field, detail));
    match (action, &before, &after, &fields) {
        (_, Some(_), _, Some(_)) | (_, _, Some(_), Some(_)) => {
            return not_allowed("fields", "send either fields, or before and after");
        }
        (Action::Create, Some(_), ..) => return not_allowed("before", "what is created was not there before; leave before out"),
        (Action::Delete, _, Some(_), _) => return not_allowed("after", "what is deleted is not there after; leave after out"),
        (Action::Delete, _, _, Some(_)) => return not_allowed("fields", "a deletion has no fields; send before, or nothing"),
        (Action::Create | Action::Update, _, None, None) => {
            return Err(Refusal::field(
                "field_required",
                "after",
                "send the record after the change, or the fields that changed",
            ));
        }
        _ => {}
    }
    if let Some(fields) = fields {
        return listed(&fields, edit).map(Content::Fields);
    }
    let mut read = |field: &str, raw: Option<Box<RawValue>>| {
        raw.map(|raw| Document::read(&raw, edit).map_err(|unfit| refusal(field, unfit))).transpose()
    };
    let before = read("before", before)?;
    let after = read("after", after)?.unwrap_or_default();
    Ok(Content::Whole { before, after })
}

/// Whether `below` is a part of what is at `path`.
fn leads_through(path: &str, below: &str) -> bool {
    below.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
}

fn listed(raw: &RawValue, edit: &mut dyn FnMut(&str, String) -> String) -> Result<Vec<Listed>, Refusal> {
    let wrong = |e: serde_json::Error| {
        Refusal::field("field_type", "fields", format!("fields must be a list of {{path, old, new}}: {e}"))
    };
    let items: Vec<Members> = serde_json::from_str(raw.get()).map_err(wrong)?;
    if items.is_empty() || items.len() > LISTED_MAX {
        let detail = format!("send 1 to {LISTED_MAX} fields; split a larger change, or send before and after");
        return Err(Refusal::field("too_many_fields", "fields", detail));
    }
    let mut found: Vec<Listed> = Vec::with_capacity(items.len());
    for Members(members) in items {
        let unknown = members.iter().find(|(key, _)| !["path", "old", "new"].contains(&key.as_str()));
        if let Some((key, _)) = unknown {
            let key: String = key.chars().take(40).collect();
            return Err(Refusal::field(
                "unknown_field",
                "fields",
                format!("`{key}` is not part of a field; send path, old, new"),
            ));
        }
        let member = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, raw)| raw);
        let path = member("path").and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let path = path.ok_or_else(|| Refusal::field("field_required", "fields", "every field needs its path"))?;
        check_path(&path).map_err(|unfit| refusal("fields", unfit))?;
        if found.iter().any(|other| other.path == path) {
            return Err(Refusal::field("path_twice", "fields", format!("{path} is listed twice")));
        }
        if let Some(other) = found.iter().find(|other| leads_through(&other.path, &path) || leads_through(&path, &other.path)) {
            let detail = format!("{} and {path} cannot both be listed: one is part of the other", other.path);
            return Err(Refusal::field("paths_overlap", "fields", detail));
        }
        let mut part = |raw: Option<&Box<RawValue>>| {
            raw.map(|raw| Document::part(&path, raw, edit).map_err(|unfit| refusal("fields", unfit))).transpose()
        };
        let (old, new) = (part(member("old"))?, part(member("new"))?.unwrap_or_default());
        found.push(Listed { path: path.clone(), old, new });
    }
    Ok(found)
}
