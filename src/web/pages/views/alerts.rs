//! The queue of alerts, and one alert.

use askama::Template;

use super::{AlertRow, BreakRow, Chip, Choice, Chrome, Empty, EntryRow, Fact, FieldError, Link, Pager, Tag, Travel, VersionRow};

/// A disposition in words: the value sent, the label and a line of help.
pub type DispositionWords = (&'static str, &'static str, &'static str);

/// The six dispositions, in the order of the form.
pub const DISPOSITIONS: [DispositionWords; 6] = [
    (
        "false_positive_expected_activity",
        "False positive: expected activity",
        "The activity fits what is known of this customer.",
    ),
    (
        "false_positive_rule_too_broad",
        "False positive: rule too broad",
        "The rule caught what it was not meant to catch. Counts towards tuning the rule.",
    ),
    ("explained_with_evidence", "Explained with evidence", "Unusual, but documents explain it. Name them in the comment."),
    ("duplicate_of", "Duplicate of another alert", "The same activity is already under review. Give that alert's reference."),
    ("data_quality", "Data quality", "The entry or its balances are wrong or incomplete. Say what the source must correct."),
    ("escalated_to_case", "Escalate to a case", "The activity needs an investigation. The alert closes into the case."),
];

/// The queue.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "alerts/list.html")]
pub struct AlertsPage {
    /// The frame.
    pub chrome: Chrome,
    /// What is listed, in one sentence.
    pub summary: String,
    /// Open, closed, all.
    pub statuses: Vec<Choice>,
    /// The four severities; several may be chosen.
    pub severities: Vec<Choice>,
    /// The rules, with an empty value for all.
    pub rules: Vec<Choice>,
    /// In which order: the gravest or the newest first.
    pub orders: Vec<Choice>,
    /// The order in words.
    pub caption: String,
    /// The filters in force.
    pub chips: Vec<Chip>,
    /// The list without filters.
    pub clear_href: String,
    /// What is wrong with the filter, if anything.
    pub error: Option<String>,
    /// The alerts.
    pub rows: Vec<AlertRow>,
    /// Said when there are none.
    pub empty: Empty,
    /// The way on.
    pub pager: Pager,
}

/// One alert.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "alerts/show.html")]
pub struct AlertPage {
    /// The frame.
    pub chrome: Chrome,
    /// The reference.
    pub reference: String,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// Its state.
    pub state: Tag,
    /// The rule's name.
    pub rule: String,
    /// The picker.
    pub travel: Travel,
    /// Why it was flagged: a sentence or two.
    pub why: String,
    /// How it was evaluated: rule version, window, time.
    pub evaluated: String,
    /// That its mail was given up, if it was; with the way to the list for who may see it.
    pub mail: Option<Link>,
    /// Account, customer, amounts, clocks.
    pub facts: Vec<Fact>,
    /// The entries behind it.
    pub entries: Vec<EntryRow>,
    /// The currency of those entries.
    pub currency: String,
    /// What the marked rows of the table are.
    pub entries_caption: String,
    /// The changes behind it, for an alert of a rule on changes.
    pub history_of_changes: Vec<VersionRow>,
    /// `account`, `record` or `actor`.
    pub subject: String,
    /// The breaks it joins, for an alert of continuity.
    pub breaks: Vec<BreakRow>,
    /// What the table leaves out, if anything.
    pub entries_note: Option<String>,
    /// The form, when this reader may decide.
    pub form: Option<DecisionForm>,
    /// Why this reader may not decide, when there is neither form nor decision.
    pub read_only: Option<String>,
    /// The decision, when there is one.
    pub decision: Option<DecisionView>,
    /// What happened to it, newest first.
    pub history: Vec<HistoryRow>,
    /// Other alerts of the account.
    pub related: Vec<AlertRow>,
}

/// The form that closes an alert. Field ids: `disposition`, `duplicate_of`, `comment`.
#[derive(Clone, Debug, Default)]
pub struct DecisionForm {
    /// Where it is sent.
    pub action: String,
    /// The dispositions; nothing is chosen until the officer has chosen.
    pub choices: Vec<Choice>,
    /// The alert this one repeats, as typed.
    pub duplicate_of: String,
    /// The comment, as typed.
    pub comment: String,
    /// What is wrong.
    pub errors: Vec<FieldError>,
    /// What will happen beside closing, such as a second approval.
    pub note: Option<String>,
}

/// A decision as taken.
#[derive(Clone, Debug, Default)]
pub struct DecisionView {
    /// The disposition in words.
    pub disposition: String,
    /// The comment.
    pub comment: String,
    /// Who decided, with role.
    pub by: String,
    /// When.
    pub at: String,
    /// Approval, case or duplicate: further facts.
    pub facts: Vec<Fact>,
}

/// One line of the history.
#[derive(Clone, Debug, Default)]
pub struct HistoryRow {
    /// When.
    pub at: String,
    /// Who or what did it.
    pub by: String,
    /// What was done.
    pub what: String,
    /// More of it; may be empty.
    pub detail: String,
    /// The event's place in the log.
    pub seq: String,
}
