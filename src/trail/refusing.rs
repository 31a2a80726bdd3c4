//! Witnesses that refuse to sign: an event when one begins to and one when it signs again, and in the table
//! `jobs` how it stands, so that a start or another process shows it too.

use counterfoil_verify::VerifierKey;
use serde_json::{Value, json};

use crate::clock::Moment;
use crate::config::Anchor;
use crate::db::{Conn, DbResult};

use super::store::{self, JobRow};
use super::{ActError, Log, NewEvent};

/// The kind of the event when one begins to refuse.
pub const REFUSED: &str = "witness.refused";
/// The kind of the event when one signs again.
pub const AGREED: &str = "witness.agreed";

/// A witness that refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusing {
    /// Its name, as in its key.
    pub witness: String,
    /// Since when.
    pub since: Moment,
    /// Why, in the words of the event.
    pub why: String,
}

impl Refusing {
    /// What is wrong, with the next step.
    pub fn finding(&self) -> String {
        let Refusing { witness, since, why } = self;
        format!(
            "Witness {witness} has not signed since {since}: {why}. Ask who runs it, which keeps each note that it refused, \
             and run `counterfoil verify`."
        )
    }
}

/// The name of its row in `jobs`.
pub fn job_name(witness: &str) -> String {
    format!("witness {witness}")
}

/// The witnesses of the settings that refuse, in their order.
pub fn refusing(conn: &mut Conn, anchor: &Anchor) -> DbResult<Vec<Refusing>> {
    let mut found = Vec::new();
    for key in anchor.witness.iter().filter_map(|witness| witness.key.parse::<VerifierKey>().ok()) {
        found.extend(standing(conn, key.name())?);
    }
    Ok(found)
}

fn standing(conn: &mut Conn, witness: &str) -> DbResult<Option<Refusing>> {
    let Some(row) = store::job(conn, &job_name(witness))? else { return Ok(None) };
    let body: Value = row.outcome.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let why = body["why"].as_str();
    Ok(why.map(|why| Refusing { witness: witness.to_owned(), since: Moment(row.started_at), why: why.to_owned() }))
}

/// Notes how a witness stands: that it refuses, with why, or that it signs. Only a change becomes an event.
///
/// # Errors
/// When the log cannot be written.
pub fn note(log: &Log, witness: &str, why: Option<String>) -> Result<(), ActError> {
    let witness = witness.to_owned();
    log.act(move |tx| {
        if standing(tx.conn, &witness)?.is_some() == why.is_some() {
            return Ok(());
        }
        let (kind, body) = match why {
            Some(why) => (REFUSED, json!({ "witness": witness, "why": why })),
            None => (AGREED, json!({ "witness": witness })),
        };
        let (text, at) = (body.to_string(), tx.now());
        tx.append(NewEvent::public(kind, body))?;
        let row = JobRow { name: job_name(&witness), started_at: at.0, finished_at: Some(at.0), outcome: Some(text) };
        Ok(store::note_job(tx.conn, &row)?)
    })
}
