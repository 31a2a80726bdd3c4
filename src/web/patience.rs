//! How long a request's body may take to arrive. One that stops arriving is a 408; one that is
//! still arriving when the process is asked to leave is a 503 after a moment of grace.
//!
//! The bound stands in the body itself, so that whoever reads it (a form, JSON, lines) has it.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use futures_util::Stream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

use super::book::for_programs;
use super::problem::Problem;

/// A body of the interface that is no stream of lines may take this many silences in all.
const WHOLE: u32 = 10;
/// Once the process is asked to leave, what is still arriving may go on for this long.
const GRACE: Duration = Duration::from_secs(2);

/// How long to wait, and the word that it is time to leave.
#[derive(Clone, Debug)]
pub struct Patience {
    silence: Duration,
    leaving: watch::Receiver<bool>,
}

impl Patience {
    /// A sender that says nothing for `silence` is given up; so is everyone soon after `leaving`
    /// turns true.
    pub fn new(silence: Duration, leaving: watch::Receiver<bool>) -> Patience {
        Patience { silence, leaving }
    }

    /// Bounds the body of this request: a page's form in all, a stream of lines by its silences.
    pub fn bound(&self, req: &mut ServiceRequest) {
        let kind = req.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        let whole = match (for_programs(req.request()), kind.contains("ndjson")) {
            (false, _) => Some(self.silence),
            (true, false) => Some(self.silence * WHOLE),
            (true, true) => None,
        };
        let bounded = Bounded {
            inner: req.take_payload(),
            silence: self.silence,
            timer: Box::pin(sleep(self.silence)),
            end: whole.map(|whole| Instant::now() + whole),
            leaving: Box::pin(asked_to_leave(self.leaving.clone())),
            over: None,
        };
        req.set_payload(Payload::Stream { payload: Box::pin(bounded) });
    }
}

/// Done a moment after the word to leave; never without it.
async fn asked_to_leave(mut leaving: watch::Receiver<bool>) {
    if leaving.wait_for(|leave| *leave).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(GRACE).await;
}

/// A body with its bounds.
struct Bounded {
    inner: Payload,
    silence: Duration,
    timer: Pin<Box<Sleep>>,
    end: Option<Instant>,
    leaving: Pin<Box<dyn Future<Output = ()>>>,
    /// Why nothing more is read.
    over: Option<ErrorKind>,
}

impl Bounded {
    fn rest(&mut self) {
        let next = Instant::now() + self.silence;
        self.timer.as_mut().reset(self.end.map_or(next, |end| end.min(next)));
    }
}

impl Stream for Bounded {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(why) = self.over {
            return Poll::Ready(Some(Err(PayloadError::Io(Error::from(why)))));
        }
        if self.leaving.as_mut().poll(cx).is_ready() {
            self.over = Some(ErrorKind::Interrupted);
        } else if let Poll::Ready(piece) = Pin::new(&mut self.inner).poll_next(cx) {
            self.rest();
            return Poll::Ready(piece);
        } else if self.timer.as_mut().poll(cx).is_ready() {
            self.over = Some(ErrorKind::TimedOut);
        } else {
            return Poll::Pending;
        }
        self.poll_next(cx)
    }
}

/// What to answer when a body cannot be read to its end.
pub fn problem(error: &PayloadError) -> Problem {
    let kind = match error {
        PayloadError::Io(error) => Some(error.kind()),
        _ => None,
    };
    match kind {
        Some(ErrorKind::TimedOut) => Problem::new(408, "body_too_slow", "the request body stopped arriving; send it again"),
        Some(ErrorKind::Interrupted) => Problem::new(503, "leaving", "this process is leaving; send the request again"),
        _ => Problem::new(400, "body_incomplete", "the request body ended early or was damaged on the way; send it again"),
    }
}
