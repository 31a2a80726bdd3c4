//! Whether anything may be sealed now, and why not.

use crate::db::{Conn, DbResult};

use super::super::keys::KeyFolder;
use super::{Master, PublicKey, believed, store};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It may.
    Ready,
    /// There is no recovery key.
    NoRecoveryKey,
    /// The recovery key never opened a test value.
    Untested,
    /// The recovery key in `keys.dir` is not the one that was tested, or none.
    OtherRecoveryKey,
    /// There are data keys, and no master key that opens the newest.
    NoMasterKey,
}

impl Status {
    /// Whether something may be sealed.
    pub fn is_ready(self) -> bool {
        self == Status::Ready
    }

    /// Stable code of a refusal.
    pub fn code(self) -> &'static str {
        match self {
            Status::Ready => "ready",
            Status::NoRecoveryKey | Status::Untested => "recovery_key_untested",
            Status::OtherRecoveryKey => "recovery_key_differs",
            Status::NoMasterKey => "master_key_missing",
        }
    }

    /// What it is, with the next step.
    pub fn text(self) -> &'static str {
        match self {
            Status::Ready => "the recovery key was tested: sensitive fields are sealed",
            Status::NoRecoveryKey => {
                "there is no recovery key, so nothing is sealed: run `counterfoil keys recovery new`, then `keys recovery test`"
            }
            Status::Untested => {
                "the recovery key was never tested, so nothing is sealed: run `counterfoil keys recovery test` with the paper at hand"
            }
            Status::OtherRecoveryKey => {
                "the recovery key in keys.dir is not the one that was tested (or is no key), so nothing is sealed: put the right file back"
            }
            Status::NoMasterKey => {
                "the master key is missing, another one or unreadable, so nothing is sealed: put it back, or run `counterfoil keys recovery restore`"
            }
        }
    }
}

/// Whether anything may be sealed in the log named `origin`.
///
/// # Errors
/// When the database cannot be read.
pub fn status(conn: &mut Conn, keys: &KeyFolder, origin: &str) -> DbResult<Status> {
    let rows = store::recovery_rows(conn)?;
    let Some(tested) = rows.iter().rev().find(|row| row.tested_at.is_some()) else {
        return Ok(if rows.is_empty() { Status::NoRecoveryKey } else { Status::Untested });
    };
    if believed(PublicKey::load(keys, origin))?.flatten().is_none_or(|key| key.0[..] != tested.public_key[..]) {
        return Ok(Status::OtherRecoveryKey);
    }
    let Some(masters) = believed(Master::load(keys, origin))? else { return Ok(Status::NoMasterKey) };
    let newest = store::data_keys(conn)?.pop();
    let lost = newest.is_some_and(|row| !masters.iter().any(|master| master.name() == row.master));
    Ok(if lost { Status::NoMasterKey } else { Status::Ready })
}
