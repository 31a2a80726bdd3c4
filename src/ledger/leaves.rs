//! The leaves of the log, made from their rows again.

use counterfoil_verify::{Hash, TooLong, leaf};

use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::trail::generations::Origins;
use crate::trail::store::{self as trail_store};

use super::store;

/// Hashes the leaves from `from` to before `to`, entries and events together, in their order. A place
/// without a row is left out: the caller sees it by the number of hashes.
pub fn hashes(conn: &mut Conn, from: Seq, to: Seq) -> DbResult<Vec<Hash>> {
    Ok(bytes(conn, from, to)?.iter().map(|(_, bytes)| leaf::hash(bytes)).collect())
}

/// The bytes of the leaves from `from` to before `to`, entries and events together, in their order.
/// A place without a row is left out.
pub fn bytes(conn: &mut Conn, from: Seq, to: Seq) -> DbResult<Vec<(Seq, Vec<u8>)>> {
    let most = (to - from).max(0);
    let origins = Origins::of(conn)?;
    let mut leaves: Vec<(Seq, Vec<u8>)> = Vec::new();
    let too_long = |e: TooLong| DbError::Corrupt(e.to_string());
    for row in store::entries_between(conn, from, to, most)? {
        let mut bytes = Vec::new();
        row.leaf().encode(origins.at(row.seq), &mut bytes).map_err(too_long)?;
        leaves.push((row.seq, bytes));
    }
    for row in trail_store::events_between(conn, from, to, most)? {
        let mut bytes = Vec::new();
        row.leaf().encode(origins.at(row.seq), &mut bytes).map_err(too_long)?;
        leaves.push((row.seq, bytes));
    }
    leaves.sort_by_key(|(seq, _)| *seq);
    Ok(leaves)
}
