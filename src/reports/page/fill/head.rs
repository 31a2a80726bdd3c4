//! The head of the report, its verdict and its six figures.

use crate::clock::Moment;
use crate::reports::{Continuity, Report, Source, SourceState, Status};

use super::super::words::{LocalTime, UNKNOWN, count, counted, fact, money, report_status, signed, tag};
use super::super::{DailyReport, Fact, Tag, Tile};

pub(super) fn fill(from: &Report, time: LocalTime) -> DailyReport {
    DailyReport {
        bank: from.window.institution.clone(),
        business_date: from.business_date.to_string(),
        weekday: from.business_date.format("%A").to_string(),
        version: from.version.to_string(),
        status: report_status(from.status.text()),
        handling: "Confidential, internal".to_owned(),
        header: facts(from, time),
        verdict: from.verdict.clone(),
        nil_day: nil_day(from),
        notices: notices(from, time),
        tiles: tiles(from),
        ..DailyReport::default()
    }
}

fn facts(from: &Report, time: LocalTime) -> Vec<Fact> {
    let window = &from.window;
    let spaced = |text: &str| text.replacen('T', " ", 1);
    let rules = from.rules.iter().map(|rule| rule.version).max();
    vec![
        fact("Window, local", format!("{} to {}", spaced(&window.from_local), spaced(&window.to_local))),
        fact("Window, UTC", format!("{} to {}", spaced(&window.from), spaced(&window.to))),
        fact("Cut-off", format!("{} {}", window.cut_off, window.time_zone)),
        fact("Computed", time.of_text(&from.integrity.computed_at)),
        fact("Log, by seq", format!("{} to {}", count(from.seq_from), count(from.seq_to))),
        fact("Rule set", rules.map_or_else(|| UNKNOWN.to_owned(), |version| format!("Version {version}"))),
        fact("Program", from.integrity.program.clone()),
    ]
}

fn entries(from: &Report) -> i64 {
    from.totals.values().map(|totals| totals.entries).fold(0, i64::saturating_add)
}

fn nil_day(from: &Report) -> Option<String> {
    if let Some(began) = crate::reports::before_the_book(from) {
        return Some(format!(
            "This date lies before the book's start on {began}. Nothing was recorded of it, so there is nothing to report."
        ));
    }
    let attempted = from.totals.values().any(|totals| totals.attempted > 0);
    if entries(from) > 0 || attempted {
        return None;
    }
    let text = "No entry carries this business date. That is what was received, not what happened: a source that sent nothing \
        is shown as not received, never as zero.";
    Some(text.to_owned())
}

fn notices(from: &Report, time: LocalTime) -> Vec<String> {
    let mut notices = Vec::new();
    if from.status == Status::Preview {
        let at = time.of_text(&from.integrity.computed_at);
        notices.push(format!("Preview: computed at {at} and not stored. Its figures can still change."));
    }
    let waiting: Vec<&str> = from.sources.iter().filter(|s| s.closes && s.closed_at.is_none()).map(|s| s.name.as_str()).collect();
    if from.status == Status::Provisional && !waiting.is_empty() {
        notices.push(format!("Provisional: {} had not closed the day when this was computed.", waiting.join(", ")));
    }
    if from.status == Status::Provisional && ended_later(from) {
        let (at, to) = (time.of_text(&from.integrity.computed_at), time.of_text(&from.window.to));
        notices.push(format!("Provisional: computed at {at}, before the business date ended ({to})."));
    }
    if let Some(restates) = &from.integrity.restates {
        let (version, n) = (restates.version, restates.changes_total);
        let changes = counted(n, "figure differs", "figures differ");
        notices.push(match (from.status, n) {
            (Status::Preview, 0) => format!("Nothing has changed since version {version}: every figure of the date is the same."),
            (Status::Preview, _) => format!("Since version {version} {changes}. Section R lists them."),
            _ => format!("Restates version {version}: {changes}. Section R lists them."),
        });
    }
    if from.integrity.day_figures_agree == Some(false) {
        let text =
            "The running day figures do not say the same as the entries. Run counterfoil verify before relying on this report.";
        notices.push(text.to_owned());
    }
    let errors: i64 = from.rules.iter().map(|rule| rule.errors).sum();
    if errors > 0 {
        notices
            .push(format!("{} could not be evaluated by a rule. Section J names the rule.", counted(errors, "entry", "entries")));
    }
    notices
}

fn ended_later(from: &Report) -> bool {
    let at = |text: &str| Moment::parse(text).ok();
    at(&from.integrity.computed_at) < at(&from.window.to)
}

fn tiles(from: &Report) -> Vec<Tile> {
    let attempted: i64 = from.totals.values().map(|totals| totals.attempted).sum();
    let note = if attempted > 0 { format!("and {} attempted, in no sum", count(attempted)) } else { String::new() };
    vec![
        tile("Entries", vec![count(entries(from))], note, None, "#activity"),
        value(from),
        tile(
            "Alerts raised",
            vec![count(from.alerts.raised)],
            format!("{} open in all", count(from.alerts.open)),
            None,
            "#alerts",
        ),
        tile("Alerts past due", vec![count(from.alerts.past_due)], String::new(), attention(from.alerts.past_due), "#alerts"),
        tile(
            "Breaks open",
            vec![count(from.continuity.breaks_open)],
            breaks_note(&from.continuity),
            attention(from.continuity.breaks_open + from.continuity.records_open),
            "#continuity",
        ),
        sources(&from.sources),
    ]
}

fn breaks_note(from: &Continuity) -> String {
    let new = format!("{} new on this date", count(from.breaks_new));
    if from.records_open == 0 { new } else { format!("{new}; and {} of records open", count(from.records_open)) }
}

fn tile(label: &str, values: Vec<String>, note: String, tag: Option<Tag>, href: &str) -> Tile {
    Tile { label: label.to_owned(), values, note, tag, href: Some(href.to_owned()) }
}

fn attention(n: i64) -> Option<Tag> {
    (n > 0).then(|| tag("Needs review", "warn"))
}

fn value(from: &Report) -> Tile {
    let line = |(currency, totals): (&String, &crate::reports::Totals)| {
        [signed(currency, "+", &money(&totals.credits)), signed(currency, "\u{2212}", &money(&totals.debits))]
    };
    let mut values: Vec<String> = from.totals.iter().take(3).flat_map(line).collect();
    if values.is_empty() {
        values.push(UNKNOWN.to_owned());
    }
    let more = from.totals.len().saturating_sub(3);
    let note = if more > 0 { format!("and {more} more currencies") } else { "credits and debits".to_owned() };
    tile("Value", values, note, None, "#activity")
}

fn sources(sources: &[Source]) -> Tile {
    let matched = sources.iter().filter(|s| s.state == SourceState::Matched).count();
    let announced = sources.iter().filter(|s| s.state != SourceState::NotAnnounced).count();
    let values = vec![if announced == 0 { UNKNOWN.to_owned() } else { format!("{matched} of {announced}") }];
    let note = match (announced, sources.len()) {
        (_, 0) => "no source is known".to_owned(),
        (0, _) => "no source announced its totals".to_owned(),
        (a, n) if a < n => format!("{} of {n} sources announced none", n - a),
        _ => String::new(),
    };
    let missing = sources.iter().any(|s| matches!(s.state, SourceState::Mismatch | SourceState::NotReceived));
    tile("Control totals matched", values, note, missing.then(|| tag("Needs review", "warn")), "#completeness")
}
