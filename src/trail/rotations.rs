//! Changes of the key that signs the log: which key is in force, and which are trusted for what.
//!
//! What is in force is what the log says, not a file: `key_rotations` follows from the events
//! `log.key_rotated`, each of which holds a statement that both keys signed.

use counterfoil_verify::rotation::{Rotation, follow};
use counterfoil_verify::{Note, VerifierKey};

use crate::db::{Conn, DbError, DbResult};

use super::store::{self, RotationRow};

/// The verifier key in force for the log named so, if its key was ever changed.
///
/// # Errors
/// When it cannot be read.
pub fn in_force(conn: &mut Conn, origin: &str) -> DbResult<Option<VerifierKey>> {
    let newest = store::rotations(conn)?.into_iter().rev().find(|row| row.origin == origin);
    newest.map(|row| read_key(&row)).transpose()
}

/// Every change whose statement bears both signatures, oldest first. One that does not is left out:
/// verification finds it.
///
/// # Errors
/// When they cannot be read.
pub fn all(conn: &mut Conn) -> DbResult<Vec<Rotation>> {
    let opened = |row: RotationRow| Note::parse(&row.note).ok().and_then(|note| Rotation::open(&note).ok());
    Ok(store::rotations(conn)?.into_iter().filter_map(opened).collect())
}

/// These keys, and those that follow from them by changes that both keys signed.
///
/// # Errors
/// When the changes cannot be read.
pub fn trusted(conn: &mut Conn, mut keys: Vec<VerifierKey>) -> DbResult<Vec<VerifierKey>> {
    let rotations = all(conn)?;
    follow(&mut keys, &rotations);
    Ok(keys)
}

fn read_key(row: &RotationRow) -> DbResult<VerifierKey> {
    row.new_key.parse().map_err(|e| DbError::Corrupt(format!("the change of the key in event {}: {e}", row.id)))
}
