//! Asking the witnesses: each signature is a checkpoint that came back from outside.

use std::sync::{Mutex, PoisonError};

use counterfoil_verify::{Note, VerifierKey};
use serde_json::json;

use crate::app::App;
use crate::ledger::leaves;
use crate::trail::returned::Compared;
use crate::trail::store;
use crate::trail::tree::Tree;
use crate::witness::client::{self, ClientError};

/// The witnesses of the configuration, and how far each has signed.
pub(super) struct Witnesses {
    list: Vec<(String, VerifierKey)>,
    signed: Mutex<Vec<u64>>,
}

impl Witnesses {
    /// From `[[anchor.witness]]`; keys were checked when the settings were read.
    pub fn of(app: &App) -> Witnesses {
        let list: Vec<_> = app.config.anchor.witness.iter().filter_map(|w| Some((w.url.clone(), w.key.parse().ok()?))).collect();
        Witnesses { signed: Mutex::new(vec![0; list.len()]), list }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Asks each witness once to sign the newest checkpoint, if it has not. The first failure is
    /// answered; the others are asked all the same.
    pub fn turn(&self, app: &App) -> Result<(), String> {
        let newest = app.signer.sign(&app.log()).map_err(|e| e.to_string())?;
        let note = Note::parse(&newest.note).map_err(|e| e.to_string())?;
        let size = newest.size.unsigned_abs();
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut failed = None;
        for ((url, key), known) in self.list.iter().zip(signed.iter_mut()).filter(|(_, known)| **known < size) {
            match ask(app, url, key, &note, *known, size) {
                Ok(()) => *known = size,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

fn ask(app: &App, url: &str, key: &VerifierKey, note: &Note, known: u64, size: u64) -> Result<(), String> {
    let prove = |from: u64| {
        if from > size {
            return Err(format!("the witness has seen {from} leaves, the log has {size}: was an older copy restored?"));
        }
        let proof = app.db.read(|conn| {
            let state = store::state(conn)?;
            state.map(|state| Tree::of(conn, &state, leaves::hashes).consistency(from, size)).transpose()
        });
        proof.map(Option::unwrap_or_default).map_err(|e: crate::db::DbError| e.to_string())
    };
    let time = client::cosign(url, key, note, known, prove).map_err(|e: ClientError| e.to_string())?;
    let by = json!({ "witness": key.name(), "witnessed_at": time });
    let compared = Compared::Consistent { size };
    let recorded = app.log().act(move |tx| compared.record(tx, "witness", &by));
    recorded.map(drop).map_err(|e| e.to_string())
}
