//! The end of a feed's day.

use std::collections::BTreeMap;

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::App;
use crate::clock::{day_date, day_number, parse_date};
use crate::ids::Seq;
use crate::ledger::feeds::{self, Closing, Sums};
use crate::money::{Currency, Money};
use crate::web::body::{self, Packing};
use crate::web::guard::{Caller, Sender, hidden};
use crate::web::params::Params;
use crate::web::problem::{Problem, ProblemBody};

/// The largest body of a closing.
const BODY_MAX: usize = 64 * 1024;

/// What was sent for a business date: `totals` by currency, or one currency flat.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CloseBody {
    /// `YYYY-MM-DD`.
    #[schema(required, example = "2026-11-20")]
    business_date: Option<String>,
    /// By currency, each once; empty when nothing was sent.
    #[schema(value_type = Option<BTreeMap<String, TotalsBody>>)]
    totals: Option<Totals>,
    /// Instead of `totals`, for one currency: ISO 4217.
    currency: Option<String>,
    /// With `currency`: how many entries.
    count: Option<i64>,
    /// With `currency`: sum of debits, decimal text.
    debits: Option<String>,
    /// With `currency`: sum of credits, decimal text.
    credits: Option<String>,
}

/// Control totals of one currency.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct TotalsBody {
    /// How many entries.
    #[schema(example = 3)]
    pub count: i64,
    /// Sum of debits, decimal text.
    #[schema(example = "50.00")]
    pub debits: String,
    /// Sum of credits, decimal text.
    #[schema(example = "500.00")]
    pub credits: String,
}

/// A closing that is in the log.
#[derive(Clone, Debug, Serialize, ToSchema, PartialEq, Eq)]
pub struct ClosedView {
    /// The event.
    pub seq: Seq,
    /// The source.
    pub source: String,
    /// `YYYY-MM-DD`.
    pub business_date: String,
    /// As understood.
    pub totals: BTreeMap<String, TotalsBody>,
}

/// Totals by currency. One that is there twice leaves open which is meant.
#[derive(Clone, Debug, Default, Serialize)]
struct Totals(BTreeMap<String, TotalsBody>);

impl<'de> Deserialize<'de> for Totals {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Totals, D::Error> {
        struct EachOnce;
        impl<'de> Visitor<'de> for EachOnce {
            type Value = Totals;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("totals by currency")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Totals, A::Error> {
                let mut totals = Totals::default();
                while let Some((code, one)) = map.next_entry::<String, TotalsBody>()? {
                    let twice = format!("the totals of {} are there twice", short(&code));
                    if totals.0.insert(code, one).is_some() {
                        return Err(A::Error::custom(twice));
                    }
                }
                Ok(totals)
            }
        }
        from.deserialize_map(EachOnce)
    }
}

fn invalid(field: &str, detail: impl std::fmt::Display) -> Problem {
    Problem::field(422, "totals_invalid", field, format!("{field}: {detail}"))
}

impl CloseBody {
    fn read(json: &[u8]) -> Result<CloseBody, Problem> {
        if json.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[') {
            return Err(Problem::new(400, "unreadable", "a closing is a JSON object, not a list; see /docs for its fields"));
        }
        serde_json::from_slice(json).map_err(|e| diagnose(json, &e))
    }

    fn totals(self) -> Result<BTreeMap<String, TotalsBody>, Problem> {
        let flat = self.currency.is_some() || self.count.is_some() || self.debits.is_some() || self.credits.is_some();
        match (self.totals, flat) {
            (Some(_), true) => Err(invalid("totals", "send either totals or currency, count, debits and credits")),
            (Some(totals), false) => Ok(totals.0),
            (None, false) => Err(invalid("totals", "is required; {} when nothing was sent")),
            (None, true) => {
                let missing = |field| move || invalid(field, "is required");
                let currency = self.currency.ok_or_else(missing("currency"))?;
                let count = self.count.ok_or_else(missing("count"))?;
                let debits = self.debits.ok_or_else(missing("debits"))?;
                let credits = self.credits.ok_or_else(missing("credits"))?;
                Ok(BTreeMap::from([(currency, TotalsBody { count, debits, credits })]))
            }
        }
    }
}

/// Fields of a closing, of its totals, and which of them is a number or an object.
const FIELDS: [&str; 6] = ["business_date", "totals", "currency", "count", "debits", "credits"];
const TOTALS: [&str; 3] = ["count", "debits", "credits"];

/// Finds out which field made an object unreadable.
fn diagnose(json: &[u8], error: &serde_json::Error) -> Problem {
    let unreadable = || Problem::new(400, "unreadable", format!("not readable as a closing: {error}; see /docs"));
    let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(json) else { return unreadable() };
    let named = faulty(&object, &FIELDS).or_else(|| {
        let totals = object.get("totals").and_then(Value::as_object);
        totals.into_iter().flatten().find_map(|(code, one)| match one {
            Value::Object(one) => faulty(one, &TOTALS).or_else(|| {
                let missing = TOTALS.into_iter().find(|name| !one.contains_key(*name));
                missing.map(|name| invalid(name, format!("is required for {}", short(code))))
            }),
            _ => Some(wrong_type("totals")),
        })
    });
    named.unwrap_or_else(unreadable)
}

fn faulty(object: &Map<String, Value>, known: &[&str]) -> Option<Problem> {
    object.iter().find_map(|(name, value)| match name.as_str() {
        other if !known.contains(&other) => {
            let detail = format!("`{}` is not a field of a closing; see /docs for the fields", short(other));
            Some(Problem::field(422, "unknown_field", &short(other), detail))
        }
        name => {
            let right = match name {
                "count" => value.is_i64(),
                "totals" => value.is_object(),
                _ => value.is_string(),
            };
            (!right && !value.is_null()).then(|| wrong_type(name))
        }
    })
}

fn wrong_type(field: &str) -> Problem {
    let detail = match field {
        "count" => "count is a whole number without quotes".to_owned(),
        "totals" => "totals is an object: {\"USD\": {\"count\", \"debits\", \"credits\"}}".to_owned(),
        _ => format!("{field} is text in quotes"),
    };
    Problem::field(422, "field_type", field, detail)
}

fn short(name: &str) -> String {
    name.chars().take(64).collect()
}

fn sums(code: &str, totals: &TotalsBody) -> Result<Sums, Problem> {
    let currency = Currency::parse(code).map_err(|e| invalid("currency", e))?;
    if totals.count < 0 {
        return Err(invalid("count", "is zero or more"));
    }
    let amount = |field: &str, text: &str| Money::parse_amount(text, currency).map(Money::minor).map_err(|e| invalid(field, e));
    let (debits, credits) = (amount("debits", &totals.debits)?, amount("credits", &totals.credits)?);
    Ok(Sums { currency, count: totals.count, debits, credits })
}

/// Says that a feed's day is over, and what was sent.
///
/// The report holds it against what was recorded. Sent again for the same date, the newest counts.
#[utoipa::path(
    post, path = "/api/v1/feeds/{source}/close", tag = "Feeds", security(("key" = ["totals:write"])),
    params(("source" = String, Path, description = "The name of the key's own source.")),
    request_body(content = CloseBody, description = "Control totals by currency; or, for one currency, flat: \
        `{\"business_date\", \"currency\", \"count\", \"debits\", \"credits\"}`.",
        example = json!({"business_date": "2026-11-20", "totals": {"USD": {"count": 3, "debits": "50.00", "credits": "500.00"}}})),
    responses(
        (status = 201, description = "The closing is in the log.", body = ClosedView),
        (status = 400, description = "Not readable.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No key, or not one that is known.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Not the key's own source.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Readable, but not acceptable; see `field`.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn close(
    req: HttpRequest,
    sender: Sender,
    app: Data<App>,
    source: Path<String>,
    mut payload: Payload,
) -> Result<HttpResponse, Problem> {
    Params::of(&req, &[])?;
    if *source != sender.0.source_name {
        return Err(hidden(&req, &Caller::Sender(sender.0), "source").await);
    }
    super::require_json(&req)?;
    let packing = Packing::of(req.headers())?;
    let body = body::unpack(packing, body::collect(&mut payload, BODY_MAX).await?, BODY_MAX)?;
    let sent = CloseBody::read(&body)?;
    let date = sent.business_date.as_deref().ok_or_else(|| invalid("business_date", "is required"))?;
    let business_date = day_number(parse_date(date).map_err(|e| invalid("business_date", e))?);
    let totals = sent.totals()?;
    let sums = totals.iter().map(|(code, totals)| sums(code, totals)).collect::<Result<Vec<_>, _>>()?;
    let closing = Closing { source: sender.0.source, api_key: Some(sender.0.id), business_date, sums };
    let log = app.log();
    let seq = web::block(move || feeds::close(&log, closing)).await??;
    let business_date = day_date(business_date).to_string();
    Ok(HttpResponse::Created().json(ClosedView { seq, source: source.into_inner(), business_date, totals }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn field(json: &str) -> Option<String> {
        let read = CloseBody::read(json.as_bytes()).and_then(CloseBody::totals);
        let read = read.and_then(|totals| totals.iter().map(|(code, t)| sums(code, t)).collect::<Result<Vec<_>, _>>());
        read.err().map(|problem| problem.field.unwrap_or_default())
    }

    #[test]
    fn totals_are_by_currency_or_flat() {
        assert_eq!(
            field(
                r#"{"totals":{"USD":{"count":1,"debits":"0.00","credits":"5.00"},"JPY":{"count":0,"debits":"0","credits":"0"}}}"#
            ),
            None
        );
        assert_eq!(field(r#"{"currency":"USD","count":1,"debits":"0","credits":"5"}"#), None);
        assert_eq!(field(r#"{"totals":{}}"#), None);
    }

    #[test]
    fn a_currency_that_is_there_twice_is_refused() {
        let one = r#"{"count":1,"debits":"0","credits":"5"}"#;
        let refused = CloseBody::read(format!(r#"{{"totals":{{"USD":{one},"EUR":{one},"USD":{one}}}}}"#).as_bytes()).unwrap_err();
        assert!(refused.detail.contains("the totals of USD are there twice"), "{refused:?}");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (json, name) in [
            ("{}", "totals"),
            (r#"{"totals":{},"count":1}"#, "totals"),
            (r#"{"currency":"USD","count":1,"debits":"0"}"#, "credits"),
            (r#"{"totals":{"USDX":{"count":1,"debits":"0","credits":"5"}}}"#, "currency"),
            (r#"{"totals":{"USD":{"count":1,"debits":"0.001","credits":"5"}}}"#, "debits"),
            (r#"{"totals":{"USD":{"count":-1,"debits":"0","credits":"5"}}}"#, "count"),
            (r#"{"totals":{"USD":{"count":1,"debits":"0","credits":5}}}"#, "credits"),
            (r#"{"totals":{"USD":{"count":"1","debits":"0","credits":"5"}}}"#, "count"),
            (r#"{"totals":{"USD":{"debits":"0","credits":"5"}}}"#, "count"),
            (r#"{"totals":{"USD":5}}"#, "totals"),
            (r#"{"totals":[]}"#, "totals"),
            (r#"{"business_date":20261120}"#, "business_date"),
            (r#"{"nope":1}"#, "nope"),
            ("{nope", ""),
            ("5", ""),
        ] {
            assert_eq!(field(json).as_deref(), Some(name), "{json}");
        }
    }
}
