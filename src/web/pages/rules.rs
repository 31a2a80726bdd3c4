//! Rule sets: the one in force, the one that was at an instant, and what differs between two.

use actix_web::HttpRequest;

use crate::clock::Moment;
use crate::db::Conn;
use crate::detect::store::{self, Stored};
use crate::detect::{Mode, RuleDifference, differences, rule};
use crate::reports::page::words::{LocalTime, count, counted, rule_title, tag};

use super::desk::{Desk, Page};
use super::errors::Trouble;
use super::record::lines::line;
use super::travel::{end_at, picker};
use super::views::{DifferenceView, RuleLine, RulesPage, Tag, Travel, Versions};

/// Versions offered, the newest.
const OFFERED: i64 = 200;

const MISSING: Trouble = Trouble::Missing("There is no rule set of that version.");

#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    at: Option<Moment>,
    version: Option<i64>,
    from: Option<i64>,
    to: Option<i64>,
}

struct Shown {
    set: Option<Stored>,
    /// The set that followed it.
    next: Option<Stored>,
    versions: Vec<i64>,
    compared: Option<(i64, i64, Vec<RuleDifference>)>,
}

fn read(conn: &mut Conn, asked: Asked) -> Result<Shown, Trouble> {
    let set = match (asked.version, asked.at) {
        (Some(version), _) => Some(store::of_version(conn, version)?.ok_or(MISSING)?),
        (None, Some(at)) => {
            let end = end_at(conn, at)?;
            store::before(conn, end)?
        }
        (None, None) => store::before(conn, i64::MAX)?,
    };
    let next = match &set {
        Some(set) => store::of_version(conn, set.body.version + 1)?,
        None => None,
    };
    let compared = match (asked.from, asked.to) {
        (Some(from), Some(to)) => {
            let one = store::of_version(conn, from)?.ok_or(MISSING)?;
            let two = store::of_version(conn, to)?.ok_or(MISSING)?;
            Some((from, to, differences(&one.body, &two.body)))
        }
        _ => None,
    };
    Ok(Shown { set, next, versions: store::versions(conn, OFFERED)?, compared })
}

/// `GET /rules`
pub(super) async fn show(desk: Desk, request: HttpRequest) -> Page {
    let time = desk.time();
    let asked = desk.asked(&request, &["at", "version", "from", "to"], |query| {
        Ok(Asked {
            at: query.read("at", |text| desk.instant(text))?,
            version: query.read("version", str::parse)?,
            from: query.read("from", str::parse)?,
            to: query.read("to", str::parse)?,
        })
    })?;
    let shown = desk.read(move |conn| read(conn, asked)).await?;
    let title = shown.set.as_ref().map_or_else(|| "No rule set".to_owned(), |set| format!("Rule set {}", set.body.version));
    let rows = shown.set.as_ref().map(rows).unwrap_or_default();
    let page = RulesPage {
        chrome: desk.chrome(&title),
        summary: summary(&shown, time),
        title,
        travel: Travel {
            note: "By when it was recorded: every entry and change was judged by the rules in force at that moment.".to_owned(),
            ..picker("/rules", asked.at, time)
        },
        rows,
        versions: versions(&shown),
    };
    desk.show(&page)
}

fn summary(shown: &Shown, time: LocalTime) -> String {
    let Some(set) = &shown.set else { return "The log had no rules yet.".to_owned() };
    let since = format!("In force since {}, by event {}", time.second(set.since), count(set.id));
    match &shown.next {
        Some(next) => format!("{since}, until {}.", time.second(next.since)),
        None => format!("{since}, until now."),
    }
}

fn mode(mode: Mode) -> Tag {
    match mode {
        Mode::Live => tag("Live", "good"),
        Mode::DryRun => tag("Dry run", "warn"),
        Mode::Off => tag("Off", "neutral"),
    }
}

fn rows(set: &Stored) -> Vec<RuleLine> {
    let text = |entry: &crate::detect::RuleEntry| {
        let check = rule(&entry.code).map(|rule| rule.compile(&entry.parameters));
        check.and_then(Result::ok).map_or_else(|| entry.parameters.to_string(), |check| check.text())
    };
    let row = |entry: &crate::detect::RuleEntry| RuleLine {
        title: rule_title(&entry.code),
        code: entry.code.clone(),
        text: text(entry),
        mode: mode(entry.mode),
        severity: entry.severity.text().to_owned(),
    };
    set.body.rules.iter().map(row).collect()
}

fn versions(shown: &Shown) -> Versions {
    let numbers: Vec<String> = shown.versions.iter().map(ToString::to_string).collect();
    let newest = numbers.first().cloned().unwrap_or_default();
    let before = numbers.get(1).cloned().unwrap_or_else(|| newest.clone());
    let (from, to) = shown.compared.as_ref().map_or((before, newest), |(from, to, _)| (from.to_string(), to.to_string()));
    let compared = shown.compared.as_ref().map(|(from, to, found)| DifferenceView {
        heading: format!("{} between version {from} and version {to}", counted(found.len() as i64, "difference", "differences")),
        columns: (format!("Version {from}"), format!("Version {to}")),
        rows: found.iter().map(|d| line(&format!("{} {}", d.rule, d.setting), d.from.clone(), d.to.clone())).collect(),
    });
    Versions { href: "/rules".to_owned(), numbers, from, to, compared }
}
