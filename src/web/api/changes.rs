//! `POST /api/v1/changes`: changes of any other record.

use std::collections::BTreeMap;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use tokio::sync::oneshot;
use utoipa::ToSchema;

use crate::access::Scope;
use crate::app::App;
use crate::detect;
use crate::ledger::Refusal;
use crate::records::{ChangeReceipt, ChangeResult, ReceiptHit, Row, Sender as From, event};
use crate::trail::ActError;
use crate::web::guard::Sender;
use crate::web::peer::Peer;
use crate::web::problem::{Problem, ProblemBody};

use super::rows::{Door, Results, take};
use super::wire::{AtomicRefusal, BatchBody, BreakBody, HitBody, ReceiptBody, RowBody, UnchangedBody};

/// One field of a change.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[allow(dead_code)] // for the document only: rows are read with the digits of their numbers
pub struct FieldBody {
    /// JSON pointer.
    #[schema(example = "/limit", max_length = 256)]
    path: String,
    /// What was there; absent: not said.
    old: Option<serde_json::Value>,
    /// What is there now; absent: nothing.
    new: Option<serde_json::Value>,
}

/// One change of one record. Send `after` (and `before`), or `fields`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[allow(dead_code)]
pub struct ChangeBody {
    /// Your id of this change, unique per source for ever: sending it again is safe.
    #[schema(example = "CH-1", max_length = 200)]
    source_ref: String,
    /// What kind of record: 1 to 64 of a-z, 0-9, point, hyphen and underscore.
    #[schema(example = "customer", max_length = 64)]
    r#type: String,
    /// Your id of the record within its type.
    #[schema(example = "C-1001", max_length = 200)]
    id: String,
    /// `create update delete`
    #[schema(example = "update")]
    action: String,
    /// The whole record before. Where it is not our last state, the change is recorded with a break.
    before: Option<BTreeMap<String, serde_json::Value>>,
    /// The whole record after. Only what differs is kept.
    after: Option<BTreeMap<String, serde_json::Value>>,
    /// Single fields instead, at most 300.
    fields: Option<Vec<FieldBody>>,
    /// When, RFC 3339 with an offset, at most microseconds; absent: now.
    changed_at: Option<String>,
    /// Who changed it.
    #[schema(example = "john_doe")]
    actor: Option<String>,
    /// `customer staff system`
    actor_kind: Option<String>,
    /// An identifier of the session, never a live token.
    session_id: Option<String>,
    /// The actor's IPv4 or IPv6 address.
    ip: Option<String>,
    /// The actor's user agent.
    user_agent: Option<String>,
    /// The actor's device.
    device_id: Option<String>,
    /// Why; required for types that are so configured.
    #[schema(example = "moved house", max_length = 2000)]
    reason: Option<String>,
    /// `critical normal debug`: how long the values are kept; it only lengthens what the type says.
    class: Option<String>,
    /// Paths that are sealed besides those of the type.
    sensitive: Option<Vec<String>>,
}

#[derive(Clone)]
struct Changes {
    app: App,
    from: From,
    told: Told,
}

/// What a key may be told of what it sent.
#[derive(Clone, Copy)]
struct Told {
    /// Of hits.
    hits: bool,
    /// Of values that we have: those whose key may read them anyway.
    values: bool,
}

impl Changes {
    fn run(&self, rows: Vec<Row>, atomic: bool, send: oneshot::Sender<Results<Changes>>) {
        // The sender may have gone; what was recorded stays recorded.
        let _ = send.send(self.app.record_changes(&self.from, rows, atomic));
    }
}

impl Door for Changes {
    type Row = Row;
    type Result = ChangeResult;
    type Failure = ActError;
    const NOUN: &'static str = "changes";
    const ATOMIC_MAX: usize = 1_000;

    fn read(&self, line: u64, bytes: &[u8]) -> Row {
        self.app.read_change(line, bytes)
    }

    fn refuse(&self, line: u64, refusal: Refusal, bytes: &[u8]) -> Row {
        self.app.refuse_change(line, refusal, bytes)
    }

    fn line(row: &Row) -> u64 {
        row.line
    }

    fn submit(&self, rows: Vec<Row>, atomic: bool, patience: bool) -> Result<oneshot::Receiver<Results<Changes>>, Problem> {
        let (send, receive) = oneshot::channel();
        let door = self.clone();
        match patience {
            true => door.run(rows, atomic, send),
            false => drop(tokio::task::spawn_blocking(move || door.run(rows, atomic, send))),
        }
        Ok(receive)
    }

    fn answer(&self, line: u64, result: ChangeResult) -> RowBody {
        match result {
            ChangeResult::Recorded(receipt) => RowBody::Receipt(body(receipt, "recorded", self.told)),
            ChangeResult::Duplicate(receipt) => RowBody::Receipt(body(receipt, "duplicate", self.told)),
            ChangeResult::Unchanged(seq) => RowBody::Unchanged(UnchangedBody { status: "unchanged", seq }),
            ChangeResult::Rejected(refusal) => RowBody::rejected(line, refusal.into()),
        }
    }

    fn count(results: &[ChangeResult]) {
        let recorded = results.iter().filter(|result| matches!(result, ChangeResult::Recorded(_))).count();
        metrics::counter!("counterfoil_changes_recorded_total", "way" => "api").increment(recorded as u64);
    }
}

/// Of sealed values no key is told anything: neither that one was as it is sealed, nor that it was not.
fn body(receipt: ChangeReceipt, status: &'static str, told: Told) -> ReceiptBody {
    let hit = |hit: ReceiptHit| HitBody { rule: hit.rule, severity: hit.severity.text().to_owned(), alert: hit.alert };
    let tells = |hit: &ReceiptHit| told.hits && detect::rule(&hit.rule).is_some_and(|rule| !rule.knows_sealed_values());
    let broken = |(path, expected, found): event::Told| BreakBody {
        kind: "record".into(),
        expected: expected.filter(|_| told.values),
        found,
        difference: None,
        path: Some(path),
    };
    ReceiptBody {
        seq: receipt.seq,
        leaf: hex::encode(receipt.leaf),
        position: Some(receipt.version),
        status,
        hits: receipt.hits.into_iter().filter(tells).map(hit).collect(),
        breaks: receipt.mismatches.into_iter().filter(|found| !event::is_of_sealed(found)).map(broken).collect(),
        masked: Some(receipt.masked).filter(|masked| *masked > 0),
    }
}

/// Records changes of any record.
///
/// One object, an array, or a stream of lines, as for entries; a repeated `source_ref` with the same content gives the
/// first receipt again. A change that changes nothing is answered `unchanged` and not recorded.
#[utoipa::path(
    post, path = "/api/v1/changes", tag = "Records", security(("key" = ["changes:write"])),
    params(("atomic" = Option<bool>, Query, description = "Arrays only, at most 1,000: record all of them or none.")),
    request_body(content(
        (ChangeBody = "application/json", example = json!({"source_ref": "CH-1", "type": "customer", "id": "C-1001",
            "action": "update", "before": {"name": "Ann", "limit": 100}, "after": {"name": "Ann", "limit": 200},
            "actor": "john_doe", "reason": "asked for by letter"})),
        (ChangeBody = "application/x-ndjson")
    ), description = "One change, an array of changes, or one change a line."),
    responses(
        (status = 201, description = "The change is in the log.", body = ReceiptBody),
        (status = 200, description = "It was there already, or it changes nothing; or, for an array or a stream, what became of each row.",
            content((ReceiptBody = "application/json"), (UnchangedBody = "application/json"), (BatchBody = "application/json"), (RowBody = "application/x-ndjson"))),
        (status = 400, description = "Not readable.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No key, or not one that is known.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The same `source_ref` with other content; the detail names the first `seq`.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Too large.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Neither JSON nor NDJSON.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Readable, but not acceptable: see `code` and `field`. For an atomic array: all results, nothing recorded.",
            content((ProblemBody = "application/problem+json"), (AtomicRefusal = "application/problem+json"))),
        (status = 429, description = "The same `source_ref` was sent ten times with other content within the hour (`too_many_conflicts`): until it is over, nothing is compared.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Too many changes wait, sensitive values cannot be sealed yet (`recovery_key_untested`), or this instance stands by.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn create(req: HttpRequest, sender: Sender, app: Data<App>, payload: Payload) -> Result<HttpResponse, Problem> {
    app.intake()?;
    let origin = actix_web::HttpMessage::extensions(&req).get::<Peer>().and_then(|peer| peer.text());
    let key = &sender.0;
    let from = From { source: key.source, key: Some(key.id), origin };
    let told = Told { hits: key.scopes.contains(Scope::ReceiptFull), values: key.scopes.contains(Scope::Read) };
    let door = Changes { app: App::clone(&app), from, told };
    take(&req, &app, door, payload).await
}
