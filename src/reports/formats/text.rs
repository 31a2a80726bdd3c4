//! Aligned plain text for a terminal or a plain mail.

use super::super::{CASH_NOTE, Report};

/// A table: text columns to the left, figures to the right.
struct Grid {
    rows: Vec<Vec<String>>,
    right: &'static [bool],
}

impl Grid {
    fn new(right: &'static [bool], head: &[&str]) -> Grid {
        Grid { rows: vec![head.iter().map(ToString::to_string).collect()], right }
    }

    fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn print(&self, out: &mut String) {
        let width = |i: usize| self.rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.right.len()).map(width).collect();
        for row in &self.rows {
            let mut line = String::from(" ");
            for (i, cell) in row.iter().enumerate() {
                let pad = " ".repeat(widths.get(i).copied().unwrap_or(0).saturating_sub(cell.chars().count()));
                let right = self.right.get(i).copied().unwrap_or(false);
                line.push_str(&if right { format!(" {pad}{cell}") } else { format!(" {cell}{pad}") });
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
}

/// The report as text, for people.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    header(&mut out, report);
    sources(&mut out, report);
    activity(&mut out, report);
    continuity(&mut out, report);
    checks(&mut out, report);
    alerts(&mut out, report);
    operations(&mut out, report);
    out
}

fn header(out: &mut String, report: &Report) {
    let window = &report.window;
    out.push_str(&format!("Daily compliance report, {}\n", window.institution));
    out.push_str(&format!("Business date {}, version {} ({})\n", report.business_date, report.version, report.status.text()));
    out.push_str(&format!("Window {} to {} ({})\n", window.from_local, window.to_local, window.time_zone));
    out.push_str(&format!("Log {} to {}, computed {}\n\n", report.seq_from, report.seq_to, report.integrity.computed_at));
    out.push_str(&report.verdict);
    out.push('\n');
}

fn section(out: &mut String, title: &str) {
    out.push_str(&format!("\n{title}\n"));
}

/// Decimal text with grouped thousands.
fn grouped(amount: &str) -> String {
    let (sign, rest) = amount.strip_prefix('-').map_or(("", amount), |rest| ("-", rest));
    let (whole, part) = rest.split_once('.').map_or((rest, None), |(whole, part)| (whole, Some(part)));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), crate::money::group_thousands);
    match part {
        Some(part) => format!("{sign}{whole}.{part}"),
        None => format!("{sign}{whole}"),
    }
}

/// An amount, or a dash when it is not known.
fn known(amount: Option<&String>) -> String {
    amount.map_or_else(|| "-".into(), |a| grouped(a))
}

/// A count, or a dash when it is not known.
fn counted(count: Option<i64>) -> String {
    count.map_or_else(|| "-".into(), |n| n.to_string())
}

fn sources(out: &mut String, report: &Report) {
    section(out, "Completeness and control totals");
    if report.sources.is_empty() {
        out.push_str("  No source is known yet.\n");
        return;
    }
    let mut grid = Grid::new(
        &[false, true, true, true, false, false],
        &["Source", "Expected", "Recorded", "Rejected", "Closed at", "State"],
    );
    for s in &report.sources {
        let closed = s.closed_at.clone().unwrap_or_else(|| "-".into());
        grid.row(vec![
            s.name.clone(),
            counted(s.expected),
            counted(s.entries),
            counted(s.rejected),
            closed,
            s.state.text().into(),
        ]);
    }
    grid.print(out);
    let mut grid = Grid::new(
        &[false, false, true, true, true, true, false],
        &["Source", "Currency", "Debits expected", "Debits", "Credits expected", "Credits", "State"],
    );
    for s in &report.sources {
        for (code, c) in &s.currencies {
            let (debits, credits) = (known(c.expected_debits.as_ref()), known(c.expected_credits.as_ref()));
            let state = c.state.text().to_owned();
            grid.row(vec![s.name.clone(), code.clone(), debits, grouped(&c.debits), credits, grouped(&c.credits), state]);
        }
    }
    if grid.rows.len() > 1 {
        grid.print(out);
    }
}

fn activity(out: &mut String, report: &Report) {
    section(out, "Activity");
    if report.totals.is_empty() {
        out.push_str("  No entries with this business date.\n");
        return;
    }
    let mut grid = Grid::new(
        &[false, true, true, true, true, true, true, true, false],
        &["Currency", "Entries", "Attempted", "Opening", "+ Credits", "- Debits", "= Closing", "Unknown accounts", "Proof"],
    );
    for (code, t) in &report.totals {
        let (opening, closing) = (known(t.opening.as_ref()), known(t.closing.as_ref()));
        let (entries, attempted, unknown) = (t.entries.to_string(), t.attempted.to_string(), t.accounts_unknown.to_string());
        let proof = t.roll_forward.state.clone();
        grid.row(vec![
            code.clone(),
            entries,
            attempted,
            opening,
            grouped(&t.credits),
            grouped(&t.debits),
            closing,
            unknown,
            proof,
        ]);
    }
    grid.print(out);
    let mut grid = Grid::new(&[false, false, true, true, true], &["Currency", "Kind", "Entries", "Credits", "Debits"]);
    for (code, kinds) in &report.kinds {
        for (kind, k) in kinds {
            grid.row(vec![code.clone(), kind.clone(), k.entries.to_string(), grouped(&k.credits), grouped(&k.debits)]);
        }
    }
    grid.print(out);
}

/// Says how many rows of a list were left out.
fn left_out(out: &mut String, shown: usize, total: i64) {
    let left = total - shown as i64;
    if left > 0 {
        out.push_str(&format!("  {left} more are not listed.\n"));
    }
}

fn continuity(out: &mut String, report: &Report) {
    section(out, "Balance continuity");
    let c = &report.continuity;
    out.push_str(&format!("  {} accounts and {} entries checked; ", c.accounts_checked, c.entries_checked));
    out.push_str(&format!("{} breaks found on this date, {} open.\n", c.breaks_new, c.breaks_open));
    if c.records_new + c.records_open > 0 {
        let (new, open) = (c.records_new, c.records_open);
        out.push_str(&format!("  Other records: {new} breaks found on this date, {open} open.\n"));
    }
    if c.items.is_empty() {
        return;
    }
    let mut grid = Grid::new(
        &[true, false, false, true, true, true, false, false, false, false, false],
        &["Seq", "Account", "Kind", "Expected", "Found", "Difference", "Currency", "State", "Booked", "Session", "IP address"],
    );
    for i in &c.items {
        let (expected, found, difference) = (known(i.expected.as_ref()), known(i.found.as_ref()), known(i.difference.as_ref()));
        let row = vec![i.seq.to_string(), i.account.clone(), i.kind.clone(), expected, found, difference];
        let origin = [known(i.booked_at.as_ref()), known(i.session.as_ref()), known(i.ip.as_ref())];
        grid.row(row.into_iter().chain([i.currency.clone(), i.state.clone()]).chain(origin).collect());
    }
    grid.print(out);
    left_out(out, c.items.len(), c.items_total);
}

fn checks(out: &mut String, report: &Report) {
    section(out, &format!("High-value entries: {}", report.high_value_total));
    let mut grid = Grid::new(
        &[true, false, false, false, true, false, false],
        &["Seq", "Account", "Booked", "Direction", "Amount", "Currency", "Alert"],
    );
    for r in &report.high_value {
        let alert = r.alert.clone().unwrap_or_else(|| "-".into());
        let row = vec![r.seq.to_string(), r.account.clone(), r.booked_at.clone(), r.direction.clone(), grouped(&r.amount)];
        grid.row(row.into_iter().chain([r.currency.clone(), alert]).collect());
    }
    print_filled(out, &grid, report.high_value_total);
    section(out, &format!("High-frequency activity: {}", report.high_frequency_total));
    let mut grid = Grid::new(
        &[true, false, true, false, true, false, false],
        &["Seq", "Account", "Entries", "Window", "Value", "Currency", "Alert"],
    );
    for r in &report.high_frequency {
        let alert = r.alert.clone().unwrap_or_else(|| "-".into());
        let row = vec![r.seq.to_string(), r.account.clone(), r.count.to_string(), r.window.clone(), grouped(&r.value)];
        grid.row(row.into_iter().chain([r.currency.clone(), alert]).collect());
    }
    print_filled(out, &grid, report.high_frequency_total);
    section(out, &format!("Cash above the line: {}", report.cash_total));
    let mut grid = Grid::new(&[false, false, true, true, false], &["Account", "Side", "Entries", "Total", "Currency"]);
    for r in &report.cash {
        grid.row(vec![r.account.clone(), r.side.clone(), r.entries.to_string(), grouped(&r.total), r.currency.clone()]);
    }
    print_filled(out, &grid, report.cash_total);
    out.push_str(&format!("  {CASH_NOTE}\n"));
}

fn print_filled(out: &mut String, grid: &Grid, total: i64) {
    if grid.rows.len() > 1 {
        grid.print(out);
    }
    left_out(out, grid.rows.len() - 1, total);
}

fn alerts(out: &mut String, report: &Report) {
    section(out, "Alerts");
    let mut grid = Grid::new(&[false, true, true, true, true], &["Severity", "Raised", "Closed", "Open", "Past due"]);
    for s in &report.alerts.severities {
        let counts = [s.raised, s.closed, s.open, s.past_due].map(|n| n.to_string());
        grid.row([s.severity.text().to_owned()].into_iter().chain(counts).collect());
    }
    grid.print(out);
    section(out, "Rules");
    let mut grid = Grid::new(
        &[false, true, true, true, true, true, true, true],
        &["Rule", "Version", "Evaluated", "Hits", "Not applicable", "Little history", "Errors", "Suppressed"],
    );
    for r in &report.rules {
        let counts = [r.version, r.evaluated, r.hits, r.not_applicable, r.insufficient_history, r.errors, r.suppressed];
        grid.row([r.rule.clone()].into_iter().chain(counts.map(|n| n.to_string())).collect());
    }
    grid.print(out);
}

fn operations(out: &mut String, report: &Report) {
    section(out, "Late and future entries");
    out.push_str(&format!("  {} late, {} dated ahead.\n", report.late_total, report.future_total));
    section(out, "Access");
    let mut grid = Grid::new(&[false, true], &["What", "Count"]);
    for (what, n) in &report.access {
        grid.row(vec![what.replace('_', " "), n.to_string()]);
    }
    grid.print(out);
    section(out, "Erasures and holds");
    let erasures = &report.erasures;
    out.push_str(&format!(
        "  {} carried out, {} waiting, {} holds in force.\n",
        erasures.done_total, erasures.waiting_total, erasures.holds
    ));
    for run in &erasures.retention {
        match &run.refused {
            Some(reason) => out.push_str(&format!("  No values were dropped under event {}: {reason}.\n", run.event)),
            None => out.push_str(&format!(
                "  Values of {} critical, {} normal and {} debug changes dropped under event {}, {} held{}.\n",
                run.critical,
                run.normal,
                run.debug,
                run.event,
                run.held,
                if run.more { format!(", more is due than the {} of one run", run.cap) } else { String::new() },
            )),
        }
    }
    section(out, "Mail about these alerts");
    let mail = &report.notifications;
    out.push_str(&format!("  {} sent, {} waiting, {} given up.\n", mail.sent, mail.pending, mail.dead));
    section(out, "Integrity");
    let integrity = &report.integrity;
    out.push_str(&format!("  Log of {} leaves, root {}\n", integrity.size, integrity.root));
    match (integrity.verified_to, &integrity.last_full_at) {
        (Some(to), Some(at)) => out.push_str(&format!("  Fully verified to {to} leaves at {at}.\n")),
        _ => out.push_str("  No full verification has been recorded yet; run `counterfoil verify`.\n"),
    }
    for recovered in &integrity.recovered {
        out.push_str(&format!("  {}.\n", recovered.sentence()));
    }
    for s in &report.signoff {
        out.push_str(&format!("  Signed by {} at {}: {} {}\n", s.by, s.at, s.outcome, s.comment));
    }
}
