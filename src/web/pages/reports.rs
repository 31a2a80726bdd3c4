//! The daily reports: their list, and one as it was frozen, or as it would be now.

use actix_web::{HttpRequest, web};
use chrono::NaiveDate;
use serde_json::json;

use crate::access::Permission;
use crate::clock::{Moment, day_date, parse_date};
use crate::db::Conn;
use crate::reports::page::words::{LocalTime, counted, link, report_status, tag, words};
use crate::reports::{self, Context, Head, Status, Stored, page};

use super::desk::{Desk, Page};
use super::errors::Trouble;
use super::record::lines::line;
use super::travel::{end_at, picker};
use super::views::{
    DifferenceView, Empty, Flash, Link, NavItem, Pager, ReportRow, ReportShowPage, ReportsPage, SignatureRow, Tag, Travel,
    Versions,
};

const NO_VERSION: Trouble = Trouble::Missing("This business date has no such version.");
const NOT_YET: Trouble = Trouble::Missing("Of this business date nothing was stored yet at that instant.");

/// Days of one page.
const PAGE: i64 = 31;

/// `GET /reports`
pub(super) async fn list(desk: Desk, request: HttpRequest) -> Page {
    let before = desk.asked(&request, &["before"], |query| query.read("before", parse_date))?;
    let mut heads = desk.read(move |conn| Ok(reports::list(conn, before, PAGE + 1)?)).await?;
    let more = heads.len() > PAGE as usize;
    heads.truncate(PAGE as usize);
    let time = desk.time();
    let today = day_date(desk.app.calendar.business_date(desk.now()));
    let page = ReportsPage {
        chrome: desk.chrome("Reports"),
        summary: "Each business date's newest version. A stored version never changes; a later one says what differs.".to_owned(),
        pager: Pager {
            shown: format!("{} business dates on this page", heads.len()),
            first: before.map(|_| "/reports".to_owned()),
            next: heads.last().filter(|_| more).map(|head| format!("/reports?before={}", head.business_date)),
        },
        rows: heads.iter().map(|head| row(head, time)).collect(),
        by_user: desk.may(Permission::ReadTrail),
        empty: Empty {
            title: "No report yet".to_owned(),
            text: format!(
                "The first is made after the end of its business date, at {} local time.",
                desk.app.config.report.at.format("%H:%M")
            ),
            action: Some(link("Preview of today", format!("/reports/{today}"))),
        },
    };
    desk.show(&page)
}

fn row(head: &Head, time: LocalTime) -> ReportRow {
    ReportRow {
        date: link(head.business_date.to_string(), format!("/reports/{}", head.business_date)),
        weekday: head.business_date.format("%A").to_string(),
        version: head.version.to_string(),
        status: report_status(head.status.text()),
        verdict: head.verdict.clone(),
        computed: time.minute(head.computed_at),
        sources: sources(head),
        signed: "Not signed".to_owned(),
    }
}

fn sources(head: &Head) -> Tag {
    let word = format!("{} of {} matched", head.sources_matched, head.sources);
    tag(word, if head.sources_matched == head.sources && head.sources > 0 { "good" } else { "neutral" })
}

/// `GET /reports/{date}`
pub(super) async fn show(desk: Desk, date: web::Path<String>, request: HttpRequest) -> Page {
    let number = |text: &str| text.parse::<i32>().ok().filter(|v| *v >= 0).ok_or("a whole number from 0");
    let time = desk.time();
    let (mut version, at, from, to) = desk.asked(&request, &["version", "at", "from", "to"], |query| {
        let at = query.read("at", |text| desk.instant(text))?;
        Ok((query.read("version", number)?, at, query.read("from", number)?, query.read("to", number)?))
    })?;

    let missing = Trouble::Missing("There is no such report. An address ends with a date such as 2026-11-20.");
    let date = parse_date(&date).map_err(|_| desk.fail(missing))?;
    let (stored, heads, compared) = desk
        .read(move |conn| {
            if let Some(at) = at {
                version = Some(current_at(conn, date, at)?.ok_or(NOT_YET)?);
            }
            let compared = match (from, to) {
                (Some(from), Some(to)) => Some((from, to, reports::between(conn, date, from, to)?.ok_or(NO_VERSION)?)),
                _ => None,
            };
            let stored = if version == Some(0) { None } else { reports::load(conn, date, version)? };
            if stored.is_none() && version.is_some_and(|v| v != 0) {
                return Err(NO_VERSION);
            }
            Ok((stored, reports::versions(conn, date)?, compared))
        })
        .await?;
    let shown = stored.as_ref().map_or(0, |stored| stored.head.version);
    let mut page = match stored {
        Some(stored) => stored_page(&desk, &stored, &heads)?,
        None => preview_page(&desk, date, &heads).await?,
    };
    page.travel = Travel {
        note: "By when versions were stored: this shows the one that counted then; the list of versions is as it is now."
            .to_owned(),
        ..picker(&format!("/reports/{date}"), at, time)
    };
    page.compare = (heads.len() > 1).then(|| compare(date, &heads, compared));
    desk.note("report.read", json!({ "date": date, "version": shown, "format": "page" })).await?;
    desk.show(&page)
}

/// The version that counted at an instant.
fn current_at(conn: &mut Conn, date: NaiveDate, at: Moment) -> Result<Option<i32>, Trouble> {
    let end = end_at(conn, at)?;
    Ok(reports::current_before(conn, date, end)?)
}

/// Two versions of the date to choose, and what differs between them, figure by figure.
fn compare(date: NaiveDate, heads: &[Head], compared: Option<(i32, i32, Vec<reports::Change>)>) -> Versions {
    let mut numbers: Vec<i32> = heads.iter().map(|head| head.version).collect();
    numbers.sort_unstable_by(|one, two| two.cmp(one));
    let chosen = compared.as_ref().map(|(from, to, _)| (*from, *to));
    let newest = numbers.first().copied().unwrap_or(1);
    let (from, to) = chosen.unwrap_or((numbers.get(1).copied().unwrap_or(newest), newest));
    let view = |(from, to, found): (i32, i32, Vec<reports::Change>)| DifferenceView {
        heading: format!("{} between version {from} and version {to}", counted(found.len() as i64, "difference", "differences")),
        columns: (format!("Version {from}"), format!("Version {to}")),
        rows: found.into_iter().map(|change| line(&change.figure, change.before, change.after)).collect(),
    };
    Versions {
        href: format!("/reports/{date}"),
        numbers: numbers.iter().map(ToString::to_string).collect(),
        from: from.to_string(),
        to: to.to_string(),
        compared: compared.map(view),
    }
}

fn stored_page(desk: &Desk, stored: &Stored, heads: &[Head]) -> Result<ReportShowPage, super::errors::Failure> {
    let head = &stored.head;
    let unreadable = || desk.fail(Trouble::Broken("a stored report holds no article".to_owned()));
    let article = page::article_of(&stored.html).ok_or_else(unreadable)?;
    let time = desk.time();
    Ok(ReportShowPage {
        chrome: desk.chrome(&format!("Report {}", head.business_date)),
        banner: superseded(head, heads),
        versions: tabs(head.business_date, heads, head.version),
        formats: formats(head.business_date, head.version),
        article: article.to_owned(),
        signatures: stored.report.signoff.iter().map(|s| signature(s, time)).collect(),
        signoff: None,
        travel: Travel::default(),
        compare: None,
        signoff_note: format!(
            "Nobody has signed this version. SHA-256 of the page: {}; of the data: {}. Both are in event {} of the log.",
            head.html_sha256, head.body_sha256, head.seq
        ),
    })
}

fn signature(signed: &reports::Signature, time: LocalTime) -> SignatureRow {
    let at = Moment::parse(&signed.at).map_or_else(|_| signed.at.clone(), |at| time.second(at));
    let tone = if signed.outcome == "reviewed" { "good" } else { "warn" };
    SignatureRow { by: signed.by.clone(), at, outcome: tag(words(&signed.outcome), tone), comment: signed.comment.clone() }
}

async fn preview_page(desk: &Desk, date: NaiveDate, heads: &[Head]) -> Result<ReportShowPage, super::errors::Failure> {
    if date > day_date(desk.app.calendar.business_date(desk.now())) {
        return Err(desk.fail(Trouble::Missing("That business date has not begun.")));
    }
    let context = Context::new(&desk.app.config, desk.app.clock.clone());
    let report = desk.read_freely(move |conn| Ok(reports::preview(conn, &context, date)?)).await?;
    Ok(ReportShowPage {
        chrome: desk.chrome(&format!("Report {date}, preview")),
        banner: None,
        versions: tabs(date, heads, 0),
        formats: formats(date, 0),
        article: page::article(&report),
        signatures: Vec::new(),
        signoff: None,
        travel: Travel::default(),
        compare: None,
        signoff_note: "A preview is not stored and cannot be signed.".to_owned(),
    })
}

/// What happened since the article was frozen.
fn superseded(head: &Head, heads: &[Head]) -> Option<Flash> {
    let newest = heads.iter().map(|h| h.version).max()?;
    let text = format!("Version {newest} replaces this one. Section R of version {newest} says what differs.");
    (head.status == Status::Superseded).then(|| Flash { tone: "warn".to_owned(), text })
}

fn tabs(date: NaiveDate, heads: &[Head], current: i32) -> Vec<NavItem> {
    let mut tabs: Vec<NavItem> = heads
        .iter()
        .map(|head| NavItem {
            label: format!("Version {}", head.version),
            href: format!("/reports/{date}?version={}", head.version),
            current: head.version == current,
            waiting: None,
        })
        .collect();
    let (label, href) = ("Preview".to_owned(), format!("/reports/{date}?version=0"));
    tabs.push(NavItem { label, href, current: current == 0, waiting: None });
    tabs
}

/// The interface hands the same report out in these formats, for a session too.
fn formats(date: NaiveDate, version: i32) -> Vec<Link> {
    let format = |(text, extension): (&str, &str)| link(text, format!("/api/v1/reports/{date}.{extension}?version={version}"));
    [("JSON", "json"), ("CSV", "csv"), ("Text", "txt"), ("Document", "html")].into_iter().map(format).collect()
}
