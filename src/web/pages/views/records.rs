//! Finding records, and one record.

use askama::Template;

use super::{Choice, Chrome, Empty, Fact, FieldError, Figure, Link, Pager, Tag, Travel};

/// Search. The form is a POST: what is searched for never stands in an address.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "records/list.html")]
pub struct RecordsPage {
    /// The frame.
    pub chrome: Chrome,
    /// The types there are.
    pub kinds: Vec<Choice>,
    /// What was searched for.
    pub query: String,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
    /// The heading of the results.
    pub heading: String,
    /// What was found.
    pub rows: Vec<RecordRow>,
    /// Said when nothing is listed.
    pub empty: Empty,
    /// Changes that did not follow from what we knew.
    pub breaks: Vec<RecordBreakRow>,
    /// Said when there are none.
    pub breaks_empty: Empty,
}

/// A record in a list.
#[derive(Clone, Debug, Default)]
pub struct RecordRow {
    /// Its masked id and its page.
    pub record: Link,
    /// Its type.
    pub kind: String,
    /// Its source.
    pub source: String,
    /// How many changes it has.
    pub changes: String,
    /// When it changed last.
    pub last: String,
    /// Such as `Deleted`.
    pub tag: Option<Tag>,
}

/// A change that did not follow from what we knew.
#[derive(Clone, Debug, Default)]
pub struct RecordBreakRow {
    /// The record, masked.
    pub record: Link,
    /// Its type.
    pub kind: String,
    /// When it was recorded.
    pub at: String,
    /// In how many fields.
    pub fields: String,
    /// The page of the break.
    pub href: String,
    /// Its state.
    pub state: Tag,
}

/// One record.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "records/show.html")]
pub struct RecordPage {
    /// The frame.
    pub chrome: Chrome,
    /// Its type in words.
    pub kind: String,
    /// Its id in full.
    pub reference: String,
    /// States, such as `Deleted`.
    pub tags: Vec<Tag>,
    /// Source, first and last change, how many.
    pub facts: Vec<Fact>,
    /// Its page, where the forms lead.
    pub href: String,
    /// The picker.
    pub travel: Travel,
    /// See above.
    pub from: String,
    /// See above.
    pub to: String,
    /// `Now`, or `As it was on …`.
    pub heading: String,
    /// Which version that is, and why.
    pub standing: String,
    /// Whether another state than the newest is shown.
    pub past: bool,
    /// Its values then.
    pub values: Vec<ValueRow>,
    /// Said when there are none.
    pub values_empty: Empty,
    /// What is sealed of them, for a reader who may see it.
    pub sealed: Option<RecordSealed>,
    /// What differs between two instants, if that was asked for.
    pub difference: Option<DifferenceView>,
    /// Going back to the state that is shown.
    pub restore: Option<RestoreForm>,
    /// Its numbers over time.
    pub figures: Vec<Figure>,
    /// Its changes, newest first.
    pub history: Vec<VersionRow>,
    /// The way on in them.
    pub pager: Pager,
}

/// The form by which what is sealed is shown.
#[derive(Clone, Debug, Default)]
pub struct RecordSealed {
    /// Where it goes.
    pub action: String,
    /// The version whose values are opened.
    pub version: String,
    /// How many, in words.
    pub fields: String,
    /// The reason as written so far.
    pub reason: String,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// A value of a state.
#[derive(Clone, Debug, Default)]
pub struct ValueRow {
    /// The field.
    pub path: String,
    /// Its value.
    pub value: String,
    /// Such as `Sealed`.
    pub tag: Option<Tag>,
}

/// What differs between two states.
#[derive(Clone, Debug, Default)]
pub struct DifferenceView {
    /// Between what.
    pub heading: String,
    /// The columns' names.
    pub columns: (String, String),
    /// The fields.
    pub rows: Vec<ChangeLine>,
}

/// A field that changed.
#[derive(Clone, Debug, Default)]
pub struct ChangeLine {
    /// The field.
    pub path: String,
    /// Before.
    pub old: String,
    /// After.
    pub new: String,
    /// `+`, `−` or nothing: whether it came, went or changed.
    pub sign: &'static str,
}

/// Going back to an earlier state.
#[derive(Clone, Debug, Default)]
pub struct RestoreForm {
    /// Where it is sent.
    pub action: String,
    /// The version.
    pub version: String,
    /// What it would change.
    pub difference: DifferenceView,
    /// The reason as typed.
    pub reason: String,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
    /// Whether it can be done in the bank's own table, for a record that came from one.
    pub at_source: Option<RestoreAtSource>,
    /// Whether the reader may propose it.
    pub may: bool,
}

/// Going back in the bank's own table.
#[derive(Clone, Debug, Default)]
pub struct RestoreAtSource {
    /// Whether it is offered.
    pub may: bool,
    /// The table, or why it is not.
    pub text: String,
}

/// A change in the history.
#[derive(Clone, Debug, Default)]
pub struct VersionRow {
    /// The record, where changes of several are listed.
    pub record: Option<Link>,
    /// Its number on the record.
    pub version: String,
    /// The record as this change made it.
    pub href: String,
    /// When, as its source says.
    pub at: String,
    /// Recorded when, if that is another minute.
    pub recorded: String,
    /// `Created`, `Changed`, `Deleted`.
    pub action: String,
    /// Who.
    pub who: String,
    /// Session and address.
    pub whence: String,
    /// Why.
    pub why: String,
    /// What differs.
    pub lines: Vec<ChangeLine>,
    /// Breaks, restorations, masked card numbers.
    pub tags: Vec<Tag>,
    /// What did not fit: field, ours, sent.
    pub mismatches: Vec<ChangeLine>,
    /// The page of its break, if it has one.
    pub broken: String,
    /// Its place in the log.
    pub seq: String,
}
