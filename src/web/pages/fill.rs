//! Domain values as rows of the pages' tables.

use std::collections::HashMap;

use chrono::NaiveDate;

use crate::alerts::{About, Alert, ContinuityBreak, State};
use crate::clock::{DAY, HOUR, MINUTE, Moment, day_date};
use crate::ids::{Seq, is_erased_number, mask_account};
use crate::intake::Outcomes;
use crate::ledger::store::{AccountRow, ContextRow, EntryRow as Entry};
use crate::ledger::{BreakKind, Direction, Kind, Status};
use crate::money::{Currency, grouped};
use crate::reports::page::words::{
    LocalTime, UNKNOWN, account_link, alert_link, break_state, count, link, record_link, rule_title, tag, words,
};

use super::views::{AlertRow, BreakRow, EntryRow, Link, Tag};

/// The account's number, unless it was erased.
pub(super) fn number(account: &AccountRow) -> String {
    if is_erased_number(&account.number) { "Erased".to_owned() } else { account.number.clone() }
}

/// Accounts by their ids.
pub(super) type Accounts = HashMap<Seq, AccountRow>;
/// Contexts by their ids.
pub(super) type Contexts = HashMap<Seq, ContextRow>;

/// Minor units for people, without the currency.
pub(super) fn minor(amount: i128, currency: &str) -> String {
    Currency::parse(currency).map_or_else(|_| amount.to_string(), |currency| grouped(amount, currency))
}

fn known(amount: Option<i64>, currency: &str) -> String {
    amount.map_or_else(|| UNKNOWN.to_owned(), |amount| minor(amount.into(), currency))
}

/// What an entry's row needs beside the entry.
pub(super) struct Around<'a> {
    pub time: LocalTime,
    /// Set on pages of several accounts; amounts then carry their currency.
    pub accounts: Option<&'a Accounts>,
    pub contexts: &'a Contexts,
}

/// An entry.
pub(super) fn entry_row(entry: &Entry, around: &Around<'_>) -> EntryRow {
    let context = around.contexts.get(&entry.context);
    let amount = minor(entry.amount.into(), &entry.currency);
    let account = around.accounts.map(|accounts| {
        let masked = accounts.get(&entry.account).map_or_else(|| UNKNOWN.to_owned(), |a| mask_account(&a.number));
        account_link(&masked, entry.account)
    });
    EntryRow {
        seq: entry.seq.to_string(),
        href: entry_href(entry.seq),
        amount: if account.is_some() { format!("{} {amount}", entry.currency) } else { amount },
        account,
        booked: around.time.second(Moment(entry.booked_at)),
        business_date: day_date(entry.business_date).to_string(),
        kind: Kind::from_code(entry.kind).map_or_else(String::new, |kind| words(kind.text())),
        direction: Direction::from_code(entry.direction).map_or_else(String::new, |d| words(d.text())),
        before: known(entry.balance_before, &entry.currency),
        after: known(entry.balance_after, &entry.currency),
        status: Status::from_code(entry.status).map_or_else(String::new, |status| words(status.text())),
        session: context.and_then(|c| Some(link(shortened(c.session_id.as_deref()?), context_href(c.id, "session")))),
        ip: context.and_then(|c| Some(link(c.ip.clone()?, context_href(c.id, "ip")))),
        marks: marks(entry),
        alerts: Vec::new(),
        crossed: String::new(),
    }
}

/// A page of one context: its own number, never the session or address itself.
pub(super) fn context_href(id: Seq, what: &str) -> String {
    format!("/contexts/{id}/{what}")
}

/// A long identifier as far as a table has room.
pub(super) fn shortened(text: &str) -> String {
    if text.chars().count() <= 20 {
        return text.to_owned();
    }
    format!("{}\u{2026}", text.chars().take(18).collect::<String>())
}

/// What was decided with an entry.
pub(super) fn marks(entry: &Entry) -> Vec<Tag> {
    let Ok(outcomes) = Outcomes::read(entry.outcomes.as_deref()) else {
        return vec![tag("Outcomes unreadable", "bad")];
    };
    let mut marks = Vec::new();
    for rule in &outcomes.rules {
        match (rule.outcome.as_str(), rule.entry) {
            ("hit", None) => marks.push(tag(rule_title(&rule.rule), "warn")),
            ("hit", Some(other)) => marks.push(tag(format!("Moved {other} over the line"), "warn")),
            (outcome, _) => marks.extend(unjudged(&rule.rule, outcome)),
        }
    }
    for found in &outcomes.breaks {
        let kind = words(&found.kind);
        let word = if found.seq == entry.seq { format!("{kind} break") } else { format!("{kind} break at {}", found.seq) };
        marks.push(tag(word, "bad"));
    }
    marks.extend(outcomes.healed.iter().map(|healed| tag(format!("Heals {}", healed.seq), "good")));
    marks
}

/// Said where a rule could not judge.
pub(super) fn unjudged(rule: &str, outcome: &str) -> Option<Tag> {
    match outcome {
        "error" => Some(tag(format!("{} failed", rule_title(rule)), "bad")),
        "insufficient_history" => Some(tag(format!("{}: not enough history", rule_title(rule)), "warn")),
        _ => None,
    }
}

/// How long ago, in one unit.
pub(super) fn age(since: Moment, now: Moment) -> String {
    match now.0 - since.0 {
        passed if passed < MINUTE => "now".to_owned(),
        passed if passed < HOUR => format!("{} min", passed / MINUTE),
        passed if passed < 2 * DAY => format!("{} h", passed / HOUR),
        passed => format!("{} d", passed / DAY),
    }
}

/// Open, past due, or closed.
pub(super) fn alert_state(alert: &Alert, past_due: bool) -> Tag {
    match (alert.state, past_due) {
        (State::Closed, _) => tag("Closed", "neutral"),
        (State::Open, true) => tag("Past due", "warn"),
        (State::Open, false) => tag("Open", "info"),
    }
}

/// What an alert is about, and its page.
pub(super) fn about(about: &About) -> Link {
    match about.record {
        Some(record) => record_link(&about.masked(), record),
        None => account_link(&about.masked(), about.id),
    }
}

/// An alert in a list.
pub(super) fn alert_row(alert: &Alert, past_due: bool, due: NaiveDate, time: LocalTime, now: Moment) -> AlertRow {
    AlertRow {
        severity: alert.severity.text().to_owned(),
        alert: alert_link(&alert.reference.to_string()),
        account: about(&alert.about),
        rule: rule_title(&alert.rule),
        why: alert.explanation.sentence.clone(),
        observed: alert.explanation.observed.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
        due: if alert.state == State::Open { due.to_string() } else { String::new() },
        hits: count(alert.hits),
        raised: time.minute(alert.opened_at),
        age: if alert.state == State::Open { age(alert.opened_at, now) } else { String::new() },
        state: alert_state(alert, past_due),
    }
}

/// A break in a list; `booked` is when the entry it is named at was booked.
pub(super) fn break_row(found: &ContinuityBreak, booked: Option<Moment>, time: LocalTime) -> BreakRow {
    let currency = &found.account.currency;
    // The sender's numbers are no money.
    let amount = |value: Option<i64>| match found.found.kind {
        BreakKind::Sequence => value.map_or_else(|| UNKNOWN.to_owned(), |n| n.to_string()),
        _ => known(value, currency),
    };
    let note = match found.closed_by {
        Some(seq) => format!("by {seq}"),
        None if found.alert.is_none() => format!("alert due {}", time.minute(found.due_at)),
        None => String::new(),
    };
    BreakRow {
        href: format!("/breaks/{}/{}", found.found.seq, found.found.kind.text()),
        kind: words(found.found.kind.text()),
        account: account_link(&found.account.masked(), found.account.id),
        currency: currency.clone(),
        expected: amount(found.found.expected),
        found: amount(found.found.found),
        difference: amount(found.found.difference()),
        entry: link(found.found.seq.to_string(), entry_href(found.found.seq)),
        booked: booked.map_or_else(|| UNKNOWN.to_owned(), |at| time.second(at)),
        recorded: time.second(found.opened_at),
        session: None,
        ip: None,
        state: break_state(found.state.text()),
        note,
    }
}

/// The page of an entry.
pub(super) fn entry_href(seq: Seq) -> String {
    format!("/entries/{seq}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_one_unit() {
        let now = Moment(100 * DAY);
        for (passed, text) in [(0, "now"), (59 * MINUTE, "59 min"), (47 * HOUR, "47 h"), (49 * HOUR, "2 d")] {
            assert_eq!(age(Moment(now.0 - passed), now), text);
        }
    }

    #[test]
    fn long_identifiers_are_shortened() {
        assert_eq!(shortened("S-1"), "S-1");
        assert_eq!(shortened("0123456789012345678901"), "012345678901234567\u{2026}");
    }
}
