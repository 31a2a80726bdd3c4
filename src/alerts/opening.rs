//! Opening an alert: what the log and the table say of it, from a hit or from breaks. Pure.

use chrono::Datelike;
use serde_json::{Value, json};

use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::detect::{ActiveRule, Evidence, Severity};
use crate::ids::{AlertRef, Seq};
use crate::ledger::continuity::Break;
use crate::ledger::{BreakKind, BusinessCalendar};
use crate::money::{Currency, Money, group_thousands};
use crate::notify::store::promising;
use crate::trail::NewEvent;

use super::store::{self, AlertRow, Opening};
use super::{CONTINUITY, Explanation, break_sentence};

/// Numbers alerts year by year. A failed commit goes back to the clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct References {
    year: i32,
    last: u32,
}

impl References {
    /// Where numbering stands in the year of `now`, bank time.
    pub fn load(conn: &mut Conn, calendar: &BusinessCalendar, now: Moment) -> DbResult<References> {
        let year = calendar.local_date(now).year();
        let newest = store::newest_reference(conn, year)?.and_then(|text| AlertRef::parse(&text));
        Ok(References { year, last: newest.map_or(0, |reference| reference.number) })
    }

    /// The next reference for an alert opened at `now`; every year begins with 1. Recorded time
    /// never decreases; should the year still do so, numbering goes on in the later one.
    pub fn next(&mut self, calendar: &BusinessCalendar, now: Moment) -> AlertRef {
        let year = calendar.local_date(now).year();
        if year > self.year {
            *self = References { year, last: 0 };
        }
        self.last = self.last.saturating_add(1);
        AlertRef { year: self.year, number: self.last }
    }
}

/// An alert that is about to be opened: first its [`NewAlert::event`], then, with the event's place
/// as id, its [`NewAlert::row`].
#[derive(Clone, Debug)]
pub struct NewAlert {
    /// What people call it.
    pub reference: AlertRef,
    /// The rule's code.
    pub rule: &'static str,
    /// The rule set in force.
    pub rules: Seq,
    /// The account.
    pub account: Seq,
    /// How grave.
    pub severity: Severity,
    /// Day number of the entry that opens it.
    pub business_date: i32,
    /// When that entry was booked.
    pub first_booked_at: Moment,
    /// That entry.
    pub entry: Seq,
    /// The newest entry it joins.
    pub last_seq: Seq,
    /// How many hits or breaks it joins.
    pub hits: i64,
    /// The closed alert it follows.
    pub previous: Option<Seq>,
    /// Why.
    pub explanation: Explanation,
    /// The breaks, for an alert of rule `continuity`.
    pub breaks: Vec<(Seq, BreakKind)>,
}

/// The entry an alert is opened for.
#[derive(Clone, Copy, Debug)]
pub struct OpeningEntry {
    /// Its place.
    pub seq: Seq,
    /// Its account.
    pub account: Seq,
    /// When it was booked.
    pub booked_at: Moment,
    /// Its business date, as a day number.
    pub business_date: i32,
    /// The rule set in force when it was recorded.
    pub rules: Seq,
}

impl NewAlert {
    /// For the first hit.
    pub fn for_hit(
        reference: AlertRef,
        entry: &OpeningEntry,
        rule: &ActiveRule,
        evidence: &Evidence,
        previous: Option<Seq>,
    ) -> NewAlert {
        let explanation = Explanation {
            sentence: rule.check.explain(evidence),
            observed: Some(evidence.observed.clone()),
            threshold: Some(evidence.threshold.clone()),
            window: evidence.window.clone(),
        };
        NewAlert::of(reference, entry, (rule.rule.code(), rule.severity), explanation, previous)
    }

    /// For the breaks of one account that stayed open; `first` is the oldest, `others` the rest.
    pub fn for_breaks(
        reference: AlertRef,
        entry: &OpeningEntry,
        first: &Break,
        others: &[Break],
        (currency, has_before): (Currency, bool),
        previous: Option<Seq>,
    ) -> NewAlert {
        let mut sentence = break_sentence(first, currency, has_before);
        match others.len() {
            0 => {}
            1 => sentence.push_str(" Another break of the account stayed open as well."),
            n => sentence.push_str(&format!(" {n} other breaks of the account stayed open as well.")),
        }
        let text = |value: Option<i64>| value.map(|value| measured(first.kind, value, currency));
        let explanation = Explanation { sentence, observed: text(first.found), threshold: text(first.expected), window: None };
        let mut alert = NewAlert::of(reference, entry, (CONTINUITY, Severity::High), explanation, previous);
        alert.breaks = std::iter::once(first).chain(others).map(|b| (b.seq, b.kind)).collect();
        alert.hits = alert.breaks.len() as i64;
        alert.last_seq = alert.breaks.iter().map(|(seq, _)| *seq).max().unwrap_or(entry.seq);
        alert
    }

    fn of(
        reference: AlertRef,
        entry: &OpeningEntry,
        (rule, severity): (&'static str, Severity),
        explanation: Explanation,
        previous: Option<Seq>,
    ) -> NewAlert {
        NewAlert {
            reference,
            rule,
            rules: entry.rules,
            account: entry.account,
            severity,
            business_date: entry.business_date,
            first_booked_at: entry.booked_at,
            entry: entry.seq,
            last_seq: entry.seq,
            hits: 1,
            previous,
            explanation,
            breaks: Vec::new(),
        }
    }

    /// What the log says: ids, amounts and counts, nothing personal; in private who is owed mail.
    pub fn event(&self, mail_to: &[String]) -> NewEvent {
        let mut body = json!({
            "ref": self.reference.to_string(), "rule": self.rule, "rules": self.rules, "severity": self.severity.text(),
            "account": self.account, "entry": self.entry, "previous": self.previous, "explanation": self.explanation,
        });
        if !self.breaks.is_empty() {
            body["breaks"] = breaks_json(&self.breaks);
        }
        promising("alert.opened", body, None, mail_to)
    }

    /// The row, with the event's place as id.
    pub fn row(&self, id: Seq, opened_at: Moment) -> AlertRow {
        let of = Opening {
            reference: self.reference.to_string(),
            rule: self.rule.to_owned(),
            rules: self.rules,
            account: self.account,
            severity: self.severity.code(),
            business_date: self.business_date,
            first_booked_at: self.first_booked_at.0,
            last_seq: self.last_seq,
            hits: self.hits,
            explanation: json!(self.explanation).to_string(),
            previous: self.previous,
        };
        AlertRow::opened((id, opened_at), of)
    }
}

/// `[[17,"chain"],…]`
pub(super) fn breaks_json(breaks: &[(Seq, BreakKind)]) -> Value {
    breaks.iter().map(|(seq, kind)| json!([seq, kind.text()])).collect()
}

/// An amount, or a number where the break is about numbers.
fn measured(kind: BreakKind, value: i64, currency: Currency) -> String {
    if kind != BreakKind::Sequence {
        return Money::new(value, currency).for_people();
    }
    let sign = if value < 0 { "\u{2212}" } else { "" };
    format!("{sign}{}", group_thousands(u128::from(value.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::store::OPEN;
    use super::*;
    use crate::config::Bank;
    use crate::detect::RuleSetBody;

    fn entry() -> OpeningEntry {
        OpeningEntry { seq: 17, account: 5, booked_at: Moment(1_000), business_date: 20_777, rules: 3 }
    }

    #[test]
    fn references_begin_anew_each_year_of_the_bank_and_never_go_back() {
        let calendar = BusinessCalendar::new(&Bank { time_zone: "Asia/Tokyo".parse().unwrap(), ..Bank::default() });
        let at = |text| Moment::parse(text).unwrap();
        let mut references = References { year: 2026, last: 41 };
        let mut next = |text| references.next(&calendar, at(text)).to_string();
        assert_eq!(next("2026-12-31T14:59:59Z"), "ALR-2026-000042");
        assert_eq!(next("2026-12-31T15:00:00Z"), "ALR-2027-000001", "midnight in Tokyo");
        assert_eq!(next("2026-12-31T14:59:59Z"), "ALR-2027-000002");
    }

    #[test]
    fn a_hit_opens_an_alert_that_says_why() {
        let rules = RuleSetBody::first().compile(3).unwrap();
        let evidence =
            Evidence { observed: "USD 12,000.00".into(), threshold: "USD 10,000.00".into(), window: None, entries: vec![17] };
        let reference = AlertRef { year: 2026, number: 1 };
        let rule = rules.find("high-value").unwrap();
        let alert = NewAlert::for_hit(reference, &entry(), rule, &evidence, Some(9));
        let event = alert.event(&[]);
        assert_eq!(event.body["ref"], "ALR-2026-000001");
        assert_eq!((event.body["entry"].as_i64(), event.body["previous"].as_i64()), (Some(17), Some(9)));
        assert!(event.body.get("breaks").is_none() && event.private.is_none());
        let row = alert.row(30, Moment(2_000));
        assert_eq!((row.id, row.hits, row.last_seq, row.state, row.opened_at), (30, 1, 17, OPEN, 2_000));
        let explanation: Explanation = serde_json::from_str(&row.explanation).unwrap();
        assert_eq!(explanation.sentence, rule.check.explain(&evidence));
        assert_eq!(explanation.table(), [("Observed", "USD 12,000.00"), ("Limit", "USD 10,000.00")]);
    }

    #[test]
    fn breaks_of_an_account_open_one_alert() {
        let found = |seq, kind| Break { seq, kind, expected: Some(150_000), found: Some(99_000) };
        let usd = Currency::parse("USD").unwrap();
        let (first, other) = (found(17, BreakKind::Chain), found(20, BreakKind::Sequence));
        let reference = AlertRef { year: 2026, number: 2 };
        let alert = NewAlert::for_breaks(reference, &entry(), &first, &[other], (usd, true), None);
        assert_eq!((alert.rule, alert.severity, alert.hits, alert.last_seq), (CONTINUITY, Severity::High, 2, 20));
        assert!(alert.explanation.sentence.ends_with(" Another break of the account stayed open as well."));
        assert_eq!(alert.explanation.observed.as_deref(), Some("USD 990.00"));
        assert_eq!(alert.event(&[]).body["breaks"], json!([[17, "chain"], [20, "sequence"]]));
        assert_eq!(measured(BreakKind::Sequence, -1_200, usd), "\u{2212}1,200");
    }
}
