//! The daily report by its date: the frozen version, or a preview where none is stored.
//!
//! A stored version is answered as it was frozen, byte for byte; header `report-status` says what
//! it is worth today.

use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, ETAG};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine;
use chrono::NaiveDate;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::app::App;
use crate::clock::parse_date;
use crate::db::{Conn, DbError, DbResult};
use crate::ledger::store::sources;
use crate::reports::{self, Context, Report, formats, page};
use crate::trail::sealing::store::data_keys;
use crate::web::guard::{Caller, refused};
use crate::web::headers;
use crate::web::pages::end_at;
use crate::web::params::{Params, come, forwards};
use crate::web::problem::{Problem, ProblemBody};

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Html,
    Csv,
    Text,
}

/// Format, extension and media type; the first is what `*/*` gets.
const FORMATS: [(Format, &str, &str); 4] = [
    (Format::Json, "json", "application/json"),
    (Format::Html, "html", "text/html; charset=utf-8"),
    (Format::Csv, "csv", "text/csv; charset=utf-8"),
    (Format::Text, "txt", "text/plain; charset=utf-8"),
];

impl Format {
    fn row(self) -> (Format, &'static str, &'static str) {
        FORMATS.into_iter().find(|(format, _, _)| *format == self).unwrap_or(FORMATS[0])
    }

    fn of_extension(extension: &str) -> Option<Format> {
        FORMATS.into_iter().find(|(_, known, _)| *known == extension).map(|(format, _, _)| format)
    }

    /// What `Accept` likes best of what there is.
    fn of_accept(accept: &str) -> Option<Format> {
        let mut best: Option<(f32, Format)> = None;
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or("").to_ascii_lowercase();
            let weight = parts.find_map(|p| p.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
            let named = |known: &str| known.split(';').next() == Some(media.as_str());
            let group = |known: &str| media.strip_suffix("/*").is_some_and(|group| group == "*" || known.starts_with(group));
            let found = FORMATS.into_iter().find(|(_, _, known)| named(known) || group(known));
            let Some((format, _, _)) = found.filter(|_| weight > 0.0) else { continue };
            if best.is_none_or(|(least, _)| weight > least) {
                best = Some((weight, format));
            }
        }
        best.map(|(_, format)| format)
    }
}

/// A report as it will be answered.
struct Written {
    text: String,
    version: i32,
    status: &'static str,
    sha256: Option<String>,
}

fn choose(req: &HttpRequest, named: &str) -> Result<(NaiveDate, Format), Problem> {
    let (date, format) = match named.split_once('.') {
        Some((date, extension)) => {
            let format = Format::of_extension(extension);
            (date, format.ok_or_else(|| Problem::new(404, "format_unknown", "a report comes as .json, .html, .csv or .txt"))?)
        }
        None => {
            let accept = req.headers().get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("*/*");
            let detail = "a report comes as application/json, text/html, text/csv or text/plain";
            (named, Format::of_accept(accept).ok_or_else(|| Problem::new(406, "format_unknown", detail))?)
        }
    };
    let date = parse_date(date).map_err(|e| Problem::field(400, "parameter_invalid", "business_date", e.to_string()))?;
    Ok((date, format))
}

fn write(ctx: &Context, report: &Report, format: Format) -> DbResult<String> {
    match format {
        Format::Json => formats::json(report),
        Format::Html => Ok(page::frozen_in(report, &ctx.root)),
        Format::Csv => Ok(formats::csv(report)),
        Format::Text => Ok(formats::text(report)),
    }
}

/// A report tells of every source, a key belongs to one; and its counts of breaks and alerts would tell of a guess of
/// what is sealed.
async fn turned_away(req: &HttpRequest, caller: &Caller, others: bool) -> Problem {
    let (code, detail) = match others {
        true => {
            let detail = "the report covers every source of this book, and a key sees its own source only; sign in to read it";
            ("report_of_all_sources", detail)
        }
        false => (
            "report_of_sealed_values",
            "values are sealed in this book, and the report's counts tell of them; sign in to read it",
        ),
    };
    match refused(req, caller, code).await {
        Ok(()) => Problem::new(403, code, detail),
        Err(problem) => problem,
    }
}

/// The version asked for; none: the newest stored one, else a preview; 0: a preview.
fn find(conn: &mut Conn, ctx: &Context, date: NaiveDate, version: Option<i32>, format: Format) -> DbResult<Option<Written>> {
    let stored = if version == Some(0) { None } else { reports::load(conn, date, version)? };
    let Some(stored) = stored else {
        if version.is_some_and(|version| version != 0) {
            return Ok(None);
        }
        let report = reports::preview(conn, ctx, date)?;
        return Ok(Some(Written { text: write(ctx, &report, format)?, version: 0, status: report.status.text(), sha256: None }));
    };
    let (version, status) = (stored.head.version, stored.head.status.text());
    let (text, sha256) = match format {
        Format::Json => (stored.body, Some(stored.head.body_sha256)),
        Format::Html => (stored.html, Some(stored.head.html_sha256)),
        Format::Csv | Format::Text => {
            // From the frozen body, so that what was printed then is printed for ever.
            let report: Report = serde_json::from_str(&stored.body)
                .map_err(|e| DbError::Corrupt(format!("report {date} version {version} cannot be read: {e}")))?;
            (write(ctx, &report, format)?, None)
        }
    };
    Ok(Some(Written { text, version, status, sha256 }))
}

/// The frozen document's own style sheet, by its hash: the only inline style a browser may apply.
fn policy(html: &str) -> String {
    let style = html.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).map(|(style, _)| style);
    let digest = |style: &str| base64::engine::general_purpose::STANDARD.encode(Sha256::digest(style.as_bytes()));
    headers::policy(style.map(|style| format!("'sha256-{}'", digest(style))).as_deref())
}

/// The daily report of a business date.
///
/// The newest stored version, else a preview (`version` 0). The format is the extension (`.json`,
/// `.html`, `.csv`, `.txt`) or what `Accept` says. The report is the bank's: it covers every source,
/// with masked accounts. So a key gets it only where its source is the only one of the book.
#[utoipa::path(
    get, path = "/api/v1/reports/{business_date}", tag = "Reports", security(("key" = ["read"]), ("session" = [])),
    params(
        ("business_date" = String, Path, description = "`YYYY-MM-DD`, with or without an extension."),
        ("version" = Option<i32>, Query, description = "A stored version, from 1; 0: a preview."),
        ("at" = Option<String>, Query, description = "The version that counted at this instant instead, RFC 3339."),
    ),
    responses(
        (status = 200, description = "The report; header `report-status` says what this version is worth today.", content(
            (serde_json::Value = "application/json"), (String = "text/html"), (String = "text/csv"), (String = "text/plain"))),
        (status = 400, description = "Not a date, or a parameter cannot be used.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "Neither key nor session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope, there are other sources than the key's or sealed values, or the role may not.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The stored version was changed since it was stored, and is not shown.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such version.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 406, description = "None of the formats asked for.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn show(req: HttpRequest, caller: Caller, app: Data<App>, named: Path<String>) -> Result<HttpResponse, Problem> {
    let (source, db) = (caller.source(), app.db.clone());
    if let Some(own) = source {
        let look = |conn: &mut Conn| DbResult::Ok((sources(conn)?, !data_keys(conn)?.is_empty()));
        let (sources, sealed) = web::block(move || db.read(look)).await??;
        let others = sources.iter().any(|source| source.id != own);
        if others || sealed {
            return Err(turned_away(&req, &caller, others).await);
        }
    }
    let query = Params::of(&req, &["version", "at"])?;
    let number = |text: &str| text.parse::<i32>().ok().filter(|v| *v >= 0).ok_or("a whole number from 0");
    let (mut version, at) = (query.read("version", number)?, query.read("at", come(app.clock.now()))?);
    if version.is_some() && at.is_some() {
        return Err(Problem::parameter("at", "at: give either version or at"));
    }
    let (date, format) = choose(&req, &named)?;
    let (db, ctx) = (app.db.clone(), Context::new(&app.config, app.clock.clone()));
    let look = move |conn: &mut Conn| {
        if let Some(at) = at {
            let end = end_at(conn, at)?;
            // None was stored yet: there is no such version.
            version = Some(reports::current_before(conn, date, end)?.unwrap_or(-1));
        }
        find(conn, &ctx, date, version, format)
    };
    let found = web::block(move || db.look(look)).await??;
    let written = found.ok_or_else(|| Problem::not_found("version of this report"))?;
    let (_, extension, media) = format.row();
    let read = json!({ "date": date, "version": written.version, "format": extension });
    caller.note(&req, &app, "report.read", read).await?;
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(media)
        .insert_header(("report-version", written.version))
        .insert_header(("report-status", written.status));
    if let Some(sha256) = &written.sha256 {
        answer.insert_header((ETAG, format!("\"{sha256}\"")));
    }
    match format {
        Format::Html => answer.insert_header((CONTENT_SECURITY_POLICY, policy(&written.text))),
        Format::Csv => {
            let name = format!("attachment; filename=\"report-{date}-v{}.{extension}\"", written.version);
            answer.insert_header((CONTENT_DISPOSITION, name))
        }
        Format::Json | Format::Text => &mut answer,
    };
    Ok(answer.body(written.text))
}

/// What differs between two versions of a date's report.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReportDifference {
    /// The one.
    from: i32,
    /// The other.
    to: i32,
    /// Figure by figure.
    items: Vec<FigureChange>,
}

/// A figure that differs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FigureChange {
    /// Its path in the report.
    #[schema(example = "totals.USD.credits")]
    figure: String,
    /// In the one; `null`: it is not there.
    before: Option<String>,
    /// In the other.
    after: Option<String>,
}

/// What differs between two stored versions of a date's report, figure by figure.
#[utoipa::path(
    get, path = "/api/v1/reports/{business_date}/difference", tag = "Reports", security(("session" = [])),
    params(
        ("business_date" = String, Path, description = "`YYYY-MM-DD`."),
        ("from" = i32, Query, description = "The earlier version."),
        ("to" = i32, Query, description = "The later one."),
    ),
    responses(
        (status = 200, description = "What differs.", body = ReportDifference),
        (status = 400, description = "A parameter cannot be used.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The role may not.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such version.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "A stored version was changed since it was stored, and is not shown.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn difference(req: HttpRequest, caller: Caller, app: Data<App>, date: Path<String>) -> Result<HttpResponse, Problem> {
    let query = Params::of(&req, &["from", "to"])?;
    let date = parse_date(&date).map_err(|e| Problem::field(400, "parameter_invalid", "business_date", e.to_string()))?;
    let version = |name: &str| -> Result<i32, Problem> {
        let found = query.read(name, str::parse::<i32>)?;
        found.ok_or_else(|| Problem::parameter(name, format!("{name}: name the version")))
    };
    let (from, to, db) = (version("from")?, version("to")?, app.db.clone());
    forwards(&from, &to, "to")?;
    let found = web::block(move || db.look(|conn| reports::between(conn, date, from, to))).await??;
    let found = found.ok_or_else(|| Problem::not_found("version of this report"))?;
    caller.note(&req, &app, "report.read", json!({ "date": date, "version": to, "format": "difference" })).await?;
    let change = |change: reports::Change| FigureChange { figure: change.figure, before: change.before, after: change.after };
    Ok(HttpResponse::Ok().json(ReportDifference { from, to, items: found.into_iter().map(change).collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_liked_best_is_answered() {
        for (accept, format) in [
            ("*/*", Some(Format::Json)),
            ("application/json", Some(Format::Json)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some(Format::Html)),
            ("text/csv;q=0.5, text/plain;q=0.9", Some(Format::Text)),
            ("text/*", Some(Format::Html)),
            ("application/pdf", None),
            ("text/csv;q=0", None),
        ] {
            assert_eq!(Format::of_accept(accept), format, "{accept}");
        }
    }

    #[test]
    fn only_the_document_s_own_style_is_let_through() {
        let policy = policy("<html><style>a{}</style></html>");
        assert!(policy.contains("style-src 'self' 'sha256-"), "{policy}");
        assert!(!super::policy("<html></html>").contains("sha256"));
    }
}
