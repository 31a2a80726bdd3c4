//! Records the demo bank's days: entries, closings and reports, as a core system would send them.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;

use anyhow::Context as _;
use chrono::{Days, NaiveDate};
use indicatif::ProgressBar;

use crate::access::keys;
use crate::app::{self, App};
use crate::clock::day_number;
use crate::ids::Seq;
use crate::intake::{Delivery, DeliveryKind, Reply, Row, RowResult, Submission};
use crate::ledger::feeds::{Closing, Sums, close};
use crate::ledger::{Direction, NewEntry};
use crate::money::Currency;

use super::bank::DemoBank;

/// Who sends.
pub(super) const SOURCE: &str = "core";

/// Records `days` days up to today; every day but today is closed and has its report.
pub(super) fn record(app: &App, days: u32) -> anyhow::Result<()> {
    let source = app.log().act(|tx| keys::ensure_source(tx, SOURCE))?;
    let mut bank = DemoBank::new(Currency::parse("EUR")?);
    let now = app.clock.now();
    let today = app.calendar.local_date(now);
    let bar = ProgressBar::new(u64::from(days)).with_message("days");
    for day in 0..days {
        let date = today.checked_sub_days(Days::new(u64::from(days - 1 - day))).context("a date out of range")?;
        let (midnight, _) = app.calendar.window(date);
        let mut entries = bank.day(day, midnight);
        entries.retain(|entry| entry.booked_at <= now);
        let closing = closing(source, date, &entries);
        submit(app, source, entries, date != today)?;
        if date != today {
            close(&app.log(), closing)?;
            app::nightly(app, Some(date))?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn submit(app: &App, source: Seq, entries: Vec<NewEntry>, history: bool) -> anyhow::Result<()> {
    let (send, receive) = sync_channel(1);
    let reply: Reply = Box::new(move |results| {
        let _ = send.send(results);
    });
    let row = |(line, entry)| Row { line, entry: Ok(entry), with_next: false };
    let rows = (1..).zip(entries).map(row).collect();
    let delivery = Delivery { kind: DeliveryKind::Command, api_key: None, origin: Some("demo".into()) };
    app.intake.submit_wait(Submission { source, delivery, rows, atomic: false, history, reply })?;
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
