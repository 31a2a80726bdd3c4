//! Request bodies, bounded before and after decompression.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use actix_web::web::{Bytes, BytesMut, Payload};
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;

use super::patience;
use super::problem::Problem;

/// Compressed bytes fed at once: they grow at most a thousandfold, so at most to 1 MiB or so.
const BITE: usize = 1024;
/// Room made for a body before it has arrived, at most.
const ROOM: usize = 1 << 20;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// With gzip.
    Gzip,
}

impl Packing {
    /// From `Content-Encoding`; anything but `gzip` and `identity` is a `415`.
    pub fn of(headers: &HeaderMap) -> Result<Packing, Problem> {
        let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(Packing::Plain) };
        match value.to_str().unwrap_or("?").trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Packing::Plain),
            "gzip" | "x-gzip" => Ok(Packing::Gzip),
            _ => Err(Problem::new(415, "encoding_unknown", "Content-Encoding must be gzip or absent")),
        }
    }
}

/// The next piece of a body; `None` at its end. How long it may take stands in the body itself.
pub async fn next_piece(payload: &mut Payload) -> Result<Option<Bytes>, Problem> {
    payload.next().await.transpose().map_err(|error| patience::problem(&error))
}

/// Bytes of all large bodies that this process holds.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// What one body takes of the memory for all of them, until it is dropped.
#[derive(Debug)]
pub struct Held {
    bytes: usize,
    most: usize,
}

impl Held {
    /// Nothing yet; all bodies together may take `most` bytes.
    pub fn of(most: usize) -> Held {
        Held { bytes: 0, most }
    }

    /// # Errors
    /// `503 bodies_full` when there is no room for so many bytes more.
    fn more(&mut self, bytes: usize) -> Result<(), Problem> {
        self.bytes += bytes;
        if HELD.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.most {
            return Ok(());
        }
        Err(Problem::new(503, "bodies_full", "too many large requests are being sent at the same time; send it again"))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The whole body as sent, at most `limit` bytes; still packed.
pub async fn collect(payload: &mut Payload, limit: usize) -> Result<BytesMut, Problem> {
    collect_into(BytesMut::new(), payload, limit, &mut Held::of(usize::MAX)).await
}

/// The same, with room for what its sender says is coming, within a bound, and counted in `held`.
pub async fn collect_announced(
    headers: &HeaderMap,
    payload: &mut Payload,
    limit: usize,
    held: &mut Held,
) -> Result<BytesMut, Problem> {
    let announced: Option<usize> = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let room = announced.unwrap_or(0).min(limit).min(ROOM);
    collect_into(BytesMut::with_capacity(room), payload, limit, held).await
}

async fn collect_into(mut body: BytesMut, payload: &mut Payload, limit: usize, held: &mut Held) -> Result<BytesMut, Problem> {
    while let Some(piece) = next_piece(payload).await? {
        if body.len() + piece.len() > limit {
            return Err(over(limit));
        }
        held.more(piece.len())?;
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn over(limit: usize) -> Problem {
    Problem::too_large(format!("the request body has more than {limit} bytes; split it, or stream it as application/x-ndjson"))
}

/// Unpacks a whole body to at most `limit` bytes, stopping as soon as it is larger.
pub fn unpack(packing: Packing, body: BytesMut, limit: usize) -> Result<Bytes, Problem> {
    unpack_held(packing, body, limit, &mut Held::of(usize::MAX))
}

/// The same, counted in `held`.
pub fn unpack_held(packing: Packing, body: BytesMut, limit: usize, held: &mut Held) -> Result<Bytes, Problem> {
    if packing == Packing::Plain {
        return Ok(body.freeze());
    }
    let mut unpacker = Unpacker::new(packing);
    let mut out = BytesMut::new();
    for bite in body.chunks(BITE) {
        let piece = unpacker.push(bite)?;
        held.more(piece.len())?;
        out.extend_from_slice(&piece);
        if out.len() > limit {
            return Err(over(limit));
        }
    }
    out.extend_from_slice(&unpacker.finish()?);
    if out.len() > limit { Err(over(limit)) } else { Ok(out.freeze()) }
}

/// Unpacks a body piece by piece.
pub enum Unpacker {
    /// Nothing to do.
    Plain,
    /// gzip, of one or several members.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

impl Unpacker {
    /// At the beginning of a body.
    pub fn new(packing: Packing) -> Unpacker {
        match packing {
            Packing::Plain => Unpacker::Plain,
            Packing::Gzip => Unpacker::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
        }
    }

    /// Splits a piece so that no bite unpacks to much more than a mebibyte.
    pub fn bites<'a>(&self, piece: &'a [u8]) -> std::slice::Chunks<'a, u8> {
        let size = if matches!(self, Unpacker::Plain) { usize::MAX } else { BITE };
        piece.chunks(size)
    }

    /// Unpacks one bite.
    pub fn push(&mut self, bite: &[u8]) -> Result<Vec<u8>, Problem> {
        match self {
            Unpacker::Plain => Ok(bite.to_vec()),
            Unpacker::Gzip(decoder) => {
                decoder.write_all(bite).map_err(|_| damaged())?;
                Ok(std::mem::take(decoder.get_mut()))
            }
        }
    }

    /// The rest; an error if the body ended in the middle.
    pub fn finish(&mut self) -> Result<Vec<u8>, Problem> {
        match self {
            Unpacker::Plain => Ok(Vec::new()),
            Unpacker::Gzip(decoder) => {
                decoder.try_finish().map_err(|_| damaged())?;
                Ok(std::mem::take(decoder.get_mut()))
            }
        }
    }
}

fn damaged() -> Problem {
    Problem::new(400, "gzip_damaged", "the body is not gzip as Content-Encoding says, or it is damaged; send it again")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(packed: &[u8], limit: usize) -> Result<Bytes, Problem> {
        unpack(Packing::Gzip, BytesMut::from(packed), limit)
    }

    #[test]
    fn gzip_is_unpacked_member_by_member() {
        let mut packed = gzip(b"one ");
        packed.extend(gzip(b"two"));
        assert_eq!(unpacked(&packed, 100).unwrap(), &b"one two"[..]);
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![b' '; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(unpacked(&bomb, 1 << 20).unwrap_err().status, 413);
    }

    #[test]
    fn all_bodies_together_are_bounded_and_give_back_what_they_held() {
        let most = HELD.load(Ordering::Relaxed) + (1 << 40);
        let (mut one, mut two) = (Held::of(most), Held::of(most));
        one.more((1 << 40) - (1 << 30)).unwrap();
        assert_eq!(two.more(1 << 31).unwrap_err().code, "bodies_full");
        drop(two);
        drop(one);
        Held::of(most).more(1 << 31).unwrap();
    }

    #[test]
    fn damage_is_named() {
        let packed = gzip(b"some text that is longer than a few bytes");
        assert_eq!(unpacked(&packed[..packed.len() - 6], 100).unwrap_err().code, "gzip_damaged");
        assert_eq!(unpacked(b"not gzip at all", 100).unwrap_err().code, "gzip_damaged");
    }
}
