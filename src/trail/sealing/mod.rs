//! Sealing: private values that not even whoever reads the database may read.
//!
//! A value is sealed under the key of its book and month. That key is stored twice: wrapped for the
//! master key, which opens it while the program runs, and for the recovery key, whose private part
//! lies on paper. Until that has once opened a test value nothing is sealed, because what nobody can
//! open after a loss is lost already. The leaf commits to the value itself, as to every private part:
//! losing every key loses sealed values, and never a proof.
//!
//! Invariants: a secret is never written to the database, to a mail or to the program's log; the
//! public recovery key is believed only from `keys.dir`; a box opens only at the place it was sealed
//! for; each change of a key is an event.
//!
//! Not here: which fields are sensitive (`config`), who may see them (`web`).

mod act;
mod boxes;
mod master;
mod opener;
mod parts;
mod recovery;
mod reveal;
mod sealer;
mod status;
pub mod store;
mod values;

pub use act::{Challenged, NewRecovery, Rewrapped, Tested, forget_others, note_tested, recovered, rotate_master};
pub use master::Master;
pub use opener::Opener;
pub use parts::{FIELDS, Fields, Opened, Place};
pub use recovery::{Challenge, PrivateKey, PublicKey, digest};
pub use reveal::Reveal;
pub use sealer::Sealer;
pub use status::{Status, status};
pub use values::{OpenedValue, SealedValue, ValuePlace};

use crate::db::{DbError, DbResult};

/// What a data key is wrapped for, so that it opens as nothing else.
fn purpose(origin: &str, month: i32) -> Vec<u8> {
    format!("counterfoil data key {month} {}", super::keys::book(origin)).into_bytes()
}

/// What a key file holds; nothing where it holds no key, or cannot be read: then there is none.
fn believed<T>(loaded: DbResult<T>) -> DbResult<Option<T>> {
    match loaded {
        Ok(found) => Ok(Some(found)),
        Err(DbError::Unfit(why)) => {
            tracing::error!("{why}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
