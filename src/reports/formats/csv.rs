//! One flat table: `section,key,currency,count,amount,detail`, RFC 4180.
//!
//! A text cell that a spreadsheet would take for a formula is led by an apostrophe; numbers stay
//! numbers. A figure that is not known is an empty cell, never a zero.

use super::super::{DatedEntry, Report};

/// One line of the table.
#[derive(Default)]
struct Line<'a> {
    section: &'a str,
    key: String,
    currency: &'a str,
    count: Option<i64>,
    amount: Option<&'a str>,
    detail: String,
}

struct Table(String);

impl Table {
    fn line(&mut self, line: Line<'_>) {
        let count = line.count.map(|n| n.to_string()).unwrap_or_default();
        let cells =
            [line.section, &guarded(&line.key), line.currency, &count, line.amount.unwrap_or_default(), &guarded(&line.detail)];
        for (i, cell) in cells.into_iter().enumerate() {
            if i > 0 {
                self.0.push(',');
            }
            self.0.push_str(&quoted(cell));
        }
        self.0.push_str("\r\n");
    }

    fn count(&mut self, section: &str, key: &str, count: i64) {
        self.line(Line { section, key: key.into(), count: Some(count), ..Line::default() });
    }

    fn amount(&mut self, section: &str, key: &str, currency: &str, amount: Option<&str>) {
        self.line(Line { section, key: key.into(), currency, amount, ..Line::default() });
    }

    fn said(&mut self, section: &str, key: &str, detail: impl Into<String>) {
        self.line(Line { section, key: key.into(), detail: detail.into(), ..Line::default() });
    }
}

/// A cell, in quotes where it needs them.
pub(in super::super) fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// Text that does not begin like a formula.
pub(in super::super) fn guarded(text: &str) -> String {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\0') => format!("'{text}"),
        _ => text.to_owned(),
    }
}

/// The report as one table with a header line.
pub fn csv(report: &Report) -> String {
    let mut table = Table("section,key,currency,count,amount,detail\r\n".to_owned());
    head(&mut table, report);
    sources(&mut table, report);
    activity(&mut table, report);
    continuity(&mut table, report);
    checks(&mut table, report);
    others(&mut table, "late", &report.late, report.late_total);
    others(&mut table, "future", &report.future, report.future_total);
    operations(&mut table, report);
    table.0
}

fn head(table: &mut Table, report: &Report) {
    table.said("report", "institution", &report.window.institution);
    table.said("report", "business_date", report.business_date.to_string());
    table.count("report", "version", report.version.into());
    table.said("report", "status", report.status.text());
    table.said("report", "window_from", &report.window.from);
    table.said("report", "window_to", &report.window.to);
    table.count("report", "seq_from", report.seq_from);
    table.count("report", "seq_to", report.seq_to);
    table.said("report", "computed_at", &report.integrity.computed_at);
    table.said("report", "verdict", &report.verdict);
}

fn sources(table: &mut Table, report: &Report) {
    for source in &report.sources {
        let key = |what: &str| format!("{}: {what}", source.name);
        table.said("sources", &key("state"), source.state.text());
        let counts = [
            ("expected", source.expected),
            ("entries", source.entries),
            ("attempted", source.attempted),
            ("rejected", source.rejected),
            ("duplicates", source.duplicates),
        ];
        for (what, count) in counts {
            table.line(Line { section: "sources", key: key(what), count, ..Line::default() });
        }
        for (currency, sums) in &source.currencies {
            let amounts = [
                ("expected credits", sums.expected_credits.as_deref()),
                ("credits", Some(sums.credits.as_str())),
                ("expected debits", sums.expected_debits.as_deref()),
                ("debits", Some(sums.debits.as_str())),
            ];
            amounts.into_iter().for_each(|(what, amount)| table.amount("sources", &key(what), currency, amount));
        }
    }
}

fn activity(table: &mut Table, report: &Report) {
    for (currency, totals) in &report.totals {
        let count = |key: &str, n| Line { section: "totals", key: key.into(), currency, count: Some(n), ..Line::default() };
        table.line(count("entries", totals.entries));
        table.line(count("attempted", totals.attempted));
        table.line(count("accounts", totals.accounts));
        table.line(count("accounts_unknown", totals.accounts_unknown));
        table.amount("totals", "opening", currency, totals.opening.as_deref());
        table.amount("totals", "credits", currency, Some(&totals.credits));
        table.amount("totals", "debits", currency, Some(&totals.debits));
        table.amount("totals", "closing", currency, totals.closing.as_deref());
        let proof = &totals.roll_forward;
        let (key, detail) = ("roll_forward_difference".into(), proof.state.clone());
        table.line(Line { section: "totals", key, currency, amount: proof.difference.as_deref(), detail, ..Line::default() });
    }
    kinds_and_hours(table, report);
}

fn kinds_and_hours(table: &mut Table, report: &Report) {
    for (currency, kinds) in &report.kinds {
        for (kind, sums) in kinds {
            for (what, amount) in [("credits", &sums.credits), ("debits", &sums.debits)] {
                let key = format!("{kind}: {what}");
                table.line(Line {
                    section: "kinds",
                    key,
                    currency,
                    count: Some(sums.entries),
                    amount: Some(amount),
                    ..Line::default()
                });
            }
        }
    }
    for hour in &report.hours {
        let (key, currency) = (hour.start.clone(), hour.currency.as_str());
        table.line(Line {
            section: "hours",
            key,
            currency,
            count: Some(hour.entries),
            amount: Some(&hour.value),
            ..Line::default()
        });
    }
}

fn continuity(table: &mut Table, report: &Report) {
    let section = &report.continuity;
    table.count("continuity", "accounts_checked", section.accounts_checked);
    table.count("continuity", "entries_checked", section.entries_checked);
    table.count("continuity", "breaks_new", section.breaks_new);
    table.count("continuity", "breaks_open", section.breaks_open);
    if section.records_new + section.records_open > 0 {
        table.count("continuity", "records_new", section.records_new);
        table.count("continuity", "records_open", section.records_open);
    }
    for item in &section.items {
        let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".into());
        table.line(Line {
            section: "breaks",
            key: item.seq.to_string(),
            currency: &item.currency,
            amount: item.difference.as_deref(),
            detail: format!(
                "{} on {}: expected {}, found {}, {}; booked {}, session {}, IP address {}",
                item.kind,
                item.account,
                said(&item.expected),
                said(&item.found),
                item.state,
                said(&item.booked_at),
                said(&item.session),
                said(&item.ip)
            ),
            ..Line::default()
        });
    }
    table.count("breaks", "total", section.items_total);
}

fn checks(table: &mut Table, report: &Report) {
    for row in &report.high_value {
        let (key, currency) = (row.seq.to_string(), row.currency.as_str());
        let detail = format!(
            "{} on {} booked {}, alert {}",
            row.direction,
            row.account,
            row.booked_at,
            row.alert.as_deref().unwrap_or("none")
        );
        table.line(Line { section: "high_value", key, currency, amount: Some(&row.amount), detail, ..Line::default() });
    }
    table.count("high_value", "total", report.high_value_total);
    for row in &report.high_frequency {
        let (key, currency) = (row.seq.to_string(), row.currency.as_str());
        let detail =
            format!("{} in {} on {}, alert {}", row.count, row.window, row.account, row.alert.as_deref().unwrap_or("none"));
        let (count, amount) = (Some(row.count), Some(row.value.as_str()));
        table.line(Line { section: "high_frequency", key, currency, count, amount, detail });
    }
    table.count("high_frequency", "total", report.high_frequency_total);
    for row in &report.cash {
        let (key, currency) = (format!("{} {}", row.account, row.side), row.currency.as_str());
        let detail = format!("above {}", row.threshold);
        table.line(Line { section: "cash", key, currency, count: Some(row.entries), amount: Some(&row.total), detail });
    }
    table.count("cash", "total", report.cash_total);
    alerts(table, report);
}

fn alerts(table: &mut Table, report: &Report) {
    let alerts = &report.alerts;
    for (key, n) in [("raised", alerts.raised), ("open", alerts.open), ("past_due", alerts.past_due), ("closed", alerts.closed)] {
        table.count("alerts", key, n);
    }
    for (rule, n) in &alerts.by_rule {
        table.count("alerts by rule", rule, *n);
    }
    for (severity, n) in &alerts.by_severity {
        table.count("alerts by severity", severity, *n);
    }
    for rule in &report.rules {
        let counts = [
            ("evaluated", rule.evaluated),
            ("hits", rule.hits),
            ("not applicable", rule.not_applicable),
            ("insufficient history", rule.insufficient_history),
            ("errors", rule.errors),
            ("suppressed", rule.suppressed),
        ];
        for (what, n) in counts {
            let (key, detail) = (format!("{}: {what}", rule.rule), format!("rule set {}", rule.version));
            table.line(Line { section: "rules", key, count: Some(n), detail, ..Line::default() });
        }
    }
}

fn others(table: &mut Table, section: &str, rows: &[DatedEntry], total: i64) {
    for row in rows {
        let (key, currency) = (row.seq.to_string(), row.currency.as_str());
        let detail = format!("{} on {} for {}, recorded {}", row.direction, row.account, row.business_date, row.recorded_at);
        table.line(Line { section, key, currency, amount: Some(&row.amount), detail, ..Line::default() });
    }
    table.count(section, "total", total);
}

fn operations(table: &mut Table, report: &Report) {
    for (what, n) in &report.access {
        table.count("access", what, *n);
    }
    let erasures = &report.erasures;
    for (what, n) in [("done", erasures.done_total), ("waiting", erasures.waiting_total), ("holds", erasures.holds)] {
        table.count("erasures", what, n);
    }
    let mail = &report.notifications;
    for (what, n) in [("sent", mail.sent), ("pending", mail.pending), ("dead", mail.dead)] {
        table.count("notifications", what, n);
    }
    let integrity = &report.integrity;
    table.count("integrity", "size", integrity.size);
    table.said("integrity", "root", &integrity.root);
    table.line(Line { section: "integrity", key: "verified_to".into(), count: integrity.verified_to, ..Line::default() });
    table.said("integrity", "last_full_at", integrity.last_full_at.clone().unwrap_or_default());
    for recovered in &integrity.recovered {
        table.said("integrity", "recovered", recovered.sentence());
    }
    for signature in &report.signoff {
        table.said("signoff", &signature.by, format!("{} {}: {}", signature.at, signature.outcome, signature.comment));
    }
}
