//! Rows on their way in: one object, an array, or a stream of lines, whatever a row is.
//!
//! Whatever the form, a row goes the same way: read, checked, handed over ([`Door`]), answered after the
//! commit. What cannot be read goes there too, so that the refusal is recorded with its bytes. Decoding of
//! anything large happens off the event loop.

mod ndjson;
mod split;

use actix_web::http::header::{CONTENT_TYPE, ContentType};
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::oneshot;

use crate::app::App;
use crate::ledger::Refusal;
use crate::web::body::{self, Held, Packing};
use crate::web::params::{Params, switch};
use crate::web::problem::Problem;

use super::receipt;
use super::wire::{AtomicRefusal, BatchBody, RowBody, Summary};
use split::Shape;

/// Bodies up to this size are decoded where they arrive; larger ones on a thread of their own.
const DECODE_INLINE: usize = 32 * 1024;

/// Bytes of a receipt, about.
const RECEIPT: usize = 160;

/// Results of rows, in their order.
pub(super) type Results<D> = Result<Vec<<D as Door>::Result>, <D as Door>::Failure>;

/// What rows are, and how they are recorded.
pub(super) trait Door: Clone + Send + 'static {
    /// A row that was read, or could not be.
    type Row: Send + 'static;
    /// What became of one.
    type Result: Send + 'static;
    /// Why nothing became of any.
    type Failure: Into<Problem> + Send + 'static;
    /// What many of them are called.
    const NOUN: &'static str;
    /// Rows of one atomic request at most.
    const ATOMIC_MAX: usize;

    /// Reads and checks one row.
    fn read(&self, line: u64, bytes: &[u8]) -> Self::Row;
    /// Reads and checks the rows of an array at once, if they are written plainly: the same as one by one.
    fn read_array(&self, _body: &[u8]) -> Option<Vec<Self::Row>> {
        None
    }
    /// A row that is none.
    fn refuse(&self, line: u64, refusal: Refusal, bytes: &[u8]) -> Self::Row;
    /// The line or the number of a row, from 1.
    fn line(row: &Self::Row) -> u64;
    /// Hands rows over; with `patience` it waits for room, off the event loop, else there is none.
    fn submit(&self, rows: Vec<Self::Row>, atomic: bool, patience: bool) -> Result<oneshot::Receiver<Results<Self>>, Problem>;
    /// What the sender is told of a row.
    fn answer(&self, line: u64, result: Self::Result) -> RowBody;
    /// Writes that, and counts it.
    fn put(&self, line: u64, result: Self::Result, summary: &mut Summary, out: &mut Vec<u8>) {
        receipt::put_row(out, summary, &self.answer(line, result));
    }
    /// Whether anything would be taken now: what would not is spared being decoded.
    ///
    /// # Errors
    /// The refusal.
    fn has_room(&self) -> Result<(), Problem> {
        Ok(())
    }
    /// Counts what was recorded.
    fn count(results: &[Self::Result]);
}

/// Waits for the results of a submission.
async fn results<D: Door>(receive: oneshot::Receiver<Results<D>>) -> Result<Vec<D::Result>, Problem> {
    let stopped = |_| Problem::new(503, "not_recorded", "the log has stopped; send it again");
    let answered = receive.await.map_err(stopped)?.map_err(Into::into)?;
    D::count(&answered);
    Ok(answered)
}

/// Takes the rows of a request and answers it.
pub(super) async fn take<D: Door>(req: &HttpRequest, app: &App, door: D, mut payload: Payload) -> Result<HttpResponse, Problem> {
    let query = Params::of(req, &["atomic"])?;
    let atomic = query.read("atomic", switch)?.unwrap_or(false);
    let packing = Packing::of(req.headers())?;
    match media_type(req).as_str() {
        "application/json" => {
            let limit = app.config.server.body_limit;
            let mut held = Held::of(app.config.server.bodies_limit);
            let body = body::collect_announced(req.headers(), &mut payload, limit, &mut held).await?;
            door.has_room()?;
            let large = packing != Packing::Plain || body.len() > DECODE_INLINE;
            let reader = door.clone();
            let read = move || body::unpack_held(packing, body, limit, &mut held).map(|body| decode(&reader, &body));
            let decoded = if large { web::block(read).await?? } else { read()? };
            answer(&door, decoded, atomic, app.config.server.batch_limit).await
        }
        "application/x-ndjson" | "application/ndjson" if atomic => {
            Err(Problem::parameter("atomic", "a stream is never atomic; send an array as application/json"))
        }
        "application/x-ndjson" | "application/ndjson" => Ok(ndjson::answer(door, payload, packing)),
        _ => Err(Problem::new(415, "media_type_unknown", "send Content-Type: application/json or application/x-ndjson")),
    }
}

/// The media type without its parameters, in lower case.
fn media_type(req: &HttpRequest) -> String {
    let text = req.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    text.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// A JSON body, read.
enum Decoded<R> {
    Single(Box<R>),
    Array(Vec<R>),
}

fn decode<D: Door>(door: &D, body: &Bytes) -> Decoded<D::Row> {
    if let Some(rows) = door.read_array(body) {
        return Decoded::Array(rows);
    }
    match split::shape(body) {
        Ok(Shape::Single) => Decoded::Single(Box::new(door.read(1, body.trim_ascii()))),
        Ok(Shape::Array(elements)) => {
            let numbered = elements.into_iter().zip(1..);
            Decoded::Array(numbered.map(|(range, line)| door.read(line, &body[range])).collect())
        }
        Err(refusal) => Decoded::Single(Box::new(door.refuse(1, refusal, body))),
    }
}

async fn answer<D: Door>(door: &D, decoded: Decoded<D::Row>, atomic: bool, batch_limit: usize) -> Result<HttpResponse, Problem> {
    match decoded {
        Decoded::Single(row) => single(door, *row).await,
        Decoded::Array(rows) => {
            let limit = if atomic { batch_limit.min(D::ATOMIC_MAX) } else { batch_limit };
            if rows.len() > limit {
                let noun = D::NOUN;
                let detail =
                    format!("{} {noun}, but at most {limit} are taken at once; split them, or stream NDJSON", rows.len());
                return Err(Problem::new(413, "batch_too_large", detail));
            }
            array(door, rows, atomic).await
        }
    }
}

async fn single<D: Door>(door: &D, row: D::Row) -> Result<HttpResponse, Problem> {
    let result = results::<D>(door.submit(vec![row], false, false)?).await?.pop();
    match result.map(|result| door.answer(1, result)) {
        Some(RowBody::Receipt(receipt)) if receipt.status == "recorded" => Ok(HttpResponse::Created().json(receipt)),
        Some(RowBody::Receipt(receipt)) => Ok(HttpResponse::Ok().json(receipt)),
        Some(RowBody::Unchanged(body)) => Ok(HttpResponse::Ok().json(body)),
        Some(RowBody::Rejected(rejected)) => Err(rejected.problem.without_line()),
        None => Err(Problem::internal(&"the log answered without a result")),
    }
}

async fn array<D: Door>(door: &D, rows: Vec<D::Row>, atomic: bool) -> Result<HttpResponse, Problem> {
    let results = if rows.is_empty() { Vec::new() } else { results::<D>(door.submit(rows, atomic, false)?).await? };
    if atomic {
        return Ok(all_or_none(door, results));
    }
    let mut body = Vec::with_capacity(64 + results.len() * RECEIPT);
    let mut summary = Summary::default();
    body.extend_from_slice(b"{\"results\":[");
    for (result, line) in results.into_iter().zip(1..) {
        if line > 1 {
            body.push(b',');
        }
        door.put(line, result, &mut summary, &mut body);
    }
    body.extend_from_slice(b"],\"summary\":");
    serde_json::to_writer(&mut body, &summary).map_err(|e| Problem::internal(&e))?;
    body.push(b'}');
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(body))
}

/// The answer to an atomic array.
fn all_or_none<D: Door>(door: &D, results: Vec<D::Result>) -> HttpResponse {
    let rows = results.into_iter().zip(1..).map(|(result, line)| door.answer(line, result));
    let results: Vec<RowBody> = rows.collect();
    let summary = Summary::of(&results);
    if summary.rejected == 0 {
        return HttpResponse::Ok().json(BatchBody { results, summary });
    }
    let detail = "nothing was recorded, because some rows were refused; correct them and send all again";
    let problem = Problem::new(422, "atomic_refused", detail);
    let body = serde_json::to_vec(&AtomicRefusal { problem: problem.clone(), results, summary });
    problem.builder().body(body.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that are their own line numbers.
    #[derive(Clone)]
    pub(in super::super) struct Numbers;

    impl Door for Numbers {
        type Row = u64;
        type Result = u64;
        type Failure = Problem;
        const NOUN: &'static str = "numbers";
        const ATOMIC_MAX: usize = 10;

        fn read(&self, line: u64, _: &[u8]) -> u64 {
            line
        }

        fn refuse(&self, line: u64, _: Refusal, _: &[u8]) -> u64 {
            line
        }

        fn line(row: &u64) -> u64 {
            *row
        }

        fn submit(&self, rows: Vec<u64>, _: bool, _: bool) -> Result<oneshot::Receiver<Results<Numbers>>, Problem> {
            let (send, receive) = oneshot::channel();
            let _ = send.send(Ok(rows));
            Ok(receive)
        }

        fn answer(&self, line: u64, _: u64) -> RowBody {
            RowBody::rejected(line, Problem::new(422, "number", "no row"))
        }

        fn count(_: &[u64]) {}
    }

    #[tokio::test]
    async fn an_array_is_answered_row_by_row_as_the_document_says() {
        for atomic in [false, true] {
            let answer = array(&Numbers, vec![4, 5], atomic).await.ok().map(HttpResponse::into_body);
            let body = answer.and_then(|body| actix_web::body::MessageBody::try_into_bytes(body).ok()).unwrap_or_default();
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            assert_eq!(json["summary"], serde_json::json!({ "recorded": 0, "duplicates": 0, "rejected": 2 }), "{atomic}");
            assert_eq!((&json["results"][1]["line"], json["results"].as_array().map(Vec::len)), (&2.into(), Some(2)));
        }
    }

    #[tokio::test]
    async fn a_single_row_that_is_refused_is_a_problem_without_a_line() {
        let refused = single(&Numbers, 1).await.err().map(|problem| serde_json::to_value(problem).unwrap_or_default());
        let refused = refused.unwrap_or_default();
        assert_eq!((&refused["code"], refused.get("line")), (&"number".into(), None));
    }
}
