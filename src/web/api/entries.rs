//! `POST /api/v1/entries`: balance changes.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tokio::sync::oneshot;

use crate::access::Scope;
use crate::app::App;
use crate::ids::Seq;
use crate::intake::{Delivery, DeliveryKind, Failed, Intake, Refused, Row, RowResult, Submission};
use crate::ledger::{Draft, Refusal, quick};
use crate::web::guard::Sender;
use crate::web::peer::Peer;
use crate::web::problem::{Problem, ProblemBody};

use super::receipt;
use super::rows::{Door, Results, take};
use super::wire::{AtomicRefusal, BatchBody, EntryBody, ReceiptBody, RowBody, Summary};

/// Bytes of a refused row that are kept with its event.
const KEPT_BYTES: usize = 2048;
/// Bytes of a short row, for room.
const SHORT_ROW: usize = 256;

/// From whom entries come, and what its receipts may show.
#[derive(Clone)]
struct Entries {
    intake: Intake,
    source: Seq,
    delivery: Delivery,
    full: bool,
}

impl Entries {
    fn new(app: &App, sender: &Sender, peer: Option<Peer>) -> Result<Entries, Problem> {
        let key = &sender.0;
        let origin = peer.and_then(|p| p.text());
        let delivery = Delivery { kind: DeliveryKind::Api, api_key: Some(key.id), origin };
        Ok(Entries { intake: app.intake()?, source: key.source, delivery, full: key.scopes.contains(Scope::ReceiptFull) })
    }
}

impl Door for Entries {
    type Row = Row;
    type Result = RowResult;
    type Failure = Failed;
    const NOUN: &'static str = "entries";
    const ATOMIC_MAX: usize = 10_000;

    fn read(&self, line: u64, bytes: &[u8]) -> Row {
        let entry = match quick::object(bytes) {
            Some(sent) => sent.check(),
            None => Draft::from_json(bytes).and_then(Draft::check),
        };
        Row { line, entry: entry.map_err(|refusal| refused(refusal, bytes)), with_next: false }
    }

    fn read_array(&self, body: &[u8]) -> Option<Vec<Row>> {
        let mut rows = Vec::with_capacity((body.len() / SHORT_ROW).min(Self::ATOMIC_MAX));
        quick::array(body, |sent, range| {
            let entry = sent.check().map_err(|refusal| refused(refusal, &body[range]));
            rows.push(Row { line: rows.len() as u64 + 1, entry, with_next: false });
        })?;
        Some(rows)
    }

    fn refuse(&self, line: u64, refusal: Refusal, bytes: &[u8]) -> Row {
        Row { line, entry: Err(refused(refusal, bytes)), with_next: false }
    }

    fn has_room(&self) -> Result<(), Problem> {
        Ok(self.intake.has_room()?)
    }

    fn line(row: &Row) -> u64 {
        row.line
    }

    fn submit(&self, rows: Vec<Row>, atomic: bool, patience: bool) -> Result<oneshot::Receiver<Results<Entries>>, Problem> {
        let (send, receive) = oneshot::channel();
        let reply = Box::new(move |results| {
            // The sender may have gone; what was recorded stays recorded.
            let _ = send.send(results);
        });
        let (source, delivery) = (self.source, self.delivery.clone());
        let submission = Submission { source, delivery, rows, atomic, history: false, reply };
        match patience {
            true => self.intake.submit_wait(submission)?,
            false => self.intake.submit(submission)?,
        }
        Ok(receive)
    }

    fn answer(&self, line: u64, result: RowResult) -> RowBody {
        RowBody::new(line, result, self.full)
    }

    fn put(&self, line: u64, result: RowResult, summary: &mut Summary, out: &mut Vec<u8>) {
        receipt::put(out, summary, line, result, self.full);
    }

    fn count(results: &[RowResult]) {
        let recorded = results.iter().filter(|r| matches!(r, RowResult::Recorded(_))).count();
        metrics::counter!("counterfoil_entries_recorded_total", "way" => "api").increment(recorded as u64);
    }
}

/// A row that cannot be read, with the beginning of its bytes.
fn refused(refusal: Refusal, bytes: &[u8]) -> Refused {
    Refused { refusal, bytes: bytes[..bytes.len().min(KEPT_BYTES)].to_vec() }
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
pub async fn create(req: HttpRequest, sender: Sender, app: Data<App>, payload: Payload) -> Result<HttpResponse, Problem> {
    let peer = actix_web::HttpMessage::extensions(&req).get::<Peer>().copied();
    let door = Entries::new(&app, &sender, peer)?;
    take(&req, &app, door, payload).await
}
