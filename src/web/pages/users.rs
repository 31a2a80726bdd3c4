//! Accesses and changes by user, for a period, a type of record and a role.

use actix_web::HttpRequest;
use chrono::Days;
use serde_json::json;

use crate::clock::parse_date;
use crate::records::store as records;
use crate::reports::by_user::{self, ByUser, DAYS_MAX, LINES_MAX, LOOKED_AT_MAX, Question, UserLine, Whose};
use crate::reports::page::words::{count, counted, words};
use crate::web::params::{Params, forwards};
use crate::web::problem::Problem;

use super::desk::{Desk, Page};
use super::views::{Choice, Empty, UserRow, UsersPage};

/// Days shown when nothing else is asked for.
const DAYS: u64 = 30;
/// Types offered.
pub(in crate::web) const KINDS: i64 = 200;

/// What the query asks; `today` ends the period where it does not say.
pub(in crate::web) fn question(query: &Params, today: chrono::NaiveDate) -> Result<Question, Problem> {
    let through = query.read("through", parse_date)?.unwrap_or(today);
    let from = query.read("from", parse_date)?;
    let from = from.unwrap_or_else(|| through.checked_sub_days(Days::new(DAYS - 1)).unwrap_or(through));
    forwards(&from, &through, "through")?;
    if !(0..DAYS_MAX).contains(&(through - from).num_days()) {
        return Err(Problem::parameter("through", format!("through: from 1 to {DAYS_MAX} days; choose others")));
    }
    let named = |text: &str| !text.is_empty();
    let role = |text: &str| match Whose::parse(text) {
        found @ Some(_) => Ok(found),
        None if text.is_empty() => Ok(None),
        None => Err(format!("one of {}", Whose::all().map(Whose::text).collect::<Vec<_>>().join(", "))),
    };
    let kind = query.get("type").filter(|text| named(text)).map(str::to_owned);
    Ok(Question { from, through, kind, whose: query.read("role", role)?.flatten() })
}

/// Refuses a type of which there are no records: a report without a line would say that nobody looked at them.
pub(in crate::web) fn known(asked: &Question, kinds: &[String]) -> Result<(), Problem> {
    match &asked.kind {
        Some(kind) if kinds.len() < KINDS as usize && !kinds.contains(kind) => {
            let there = if kinds.is_empty() { "there are no records yet".to_owned() } else { kinds.join(", ") };
            Err(Problem::parameter("type", format!("type: there is no record of this type; choose of these: {there}")))
        }
        _ => Ok(()),
    }
}

/// `GET /reports/users`
pub(super) async fn show(desk: Desk, request: HttpRequest) -> Page {
    let today = desk.app.calendar.local_date(desk.now());
    let asked = desk.asked(&request, &["from", "through", "type", "role"], |query| question(query, today))?;
    let (calendar, wanted) = (desk.app.calendar.clone(), asked.clone());
    let (report, kinds) =
        desk.read(move |conn| Ok((by_user::by_user(conn, &calendar, &wanted)?, records::kinds(conn, KINDS)?))).await?;
    known(&asked, &kinds).map_err(|problem| desk.refuse(problem.status, &problem.detail))?;
    desk.note("report.by_user", told(&asked, "page")).await?;
    desk.show(&page(&desk, &asked, &report, &kinds))
}

/// What the event says of it.
pub(in crate::web) fn told(asked: &Question, format: &str) -> serde_json::Value {
    json!({
        "from": asked.from, "through": asked.through, "type": asked.kind, "role": asked.whose.map(Whose::text), "format": format,
    })
}

fn page(desk: &Desk, asked: &Question, report: &ByUser, kinds: &[String]) -> UsersPage {
    let choice =
        |value: &str, label: String, selected: bool| Choice { value: value.to_owned(), label, help: String::new(), selected };
    let href = |format: &str| {
        let mut query = form_urlencoded(&[
            ("from", &asked.from.to_string()),
            ("through", &asked.through.to_string()),
            ("type", asked.kind.as_deref().unwrap_or_default()),
            ("role", asked.whose.map_or("", Whose::text)),
        ]);
        query.push_str(&format!("&format={format}"));
        format!("/api/v1/reports/users?{query}")
    };
    UsersPage {
        chrome: desk.chrome("Accesses and changes by user"),
        from: asked.from.to_string(),
        through: asked.through.to_string(),
        kinds: kinds.iter().map(|kind| choice(kind, words(kind), asked.kind.as_ref() == Some(kind))).collect(),
        roles: Whose::all().map(|whose| choice(whose.text(), role(whose.text()), asked.whose == Some(whose))).collect(),
        errors: Vec::new(),
        summary: format!(
            "Who looked at customers, and who changed records, from {} to {}. {} looked at.",
            asked.from,
            asked.through,
            counted(report.looked_at, "event and change", "events and changes")
        ),
        rows: report.lines.iter().map(row).collect(),
        empty: Empty {
            title: "Nobody in this period".to_owned(),
            text: "Nobody of that role looked at anything of that type or changed it. Choose other days.".to_owned(),
            action: None,
        },
        more: more(report),
        csv: href("csv"),
        json: href("json"),
    }
}

/// A query, its values escaped.
fn form_urlencoded(pairs: &[(&str, &str)]) -> String {
    let escaped = |text: &str| {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect::<String>()
    };
    let given = pairs.iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| format!("{name}={}", escaped(value))).collect::<Vec<_>>().join("&")
}

fn role(text: &str) -> String {
    match Whose::parse(text) {
        Some(Whose::Source) => "People of a source".to_owned(),
        Some(Whose::Key) => "Keys".to_owned(),
        Some(Whose::Command) => "Command line".to_owned(),
        _ => words(text),
    }
}

fn row(line: &UserLine) -> UserRow {
    let UserLine { views, subjects, reveals, changes, searches, exports, acts, refusals, .. } = line;
    let counts = [views, subjects, reveals, changes, searches, exports, acts, refusals];
    let role = match &line.source {
        Some(source) if line.role == Whose::Key.text() => format!("Key of {source}"),
        Some(source) => format!("Named by {source}"),
        None => role(line.role),
    };
    UserRow { name: line.name.clone(), role, counts: counts.into_iter().map(|n| count(*n)).collect() }
}

fn more(report: &ByUser) -> Option<String> {
    if report.truncated {
        return Some(format!("Not complete: of each kind of event the first {LOOKED_AT_MAX} are looked at; choose fewer days."));
    }
    let left = report.lines_total - report.lines.len() as i64;
    (left > 0).then(|| format!("The first {LINES_MAX} lines are shown, {left} are not; choose a role, a type or fewer days."))
}
