//! The log for those who trust nobody: its checkpoint, its tiles (C2SP tlog-tiles) and its proofs.
//!
//! Tiles hold hashes only, and so do proofs for who may not know the rules hit; every leaf holds
//! something that cannot be guessed, so they tell nothing but how large the log is. Proofs end at a signed checkpoint, which is made within
//! seconds of a commit.

use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, web};
use counterfoil_verify::note::MAX_SIGNATURES;
use counterfoil_verify::tile::WIDTH;
use counterfoil_verify::{Note, TlogProof};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::reads::Subject;
use crate::app::App;
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::{leaves, store as ledger_store};
use crate::records;
use crate::trail::store::{self, CheckpointRow};
use crate::trail::tree::Tree;
use crate::trail::witnessed;
use crate::web::guard::{Caller, hidden};
use crate::web::params::{Params, place};
use crate::web::problem::{Problem, ProblemBody};
use crate::web::reads;

/// A tile never changes: whoever has it need not ask again. One that takes a key is no proxy's to hand on.
fn for_ever(public: bool) -> &'static str {
    if public { "public, max-age=31536000, immutable" } else { "private, max-age=31536000, immutable" }
}

/// The newest signed checkpoint: a C2SP signed note with origin, size and root.
///
/// `witnesses` asks for the newest one that so many witnesses have signed, with their signatures: for a policy with a
/// quorum. They are asked once a minute.
#[utoipa::path(
    get, path = "/log/checkpoint", tag = "Log",
    params(("witnesses" = Option<u8>, Query, description = "From 0 to 64; none: 0.")),
    responses(
        (status = 200, description = "The signed note.", body = String, content_type = "text/plain"),
        (status = 400, description = "A parameter cannot be used.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is signed yet, or not by so many witnesses; try again shortly.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn checkpoint(req: HttpRequest, app: Data<App>) -> Result<HttpResponse, Problem> {
    let witnesses = witnesses(&Params::of(&req, &[WITNESSES])?)?;
    let db = app.db.clone();
    let newest = web::block(move || db.read(|conn| witnessed::newest(conn, witnesses))).await??;
    let Some(newest) = newest else { return Ok(not_yet("there is no signed checkpoint yet", witnesses)) };
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").insert_header((CACHE_CONTROL, "no-cache")).body(newest.note))
}

/// Every change of the key that signs the log, oldest first: signed notes, one after the other.
///
/// Each begins with the line `counterfoil-key-rotation/v1` and bears the signatures of both keys;
/// docs/log-format.md says how to follow them. Empty if the key was never changed. Whoever trusts an
/// old key follows them to the one in force: `counterfoil-verify --key OLD --rotation FILE`.
#[utoipa::path(
    get, path = "/log/rotations", tag = "Log",
    responses((status = 200, description = "The signed notes.", body = String, content_type = "text/plain"))
)]
pub async fn rotations(req: HttpRequest, app: Data<App>) -> Result<HttpResponse, Problem> {
    Params::of(&req, &[])?;
    let db = app.db.clone();
    let rows = web::block(move || db.read(store::rotations)).await??;
    let notes: String = rows.into_iter().map(|row| row.note).collect();
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").insert_header((CACHE_CONTROL, "no-cache")).body(notes))
}

const WITNESSES: &str = "witnesses";

/// Of how many witnesses the checkpoint must bear the signatures.
fn witnesses(query: &Params) -> Result<usize, Problem> {
    let number = |text: &str| text.parse::<usize>().ok().filter(|n| *n <= MAX_SIGNATURES);
    let read = |text: &str| number(text).ok_or(format!("a whole number from 0 to {MAX_SIGNATURES}"));
    Ok(query.read(WITNESSES, read)?.unwrap_or(0))
}

fn not_yet(detail: &str, witnesses: usize) -> HttpResponse {
    let (code, when, seconds) = match witnesses {
        0 => ("not_signed_yet", "; one is signed within seconds: try again".to_owned(), "2"),
        n => ("not_witnessed_yet", format!(" that {n} witnesses signed too; they are asked once a minute: try again"), "60"),
    };
    let problem = Problem::new(503, code, format!("{detail}{when}"));
    let mut answer = actix_web::ResponseError::error_response(&problem);
    answer.headers_mut().insert(RETRY_AFTER, actix_web::http::header::HeaderValue::from_static(seconds));
    answer
}

/// A tile's level, number and width from its path, e.g. `0/x001/067.p/5`.
fn parse_tile(path: &str) -> Option<(u8, u64, usize)> {
    let (level, rest) = path.split_once('/')?;
    let level: u8 = level.parse().ok().filter(|n: &u8| n.to_string() == level && *n < 8)?;
    let (number, width) = match rest.split_once(".p/") {
        Some((number, width)) => {
            let parsed = width.parse().ok().filter(|n: &usize| n.to_string() == width && (1..WIDTH).contains(n))?;
            (number, parsed)
        }
        None => (rest, WIDTH),
    };
    let parts: Vec<&str> = number.split('/').collect();
    let (last, before) = parts.split_last()?;
    let mut index = 0u64;
    for digits in before.iter().map(|part| part.strip_prefix('x')).chain([Some(*last)]) {
        let digits = digits.filter(|d| d.len() == 3 && d.bytes().all(|b| b.is_ascii_digit()))?;
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    let shortest = before.first().is_none_or(|first| *first != "x000");
    shortest.then_some((level, index, width))
}

/// A tile of the tree: up to 256 hashes of 32 bytes.
///
/// The path is as C2SP tlog-tiles has it: `<level>/<number>[.p/<width>]`. Needs a key or a session
/// unless `anchor.public_tiles` is set.
#[utoipa::path(
    get, path = "/log/tile/{tile}", tag = "Log", security(("key" = ["read"]), ("session" = [])),
    params(("tile" = String, Path, description = "`0/x001/067` or, of an unfinished tile, `0/x001/067.p/5`.")),
    responses(
        (status = 200, description = "The hashes one after the other.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 401, description = "Neither key nor session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope, or the role may not.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tree does not reach that far, or not a tile's path.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn tile(req: HttpRequest, app: Data<App>, path: Path<String>) -> Result<HttpResponse, Problem> {
    Params::of(&req, &[])?;
    let (level, index, width) = parse_tile(&path).ok_or_else(|| Problem::not_found("tile"))?;
    let db = app.db.clone();
    let found = web::block(move || db.read(|conn| with_tree(conn, |tree| tree.tile(level, index, width)))).await??;
    let data = found.flatten().ok_or_else(|| Problem::not_found("tile"))?;
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((CACHE_CONTROL, for_ever(app.config.anchor.public_tiles)))
        .body(data))
}

fn with_tree<T>(conn: &mut Conn, read: impl FnOnce(&mut Tree<'_>) -> DbResult<T>) -> DbResult<Option<T>> {
    conn.snapshot(|conn| {
        let Some(state) = store::state(conn)? else { return Ok(None) };
        read(&mut Tree::of(conn, &state, leaves::hashes)).map(Some)
    })
}

/// What a caller may have a proof of.
enum Proof {
    /// With whose it is, where a key asks.
    Of(TlogProof, Option<Subject>),
    Unsigned,
    Nothing,
    OtherSource,
}

/// The proof that a leaf is in the log, ending at the newest signed checkpoint.
///
/// It is a C2SP `.tlog-proof`.
///
/// A key gets proofs of its own source's entries and changes; an officer of every leaf. Officers, and of entries keys with
/// scope `receipt:full`, get the leaf itself with it (`extra`), which says which rules were hit.
#[utoipa::path(
    get, path = "/api/v1/log/proof/{seq}", tag = "Log", security(("key" = ["read"]), ("session" = [])),
    params(
        ("seq" = i64, Path, description = "The leaf's place in the log, from its receipt."),
        ("witnesses" = Option<u8>, Query, description = "End at a checkpoint that so many witnesses signed; none: 0."),
    ),
    responses(
        (status = 200, description = "The proof.", body = String, content_type = "text/plain"),
        (status = 401, description = "Neither key nor session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope, or the role may not.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such leaf that you may see.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Not signed yet; try again shortly.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn proof(req: HttpRequest, caller: Caller, app: Data<App>, seq: Path<String>) -> Result<HttpResponse, Problem> {
    let witnesses = witnesses(&Params::of(&req, &[WITNESSES])?)?;
    let seq = place(&seq).map_err(|_| Problem::not_found("leaf"))?;
    let (source, full, db) = (caller.source(), caller.sees_hits(), app.db.clone());
    let found = web::block(move || db.read(|conn| prove(conn, (source, full), seq, witnesses))).await??;
    match found {
        Proof::Of(proof, subject) => {
            reads::shows(&req, subject);
            let name = format!("attachment; filename=\"{seq}.tlog-proof\"");
            let mut answer = HttpResponse::Ok();
            answer.content_type("text/plain; charset=utf-8").insert_header(("content-disposition", name));
            Ok(answer.body(proof.to_string()))
        }
        Proof::Unsigned => Ok(not_yet("the leaf is in the log, but under no signed checkpoint yet", witnesses)),
        Proof::Nothing => Err(Problem::not_found("leaf")),
        Proof::OtherSource => Err(hidden(&req, &caller, "leaf").await),
    }
}

/// The proof of leaf `seq`; with the leaf itself for who may see all that is in it.
fn prove(conn: &mut Conn, (source, full): (Option<Seq>, bool), seq: Seq, witnesses: usize) -> DbResult<Proof> {
    let mut subject = None;
    if let Some(source) = source {
        let Some((sender, whose)) = sender_of(conn, seq)? else { return Ok(Proof::Nothing) };
        if sender != source {
            return Ok(Proof::OtherSource);
        }
        subject = Some(whose);
    }
    let full = full && !matches!(subject, Some(Subject::Record(_)));
    if store::state(conn)?.is_none_or(|state| seq >= state.size) {
        return Ok(Proof::Nothing);
    }
    let newest = witnessed::newest(conn, witnesses)?.filter(|newest| newest.size > seq);
    let Some(newest) = newest else { return Ok(Proof::Unsigned) };
    let (index, size) = (seq.unsigned_abs(), newest.size.unsigned_abs());
    let Some(hashes) = with_tree(conn, |tree| tree.inclusion(index, size))? else { return Ok(Proof::Nothing) };
    let checkpoint = note(&newest)?;
    let leaf = if full { leaves::bytes(conn, seq, seq + 1)?.pop() } else { None };
    Ok(Proof::Of(TlogProof { extra: leaf.map(|(_, bytes)| bytes), index, hashes, checkpoint }, subject))
}

/// The source that sent the entry or the change at this place, and whose it is; nothing for another event.
fn sender_of(conn: &mut Conn, seq: Seq) -> DbResult<Option<(Seq, Subject)>> {
    if let Some(row) = ledger_store::entry(conn, seq)? {
        return Ok(Some((row.source, Subject::Account(row.account))));
    }
    Ok(records::store::change(conn, seq)?.map(|row| (row.source, Subject::Record(row.record))))
}

fn note(row: &CheckpointRow) -> DbResult<Note> {
    Note::parse(&row.note).map_err(|e| DbError::Corrupt(format!("checkpoint {}: {e}; run `counterfoil verify`", row.number)))
}

/// That one size of the log is a prefix of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Consistency {
    /// Leaves of the smaller tree.
    from: u64,
    /// Leaves of the larger one.
    to: u64,
    /// Root of the smaller one, lower-case hex.
    from_root: String,
    /// Root of the larger one, lower-case hex.
    to_root: String,
    /// RFC 6962 consistency proof, lower-case hex.
    proof: Vec<String>,
}

/// The proof that the log was only extended between two sizes.
///
/// RFC 6962: the tree of `from` leaves is a prefix of that of `to` leaves.
#[utoipa::path(
    get, path = "/api/v1/log/consistency", tag = "Log", security(("key" = ["read"]), ("session" = [])),
    params(
        ("from" = u64, Query, description = "Leaves of the smaller tree, at least 1."),
        ("to" = Option<u64>, Query, description = "Leaves of the larger one; none: the newest checkpoint's size."),
    ),
    responses(
        (status = 200, description = "The proof with both roots.", body = Consistency),
        (status = 400, description = "A parameter cannot be used.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "Neither key nor session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope, or the role may not.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is signed yet; try again shortly.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn consistency(req: HttpRequest, app: Data<App>) -> Result<HttpResponse, Problem> {
    let query = Params::of(&req, &["from", "to"])?;
    let number = |text: &str| text.parse::<u64>().ok().filter(|n| *n >= 1).ok_or("a whole number from 1");
    let from = query.read("from", number)?.ok_or_else(|| Problem::parameter("from", "from: the smaller size is missing"))?;
    let to = query.read("to", number)?;
    let db = app.db.clone();
    let signed = web::block(move || db.read(store::newest_checkpoint)).await??;
    let Some(signed) = signed.map(|row| row.size.unsigned_abs()) else {
        return Ok(not_yet("there is no signed checkpoint yet", 0));
    };
    let to = to.unwrap_or(signed);
    if to > signed {
        return Err(Problem::parameter("to", format!("to: the newest checkpoint covers {signed} leaves; ask for at most that")));
    }
    if from > to {
        return Err(Problem::parameter("from", format!("from: at most {to}, the larger size")));
    }
    let db = app.db.clone();
    let read = move |tree: &mut Tree<'_>| Ok((tree.root_at(from)?, tree.root_at(to)?, tree.consistency(from, to)?));
    let found = web::block(move || db.read(|conn| with_tree(conn, read))).await??;
    let Some((Some(old), Some(new), hashes)) = found else { return Err(Problem::not_found("size of the log")) };
    let proof = hashes.iter().map(hex::encode).collect();
    Ok(HttpResponse::Ok().json(Consistency { from, to, from_root: hex::encode(old), to_root: hex::encode(new), proof }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_s_path_is_read_as_it_is_written_and_in_no_other_way() {
        for (level, index, width) in [(0, 0, 256), (0, 67, 5), (1, 1_067, 256), (3, 1_234_067, 255), (7, 999, 1)] {
            let path = counterfoil_verify::tile::path(level, index, width);
            assert_eq!(parse_tile(path.trim_start_matches("tile/")), Some((level, index, usize::from(width))), "{path}");
        }
        for path in ["0/67", "0/x000/067", "00/067", "8/000", "0/067.p/0", "0/067.p/256", "0/067.p/05", "0/x1/067", "0/", "a/000"]
        {
            assert_eq!(parse_tile(path), None, "{path}");
        }
    }
}
