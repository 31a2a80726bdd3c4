//! Records the demo bank's days: entries, closings and reports, as a core system would send them.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;

use anyhow::Context as _;
use chrono::{Days, NaiveDate};
use indicatif::ProgressBar;

use crate::access::keys;
use crate::alerts::queue::{self, AlertFilter};
use crate::alerts::{self, Disposition, Order, State, grace};
use crate::app::{self, App};
use crate::clock::{DAY, HOUR, MINUTE, Moment, day_number};
use crate::ids::Seq;
use crate::intake::{Delivery, DeliveryKind, Reply, Row, RowResult, Submission};
use crate::jobs::verify_and_note;
use crate::ledger::feeds::{Closing, Sums, close};
use crate::ledger::{Direction, NewEntry};
use crate::money::Currency;

use super::bank::DemoBank;

/// Who sends.
pub(super) const SOURCE: &str = "core";

/// Older alerts are decided by then, most of them.
const UNDECIDED_DAYS: u32 = 4;
/// Every so many-th alert is left lying, as it happens.
const LEFT_LYING: u32 = 5;

/// A bank's past, played through on a clock that is moved along.
pub(super) struct History<'a> {
    /// The bank as it serves afterwards.
    pub app: &'a App,
    /// The same bank, mailing nobody: what is long past is no news.
    pub quiet: &'a App,
    /// Who decides alerts.
    pub officer: Seq,
    /// The present.
    pub now: Moment,
}

impl History<'_> {
    /// Records `days` days up to the present; every day but today is closed and has its report.
    pub fn record(&self, days: u32) -> anyhow::Result<()> {
        let source = self.app.log().act(|tx| keys::ensure_source(tx, SOURCE))?;
        let mut bank = DemoBank::new(Currency::parse("EUR")?);
        let today = self.app.calendar.local_date(self.now);
        let bar = ProgressBar::new(u64::from(days)).with_message("days");
        for day in 0..days {
            let date = today.checked_sub_days(Days::new(u64::from(days - 1 - day))).context("a date out of range")?;
            let (midnight, end) = self.app.calendar.window(date);
            let mut entries = bank.day(day, midnight);
            entries.retain(|entry| entry.booked_at <= self.now);
            let closing = closing(source, date, &entries);
            self.day(source, entries, midnight, days - 1 - day)?;
            if date != today {
                self.night(closing, date, end, days - 1 - day)?;
            }
            bar.inc(1);
        }
        self.at(self.now);
        bar.finish_and_clear();
        Ok(())
    }

    /// Moves the clock on, never back and never past the present.
    fn at(&self, at: Moment) {
        let clock = &self.app.clock;
        clock.advance((at.min(self.now).0 - clock.now().0).max(0));
    }

    /// A day hour by hour: what was booked is sent a minute later, breaks are looked after, and in
    /// the morning the officer decides. `ago` is how many days have passed since.
    fn day(&self, source: Seq, entries: Vec<NewEntry>, midnight: Moment, ago: u32) -> anyhow::Result<()> {
        let (app, mut rest) = (if ago == 0 { self.app } else { self.quiet }, entries);
        for hour in 1..=24 {
            let until = midnight.plus(hour * HOUR);
            let later = rest.split_off(rest.partition_point(|entry| entry.booked_at < until));
            for entry in std::mem::replace(&mut rest, later) {
                self.at(entry.booked_at.plus(MINUTE));
                submit(app, source, vec![entry], ago > 0)?;
            }
            self.at(until);
            grace::raise_overdue(&app.db, &app.log(), &app.calendar, &app.config, app.clock.now())?;
            if hour == 10 && ago > UNDECIDED_DAYS {
                self.decide()?;
            }
        }
        Ok(())
    }

    /// Closes the alerts that have waited since yesterday, but for some.
    fn decide(&self) -> anyhow::Result<()> {
        let open = AlertFilter { state: Some(State::Open), ..AlertFilter::default() };
        let waiting = self.app.db.read(|conn| queue::list(conn, &open, Order::Newest, None, queue::PAGE_MAX))?.items;
        let now = self.app.clock.now();
        for alert in waiting.iter().filter(|alert| now.0 - alert.opened_at.0 > DAY / 2) {
            if alert.reference.number % LEFT_LYING == 0 {
                continue;
            }
            let (disposition, comment) = decision(&alert.rule);
            alerts::close(&self.app.log(), &alert.reference.to_string(), disposition, comment, None, self.officer)?;
        }
        Ok(())
    }

    /// The source closes its day, the report is made; once, the whole log is verified.
    fn night(&self, closing: Closing, date: NaiveDate, end: Moment, ago: u32) -> anyhow::Result<()> {
        self.at(end.plus(10 * MINUTE));
        close(&self.app.log(), closing)?;
        self.at(end.plus(30 * MINUTE));
        app::nightly(if ago == 1 { self.app } else { self.quiet }, Some(date))?;
        if ago == 1 {
            self.at(end.plus(32 * MINUTE));
            verify_and_note(self.app)?;
        }
        Ok(())
    }
}

/// What an officer may have found.
fn decision(rule: &str) -> (Disposition, &'static str) {
    match rule {
        "high-value" => {
            (Disposition::ExplainedWithEvidence, "Proceeds of a sale; the contract was seen at the branch and is in the file.")
        }
        "high-frequency" => (
            Disposition::FalsePositiveExpectedActivity,
            "The customer pays several suppliers in one sitting every ten days; this fits the business.",
        ),
        _ => (Disposition::DataQuality, "The core system did not send one movement; its operators were asked to send it again."),
    }
}

fn submit(app: &App, source: Seq, entries: Vec<NewEntry>, history: bool) -> anyhow::Result<()> {
    let (send, receive) = sync_channel(1);
    let reply: Reply = Box::new(move |results| {
        let _ = send.send(results);
    });
    let row = |(line, entry)| Row { line, entry: Ok(entry), with_next: false };
    let rows = (1..).zip(entries).map(row).collect();
    let delivery = Delivery { kind: DeliveryKind::Command, api_key: None, origin: Some("demo".into()) };
    app.intake().map_err(|by| anyhow::anyhow!("{by}"))?.submit_wait(Submission {
        source,
        delivery,
        rows,
        atomic: false,
        history,
        reply,
    })?;
    for result in receive.recv()?? {
        if let RowResult::Rejected(refusal) = result {
            anyhow::bail!("a demo entry was refused: {refusal}");
        }
    }
    Ok(())
}

fn closing(source: Seq, date: NaiveDate, entries: &[NewEntry]) -> Closing {
    let mut sums: BTreeMap<&'static str, Sums> = BTreeMap::new();
    for entry in entries {
        let empty = Sums { currency: entry.currency, count: 0, debits: 0, credits: 0 };
        let sum = sums.entry(entry.currency.code()).or_insert(empty);
        sum.count += 1;
        match entry.direction {
            Direction::Credit => sum.credits += entry.amount,
            Direction::Debit => sum.debits += entry.amount,
        }
    }
    Closing { source, api_key: None, business_date: day_number(date), sums: sums.into_values().collect() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::clock::Moment;

    #[test]
    fn a_day_s_entries_are_in_order_and_follow_one_another() {
        let mut bank = DemoBank::new(Currency::parse("EUR").unwrap());
        let entries = bank.day(0, Moment(0));
        assert!(entries.len() > 50);
        assert!(entries.is_sorted_by_key(|e| e.booked_at));
        assert!(entries.iter().all(|e| e.balance_after == e.balance_before.map(|b| b + e.signed())));
    }
}
