//! Acts: what users and commands attempted, counted. For officers, auditors and administrators.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::Days;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::reads;
use crate::app::App;
use crate::clock::parse_date;
use crate::db::{Conn, DbError};
use crate::ids::Seq;
use crate::trail::attempts::{self, Counts};
use crate::web::pages::read_between;
use crate::web::params::{Params, days};
use crate::web::problem::{Problem, ProblemBody};

/// Attempts of one user and kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ActCounts {
    /// The user's number; `null`: commands.
    user: Option<Seq>,
    /// The kind, such as `alert.decide`; `session.open` is signing in, `session.prove` a password on the command line, `read` a page or list that was denied.
    #[schema(example = "alert.decide")]
    act: String,
    /// All attempts, denied ones included.
    attempted: i64,
    /// Done.
    succeeded: i64,
    /// Begun, and refused: it did not fit what was there.
    refused: i64,
    /// Not begun: the role may not, or the sign-in was refused.
    denied: i64,
    /// Broke inside.
    failed: i64,
    /// The process ended before it could record an end.
    unknown: i64,
    /// No end is recorded yet.
    open: i64,
}

/// Reads of one key and kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReadCounts {
    /// The key's number; `null`: further keys, which were not told apart.
    key: Option<Seq>,
    /// What was read, such as `account.balance`.
    #[schema(example = "account.balance")]
    kind: String,
    /// Reads that were answered.
    answered: i64,
    /// Reads that were not: there was no such thing, or it could not be asked so.
    not_answered: i64,
}

/// What was attempted in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ActCountsView {
    /// First day, in the bank's zone.
    from: String,
    /// The day after the last one.
    to: String,
    /// By user and kind.
    items: Vec<ActCounts>,
    /// What keys read, by key and kind; recorded once a minute.
    reads: Vec<ReadCounts>,
    /// Whether there is more than is listed: ask for fewer days.
    truncated: bool,
}

impl From<reads::Counts> for ReadCounts {
    fn from(counts: reads::Counts) -> ReadCounts {
        let reads::Counts { key, kind, answered, not_answered } = counts;
        ReadCounts { key, kind, answered, not_answered }
    }
}

impl From<Counts> for ActCounts {
    fn from(counts: Counts) -> ActCounts {
        let Counts { user, act, attempted, succeeded, refused, denied, failed, unknown, open } = counts;
        ActCounts { user, act, attempted, succeeded, refused, denied, failed, unknown, open }
    }
}

/// What users and commands attempted, by user and kind.
///
/// Counted from the log: every act of a session or a command is recorded before it is carried out and
/// with its outcome after. Denials of nobody in particular, and floods, are not in it. What keys read is
/// counted by key and kind.
#[utoipa::path(
    get, path = "/api/v1/acts", tag = "Log", security(("session" = [])),
    params(
        ("from" = Option<String>, Query, description = "First day, `YYYY-MM-DD` in the bank's zone; none: the day before `to`."),
        ("to" = Option<String>, Query, description = "The day after the last one; none: tomorrow. At most 366 days."),
    ),
    responses(
        (status = 200, description = "The counts; at most 2,000 lines.", body = ActCountsView),
        (status = 400, description = "A parameter cannot be used.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The role may not.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn list(req: HttpRequest, app: Data<App>) -> Result<HttpResponse, Problem> {
    let query = Params::of(&req, &["from", "to"])?;
    let today = app.calendar.local_date(app.clock.now());
    let to = query.read("to", parse_date)?.unwrap_or_else(|| today.checked_add_days(Days::new(1)).unwrap_or(today));
    let last = to.checked_sub_days(Days::new(1)).unwrap_or(to);
    let from = query.read("from", parse_date)?.unwrap_or(last);
    days(from, last, "to")?;
    let (begin, end) = (app.calendar.day(from).0, app.calendar.day(last).1);
    let db = app.db.clone();
    let look = move |conn: &mut Conn| Ok::<_, DbError>((attempts::counts(conn, begin, end)?, read_between(conn, begin, end)?));
    let ((counts, some), (read, more)) = web::block(move || db.look(|conn| conn.snapshot(look))).await??;
    let items = counts.into_iter().map(ActCounts::from).collect();
    let (reads, truncated) = (read.into_iter().map(ReadCounts::from).collect(), some || more);
    Ok(HttpResponse::Ok().json(ActCountsView { from: from.to_string(), to: to.to_string(), items, reads, truncated }))
}
