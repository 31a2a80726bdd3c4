//! Rule sets, as they were in force.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::db::{Conn, DbResult};
use crate::detect::store::{self, Stored};
use crate::detect::{RuleDifference, differences, rule};
use crate::ids::Seq;
use crate::web::guard::Officer;
use crate::web::pages::end_at;
use crate::web::params::{Params, come};
use crate::web::problem::{Problem, ProblemBody};

/// A rule set.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RuleSetView {
    /// From 1.
    pub version: i64,
    /// The event that brought it into force.
    pub seq: Seq,
    /// Since when it was in force, RFC 3339.
    pub since: String,
    /// Until when; `null`: it still is.
    pub until: Option<String>,
    /// Its rules.
    pub rules: Vec<RuleView>,
}

/// A rule of a set.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RuleView {
    /// Its code.
    #[schema(example = "high-frequency")]
    pub code: String,
    /// `off dry_run live`
    #[schema(value_type = String)]
    pub mode: crate::detect::Mode,
    /// `low medium high critical`
    #[schema(value_type = String)]
    pub severity: crate::detect::Severity,
    /// Its parameters.
    #[schema(value_type = Object)]
    pub parameters: serde_json::Value,
    /// What it says with them; `null` where this program does not know the rule.
    pub text: Option<String>,
}

/// What differs between two rule sets.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RuleSetDifference {
    /// The one.
    pub from: i64,
    /// The other.
    pub to: i64,
    /// Setting by setting.
    pub items: Vec<RuleSetting>,
}

/// A setting that differs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RuleSetting {
    /// The rule's code.
    pub rule: String,
    /// `mode`, `severity`, or a parameter.
    #[schema(example = "count")]
    pub setting: String,
    /// In the one; `null`: it has none.
    pub from: Option<String>,
    /// In the other.
    pub to: Option<String>,
}

fn view(conn: &mut Conn, set: Stored) -> DbResult<RuleSetView> {
    let next = store::of_version(conn, set.body.version + 1)?;
    let rules = set.body.rules.into_iter().map(|entry| RuleView {
        text: rule(&entry.code).and_then(|rule| rule.compile(&entry.parameters).ok()).map(|check| check.text()),
        code: entry.code,
        mode: entry.mode,
        severity: entry.severity,
        parameters: entry.parameters,
    });
    Ok(RuleSetView {
        version: set.body.version,
        seq: set.id,
        since: set.since.to_string(),
        until: next.map(|next| next.since.to_string()),
        rules: rules.collect(),
    })
}

/// The rule set in force, or the one that was at an instant.
#[utoipa::path(
    get, path = "/api/v1/rules", tag = "Rules", security(("session" = [])),
    params(
        ("at" = Option<String>, Query, description = "In force at this instant, RFC 3339; none: now."),
        ("version" = Option<i64>, Query, description = "Of this version instead."),
    ),
    responses(
        (status = 200, description = "The rule set.", body = RuleSetView),
        (status = 400, description = "A parameter cannot be used.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such rule set, or none yet at that instant.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn show(req: HttpRequest, _: Officer, app: Data<App>) -> Result<HttpResponse, Problem> {
    let query = Params::of(&req, &["at", "version"])?;
    let (at, version) = (query.read("at", come(app.clock.now()))?, query.read("version", str::parse::<i64>)?);
    if at.is_some() && version.is_some() {
        return Err(Problem::parameter("version", "version: give either at or version"));
    }
    let db = app.db.clone();
    let found = web::block(move || {
        db.look(|conn| {
            let set = match (version, at) {
                (Some(version), _) => store::of_version(conn, version)?,
                (None, Some(at)) => {
                    let end = end_at(conn, at)?;
                    store::before(conn, end)?
                }
                (None, None) => store::before(conn, Seq::MAX)?,
            };
            set.map(|set| view(conn, set)).transpose()
        })
    });
    Ok(HttpResponse::Ok().json(found.await??.ok_or_else(|| Problem::not_found("rule set"))?))
}

/// What differs between two rule sets.
#[utoipa::path(
    get, path = "/api/v1/rules/difference", tag = "Rules", security(("session" = [])),
    params(
        ("from" = i64, Query, description = "The version of the one."),
        ("to" = i64, Query, description = "The version of the other."),
    ),
    responses(
        (status = 200, description = "What differs.", body = RuleSetDifference),
        (status = 400, description = "A parameter cannot be used.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such rule set.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn difference(req: HttpRequest, _: Officer, app: Data<App>) -> Result<HttpResponse, Problem> {
    let query = Params::of(&req, &["from", "to"])?;
    let version = |name: &str| -> Result<i64, Problem> {
        let found = query.read(name, str::parse::<i64>)?;
        found.ok_or_else(|| Problem::parameter(name, format!("{name}: name the version")))
    };
    let (from, to, db) = (version("from")?, version("to")?, app.db.clone());
    let found = web::block(move || {
        db.look(|conn| {
            let one = store::of_version(conn, from)?;
            let two = store::of_version(conn, to)?;
            DbResult::Ok(one.zip(two).map(|(one, two)| differences(&one.body, &two.body)))
        })
    });
    let found = found.await??.ok_or_else(|| Problem::not_found("rule set"))?;
    let setting = |RuleDifference { rule, setting, from, to }: RuleDifference| RuleSetting { rule, setting, from, to };
    Ok(HttpResponse::Ok().json(RuleSetDifference { from, to, items: found.into_iter().map(setting).collect() }))
}
