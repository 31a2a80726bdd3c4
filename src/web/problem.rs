//! What went wrong, for programs: `application/problem+json` with a stable `code`.
//!
//! Details say what to do next. What failed inside is logged, never told: it may hold SQL or paths.

use actix_web::error::BlockingError;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;

use crate::app::StandBy;
use crate::db::DbError;
use crate::ids::Seq;
use crate::intake::{Busy, Failed, Stopped};
use crate::ledger::Refusal;
use crate::trail::ActError;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// Seconds after which a refused request may be sent again.
const RETRY_SECONDS: u32 = 1;

/// One problem, on its way to the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "ProblemBody")]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Stable, for programs, e.g. `currency_mismatch`.
    pub code: &'static str,
    /// For people: what is wrong and what to do next.
    pub detail: String,
    /// The field or parameter it is about.
    pub field: Option<String>,
    /// The line of the file or the number in the array, from 1.
    pub line: Option<u64>,
    /// Of a conflict: the place of the entry that has the reference.
    pub first: Option<Seq>,
    /// Seldom there.
    beside: Option<Box<Beside>>,
}

/// What only some problems carry.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Beside {
    /// What a `405` allows.
    Allow(String),
    /// Where the instance answers that can do it.
    Leader(String),
}

/// A problem as the caller reads it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A URI for this kind of problem: `urn:counterfoil:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The HTTP status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// Stable, for programs.
    #[schema(example = "currency_mismatch")]
    code: &'static str,
    /// For people: what is wrong and what to do next.
    detail: String,
    /// The field or parameter it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The line of the file or the number in the array, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// Of a conflict: the place in the log of the entry that has the `source_ref`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 4711)]
    first_seq: Option<i64>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
    /// Where the instance answers that can do it, when this one stands by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://a.counterfoil.bank.example")]
    leader: Option<String>,
}

impl From<Problem> for ProblemBody {
    fn from(problem: Problem) -> ProblemBody {
        ProblemBody {
            kind: format!("urn:counterfoil:problem:{}", problem.code),
            title: title(problem.status),
            status: problem.status,
            code: problem.code,
            detail: problem.detail,
            field: problem.field,
            line: problem.line,
            first_seq: problem.first,
            seq: problem.first,
            leader: match problem.beside.map(|beside| *beside) {
                Some(Beside::Leader(url)) => Some(url),
                _ => None,
            },
        }
    }
}

impl Problem {
    /// A problem of this status, code and detail.
    pub fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Problem {
        Problem { status, code, detail: detail.into(), field: None, line: None, first: None, beside: None }
    }

    /// A parameter or field that cannot be used.
    pub fn field(status: u16, code: &'static str, field: &str, detail: impl Into<String>) -> Problem {
        Problem { field: Some(field.to_owned()), ..Problem::new(status, code, detail) }
    }

    /// 400: a query parameter that cannot be used.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Problem {
        Problem::field(400, "parameter_invalid", name, detail)
    }

    /// 401: neither key nor session.
    pub fn unauthenticated() -> Problem {
        let detail = "this needs an API key; send `Authorization: Bearer <key>` (made by `counterfoil key issue`)";
        Problem::new(401, "unauthenticated", detail)
    }

    /// 404: nothing there, or nothing the caller may know of.
    pub fn not_found(what: &str) -> Problem {
        Problem::new(404, "not_found", format!("no such {what}"))
    }

    /// 405: the path exists, the method does not.
    pub fn method_not_allowed(allowed: String) -> Problem {
        let detail = format!("this path answers {allowed} only");
        Problem { beside: Some(Box::new(Beside::Allow(allowed))), ..Problem::new(405, "method_not_allowed", detail) }
    }

    /// 413: more than this server takes at once.
    pub fn too_large(detail: impl Into<String>) -> Problem {
        Problem::new(413, "too_large", detail)
    }

    /// 500, after logging what really happened.
    pub fn internal(error: &dyn std::fmt::Display) -> Problem {
        tracing::error!(target: "counterfoil::web", %error, "a request failed");
        let detail = "something failed inside; it was logged, nothing was recorded: try again, then tell the administrator";
        Problem::new(500, "internal", detail)
    }

    /// With the line it is about.
    pub fn at_line(mut self, line: u64) -> Problem {
        self.line = Some(line);
        self
    }

    /// Of a request that has no lines.
    pub fn without_line(mut self) -> Problem {
        self.line = None;
        self
    }

    /// The HTTP status.
    pub fn http_status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer's status line and headers, without a body.
    pub fn builder(&self) -> HttpResponseBuilder {
        let mut answer = HttpResponse::build(self.http_status());
        answer.content_type(MEDIA_TYPE);
        match self.status {
            401 => answer.insert_header((WWW_AUTHENTICATE, "Bearer")),
            405 => match self.beside.as_deref() {
                Some(Beside::Allow(methods)) => answer.insert_header((ALLOW, methods.as_str())),
                _ => answer.insert_header((ALLOW, "GET")),
            },
            429 | 503 => answer.insert_header((RETRY_AFTER, RETRY_SECONDS.to_string())),
            _ => &mut answer,
        };
        answer
    }

    /// The whole answer.
    pub fn response(&self) -> HttpResponse {
        self.builder().body(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// The words of RFC 9110 for a status.
fn title(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Error")
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.http_status()
    }

    fn error_response(&self) -> HttpResponse {
        self.response()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        Problem { field: refusal.field, first: refusal.first, ..Problem::new(refusal.status, refusal.code, refusal.detail) }
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Problem {
        if let DbError::Deposed = error {
            return Problem::new(503, "not_writing", "another instance leads the log now; try again in a second");
        }
        if let DbError::Connect(_) = error {
            tracing::error!(target: "counterfoil::web", %error, "no database");
            return Problem::new(503, "database_unavailable", "the database cannot be reached; try again in a second");
        }
        if let DbError::Altered(detail) = error {
            tracing::error!(target: "counterfoil::web", detail, "something stored was changed and is not shown");
            return Problem::new(409, "altered", detail);
        }
        Problem::internal(&error)
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Problem {
        match error {
            ActError::Db(error) => error.into(),
            ActError::Refused { status, code, detail } => Problem::new(status, code, detail),
            ActError::NotWriting => Problem::new(503, "not_writing", error.to_string()),
        }
    }
}

impl From<StandBy> for Problem {
    fn from(by: StandBy) -> Problem {
        let problem = Problem::new(503, "stand_by", by.to_string());
        Problem { beside: by.leader.map(|url| Box::new(Beside::Leader(url))), ..problem }
    }
}

impl From<Busy> for Problem {
    fn from(busy: Busy) -> Problem {
        Problem::new(503, "queue_full", busy.to_string())
    }
}

impl From<Stopped> for Problem {
    fn from(stopped: Stopped) -> Problem {
        Problem::new(503, "not_writing", stopped.to_string())
    }
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Problem {
        tracing::error!(target: "counterfoil::web", error = %failed, "a batch was not committed");
        Problem::new(503, "not_recorded", "nothing of this request was recorded; send it again")
    }
}

impl From<BlockingError> for Problem {
    fn from(_: BlockingError) -> Problem {
        Problem::new(503, "overloaded", "the server has no thread left for this; try again in a second")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_and_where() {
        let problem = Problem::from(Refusal::field("amount_negative", "amount", "below zero")).at_line(3);
        let json = serde_json::to_value(&problem).unwrap_or_default();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "urn:counterfoil:problem:amount_negative", "title": "Unprocessable Entity", "status": 422,
                "code": "amount_negative", "detail": "below zero", "field": "amount", "line": 3
            })
        );
    }

    #[test]
    fn what_may_be_sent_again_says_when() {
        let answer = Problem::from(Busy).response();
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key(RETRY_AFTER));
        assert!(Problem::unauthenticated().response().headers().contains_key(WWW_AUTHENTICATE));
        assert_eq!(
            Problem::method_not_allowed("POST".into()).response().headers().get(ALLOW).map(|v| v.as_bytes()),
            Some(&b"POST"[..])
        );
    }

    #[test]
    fn what_failed_inside_is_not_told() {
        let problem = Problem::from(DbError::Corrupt("entry 5 of account 123".into()));
        assert_eq!(problem.status, 500);
        assert!(!problem.detail.contains("123"));
    }
}
