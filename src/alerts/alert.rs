//! An alert as people know it.

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::db::{DbError, DbResult};
use crate::detect::Severity;
use crate::ids::{AlertRef, Seq, mask_account};

use super::Disposition;
use super::store::{AlertRow, CLOSED, OPEN};

/// Whether an alert has been decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nobody has decided yet.
    Open,
    /// Decided.
    Closed,
}

impl State {
    /// `open`
    pub fn text(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Closed => "closed",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<State> {
        [State::Open, State::Closed].into_iter().find(|state| state.text() == text)
    }

    /// As stored.
    pub fn code(self) -> i16 {
        match self {
            State::Open => OPEN,
            State::Closed => CLOSED,
        }
    }

    /// From its stored number.
    pub fn from_code(code: i16) -> Option<State> {
        [State::Open, State::Closed].into_iter().find(|state| state.code() == code)
    }
}

/// Why an alert was opened, as written down at that moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// One or two sentences.
    pub sentence: String,
    /// What was observed: an amount or a count.
    #[serde(default)]
    pub observed: Option<String>,
    /// The line that was crossed, or what was expected.
    #[serde(default)]
    pub threshold: Option<String>,
    /// The window, for a count.
    #[serde(default)]
    pub window: Option<String>,
}

impl Explanation {
    /// As a table: label and value, only what there is.
    pub fn table(&self) -> Vec<(&'static str, &str)> {
        let rows = [("Observed", &self.observed), ("Limit", &self.threshold), ("Window", &self.window)];
        rows.into_iter().filter_map(|(label, value)| Some((label, value.as_deref()?))).collect()
    }
}

/// The account of a break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The event that defined it.
    pub id: Seq,
    /// Its number: not for mail, addresses of pages or logs.
    pub number: String,
    /// ISO 4217.
    pub currency: String,
    /// The source it is bound to.
    pub source: Seq,
}

impl Account {
    /// At most its last four characters, and at most a third of them.
    pub fn masked(&self) -> String {
        mask_account(&self.number)
    }
}

/// What an alert can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An account: its movements.
    Account,
    /// A record: its changes.
    Record,
    /// An actor: what one and the same changed. Its number is that of the first change.
    Actor,
}

/// The account, the record or the actor of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Which of them.
    pub what: What,
    /// The event that defined it; of an actor, the first change.
    pub id: Seq,
    /// Of a record itself; of an actor, the one of that change.
    pub record: Option<Seq>,
    /// Account number, the source's name of the record, or the actor: not for mail, addresses of pages or logs.
    pub name: String,
    /// ISO 4217 of an account, the type of a record; else empty.
    pub of: String,
    /// The source it is bound to.
    pub source: Seq,
}

impl About {
    /// What may be told anywhere: of an account the last characters, else our own number.
    pub fn masked(&self) -> String {
        match self.what {
            What::Account => mask_account(&self.name),
            What::Record => format!("{} record {}", self.of, self.id),
            What::Actor => format!("actor of change {}", self.id),
        }
    }
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which of the six.
    pub disposition: Disposition,
    /// Why, 20 to 2,000 characters.
    pub comment: String,
    /// The other alert, for a duplicate.
    pub duplicate_of: Option<AlertRef>,
    /// When.
    pub closed_at: Moment,
    /// The user who decided.
    pub closed_by: Seq,
    /// The event.
    pub seq: Seq,
}

/// The unit of review: hits of one rule on one account, record or actor, or breaks of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The event that opened it.
    pub id: Seq,
    /// What people call it.
    pub reference: AlertRef,
    /// The rule's code, or `continuity`.
    pub rule: String,
    /// The rule set in force when it was opened.
    pub rules: Seq,
    /// Gravest of its hits.
    pub severity: Severity,
    /// Whether it is decided.
    pub state: State,
    /// Whose movements or changes.
    pub about: About,
    /// Day number of the entry that opened it.
    pub business_date: i32,
    /// When it was opened, recorded time.
    pub opened_at: Moment,
    /// When the entry that opened it was booked.
    pub first_booked_at: Moment,
    /// The newest entry that joined.
    pub last_seq: Seq,
    /// How many hits, or breaks, it joins.
    pub hits: i64,
    /// Why it was opened.
    pub explanation: Explanation,
    /// The closed alert of the same rule and account that it follows.
    pub previous: Option<Seq>,
    /// What was decided, once it is closed.
    pub decision: Option<Decision>,
}

impl Alert {
    /// From its row and what it is about.
    pub(super) fn from_row(row: AlertRow, about: About) -> DbResult<Alert> {
        let corrupt = |what: &str| DbError::Corrupt(format!("alert {}: {what}", row.id));
        let reference = AlertRef::parse(&row.reference).ok_or_else(|| corrupt("unreadable reference"))?;
        let explanation = serde_json::from_str(&row.explanation).map_err(|_| corrupt("unreadable explanation"))?;
        let severity = Severity::from_code(row.severity).ok_or_else(|| corrupt("unknown severity"))?;
        let state = State::from_code(row.state).ok_or_else(|| corrupt("unknown state"))?;
        let decision = (state == State::Closed).then(|| decision(&row).ok_or_else(|| corrupt("unreadable decision")));
        let decision = decision.transpose()?;
        Ok(Alert {
            id: row.id,
            reference,
            rule: row.rule,
            rules: row.rules,
            severity,
            state,
            about,
            business_date: row.business_date,
            opened_at: Moment(row.opened_at),
            first_booked_at: Moment(row.first_booked_at),
            last_seq: row.last_seq,
            hits: row.hits,
            explanation,
            previous: row.previous,
            decision,
        })
    }
}

fn decision(row: &AlertRow) -> Option<Decision> {
    let duplicate_of = match &row.duplicate_of {
        Some(text) => Some(AlertRef::parse(text)?),
        None => None,
    };
    Some(Decision {
        disposition: Disposition::parse(row.disposition.as_deref()?)?,
        comment: row.comment.clone()?,
        duplicate_of,
        closed_at: Moment(row.closed_at?),
        closed_by: row.closed_by?,
        seq: row.closed_seq?,
    })
}
