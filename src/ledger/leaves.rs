//! The leaves of the log, hashed from their rows again.

use counterfoil_verify::{EventLeaf, Hash, TooLong, leaf};

use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::trail::store::{self as trail_store};

use super::store;

/// Hashes the leaves from `from` to before `to`, entries and events together, in their order. A place
/// without a row is left out: the caller sees it by the number of hashes.
pub fn hashes(conn: &mut Conn, origin: &str, from: Seq, to: Seq) -> DbResult<Vec<Hash>> {
    let most = (to - from).max(0);
    let mut hashes: Vec<(Seq, Hash)> = Vec::new();
    let too_long = |e: TooLong| DbError::Corrupt(e.to_string());
    for row in store::entries_between(conn, from, to, most)? {
        hashes.push((row.seq, row.leaf_hash(origin).map_err(too_long)?));
    }
    for row in trail_store::events_between(conn, from, to, most)? {
        let event = EventLeaf { seq: row.seq, recorded_at: row.recorded_at, kind: &row.kind, body: &row.body, blind: &row.blind };
        let mut bytes = Vec::new();
        event.encode(origin, &mut bytes).map_err(too_long)?;
        hashes.push((row.seq, leaf::hash(&bytes)));
    }
    hashes.sort_by_key(|(seq, _)| *seq);
    Ok(hashes.into_iter().map(|(_, hash)| hash).collect())
}
