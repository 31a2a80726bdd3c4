//! Today: what the business date holds so far, and what waits for somebody.

use std::collections::BTreeMap;

use crate::access::Permission;
use crate::alerts::breaks::{self, BreakFilter};
use crate::alerts::queue::{self, AlertFilter};
use crate::alerts::{Alert, ContinuityBreak, Order, State};
use crate::clock::{DAY, HOUR, Moment, day_date};
use crate::db::Conn;
use crate::ids::Seq;
use crate::ledger::store::{self as ledger, SourceRow as Source};
use crate::ledger::{BreakState, Kind, lookup};
use crate::notify::letters;
use crate::records::store::{self as records, RecordBreakRow as RecordBreak, RecordRow as Record};
use crate::reports::page::charts::{Bar, Unit, bars, horizontal_bars};
use crate::reports::page::words::{LocalTime, UNKNOWN, count, counted, link, report_status, signed, tag, words};
use crate::reports::{self, Activity, Head};

use super::desk::{Desk, Page};
use super::errors::Trouble;
use super::fill;
use super::views::{AlertRow, BreakRow, Empty, Figure, RecordBreakRow, SourceRow, Tag, Tile, TodayPage};

/// Alerts and breaks shown.
const SHOWN: usize = 8;
/// Open alerts looked at for what is past due.
const OVERDUE_MAX: usize = 1_000;
/// Newest entries looked at for when a source last sent.
const NEWEST: i64 = 2_000;

/// Everything the page shows, as read.
struct Shown {
    date: i32,
    activity: Activity,
    sources: Vec<Source>,
    /// When each source was last heard of, among the newest entries.
    last: BTreeMap<Seq, Moment>,
    /// Whether there are older ones, which were not looked at.
    older: bool,
    alerts: Vec<Alert>,
    open: u64,
    overdue: usize,
    breaks: Vec<ContinuityBreak>,
    broken: BTreeMap<Seq, Moment>,
    open_breaks: u64,
    record_breaks: Vec<(RecordBreak, Option<Record>)>,
    open_record_breaks: i64,
    report: Option<Head>,
    dead_mail: i64,
}

/// `GET /`
pub(super) async fn show(desk: Desk) -> Page {
    let shown = {
        let desk = desk.clone();
        desk.clone().read(move |conn| read(conn, &desk)).await?
    };
    let customers = desk.may(Permission::ReadCustomers);
    let (time, now) = (desk.time(), desk.now());
    let date = day_date(shown.date);
    let report = shown.report.as_ref().filter(|_| desk.may(Permission::ReadReports));
    let page = TodayPage {
        chrome: desk.chrome("Today"),
        business_date: date.format("%A %Y-%m-%d").to_string(),
        as_of: time.second(now),
        summary: summary(&shown),
        mail: super::mail::way(&desk, shown.dead_mail),
        tiles: tiles(&shown, customers),
        report: report.map(|head| link(head.business_date.to_string(), format!("/reports/{}", head.business_date))),
        report_status: shown.report.as_ref().map_or_else(|| tag("None yet", "neutral"), |head| report_status(head.status.text())),
        report_verdict: report_verdict(&desk, &shown),
        sources: shown.sources.iter().map(|source| source_row(source, &shown, time)).collect(),
        alerts: alert_rows(&desk, &shown, customers),
        alerts_href: if customers { "/alerts".to_owned() } else { String::new() },
        alerts_empty: empty(customers, "No open alert", "Every alert has been decided."),
        breaks: break_rows(&shown, customers, time),
        breaks_empty: empty(customers, "No open break", "As far as it was checked, every balance follows from the one before."),
        record_breaks: record_break_rows(&shown, customers, time),
        figures: figures(&shown, time),
    };
    desk.show(&page)
}

fn read(conn: &mut Conn, desk: &Desk) -> Result<Shown, Trouble> {
    let date = desk.app.calendar.business_date(desk.now());
    let open = AlertFilter { state: Some(State::Open), ..AlertFilter::default() };
    let all = queue::list(conn, &open, Order::Newest, None, OVERDUE_MAX)?.items;
    let overdue = all.iter().filter(|alert| super::alerts::overdue(desk, alert, desk.now())).count();
    let breaks = breaks::list(conn, &BreakFilter { state: Some(BreakState::Open), ..BreakFilter::default() }, None, SHOWN)?;
    let named: Vec<Seq> = breaks.iter().map(|b| b.found.seq).collect();
    let broken = ledger::entries_at(conn, &named)?.iter().map(|e| (e.seq, Moment(e.booked_at))).collect();
    let (unlike, open_record_breaks) = records::open_breaks(conn, SHOWN as i64)?;
    let mut last = BTreeMap::new();
    let newest = lookup::store::newest(conn, NEWEST)?;
    let older = newest.len() as i64 == NEWEST;
    for entry in newest {
        last.entry(entry.source).or_insert(Moment(entry.recorded_at));
    }
    Ok(Shown {
        date,
        activity: reports::day_figures(conn, date)?,
        sources: ledger::sources(conn)?,
        last,
        older,
        alerts: all.into_iter().take(SHOWN).collect(),
        open: queue::count(conn, &open)?,
        overdue,
        breaks,
        broken,
        open_breaks: breaks::open_count(conn)?,
        record_breaks: with_records(conn, unlike)?,
        open_record_breaks,
        report: reports::list(conn, None, 1)?.pop(),
        dead_mail: letters::count(conn)?,
    })
}

fn with_records(conn: &mut Conn, breaks: Vec<RecordBreak>) -> Result<Vec<(RecordBreak, Option<Record>)>, Trouble> {
    let ids: Vec<Seq> = breaks.iter().map(|row| row.record).collect();
    let known = records::records_by_id(conn, &ids)?;
    let of = |row: &RecordBreak| known.iter().find(|record| record.id == row.record).cloned();
    Ok(breaks.into_iter().map(|row| (row.clone(), of(&row))).collect())
}

fn booked(shown: &Shown) -> i64 {
    shown.activity.currencies.values().map(|day| day.booked.entries).sum()
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn summary(shown: &Shown) -> String {
    let silent = shown.sources.iter().filter(|s| !shown.activity.sources.contains_key(&s.id));
    let silent: Vec<&str> = silent.map(|source| source.name.as_str()).collect();
    let sources = sources_sentence(shown.sources.len(), &silent);
    let entries = counted(booked(shown), "entry", "entries");
    let alerts = counted(number(shown.open), "alert waits", "alerts wait");
    let breaks = counted(number(shown.open_breaks), "break is open", "breaks are open");
    let records = match shown.open_record_breaks {
        0 => String::new(),
        n => format!(", and {} of records", count(n)),
    };
    format!("{entries} so far. {alerts} for a decision, {breaks}{records}. {sources}")
}

/// Which sources have sent nothing of this business date yet.
fn sources_sentence(known: usize, silent: &[&str]) -> String {
    match (known, silent) {
        (0, _) => "No source is known yet: make one with counterfoil key issue or counterfoil import.".to_owned(),
        (1, []) => "The one source has sent.".to_owned(),
        (_, []) => "Every source has sent.".to_owned(),
        (1, [name]) => format!("The one source, {name}, has sent nothing yet."),
        (n, [name]) => format!("1 of {n} sources, {name}, has sent nothing yet."),
        (n, silent) if silent.len() == n => format!("None of {n} sources has sent anything yet."),
        (n, silent) => format!("{} of {n} sources have sent nothing yet.", silent.len()),
    }
}

fn tiles(shown: &Shown, customers: bool) -> Vec<Tile> {
    let alerts = customers.then(|| "/alerts".to_owned());
    let tile = |label: &str, values: Vec<String>, note: String, tag: Option<Tag>| Tile {
        label: label.to_owned(),
        values,
        note,
        tag,
        href: None,
    };
    let review = |n: i64| (n > 0).then(|| tag("Needs review", "warn"));
    let attempted: i64 = shown.activity.currencies.values().map(|day| day.attempted).sum();
    let attempted = if attempted > 0 { format!("and {} attempted", count(attempted)) } else { String::new() };
    let overdue = i64::try_from(shown.overdue).unwrap_or(i64::MAX);
    let breaks = number(shown.open_breaks);
    let unlike = shown.open_record_breaks;
    let records = customers.then(|| "/records".to_owned());
    vec![
        tile("Entries", vec![count(booked(shown))], attempted, None),
        tile("Value", value(shown), "credits and debits".to_owned(), None),
        Tile { href: alerts.clone(), ..tile("Open alerts", vec![count(number(shown.open))], String::new(), None) },
        Tile { href: alerts, ..tile("Past due", vec![count(overdue)], String::new(), review(overdue)) },
        tile("Open breaks", vec![count(breaks)], "of balances".to_owned(), review(breaks)),
        Tile { href: records, ..tile("Open breaks of records", vec![count(unlike)], String::new(), review(unlike)) },
    ]
}

fn value(shown: &Shown) -> Vec<String> {
    let line = |(currency, day): (&String, &reports::CurrencyDay)| {
        let text = |sign: &str, minor| signed(currency, sign, &fill::minor(minor, currency));
        [text("+", day.booked.credits), text("\u{2212}", day.booked.debits)]
    };
    let values: Vec<String> = shown.activity.currencies.iter().take(3).flat_map(line).collect();
    if values.is_empty() { vec![UNKNOWN.to_owned()] } else { values }
}

fn report_verdict(desk: &Desk, shown: &Shown) -> String {
    match &shown.report {
        Some(head) if desk.may(Permission::ReadReports) => head.verdict.clone(),
        Some(_) => "Your role does not read reports.".to_owned(),
        None => format!(
            "The first is made after the end of this business date, at {} local time.",
            desk.app.config.report.at.format("%H:%M")
        ),
    }
}

fn source_row(source: &Source, shown: &Shown, time: LocalTime) -> SourceRow {
    let today = shown.activity.sources.get(&source.id);
    let entries: i64 = today.into_iter().flat_map(BTreeMap::values).map(|day| day.booked.entries + day.attempted).sum();
    SourceRow {
        name: source.name.clone(),
        entries: today.map_or_else(|| UNKNOWN.to_owned(), |_| count(entries)),
        last: match shown.last.get(&source.id) {
            Some(at) => time.second(*at),
            None if shown.older => format!("Not among the newest {} entries", count(NEWEST)),
            None => UNKNOWN.to_owned(),
        },
        state: if today.is_some() { tag("Received", "good") } else { tag("Not received", "warn") },
    }
}

fn empty(customers: bool, title: &str, text: &str) -> Empty {
    if customers {
        return Empty { title: title.to_owned(), text: text.to_owned(), action: None };
    }
    Empty { title: "Not shown".to_owned(), text: "Your role does not see customers.".to_owned(), action: None }
}

fn alert_rows(desk: &Desk, shown: &Shown, customers: bool) -> Vec<AlertRow> {
    if customers { super::alerts::rows(desk, &shown.alerts) } else { Vec::new() }
}

fn break_rows(shown: &Shown, customers: bool, time: LocalTime) -> Vec<BreakRow> {
    let row = |found: &ContinuityBreak| fill::break_row(found, shown.broken.get(&found.found.seq).copied(), time);
    shown.breaks.iter().filter(|_| customers).map(row).collect()
}

fn record_break_rows(shown: &Shown, customers: bool, time: LocalTime) -> Vec<RecordBreakRow> {
    let rows = shown.record_breaks.iter().filter(|_| customers);
    rows.map(|(row, record)| super::records::broken(row, record.as_ref(), time)).collect()
}

/// Entries by hour and by kind, all currencies together: counts, not sums of money.
fn figures(shown: &Shown, time: LocalTime) -> Vec<Figure> {
    [hours(shown, time), kinds(shown)].into_iter().flatten().collect()
}

fn figure(id: &str, title: &str, finding: String, first: &str, values: Vec<Bar>, upright: bool) -> Figure {
    let unit = Unit { name: "entries", decimals: 0 };
    let svg = if upright { bars(title, &finding, unit, &values) } else { horizontal_bars(title, &finding, unit, &values) };
    Figure {
        id: id.to_owned(),
        title: title.to_owned(),
        finding,
        svg,
        columns: vec![first.to_owned(), "Entries".to_owned()],
        rows: values.into_iter().map(|bar| vec![bar.label, bar.text]).collect(),
    }
}

fn bar(label: String, entries: i64) -> Bar {
    Bar { label, value: entries.into(), text: count(entries) }
}

fn hours(shown: &Shown, time: LocalTime) -> Option<Figure> {
    let mut hours: BTreeMap<i64, i64> = BTreeMap::new();
    for day in shown.activity.currencies.values() {
        day.hours.iter().for_each(|(hour, sums)| *hours.entry(*hour).or_default() += sums.entries);
    }
    let (first, last) = (*hours.keys().next()?, *hours.keys().next_back()?);
    let drawn = if last - first <= 2 * DAY / HOUR { (first..=last).collect() } else { hours.keys().copied().collect::<Vec<_>>() };
    let label = |hour: i64| time.hour(Moment(hour * HOUR));
    let values = drawn.iter().map(|hour| bar(label(*hour), hours.get(hour).copied().unwrap_or(0))).collect();
    let (hour, n) = hours.iter().max_by_key(|(hour, n)| (**n, -**hour))?;
    let finding = format!("Most in the hour from {}: {}.", label(*hour), counted(*n, "entry", "entries"));
    Some(figure("hours", "Entries by hour", finding, "Hour", values, true))
}

fn kinds(shown: &Shown) -> Option<Figure> {
    let mut kinds: BTreeMap<i16, i64> = BTreeMap::new();
    for day in shown.activity.currencies.values() {
        day.kinds.iter().for_each(|(kind, sums)| *kinds.entry(*kind).or_default() += sums.entries);
    }
    let mut kinds: Vec<(i16, i64)> = kinds.into_iter().collect();
    kinds.sort_by_key(|(kind, n)| (-n, *kind));
    let name = |kind: i16| Kind::from_code(kind).map_or_else(|| kind.to_string(), |kind| words(kind.text()));
    let (most, n) = *kinds.first()?;
    let finding = format!("Most of kind {}: {}.", name(most).to_lowercase(), counted(n, "entry", "entries"));
    let values = kinds.iter().map(|(kind, n)| bar(name(*kind), *n)).collect();
    Some(figure("kinds", "Entries by kind", finding, "Kind", values, false))
}

#[cfg(test)]
mod tests {
    use super::sources_sentence;

    #[test]
    fn who_has_sent_nothing_is_said_in_words_that_fit_the_number() {
        assert_eq!(sources_sentence(1, &["core"]), "The one source, core, has sent nothing yet.");
        assert_eq!(sources_sentence(3, &["core"]), "1 of 3 sources, core, has sent nothing yet.");
        assert_eq!(sources_sentence(3, &["core", "cards"]), "2 of 3 sources have sent nothing yet.");
        assert_eq!(sources_sentence(2, &["core", "cards"]), "None of 2 sources has sent anything yet.");
        assert_eq!(sources_sentence(1, &[]), "The one source has sent.");
    }
}
