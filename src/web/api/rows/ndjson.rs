//! A stream of rows, one a line, answered line by line as commits happen.
//!
//! Lines are read in pieces of at most [`ROWS`] rows; at most [`IN_FLIGHT`] pieces wait for their
//! commit. When the sequencer's queue is full, reading stops, and TCP tells the sender. Answers
//! wait in memory within [`SPOOL`] for a sender that does not read yet.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::CONTENT_ENCODING;
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpResponse, rt, web};
use futures_util::{FutureExt, stream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::ledger::Refusal;
use crate::web::body::{self, Packing, Unpacker};
use crate::web::problem::Problem;

use super::super::receipt;
use super::super::wire::{RowBody, Summary};
use super::{Door, RECEIPT, Results, results, split};

/// Rows submitted together at most.
const ROWS: usize = 1_000;
/// Bytes of rows submitted together, about.
const PIECE: usize = 512 * 1024;
/// Pieces that may wait for their commit.
const IN_FLIGHT: usize = 4;
/// The longest line: every field at its longest, every character escaped.
const LINE_MAX: usize = 128 * 1024;
/// Bytes of answers kept for a sender that does not read yet, in [`GRAIN`]s.
const SPOOL: usize = 32 << 20;
const GRAIN: usize = 1024;
/// A sender that reads nothing for this long, while the spool is full, is given up.
const UNREAD_MAX: Duration = Duration::from_secs(60);

/// Rows under way: their lines, and where their results arrive.
struct Pending<D: Door> {
    lines: Vec<u64>,
    results: Answer<D>,
}

enum Answer<D: Door> {
    Waiting(oneshot::Receiver<Results<D>>),
    Refused(Problem),
}

/// Reads the stream and answers it.
pub(super) fn answer<D: Door>(door: D, payload: Payload, packing: Packing) -> HttpResponse {
    let (pending, waiting) = mpsc::channel(IN_FLIGHT);
    let (spool, unread) = Spool::new();
    rt::spawn(write(door.clone(), waiting, spool));
    rt::spawn(read(door, Lines::new(payload, packing), pending));
    HttpResponse::Ok()
        .content_type("application/x-ndjson")
        // Packing would hold lines back that are ready.
        .insert_header((CONTENT_ENCODING, "identity"))
        .streaming(unread)
}

/// Reads pieces and hands them over, until the stream ends or nobody wants the answer.
async fn read<D: Door>(door: D, mut lines: Lines, pending: mpsc::Sender<Pending<D>>) {
    loop {
        let next = match lines.next().await {
            Ok(None) => return,
            Ok(Some(piece)) => submit(&door, piece).await,
            Err((line, problem)) => {
                let results = Answer::Refused(problem);
                let _ = pending.send(Pending { lines: vec![line], results }).await;
                return;
            }
        };
        let stopped = matches!(next.results, Answer::Refused(_));
        if pending.send(next).await.is_err() || stopped {
            return;
        }
    }
}

/// Decodes a piece and waits for room in the queue, off the event loop.
async fn submit<D: Door>(door: &D, piece: Piece) -> Pending<D> {
    let door = door.clone();
    let handed = web::block(move || {
        let rows = piece.rows(&door);
        let lines = rows.iter().map(D::line).collect();
        let results = match door.submit(rows, false, true) {
            Ok(receive) => Answer::Waiting(receive),
            Err(problem) => Answer::Refused(problem),
        };
        Pending { lines, results }
    });
    handed.await.unwrap_or_else(|e| Pending { lines: Vec::new(), results: Answer::Refused(e.into()) })
}

/// Writes results in the order of their lines.
async fn write<D: Door>(door: D, mut waiting: mpsc::Receiver<Pending<D>>, spool: Spool) {
    while let Some(Pending { lines, results: answer }) = waiting.recv().await {
        let answered = match answer {
            Answer::Waiting(receive) => results::<D>(receive).await,
            Answer::Refused(problem) => Err(problem),
        };
        let mut text = Vec::with_capacity(lines.len() * RECEIPT);
        let mut counted = Summary::default();
        match answered {
            Ok(results) => {
                for (line, result) in lines.into_iter().zip(results) {
                    door.put(line, result, &mut counted, &mut text);
                    text.push(b'\n');
                }
            }
            Err(problem) => {
                for line in lines {
                    receipt::put_row(&mut text, &mut counted, &RowBody::rejected(line, problem.clone()));
                    text.push(b'\n');
                }
            }
        }
        if !spool.push(text.into()).await {
            return;
        }
    }
}

/// Answers that wait to be read, within a bound.
struct Spool {
    send: mpsc::UnboundedSender<Bytes>,
    room: Arc<Semaphore>,
}

fn grains(bytes: &Bytes) -> u32 {
    (bytes.len() / GRAIN + 1).min(SPOOL / GRAIN) as u32
}

impl Spool {
    fn new() -> (Spool, impl stream::Stream<Item = Result<Bytes, actix_web::Error>> + 'static) {
        let (send, receive) = mpsc::unbounded_channel::<Bytes>();
        let room = Arc::new(Semaphore::new(SPOOL / GRAIN));
        let freed = room.clone();
        let unread = stream::unfold((receive, freed), |(mut receive, freed)| async move {
            let bytes = receive.recv().await?;
            freed.add_permits(grains(&bytes) as usize);
            Some((Ok(bytes), (receive, freed)))
        });
        (Spool { send, room }, unread)
    }

    /// Waits for room; `false` when nobody will read it any more.
    async fn push(&self, bytes: Bytes) -> bool {
        match tokio::time::timeout(UNREAD_MAX, self.room.acquire_many(grains(&bytes))).await {
            Ok(Ok(permit)) => permit.forget(),
            _ => return false,
        }
        self.send.send(bytes).is_ok()
    }
}

/// Whole lines cut out of a stream.
enum Piece {
    /// Lines, the first of which has this number.
    Whole(u64, Bytes),
    /// The beginning of a line that is too long.
    TooLong(u64, Bytes),
}

impl Piece {
    fn rows<D: Door>(&self, door: &D) -> Vec<D::Row> {
        match self {
            Piece::Whole(first, bytes) => split::lines(door, *first, bytes),
            Piece::TooLong(line, bytes) => {
                let refusal = Refusal::unreadable(format!("the line has more than {LINE_MAX} bytes; no row is that long"));
                vec![door.refuse(*line, refusal, bytes)]
            }
        }
    }
}

/// Cuts a body into pieces of whole lines.
struct Lines {
    payload: Payload,
    unpacker: Unpacker,
    /// A piece as it came, not all of it unpacked yet.
    packed: Bytes,
    cutter: Cutter,
    ended: bool,
}

impl Lines {
    fn new(payload: Payload, packing: Packing) -> Lines {
        let unpacker = Unpacker::new(packing);
        Lines { payload, unpacker, packed: Bytes::new(), cutter: Cutter::default(), ended: false }
    }

    /// The next piece that holds a row; an error names the line it broke off at.
    async fn next(&mut self) -> Result<Option<Piece>, (u64, Problem)> {
        loop {
            if self.cutter.is_full() || self.ended || !self.has_more_now().await? {
                if let Some(piece) = self.cutter.take(self.ended) {
                    return Ok(Some(piece));
                }
                if self.ended {
                    return Ok(None);
                }
            }
            self.fill().await?;
        }
    }

    /// Whether more of the body is here already, so that waiting for it costs nothing.
    async fn has_more_now(&mut self) -> Result<bool, (u64, Problem)> {
        if !self.packed.is_empty() {
            return Ok(true);
        }
        // Asking loses nothing: what is not here yet stays with the stream.
        match body::next_piece(&mut self.payload).now_or_never() {
            None => Ok(false),
            Some(piece) => self.arrived(piece).map(|()| true).map_err(|problem| (self.cutter.line, problem)),
        }
    }

    async fn fill(&mut self) -> Result<(), (u64, Problem)> {
        if self.packed.is_empty() && !self.ended {
            let piece = body::next_piece(&mut self.payload).await;
            self.arrived(piece).map_err(|problem| (self.cutter.line, problem))?;
        }
        let bite = self.unpacker.bites(&self.packed).next().map_or(0, <[u8]>::len);
        let bite = self.packed.split_to(bite);
        let text = self.unpacker.push(&bite).map_err(|problem| (self.cutter.line, problem))?;
        self.cutter.push(&text);
        Ok(())
    }

    fn arrived(&mut self, piece: Result<Option<Bytes>, Problem>) -> Result<(), Problem> {
        match piece? {
            Some(piece) => self.packed = piece,
            None => {
                self.ended = true;
                let rest = self.unpacker.finish()?;
                self.cutter.push(&rest);
            }
        }
        Ok(())
    }
}

/// Counts lines and cuts pieces.
struct Cutter {
    buffer: BytesMut,
    /// The number of the line that the buffer begins with.
    line: u64,
    /// In the middle of a line that is too long: its rest is passed over.
    skipping: bool,
}

impl Default for Cutter {
    fn default() -> Cutter {
        Cutter { buffer: BytesMut::new(), line: 1, skipping: false }
    }
}

impl Cutter {
    fn is_full(&self) -> bool {
        self.buffer.len() >= PIECE
    }

    fn push(&mut self, mut text: &[u8]) {
        if self.skipping {
            let Some(end) = text.iter().position(|b| *b == b'\n') else { return };
            text = &text[end + 1..];
            self.skipping = false;
            self.line += 1;
        }
        self.buffer.extend_from_slice(text);
    }

    /// Cuts whole lines off; with `all` also a last one without its line feed.
    fn take(&mut self, all: bool) -> Option<Piece> {
        let ends = self.buffer.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
        let (rows, cut) = ends.take(ROWS).fold((0, 0), |(n, _), at| (n + 1, at));
        if cut == 0 && self.buffer.len() > LINE_MAX {
            let beginning = self.buffer.split().freeze();
            self.skipping = true;
            return Some(Piece::TooLong(self.line, beginning));
        }
        let cut = if cut == 0 && all { self.buffer.len() } else { cut };
        if cut == 0 {
            return None;
        }
        let piece = Piece::Whole(self.line, self.buffer.split_to(cut).freeze());
        self.line += rows;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::Numbers;
    use super::*;

    fn lines(piece: &Piece) -> Vec<u64> {
        piece.rows(&Numbers)
    }

    #[test]
    fn only_whole_lines_are_cut_until_the_end() {
        let mut cutter = Cutter::default();
        cutter.push(b"{}\n{}\n{\"half\":");
        assert_eq!(lines(&cutter.take(false).unwrap()), [1, 2]);
        assert!(cutter.take(false).is_none());
        cutter.push(b"1}");
        assert_eq!(lines(&cutter.take(true).unwrap()), [3]);
        assert!(cutter.take(true).is_none());
    }

    #[test]
    fn a_piece_has_at_most_a_thousand_rows() {
        let mut cutter = Cutter::default();
        cutter.push(&b"{}\n".repeat(2_500));
        let counts: Vec<usize> = (0..3).map(|_| lines(&cutter.take(true).unwrap()).len()).collect();
        assert_eq!(counts, [1_000, 1_000, 500]);
        assert_eq!(cutter.line, 2_501);
    }

    #[test]
    fn a_line_too_long_is_one_refused_row_and_the_next_is_read() {
        let mut cutter = Cutter::default();
        cutter.push(b"{}\n");
        cutter.push(&vec![b'x'; LINE_MAX + 10]);
        assert_eq!(lines(&cutter.take(false).unwrap()), [1]);
        let long = cutter.take(false).unwrap();
        assert_eq!(lines(&long), [2]);
        cutter.push(&vec![b'x'; 1_000]);
        cutter.push(b"xxx\n{}\n");
        assert_eq!(lines(&cutter.take(false).unwrap()), [3]);
    }

    #[tokio::test]
    async fn the_spool_stops_at_its_bound_and_goes_on_when_read() {
        use futures_util::StreamExt;
        let (spool, unread) = Spool::new();
        let mut unread = std::pin::pin!(unread);
        let chunk = Bytes::from(vec![b'x'; SPOOL / 4]);
        for _ in 0..3 {
            assert!(spool.push(chunk.clone()).await);
        }
        assert_eq!(spool.push(chunk.clone()).now_or_never(), None, "the spool is full");
        unread.next().await.unwrap().unwrap();
        assert!(spool.push(chunk).await);
    }
}
