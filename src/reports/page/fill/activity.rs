//! Section C: the roll-forward per currency, kinds and hours.

use std::collections::BTreeMap;

use crate::clock::{HOUR, Moment};
use crate::money::Currency;
use crate::reports::{Hour, Report, Totals};

use super::super::charts::{Bar, Unit, bars};
use super::super::words::{LocalTime, count, counted, known_money, money, tag, words};
use super::super::{CurrencyActivity, DailyReport, Figure, HourRow, KindRow, Tag};

/// Hours drawn in one chart; a date whose entries lie further apart shows only hours with entries.
const HOURS_DRAWN: i64 = 50;

pub(super) fn fill(page: &mut DailyReport, from: &Report, time: LocalTime) {
    page.activity = from.totals.iter().map(|(currency, totals)| activity(from, currency, totals, time)).collect();
    page.activity_note = if page.activity.is_empty() {
        "No entry carries this business date.".to_owned()
    } else {
        "Opening and closing balances are those of the accounts with entries on this date whose entries carry balances and can be \
         put in order; accounts unknown are left out of the proof, never of the sums. Nothing is summed across currencies."
            .to_owned()
    };
}

fn activity(from: &Report, currency: &str, totals: &Totals, time: LocalTime) -> CurrencyActivity {
    let hours = Hours::of(from, currency);
    let kinds = from.kinds.get(currency).into_iter().flatten();
    CurrencyActivity {
        currency: currency.to_owned(),
        entries: count(totals.entries),
        opening: known_money(totals.opening.as_deref()),
        credits: money(&totals.credits),
        debits: money(&totals.debits),
        closing: known_money(totals.closing.as_deref()),
        unknown: format!("{} of {}", count(totals.accounts_unknown), count(totals.accounts)),
        proof: proof(totals),
        kinds: kinds
            .map(|(kind, sums)| KindRow {
                kind: words(kind),
                entries: count(sums.entries),
                credits: money(&sums.credits),
                debits: money(&sums.debits),
            })
            .collect(),
        charts: if hours.given.is_empty() { Vec::new() } else { vec![hours.entries(time), hours.value(time)] },
        hours: hours.given.iter().map(|(at, hour)| row(Moment(*at), hour, time)).collect(),
    }
}

fn proof(totals: &Totals) -> Tag {
    let difference = totals.roll_forward.difference.as_deref();
    match totals.roll_forward.state.as_str() {
        "proven" => tag("Proven", "good"),
        "partial" => {
            let known = totals.accounts.saturating_sub(totals.accounts_unknown);
            tag(format!("Only {} of {} accounts", count(known), count(totals.accounts)), "warn")
        }
        "difference" => tag(format!("Differs by {}", known_money(difference)), "bad"),
        _ => tag("Not available", "neutral"),
    }
}

fn row(at: Moment, hour: &Hour, time: LocalTime) -> HourRow {
    HourRow { start: time.hour_with_offset(at), entries: count(hour.entries), value: money(&hour.value) }
}

/// One currency's hours, those without entries included where the day is not too long.
struct Hours<'a> {
    currency: &'a str,
    given: BTreeMap<i64, &'a Hour>,
    drawn: Vec<i64>,
}

impl<'a> Hours<'a> {
    fn of(from: &'a Report, currency: &'a str) -> Hours<'a> {
        let mine = from.hours.iter().filter(|hour| hour.currency == currency);
        let given: BTreeMap<i64, &Hour> = mine.filter_map(|h| Some((Moment::parse(&h.start).ok()?.0, h))).collect();
        let window = |text: &str| Moment::parse(text).ok().map(|at| at.0);
        let edge = [window(&from.window.from), window(&from.window.to).map(|to| to - 1)];
        let all = || given.keys().copied().chain(edge.into_iter().flatten());
        let first = all().min().unwrap_or(0).div_euclid(HOUR);
        let last = all().max().unwrap_or(0).div_euclid(HOUR);
        let drawn = if last - first < HOURS_DRAWN {
            (first..=last).map(|hour| hour * HOUR).collect()
        } else {
            given.keys().copied().collect()
        };
        Hours { currency, given, drawn }
    }

    fn bars(&self, time: LocalTime, value: impl Fn(&Hour) -> i128, text: impl Fn(&Hour) -> String) -> Vec<Bar> {
        // Hours that do not begin on the local hour (UTC+05:30) have no entry of their own key.
        let found = |at: i64| self.given.range(at..at + HOUR).next().map(|(_, hour)| *hour);
        let bar = |at: &i64| {
            let hour = found(*at);
            Bar { label: time.hour(Moment(*at)), value: hour.map_or(0, &value), text: hour.map_or_else(String::new, &text) }
        };
        self.drawn.iter().map(bar).collect()
    }

    /// The fullest hour in words.
    fn finding(&self, time: LocalTime, by: impl Fn(&Hour) -> i128, what: impl Fn(&Hour) -> String) -> String {
        let peak = self.given.iter().max_by_key(|(at, hour)| (by(hour), -**at));
        peak.map_or_else(String::new, |(at, hour)| format!("Most in the hour from {}: {}.", time.hour(Moment(*at)), what(hour)))
    }

    fn entries(&self, time: LocalTime) -> Figure {
        let title = format!("{} entries by hour", self.currency);
        let finding = self.finding(time, |h| i128::from(h.entries), |h| counted(h.entries, "entry", "entries"));
        let values = self.bars(time, |h| i128::from(h.entries), |h| count(h.entries));
        let svg = bars(&title, &finding, Unit { name: "entries", decimals: 0 }, &values);
        Figure { id: format!("hours-entries-{}", self.currency), title, finding, svg, ..Figure::default() }
    }

    fn value(&self, time: LocalTime) -> Figure {
        let title = format!("{} value by hour", self.currency);
        let finding = self.finding(time, |h| minor(&h.value), |h| format!("{} {}", h.currency, money(&h.value)));
        let values = self.bars(time, |h| minor(&h.value), |h| money(&h.value));
        let decimals = Currency::parse(self.currency).map_or(0, Currency::decimals);
        let svg = bars(&title, &finding, Unit { name: self.currency, decimals }, &values);
        Figure { id: format!("hours-value-{}", self.currency), title, finding, svg, ..Figure::default() }
    }
}

/// Contract money in minor units; it always carries every decimal of its currency.
fn minor(text: &str) -> i128 {
    text.replace('.', "").parse().unwrap_or(0)
}
