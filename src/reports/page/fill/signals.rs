//! Sections D to G and O: breaks, high value, high frequency, cash, and entries of other dates.

use crate::reports::{BreakItem, CASH_NOTE, Cash, DatedEntry, HighFrequency, HighValue, Report};

use super::super::words::{
    LocalTime, UNKNOWN, account_link, alert_link, break_state, count, counted, fact, known_money, link, money, tag, words,
};
use super::super::{BreakRow, CashRow, DailyReport, EntryRow, FrequencyRow, LateRow, Link};
use super::left_out;

pub(super) fn fill(page: &mut DailyReport, from: &Report, time: LocalTime) {
    breaks(page, from, time);
    page.high_value = from.high_value.iter().map(|hit| high_value(hit, time)).collect();
    page.high_value_note = high_value_note(from);
    page.high_frequency = from.high_frequency.iter().map(|hit| high_frequency(hit, time)).collect();
    page.high_frequency_note = high_frequency_note(from);
    page.cash = from.cash.iter().map(cash).collect();
    page.cash_note = match from.cash_total {
        0 => format!("No account and side is above the line. {CASH_NOTE}"),
        n => format!("{} above the line. {CASH_NOTE}{}", counted(n, "sum is", "sums are"), left_out(from.cash.len(), n)),
    };
    dated(page, from, time);
}

fn breaks(page: &mut DailyReport, from: &Report, time: LocalTime) {
    let continuity = &from.continuity;
    page.continuity = vec![
        fact("Accounts checked", count(continuity.accounts_checked)),
        fact("Entries checked", count(continuity.entries_checked)),
        fact("Breaks new", count(continuity.breaks_new)),
        fact("Breaks open", count(continuity.breaks_open)),
    ];
    if continuity.records_new + continuity.records_open > 0 {
        page.continuity.push(fact("Record breaks new", count(continuity.records_new)));
        page.continuity.push(fact("Record breaks open", count(continuity.records_open)));
    }
    page.breaks = continuity.items.iter().map(|item| broken(item, time)).collect();
    let unchecked = from.totals.values().map(|t| t.entries).sum::<i64>() - continuity.entries_checked;
    let left = if unchecked > 0 {
        format!(
            " {} could not be checked, because they carry neither balances nor numbers.",
            counted(unchecked, "entry", "entries")
        )
    } else {
        String::new()
    };
    let found = if continuity.items.is_empty() { "No break was found on this date, and none is open. " } else { "" };
    page.breaks_note = format!(
        "{found}What was checked shows that balances follow from one another, not that they are true.{left}{}",
        left_out(continuity.items.len(), continuity.items_total)
    );
}

fn broken(item: &BreakItem, time: LocalTime) -> BreakRow {
    let note = match (&item.alert, item.closed_by) {
        (Some(alert), _) => format!("alert {alert}"),
        (None, Some(seq)) => format!("by {}", count(seq)),
        (None, None) => String::new(),
    };
    BreakRow {
        href: String::new(),
        kind: words(&item.kind),
        account: account_link(&item.account, item.account_id),
        currency: item.currency.clone(),
        expected: known_money(item.expected.as_deref()),
        found: known_money(item.found.as_deref()),
        difference: known_money(item.difference.as_deref()),
        entry: link(count(item.seq), entry_href(item.seq)),
        booked: item.booked_at.as_deref().map_or_else(|| UNKNOWN.to_owned(), |at| time.of_text(at)),
        recorded: time.of_text(&item.opened_at),
        session: origin(item.session.as_deref(), item.context, "session"),
        ip: origin(item.ip.as_deref(), item.context, "ip"),
        state: break_state(&item.state),
        note,
    }
}

/// The entry's page.
fn entry_href(seq: i64) -> String {
    format!("/entries/{seq}")
}

/// Where an entry came from, with the page that shows what else did.
fn origin(value: Option<&str>, context: Option<i64>, what: &str) -> Option<Link> {
    Some(link(value?, format!("/contexts/{}/{what}", context?)))
}

fn high_value(hit: &HighValue, time: LocalTime) -> EntryRow {
    EntryRow {
        seq: count(hit.seq),
        href: entry_href(hit.seq),
        account: Some(account_link(&hit.account, hit.account_id)),
        booked: time.of_text(&hit.booked_at),
        kind: words(&hit.kind),
        direction: words(&hit.direction),
        amount: format!("{} {}", hit.currency, money(&hit.amount)),
        alerts: hit.alert.iter().map(|alert| alert_link(alert)).collect(),
        ..EntryRow::default()
    }
}

fn rule_text(from: &Report, code: &str) -> String {
    let rule = from.rules.iter().find(|rule| rule.rule == code);
    rule.and_then(|rule| rule.text.as_deref()).map(|text| format!(" {text}")).unwrap_or_default()
}

fn high_value_note(from: &Report) -> String {
    let found = match from.high_value_total {
        0 => "No entry of this date is at or above the line.".to_owned(),
        n => format!("{} at or above the line.", counted(n, "entry is", "entries are")),
    };
    format!("{found}{}{}", rule_text(from, "high-value"), left_out(from.high_value.len(), from.high_value_total))
}

fn high_frequency(hit: &HighFrequency, time: LocalTime) -> FrequencyRow {
    let late = if hit.late { ", found late" } else { "" };
    FrequencyRow {
        account: account_link(&hit.account, hit.account_id),
        window: format!("{} to {}{late}", hit.window, time.of_text(&hit.booked_at)),
        count: count(hit.count),
        limit: count(hit.threshold),
        value: format!("{} {}", hit.currency, money(&hit.value)),
        alert: hit.alert.as_deref().map_or_else(Link::default, alert_link),
    }
}

fn high_frequency_note(from: &Report) -> String {
    let found = match from.high_frequency_total {
        0 => "No account reached the line in any window of this date.".to_owned(),
        n => format!("{} the line.", counted(n, "entry crossed", "entries crossed")),
    };
    format!("{found}{}{}", rule_text(from, "high-frequency"), left_out(from.high_frequency.len(), from.high_frequency_total))
}

fn cash(row: &Cash) -> CashRow {
    CashRow {
        account: account_link(&row.account, row.account_id),
        side: format!("Cash {}", row.side),
        entries: count(row.entries),
        total: format!("{} {}", row.currency, money(&row.total)),
        largest: money(&row.largest),
        state: tag(format!("Above {}", money(&row.threshold)), "warn"),
    }
}

fn dated(page: &mut DailyReport, from: &Report, time: LocalTime) {
    page.late = from.late.iter().map(|entry| dated_row(entry, time)).collect();
    page.late_note = match from.late_total {
        0 => "No entry of this version's range belongs to a date that was reported before.".to_owned(),
        n => format!(
            "{} to a date that was reported before; they count there, in a restatement, not here.{}",
            counted(n, "entry belongs", "entries belong"),
            left_out(from.late.len(), n)
        ),
    };
    page.future = from.future.iter().map(|entry| dated_row(entry, time)).collect();
    page.future_note = match from.future_total {
        0 => "No entry of this version's range is dated ahead.".to_owned(),
        n => format!(
            "{} to a later business date and will be counted there.{}",
            counted(n, "entry belongs", "entries belong"),
            left_out(from.future.len(), n)
        ),
    };
}

fn dated_row(entry: &DatedEntry, time: LocalTime) -> LateRow {
    LateRow {
        seq: count(entry.seq),
        account: account_link(&entry.account, entry.account_id),
        business_date: entry.business_date.to_string(),
        booked: time.of_text(&entry.booked_at),
        recorded: time.of_text(&entry.recorded_at),
        direction: words(&entry.direction),
        amount: format!("{} {}", entry.currency, money(&entry.amount)),
    }
}
