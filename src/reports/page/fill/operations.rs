//! Sections J, M, N, P, R and S: alerts and rules, access, mail, integrity, versions, method.

use crate::detect::Mode;
use crate::reports::{Report, RuleCounts, SettingsChange, Status};

use super::super::charts::{Bar, Unit, horizontal_bars};
use super::super::words::{LocalTime, UNKNOWN, count, counted, fact, known_count, mono, report_status, rule_title, tag, words};
use super::super::{AlertCountRow, CountRow, DailyReport, Fact, Figure, RuleRow, SignatureRow, VersionRow};

/// Changes of a restatement that the page names; the data names a thousand.
const CHANGES_NAMED: usize = 40;
/// Changed settings that the page names of each start; the data names a hundred.
const SETTINGS_NAMED: usize = 8;
/// Erasures that the page names; the data names a thousand.
const ERASURES_NAMED: usize = 40;

pub(super) fn fill(page: &mut DailyReport, from: &Report, time: LocalTime) {
    alerts(page, from);
    page.rules = from.rules.iter().map(rule).collect();
    page.access = from.access.iter().map(|(what, n)| access(what, *n)).collect();
    page.erasures = erasures(from, time);
    page.notifications = notifications(from);
    page.integrity = integrity(from, time);
    page.integrity_note = "The root covers every leaf recorded before it. Not covered: what a source states untruly, a replaced \
        program, and the span since the newest checkpoint that is held outside."
        .to_owned();
    page.versions = versions(from, time);
    page.signatures = from
        .signoff
        .iter()
        .map(|s| SignatureRow {
            by: s.by.clone(),
            at: time.of_text(&s.at),
            outcome: if s.outcome == "reviewed" { tag("Reviewed", "good") } else { tag("Exception noted", "warn") },
            comment: s.comment.clone(),
        })
        .collect();
    page.method = method(from);
}

fn alerts(page: &mut DailyReport, from: &Report) {
    let alerts = &from.alerts;
    let suppressed: i64 = from.rules.iter().map(|rule| rule.suppressed).sum();
    page.alerts = vec![
        fact("Raised", count(alerts.raised)),
        fact("Closed", count(alerts.closed)),
        fact("Open", count(alerts.open)),
        fact("Past due", count(alerts.past_due)),
        fact("Hits suppressed", count(suppressed)),
    ];
    page.alerts_by_severity = alerts
        .severities
        .iter()
        .map(|s| AlertCountRow {
            severity: s.severity.text().to_owned(),
            raised: count(s.raised),
            closed: count(s.closed),
            open: count(s.open),
            past_due: count(s.past_due),
        })
        .collect();
    page.alerts_chart = (alerts.raised > 0).then(|| by_rule(from));
    page.alerts_note = if alerts.raised == 0 { "No entry of this date raised an alert.".to_owned() } else { String::new() };
}

fn by_rule(from: &Report) -> Figure {
    let mut rules: Vec<(&String, i64)> = from.alerts.by_rule.iter().map(|(code, n)| (code, *n)).collect();
    rules.sort_by_key(|(code, n)| (-n, *code));
    let bar = |(code, n): &(&String, i64)| Bar { label: rule_title(code), value: i128::from(*n), text: count(*n) };
    let values: Vec<Bar> = rules.iter().map(bar).collect();
    let title = "Alerts raised, by rule".to_owned();
    let finding = rules
        .first()
        .map_or_else(String::new, |(code, n)| format!("{} raised most: {}.", rule_title(code), counted(*n, "alert", "alerts")));
    let svg = horizontal_bars(&title, &finding, Unit { name: "alerts", decimals: 0 }, &values);
    let rows = values.into_iter().map(|bar| vec![bar.label, bar.text]).collect();
    Figure { id: "alerts-by-rule".to_owned(), title, finding, svg, columns: vec!["Rule".to_owned(), "Raised".to_owned()], rows }
}

fn rule(from: &RuleCounts) -> RuleRow {
    RuleRow {
        rule: rule_title(&from.rule),
        version: format!("{} v{}", from.rule, from.version),
        mode: match from.mode {
            Mode::Live => "Live",
            Mode::DryRun => "Dry run",
            Mode::Off => "Off",
        }
        .to_owned(),
        evaluated: count(from.evaluated),
        hits: count(from.hits),
        not_applicable: count(from.not_applicable),
        insufficient: count(from.insufficient_history),
        errors: count(from.errors),
        suppressed: count(from.suppressed),
    }
}

fn access(what: &str, n: i64) -> CountRow {
    let grave = ["denied", "refused", "lock", "disabled"].iter().any(|word| what.contains(word));
    let attention = (grave && n > 0).then(|| tag("Review", "warn"));
    CountRow { what: words(what), count: count(n), note: String::new(), tag: attention }
}

fn erasures(from: &Report, time: LocalTime) -> Vec<CountRow> {
    let erasures = &from.erasures;
    let row = |what: String, n: i64, note: String, tag| CountRow { what, count: count(n), note, tag };
    let mut rows =
        vec![row("Carried out".to_owned(), erasures.done_total, "private parts of a subject are gone".to_owned(), None)];
    for done in erasures.done.iter().take(ERASURES_NAMED) {
        let again = match done.cause.as_str() {
            "register" => Some(tag("Older copy put right", "warn")),
            "retention" => Some(tag("Time was over", "info")),
            _ => None,
        };
        let note = format!("{}, {}", time.of_text(&done.at), counted(done.places, "private part", "private parts"));
        rows.push(row(format!("Under event {}", done.event), done.places, note, again));
    }
    rows.push(row("Waiting".to_owned(), erasures.waiting_total, "asked for, and not ended".to_owned(), None));
    for waiting in erasures.waiting.iter().take(ERASURES_NAMED) {
        let note = match &waiting.ready_at {
            Some(at) => format!("approved, carried out from {}", time.of_text(at)),
            None => format!("asked for {}, not approved yet", time.of_text(&waiting.submitted_at)),
        };
        rows.push(row(format!("Proposal {}", waiting.proposal), 1, note, None));
    }
    for run in erasures.retention.iter().take(ERASURES_NAMED) {
        let (n, at) = (run.critical + run.normal + run.debug, time.of_text(&run.at));
        let (note, mark) = match (&run.refused, run.more) {
            (Some(reason), _) => {
                (format!("{at}, nothing was dropped: {}", words(reason)), Some(tag("Clock not believed", "bad")))
            }
            (None, more) => {
                let classes =
                    format!("critical {}, normal {}, debug {}", count(run.critical), count(run.normal), count(run.debug));
                let held = if run.held > 0 { format!(", {} held", count(run.held)) } else { String::new() };
                let left = more.then(|| tag(format!("At its bound of {}", count(run.cap)), "warn"));
                (format!("{at}: {classes}{held}"), left)
            }
        };
        rows.push(row(format!("Values whose time was over, event {}", run.event), n, note, mark));
    }
    rows.push(row("Legal holds in force".to_owned(), erasures.holds, "nothing of their subjects is erased".to_owned(), None));
    rows
}

fn notifications(from: &Report) -> Vec<CountRow> {
    let mail = &from.notifications;
    let row =
        |what: &str, n: i64, note: &str, tag| CountRow { what: what.to_owned(), count: count(n), note: note.to_owned(), tag };
    let off = (!mail.configured).then(|| tag("Not configured", "warn"));
    vec![
        row("Recipients of alert mail", mail.recipients, if mail.configured { "" } else { "no mail can leave" }, off),
        row("Accepted by the relay", mail.sent, "accepted is not read", None),
        row("Waiting", mail.pending, "", None),
        row("Given up", mail.dead, "", (mail.dead > 0).then(|| tag("Failed", "bad"))),
    ]
}

fn integrity(from: &Report, time: LocalTime) -> Vec<Fact> {
    let of = &from.integrity;
    let text = |value: &Option<String>, none: &str| value.clone().unwrap_or_else(|| none.to_owned());
    let agree = match of.day_figures_agree {
        Some(true) => "Yes",
        Some(false) => "No",
        None => "Not comparable: entries came after this report's last",
    };
    let mut facts = vec![
        fact("Size of the log", count(of.size)),
        mono("Root", of.root.clone()),
        mono("Newest checkpoint", text(&of.checkpoint, "None signed yet")),
        fact("Verified up to", known_count(of.verified_to)),
        fact("Last full verification", of.last_full_at.as_deref().map_or_else(|| "None yet".to_owned(), |at| time.of_text(at))),
        fact("Anchor age", text(&of.anchor_age, "Unknown: no checkpoint has come back from outside")),
        fact("Day figures agree with entries", agree),
    ];
    facts.extend(of.anchor_overdue.iter().map(|text| fact("Anchor overdue", text.clone())));
    facts.extend(of.settings_changed.iter().map(|change| fact("Control settings changed", change.sentence(time))));
    facts.extend(of.recovered.iter().map(|recovered| fact("Went on after a loss", recovered.sentence())));
    facts
}

impl SettingsChange {
    /// Which settings, since when.
    fn sentence(&self, time: LocalTime) -> String {
        let shown = self.changed.iter().take(SETTINGS_NAMED);
        let named = shown.cloned().collect::<Vec<_>>().join(", ");
        let left = self.total - i64::try_from(self.changed.len().min(SETTINGS_NAMED)).unwrap_or(0);
        let more = if left > 0 { format!(" and {} more", count(left)) } else { String::new() };
        format!("{}, event {}: {named}{more}", time.of_text(&self.at), self.event)
    }
}

fn versions(from: &Report, time: LocalTime) -> Vec<VersionRow> {
    let mut rows = vec![VersionRow {
        version: if from.version == 0 { "Preview".to_owned() } else { from.version.to_string() },
        status: report_status(from.status.text()),
        computed: time.of_text(&from.integrity.computed_at),
        change: change(from),
        hash: if from.status == Status::Preview { UNKNOWN.to_owned() } else { "In the log, event report.stored".to_owned() },
    }];
    if let Some(earlier) = &from.integrity.restates {
        let preview = from.status == Status::Preview;
        let (status, change) = match preview {
            true => (tag("Stored", "neutral"), "The newest stored version"),
            false => (report_status(Status::Superseded.text()), "Replaced by the version above"),
        };
        rows.push(VersionRow {
            version: earlier.version.to_string(),
            status,
            computed: UNKNOWN.to_owned(),
            change: change.to_owned(),
            hash: earlier.body_sha256.clone(),
        });
    }
    rows
}

fn change(from: &Report) -> String {
    let Some(restates) = &from.integrity.restates else { return "First version".to_owned() };
    if restates.changes_total == 0 {
        return "No figure of the date differs from the version below".to_owned();
    }
    let shown = restates.changes.iter().take(CHANGES_NAMED);
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| UNKNOWN.to_owned());
    let named: Vec<String> = shown.map(|c| format!("{}: {} → {}", c.figure, value(&c.before), value(&c.after))).collect();
    let left = restates.changes_total - i64::try_from(named.len()).unwrap_or(0);
    let more = if left > 0 { format!("; and {} more", count(left)) } else { String::new() };
    format!("{}{more}", named.join("; "))
}

fn method(from: &Report) -> Vec<String> {
    let mut method = vec![
        format!(
            "The business date of an entry is the sender's if it states one, else the local date it was booked on in {}, one more at \
             or after the cut-off {}.",
            from.window.time_zone, from.window.cut_off
        ),
        "Sums count booked entries. Attempted entries move nothing and are counted apart.".to_owned(),
        "A dash means not known. Zero means zero.".to_owned(),
        "Past due: open for longer than 1 business day (critical), 2 (high), 5 (medium) or 10 (low).".to_owned(),
        "Alerts and breaks count on the business date of the entry that opened them.".to_owned(),
    ];
    method.extend(from.rules.iter().filter_map(|rule| Some(format!("{}: {}", rule_title(&rule.rule), rule.text.as_deref()?))));
    method
}
