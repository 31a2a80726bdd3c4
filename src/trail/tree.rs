//! The tree as it is stored: tiles, roots of earlier sizes and proofs.
//!
//! Full tiles are rows; what lies right of them is made again from the leaves, which [`LeafHashes`]
//! supplies, because this room does not know what an entry is.

use counterfoil_verify::tile::{TILE_BYTES, WIDTH, locate, tile_root};
use counterfoil_verify::tree::{consistency_proof, inclusion_proof};
use counterfoil_verify::{Fault, Hash, Tiles};

use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;

use super::store::{self, LogState};

/// Hashes the leaves from one place to before another, in order.
pub type LeafHashes = fn(&mut Conn, Seq, Seq) -> DbResult<Vec<Hash>>;

/// The stored tree of one state of the log.
pub struct Tree<'a> {
    conn: &'a mut Conn,
    leaves: LeafHashes,
    size: u64,
}

impl<'a> Tree<'a> {
    /// The tree of `state`, read over `conn`.
    pub fn of(conn: &'a mut Conn, state: &LogState, leaves: LeafHashes) -> Tree<'a> {
        Tree { conn, leaves, size: state.size.unsigned_abs() }
    }

    /// Leaves in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The first `width` hashes (1 to 256) of a tile; `None` where the tree does not reach that far.
    pub fn tile(&mut self, level: u8, index: u64, width: usize) -> DbResult<Option<Vec<u8>>> {
        let there = self.size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let first = index.checked_mul(WIDTH as u64);
        let reach = first.and_then(|first| first.checked_add(width as u64));
        let (Some(first), Some(reach)) = (first, reach) else { return Ok(None) };
        if width == 0 || width > WIDTH || reach > there {
            return Ok(None);
        }
        if first + WIDTH as u64 <= there {
            let mut data = self.full(level, index)?;
            data.truncate(width * 32);
            return Ok(Some(data));
        }
        if level == 0 {
            let hashes = (self.leaves)(self.conn, first as Seq, reach as Seq)?;
            if hashes.len() != width {
                return Err(DbError::Corrupt(format!("leaves from {first} on are missing; run `counterfoil verify`")));
            }
            return Ok(Some(hashes.concat()));
        }
        let mut data = Vec::with_capacity(width * 32);
        for below in first..reach {
            let full = self.full(level - 1, below)?;
            let root = tile_root(&full).map_err(|_| self.broken(level - 1, below))?;
            data.extend_from_slice(&root);
        }
        Ok(Some(data))
    }

    fn full(&mut self, level: u8, index: u64) -> DbResult<Vec<u8>> {
        let found = store::tile(self.conn, i16::from(level), index as i64)?;
        found.filter(|data| data.len() == TILE_BYTES).ok_or_else(|| self.broken(level, index))
    }

    fn broken(&self, level: u8, index: u64) -> DbError {
        DbError::Corrupt(format!("tile {level}/{index} is missing or broken; run `counterfoil verify`"))
    }

    fn subtree(&mut self, level: u32, index: u64) -> DbResult<Hash> {
        let place = locate(level, index);
        let tile = self.tile(place.level, place.index, place.start + place.width)?;
        let tile = tile.ok_or_else(|| self.broken(place.level, place.index))?;
        place.root(&tile).map_err(|_| self.broken(place.level, place.index))
    }

    /// The root over the first `size` leaves; `None` if the log is shorter.
    pub fn root_at(&mut self, size: u64) -> DbResult<Option<Hash>> {
        if size > self.size {
            return Ok(None);
        }
        let trailing = self.tile(0, size / WIDTH as u64, (size % WIDTH as u64) as usize)?.unwrap_or_default();
        let tiles = Tiles::resume(size, |level, index| self.full(level, index), trailing.as_chunks().0);
        tiles.map(|tiles| Some(tiles.root())).map_err(fault)
    }

    /// The proof that leaf `seq` is in the tree of the first `size` leaves.
    ///
    /// # Errors
    /// When there is no such leaf or size, or when a tile is broken.
    pub fn inclusion(&mut self, seq: u64, size: u64) -> DbResult<Vec<Hash>> {
        inclusion_proof(seq, size, |level, index| self.subtree(level, index)).map_err(fault)
    }

    /// The proof that the tree of `from` leaves is a prefix of that of `to` leaves.
    ///
    /// # Errors
    /// When the sizes are not in order, or when a tile is broken.
    pub fn consistency(&mut self, from: u64, to: u64) -> DbResult<Vec<Hash>> {
        consistency_proof(from, to, |level, index| self.subtree(level, index)).map_err(fault)
    }
}

fn fault(fault: Fault<DbError>) -> DbError {
    match fault {
        Fault::Read(error) => error,
        other => DbError::Corrupt(format!("{other}; run `counterfoil verify`")),
    }
}
