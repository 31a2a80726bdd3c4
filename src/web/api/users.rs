//! Accesses and changes by user, as JSON or CSV. For officers and auditors.

use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::records::store as records;
use crate::reports::by_user::{self, ByUser, Question, UserLine, Whose};
use crate::web::guard::Caller;
use crate::web::pages::users;
use crate::web::params::Params;
use crate::web::problem::{Problem, ProblemBody};

/// One person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserCounts {
    /// The user's number; `null`: whom a source names, a key, or the command line.
    user: Option<Seq>,
    /// The user's address, the name a source gives, or how a key begins.
    name: String,
    /// The source that gives it, or that the key is of; two sources have people of their own, however they are called.
    source: Option<String>,
    /// `analyst officer auditor admin`, `source` for whom a source names, `key`, `command`, `unknown`.
    role: &'static str,
    /// Pages and answers about customers that were seen; of the type, where one is asked for.
    views: i64,
    /// How many accounts, records and alerts those were about.
    subjects: i64,
    /// Searches, of whatever type.
    searches: i64,
    /// Exports.
    exports: i64,
    /// Sealed values that were opened, page by page.
    reveals: i64,
    /// Changes of records.
    changes: i64,
    /// Acts that were done.
    acts: i64,
    /// Acts, pages and sign-ins that were refused or denied.
    refusals: i64,
}

/// Accesses and changes by user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ByUserView {
    /// First day, in the bank's zone.
    from: String,
    /// Last day.
    through: String,
    /// The type of records it is about; `null`: everything.
    r#type: Option<String>,
    /// Whose lines are listed; `null`: everybody's.
    role: Option<&'static str>,
    /// By role, then name; at most 1,000.
    items: Vec<UserCounts>,
    /// All of them.
    total: i64,
    /// Events and changes that were looked at.
    looked_at: i64,
    /// Whether there is more than was looked at, 200,000 of each kind: ask for fewer days.
    truncated: bool,
}

impl From<UserLine> for UserCounts {
    fn from(line: UserLine) -> UserCounts {
        let UserLine { user, name, role, source, views, subjects, searches, exports, reveals, changes, acts, refusals } = line;
        UserCounts { user, name, role, source, views, subjects, searches, exports, reveals, changes, acts, refusals }
    }
}

fn view(asked: &Question, report: ByUser) -> ByUserView {
    ByUserView {
        from: asked.from.to_string(),
        through: asked.through.to_string(),
        r#type: asked.kind.clone(),
        role: asked.whose.map(Whose::text),
        total: report.lines_total,
        looked_at: report.looked_at,
        truncated: report.truncated,
        items: report.lines.into_iter().map(UserCounts::from).collect(),
    }
}

/// Who looked at what, and who changed it, by user.
///
/// Views, subjects, reveals and changes are of the type of records that is asked for; searches, exports,
/// acts and refusals are of no type and always count. That it was read is recorded.
#[utoipa::path(
    get, path = "/api/v1/reports/users", tag = "Reports", security(("session" = [])),
    params(
        ("from" = Option<String>, Query, description = "First day, `YYYY-MM-DD` in the bank's zone; none: 29 days before `through`."),
        ("through" = Option<String>, Query, description = "Last day; none: today. At most 92 days."),
        ("type" = Option<String>, Query, description = "A type of records, such as `customer`; none: everything."),
        ("role" = Option<String>, Query, description = "`analyst officer auditor admin`, `source` for whom a source names, `key` for programs that read with a key, `command` for the command line, `unknown` for users that are not known any more; none: everybody."),
        ("format" = Option<String>, Query, description = "`json` or `csv`; none: what `Accept` says."),
    ),
    responses(
        (status = 200, description = "The counts; at most 1,000 lines.", content(
            (ByUserView = "application/json"), (String = "text/csv"))),
        (status = 400, description = "A parameter cannot be used.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The role may not.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn show(req: HttpRequest, caller: Caller, app: Data<App>) -> Result<HttpResponse, Problem> {
    let query = Params::of(&req, &["from", "through", "type", "role", "format"])?;
    let asked = users::question(&query, app.calendar.local_date(app.clock.now()))?;
    let known = |text: &str| match text {
        "json" => Ok(false),
        "csv" => Ok(true),
        _ => Err("json or csv"),
    };
    let accept = req.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let csv = query.read("format", known)?.unwrap_or_else(|| accept.starts_with("text/csv"));
    let (db, calendar, wanted) = (app.db.clone(), app.calendar.clone(), asked.clone());
    let both = move |conn: &mut Conn| -> DbResult<_> {
        Ok((by_user::by_user(conn, &calendar, &wanted)?, records::kinds(conn, users::KINDS)?))
    };
    let read = move || db.look(|conn| conn.snapshot(both));
    let (report, kinds) = web::block(read).await??;
    users::known(&asked, &kinds)?;
    caller.note(&req, &app, "report.by_user", users::told(&asked, if csv { "csv" } else { "json" })).await?;
    if !csv {
        return Ok(HttpResponse::Ok().json(view(&asked, report)));
    }
    let name = format!("attachment; filename=\"users-{}-{}.csv\"", asked.from, asked.through);
    let mut answer = HttpResponse::Ok();
    answer.content_type("text/csv; charset=utf-8").insert_header((CONTENT_DISPOSITION, name));
    Ok(answer.body(by_user::csv(&report)))
}
