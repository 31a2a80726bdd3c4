//! `POST /api/v1/entries`: one entry, an array, or a stream of lines.
//!
//! Whatever the form, a row goes the same way: read, checked, handed to the sequencer, answered
//! after the commit. What cannot be read goes there too, so that the refusal is recorded with its
//! bytes. Decoding of anything large happens off the event loop.

mod ndjson;
mod split;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::oneshot;

use crate::access::Scope;
use crate::app::App;
use crate::ids::Seq;
use crate::intake::{Delivery, DeliveryKind, Failed, Intake, Row, RowResult, Submission};
use crate::web::body::{self, Packing};
use crate::web::guard::Sender;
use crate::web::params::{Params, switch};
use crate::web::peer::Peer;
use crate::web::problem::{Problem, ProblemBody};

use super::wire::{AtomicRefusal, BatchBody, EntryBody, ReceiptBody, RowBody, Summary};
use split::Shape;

/// Bodies up to this size are decoded where they arrive; larger ones on a thread of their own.
const DECODE_INLINE: usize = 32 * 1024;
/// Entries of one atomic request at most.
const ATOMIC_MAX: usize = 10_000;

/// From whom entries come, and what its receipts may show.
#[derive(Clone)]
pub(super) struct From {
    intake: Intake,
    source: Seq,
    delivery: Delivery,
    full: bool,
}

impl From {
    fn new(app: &App, sender: &Sender, peer: Option<Peer>) -> Result<From, Problem> {
        let key = &sender.0;
        let origin = peer.and_then(|p| p.text());
        let delivery = Delivery { kind: DeliveryKind::Api, api_key: Some(key.id), origin };
        Ok(From { intake: app.intake()?, source: key.source, delivery, full: key.scopes.contains(Scope::ReceiptFull) })
    }

    /// A submission of these rows, and where its results will arrive.
    fn submission(&self, rows: Vec<Row>, atomic: bool) -> (Submission, oneshot::Receiver<Result<Vec<RowResult>, Failed>>) {
        let (send, receive) = oneshot::channel();
        let reply = Box::new(move |results| {
            // The sender may have gone; what was recorded stays recorded.
            let _ = send.send(results);
        });
        let (source, delivery) = (self.source, self.delivery.clone());
        (Submission { source, delivery, rows, atomic, history: false, reply }, receive)
    }

    /// Submits and waits for the commit; a full queue is a 503.
    async fn record(&self, rows: Vec<Row>, atomic: bool) -> Result<Vec<RowResult>, Problem> {
        let (submission, receive) = self.submission(rows, atomic);
        self.intake.submit(submission)?;
        results(receive).await
    }
}

/// Waits for the results of a submission.
pub(super) async fn results(receive: oneshot::Receiver<Result<Vec<RowResult>, Failed>>) -> Result<Vec<RowResult>, Problem> {
    let answered = receive.await.unwrap_or_else(|_| Err(Failed("the log has stopped".into())))?;
    let recorded = answered.iter().filter(|r| matches!(r, RowResult::Recorded(_))).count();
    metrics::counter!("counterfoil_entries_recorded_total", "way" => "api").increment(recorded as u64);
    Ok(answered)
}

/// Records entries.
///
/// One object, an array of at most `server.batch_limit` objects, or a stream of lines
/// (`application/x-ndjson`). The body may be packed with `Content-Encoding: gzip`. A repeated
/// `source_ref` with the same content gives the first receipt again: sending again is always safe.
/// A stream is answered line by line as commits happen: read the answer while you send.
#[utoipa::path(
    post, path = "/api/v1/entries", tag = "Entries", security(("key" = ["entries:write"])),
    params(("atomic" = Option<bool>, Query, description = "Arrays only, at most 10,000: record all of them or none.")),
    request_body(content(
        (EntryBody = "application/json", example = json!({"source_ref": "T-1001", "account": "12345", "currency": "USD",
            "kind": "deposit", "amount": "500.00", "balance_before": "1000.00", "balance_after": "1500.00",
            "booked_at": "2026-11-20T14:03:22Z", "actor": "john_doe", "ip": "192.168.1.100"})),
        (EntryBody = "application/x-ndjson")
    ), description = "One entry, an array of entries, or one entry a line."),
    responses(
        (status = 201, description = "The entry is in the log.", body = ReceiptBody),
        (status = 200, description = "The entry was there already; or, for an array or a stream, what became of each row.",
            content((ReceiptBody = "application/json"), (BatchBody = "application/json"), (RowBody = "application/x-ndjson"))),
        (status = 400, description = "Not readable.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No key, or not one that is known.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The same `source_ref` with other content; the detail names the first `seq`.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Too large.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Neither JSON nor NDJSON.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Readable, but not acceptable: see `code` and `field`. For an atomic array: all results, nothing recorded.",
            content((ProblemBody = "application/problem+json"), (AtomicRefusal = "application/problem+json"))),
        (status = 503, description = "The queue is full, or this instance stands by (`code` `stand_by`, `leader`: where to send it); send again after `Retry-After`.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn create(req: HttpRequest, sender: Sender, app: Data<App>, mut payload: Payload) -> Result<HttpResponse, Problem> {
    let peer = actix_web::HttpMessage::extensions(&req).get::<Peer>().copied();
    let from = From::new(&app, &sender, peer)?;
    let query = Params::of(&req, &["atomic"])?;
    let atomic = query.read("atomic", switch)?.unwrap_or(false);
    let packing = Packing::of(req.headers())?;
    match media_type(&req).as_str() {
        "application/json" => {
            let limit = app.config.server.body_limit;
            let body = body::collect(&mut payload, limit).await?;
            let large = packing != Packing::Plain || body.len() > DECODE_INLINE;
            let read = move || body::unpack(packing, body, limit).map(decode);
            let decoded = if large { web::block(read).await?? } else { read()? };
            answer(&from, decoded, atomic, app.config.server.batch_limit).await
        }
        "application/x-ndjson" | "application/ndjson" if atomic => {
            Err(Problem::parameter("atomic", "a stream is never atomic; send an array as application/json"))
        }
        "application/x-ndjson" | "application/ndjson" => Ok(ndjson::answer(from, payload, packing)),
        _ => Err(Problem::new(415, "media_type_unknown", "send Content-Type: application/json or application/x-ndjson")),
    }
}

/// The media type without its parameters, in lower case.
fn media_type(req: &HttpRequest) -> String {
    let text = req.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    text.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// A JSON body, read.
enum Decoded {
    Single(Box<Row>),
    Array(Vec<Row>),
}

fn decode(body: Bytes) -> Decoded {
    match split::shape(&body) {
        Ok(Shape::Single) => Decoded::Single(Box::new(split::row(1, body.trim_ascii()))),
        Ok(Shape::Array(elements)) => {
            let numbered = elements.into_iter().zip(1..);
            Decoded::Array(numbered.map(|(range, line)| split::row(line, &body[range])).collect())
        }
        Err(refusal) => Decoded::Single(Box::new(Row { line: 1, entry: Err(split::refused(refusal, &body)), with_next: false })),
    }
}

async fn answer(from: &From, decoded: Decoded, atomic: bool, batch_limit: usize) -> Result<HttpResponse, Problem> {
    match decoded {
        Decoded::Single(row) => single(from, *row).await,
        Decoded::Array(rows) => {
            let limit = if atomic { batch_limit.min(ATOMIC_MAX) } else { batch_limit };
            if rows.len() > limit {
                let detail =
                    format!("{} entries, but at most {limit} are taken at once; split them, or stream NDJSON", rows.len());
                return Err(Problem::new(413, "batch_too_large", detail));
            }
            array(from, rows, atomic).await
        }
    }
}

async fn single(from: &From, row: Row) -> Result<HttpResponse, Problem> {
    let result = from.record(vec![row], false).await?.pop();
    match result {
        Some(RowResult::Recorded(receipt)) => Ok(HttpResponse::Created().json(ReceiptBody::new(receipt, "recorded", from.full))),
        Some(RowResult::Duplicate(receipt)) => Ok(HttpResponse::Ok().json(ReceiptBody::new(receipt, "duplicate", from.full))),
        Some(RowResult::Rejected(refusal)) => Err(refusal.into()),
        None => Err(Problem::internal(&"the sequencer answered without a result")),
    }
}

async fn array(from: &From, rows: Vec<Row>, atomic: bool) -> Result<HttpResponse, Problem> {
    let results = if rows.is_empty() { Vec::new() } else { from.record(rows, atomic).await? };
    let rows = results.into_iter().zip(1..).map(|(result, line)| RowBody::new(line, result, from.full));
    let results: Vec<RowBody> = rows.collect();
    let summary = Summary::of(&results);
    if atomic && summary.rejected > 0 {
        let detail = "nothing was recorded, because some rows were refused; correct them and send all again";
        let problem = Problem::new(422, "atomic_refused", detail);
        let body = serde_json::to_vec(&AtomicRefusal { problem: problem.clone(), results, summary });
        return Ok(problem.builder().body(body.unwrap_or_default()));
    }
    Ok(HttpResponse::Ok().json(BatchBody { results, summary }))
}
