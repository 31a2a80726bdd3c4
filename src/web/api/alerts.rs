//! Alerts: the queue, one alert, and the decision that closes it.
//!
//! A key sees alerts of its own source only, and needs scope `receipt:full`: who may not know of
//! hits may not know of alerts. Of rules that look at sealed values it sees none: they would tell of
//! a guess. Decisions are for officers alone.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::access::reads::Subject;
use crate::alerts::{self, About, Alert, AlertDetail, AlertFilter, Cursor, Disposition, Order, State, queue};
use crate::app::App;
use crate::clock::day_date;
use crate::db::{Conn, DbError, DbResult};
use crate::detect::{self, Severity};
use crate::ids::{AlertRef, Seq};
use crate::ledger::{self, BreakKind};
use crate::money::{Currency, Money};
use crate::trail::ActError;
use crate::web::body::{self, Packing};
use crate::web::guard::{Caller, Officer, hidden, refused};
use crate::web::pages::end_at;
use crate::web::params::{Params, come};
use crate::web::problem::{Problem, ProblemBody};
use crate::web::reads;

use super::wire::BreakBody;

/// The largest body of a decision.
const BODY_MAX: usize = 16 * 1024;

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlertView {
    /// What people call it.
    #[serde(rename = "ref")]
    #[schema(example = "ALR-2026-000123")]
    pub reference: String,
    /// The rule's code, or `continuity`.
    pub rule: String,
    /// `low medium high critical`
    pub severity: &'static str,
    /// `open closed`
    pub state: &'static str,
    /// Whose movements: the number for a key of its source, masked for everyone else. Of a rule on changes: the record's
    /// id, or the actor, likewise.
    pub account: String,
    /// Of a rule on changes: our number of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub record: Option<Seq>,
    /// `YYYY-MM-DD` of the entry that opened it.
    pub business_date: String,
    /// When it was opened, RFC 3339.
    pub opened_at: String,
    /// When the entry that opened it was booked, RFC 3339.
    pub first_booked_at: String,
    /// How many hits, or breaks, it joins.
    pub hits: i64,
    /// Why it was opened.
    pub explanation: ExplanationView,
    /// What was decided, once it is closed.
    pub decision: Option<DecisionView>,
}

/// Why an alert was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExplanationView {
    /// In a sentence.
    pub sentence: String,
    /// What was seen.
    pub observed: Option<String>,
    /// Where the line is.
    pub threshold: Option<String>,
    /// Over which time.
    pub window: Option<String>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DecisionView {
    /// Which of the dispositions.
    pub disposition: &'static str,
    /// Why.
    pub comment: String,
    /// The other alert, for a duplicate.
    pub duplicate_of: Option<String>,
    /// When, RFC 3339.
    pub closed_at: String,
    /// The event.
    pub seq: Seq,
}

/// An alert with what is behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlertDetailView {
    /// The alert.
    #[serde(flatten)]
    pub alert: AlertView,
    /// Entries that hit the rule, oldest first, at most 200.
    pub hit_entries: Vec<HitView>,
    /// Breaks behind it, newest first, at most 200.
    pub breaks: Vec<AlertBreakView>,
    /// Places of the entries behind it, at most 200.
    pub entries: Vec<Seq>,
    /// The closed alert of the same rule and account that it follows.
    pub previous: Option<String>,
}

/// One hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HitView {
    /// The entry that crossed the line.
    pub seq: Seq,
    /// `low medium high critical`
    pub severity: &'static str,
    /// Whether a late entry made it cross afterwards.
    pub late: bool,
    /// The entry whose arrival decided it.
    pub decided_by: Seq,
    /// `YYYY-MM-DD`.
    pub business_date: String,
}

/// One break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlertBreakView {
    /// The entry it is named at.
    pub seq: Seq,
    /// What does not hold.
    #[serde(flatten)]
    pub found: BreakBody,
    /// `open healed explained frozen`
    pub state: &'static str,
}

/// A page of alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlertPageView {
    /// The newest first.
    pub items: Vec<AlertView>,
    /// Send it as `cursor` for the next page; `null` at the end.
    pub next: Option<String>,
}

/// A decision.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    /// See the refusal of an unknown one for the choices.
    disposition: String,
    /// What was checked and found, 20 to 2,000 characters.
    comment: String,
    /// The other alert's reference, for a duplicate.
    #[serde(default)]
    duplicate_of: Option<String>,
}

/// A decision that is in the log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ClosedAlertView {
    /// The alert.
    #[serde(rename = "ref")]
    reference: String,
    /// The event.
    seq: Seq,
}

fn alert_view(alert: &Alert, open_number: bool) -> AlertView {
    let decision = alert.decision.as_ref().map(|made| DecisionView {
        disposition: made.disposition.text(),
        comment: made.comment.clone(),
        duplicate_of: made.duplicate_of.map(|r| r.to_string()),
        closed_at: made.closed_at.to_string(),
        seq: made.seq,
    });
    let said = alert.explanation.clone();
    AlertView {
        reference: alert.reference.to_string(),
        rule: alert.rule.clone(),
        severity: alert.severity.text(),
        state: alert.state.text(),
        account: if open_number { alert.about.name.clone() } else { alert.about.masked() },
        record: alert.about.record,
        business_date: day_date(alert.business_date).to_string(),
        opened_at: alert.opened_at.to_string(),
        first_booked_at: alert.first_booked_at.to_string(),
        hits: alert.hits,
        explanation: ExplanationView {
            sentence: said.sentence,
            observed: said.observed,
            threshold: said.threshold,
            window: said.window,
        },
        decision,
    }
}

fn detail_view(detail: &AlertDetail, open_number: bool) -> DbResult<AlertDetailView> {
    let hits = detail.hits.iter().map(|hit| HitView {
        seq: hit.seq,
        severity: hit.severity.text(),
        late: hit.late,
        decided_by: hit.decided_by,
        business_date: day_date(hit.business_date).to_string(),
    });
    let breaks = detail.breaks.iter().map(|b| {
        let currency = Currency::parse(&b.account.currency).map_err(|e| DbError::Corrupt(e.to_string()))?;
        let plain = b.found.kind == BreakKind::Sequence;
        let text = |value: i64| if plain { value.to_string() } else { Money::new(value, currency).to_string() };
        let found = BreakBody {
            kind: b.found.kind.to_string(),
            expected: b.found.expected.map(text),
            found: b.found.found.map(text),
            difference: b.found.difference().map(text),
            path: None,
        };
        Ok(AlertBreakView { seq: b.found.seq, found, state: b.state.text() })
    });
    Ok(AlertDetailView {
        alert: alert_view(&detail.alert, open_number),
        hit_entries: hits.collect(),
        breaks: breaks.collect::<DbResult<_>>()?,
        entries: detail.entries.clone(),
        previous: detail.previous.map(|r| r.to_string()),
    })
}

/// Without the balances that were expected where an entry of another source may have said them.
fn for_key(conn: &mut Conn, mut detail: AlertDetail) -> DbResult<AlertDetail> {
    if let Some(account) = detail.breaks.first().map(|found| found.account.id)
        && let Some(stranger) = ledger::store::first_foreign(conn, account)?
    {
        detail.breaks.iter_mut().filter(|b| b.opened_by >= stranger).for_each(|b| b.found.expected = None);
    }
    Ok(detail)
}

/// A key that may not see hits sees no alerts either; that it asked is recorded.
async fn require_hits(req: &HttpRequest, caller: &Caller) -> Result<(), Problem> {
    if caller.sees_hits() {
        return Ok(());
    }
    refused(req, caller, "scope").await?;
    Err(Problem::new(403, "scope_missing", "alerts need a key with scope receipt:full; see /docs, then issue another key"))
}

/// What an alert shows something of.
fn subject(about: &About) -> Subject {
    about.record.map_or(Subject::Account(about.id), Subject::Record)
}

/// Records what an officer looked at; without the record there is no answer.
async fn viewed(req: &HttpRequest, app: &App, caller: &Caller, what: Value) -> Result<(), Problem> {
    match caller {
        Caller::Officer(_) => caller.note(req, app, "customer.viewed", what).await,
        Caller::Sender(_) => Ok(()),
    }
}

fn choice<T>(parse: impl Fn(&str) -> Option<T>, choices: &'static str) -> impl Fn(&str) -> Result<T, String> {
    move |text| parse(text).ok_or_else(|| format!("one of {choices}"))
}

/// Alerts, the newest first.
#[utoipa::path(
    get, path = "/api/v1/alerts", tag = "Alerts", security(("key" = ["read", "receipt:full"]), ("session" = [])),
    params(
        ("state" = Option<String>, Query, description = "`open` or `closed`."),
        ("severity" = Option<String>, Query, description = "`low`, `medium`, `high` or `critical`."),
        ("rule" = Option<String>, Query, description = "The rule's code."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
        ("limit" = Option<i64>, Query, description = "Items of the page, 1 to 1,000; default 100."),
    ),
    responses(
        (status = 200, description = "A page.", body = AlertPageView),
        (status = 400, description = "A parameter cannot be used; see `field`.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "Neither key nor session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope, or the role may not.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn list(req: HttpRequest, caller: Caller, app: Data<App>) -> Result<HttpResponse, Problem> {
    require_hits(&req, &caller).await?;
    let query = Params::of(&req, &["state", "severity", "rule", "cursor", "limit"])?;
    let severity = query.read("severity", choice(Severity::parse, "low, medium, high, critical"))?;
    let filter = AlertFilter {
        state: query.read("state", choice(State::parse, "open, closed"))?,
        severities: severity.into_iter().collect(),
        rule: query.get("rule").map(str::to_owned),
        source: caller.source(),
        but: if caller.source().is_some() { detect::of_sealed_values() } else { Vec::new() },
        ..AlertFilter::default()
    };
    let cursor = query.read("cursor", |text| Cursor::parse(Order::Newest, text).ok_or("a cursor as given by `next`"))?;
    let (limit, db) = (query.limit()?, app.db.clone());
    let page = web::block(move || db.look(|conn| queue::list(conn, &filter, Order::Newest, cursor, limit as usize))).await??;
    viewed(&req, &app, &caller, json!({ "list": "alerts", "alerts": page.items.len() })).await?;
    let open_number = matches!(caller, Caller::Sender(_));
    reads::shows(&req, page.items.iter().map(|alert| subject(&alert.about)));
    let items = page.items.iter().map(|alert| alert_view(alert, open_number)).collect();
    Ok(HttpResponse::Ok().json(AlertPageView { items, next: page.next.map(|c| c.to_string()) }))
}

/// One alert with what is behind it.
#[utoipa::path(
    get, path = "/api/v1/alerts/{ref}", tag = "Alerts", security(("key" = ["read", "receipt:full"]), ("session" = [])),
    params(
        ("ref" = String, Path, description = "Its reference, such as `ALR-2026-000123`."),
        ("at" = Option<String>, Query, description = "As it was at this instant, RFC 3339: what joined it later is left out, what was decided later is open."),
    ),
    responses(
        (status = 200, description = "The alert.", body = AlertDetailView),
        (status = 400, description = "A parameter cannot be used.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "Neither key nor session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope, or the role may not.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such alert of your source, or not yet at that instant.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn show(req: HttpRequest, caller: Caller, app: Data<App>, reference: Path<String>) -> Result<HttpResponse, Problem> {
    require_hits(&req, &caller).await?;
    let at = Params::of(&req, &["at"])?.read("at", come(app.clock.now()))?;
    let reference = AlertRef::parse(&reference).ok_or_else(|| Problem::not_found("alert"))?;
    let (db, is_key) = (app.db.clone(), matches!(caller, Caller::Sender(_)));
    let look = move |conn: &mut Conn| -> DbResult<Option<AlertDetail>> {
        let detail = match (queue::detail(conn, reference)?, at) {
            (Some(detail), Some(at)) => {
                let end = end_at(conn, at)?;
                detail.before(conn, end)?
            }
            (detail, _) => detail,
        };
        match detail {
            Some(detail) if is_key => for_key(conn, detail).map(Some),
            detail => Ok(detail),
        }
    };
    let found = web::block(move || db.read(|conn| conn.snapshot(look))).await??;
    let detail = found.ok_or_else(|| Problem::not_found("alert"))?;
    let withheld =
        |source| source != detail.alert.about.source || detect::of_sealed_values().contains(&detail.alert.rule.as_str());
    if caller.source().is_some_and(withheld) {
        return Err(hidden(&req, &caller, "alert").await);
    }
    let about = &detail.alert.about;
    let looked_at = match about.record {
        Some(record) => json!({ "alert": detail.alert.id, "record": record }),
        None => json!({ "alert": detail.alert.id, "account": about.id }),
    };
    viewed(&req, &app, &caller, looked_at).await?;
    reads::shows(&req, [subject(about)]);
    Ok(HttpResponse::Ok().json(detail_view(&detail, is_key)?))
}

/// Closes an alert with a disposition and a comment: with the session of somebody who decides alerts, never with a key.
///
/// With a session: the token of the session's forms goes into header `x-csrf-token`.
#[utoipa::path(
    post, path = "/api/v1/alerts/{ref}/disposition", tag = "Alerts", security(("session" = [])),
    params(("ref" = String, Path, description = "Its reference, such as `ALR-2026-000123`.")),
    request_body(content = DecisionBody, description = "The decision."),
    responses(
        (status = 200, description = "The alert is closed.", body = ClosedAlertView),
        (status = 400, description = "Not readable.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The role may not decide alerts.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such alert.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is closed already.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Readable, but not acceptable.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn decide(
    req: HttpRequest,
    officer: Officer,
    app: Data<App>,
    reference: Path<String>,
    mut payload: Payload,
) -> Result<HttpResponse, Problem> {
    Params::of(&req, &[])?;
    super::require_json(&req)?;
    let body = body::collect(&mut payload, BODY_MAX).await?;
    let body = body::unpack(Packing::of(req.headers())?, body, BODY_MAX)?;
    let sent: Result<DecisionBody, _> = serde_json::from_slice(&body);
    let sent = sent.map_err(|e| Problem::new(400, "unreadable", format!("not readable as a decision: {e}; see /docs")))?;
    let (log, user, reference) = (app.log(), officer.0.user, reference.into_inner());
    let named = reference.clone();
    let closed = web::block(move || -> Result<Seq, ActError> {
        let disposition = Disposition::require(&sent.disposition)?;
        alerts::close(&log, &named, disposition, &sent.comment, sent.duplicate_of.as_deref(), user)
    });
    Ok(HttpResponse::Ok().json(ClosedAlertView { seq: closed.await??, reference }))
}
