//! The erasure itself: one event, and everything private at its places.

use serde_json::json;

use crate::clock::DAY;
use crate::ids::Seq;
use crate::trail::{ActError, ActTx, Changed, NewEvent};

use super::Ranges;
use super::store::{self, ErasureRow};

/// Places that one erasure takes at most: until it is done, nothing else is recorded.
pub const PLACES_MAX: i64 = 1_000_000;

/// Why something is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A proposal was approved.
    Subject {
        /// The event that submitted it.
        proposal: Seq,
    },
    /// The time of values of changes is over.
    Retention {
        /// The event of the run.
        run: Seq,
    },
    /// The register beside the keys says it was erased before; the database is an older copy.
    Register {
        /// The event that erased it then.
        again: Seq,
    },
}

impl Cause {
    /// `subject`
    pub fn text(self) -> &'static str {
        match self {
            Cause::Subject { .. } => "subject",
            Cause::Retention { .. } => "retention",
            Cause::Register { .. } => "register",
        }
    }
}

/// What was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The event that says so.
    pub event: Seq,
    /// The places.
    pub places: Ranges,
    /// Accounts whose number is gone.
    pub accounts: Vec<Seq>,
    /// Contexts of which nothing is left.
    pub contexts: usize,
}

/// Erases everything private at these places: the only way in which private values go.
///
/// # Errors
/// When there is nothing at these places, or too much for one transaction.
pub fn erase(tx: &mut ActTx<'_>, cause: Cause, places: &Ranges) -> Result<Erasure, ActError> {
    let there = Ranges::of(store::still_there(tx.conn, places)?);
    if there.places() == 0 {
        return Err(ActError::refused(409, "nothing_to_erase", "nothing private is left at these places"));
    }
    if there.places() > PLACES_MAX {
        let detail = format!("{} private parts are more than the {PLACES_MAX} that one erasure takes", there.places());
        return Err(ActError::refused(422, "too_much_to_erase", detail));
    }
    let (proposal, again, run) = match cause {
        Cause::Subject { proposal } => (Some(proposal), None, None),
        Cause::Retention { run } => (None, None, Some(run)),
        Cause::Register { again } => (None, Some(again), None),
    };
    let (count, digest) = (there.places(), there.digest());
    let mut body = json!({
        "cause": cause.text(), "proposal": proposal, "again": again, "places": count, "ranges": there.list().len(),
        "digest": digest,
    });
    if let Some(run) = run {
        body["run"] = json!(run);
    }
    let id = tx.append(NewEvent::public("parts.erased", body))?;
    let erased_at = tx.now().0;
    let row = ErasureRow { id, cause: cause.text().to_owned(), proposal, again, places: count, digest, erased_at };
    let old = tx.now().plus(-DAY).0;
    let removed = store::remove(tx.conn, &row, &there, old)?;
    removed.accounts.iter().for_each(|account| tx.changed(Changed::AccountErased(*account)));
    if removed.contexts > 0 {
        tx.changed(Changed::ContextsErased);
    }
    Ok(Erasure { event: id, places: there, accounts: removed.accounts, contexts: removed.contexts })
}
