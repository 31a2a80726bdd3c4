//! Asking the witnesses: each signature is a checkpoint that came back from outside.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

use counterfoil_verify::{Hash, Note, VerifierKey};
use serde_json::json;

use crate::app::App;
use crate::ledger::leaves;
use crate::trail::refusing;
use crate::trail::returned::Compared;
use crate::trail::store;
use crate::trail::tree::Tree;
use crate::trail::witnessed::{COSIGNATURE, WITNESS};
use crate::witness::client::{self, ClientError, Cosigned};

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
        let root = Hash::try_from(newest.root).map_err(|_| "a stored checkpoint has no root".to_owned())?;
        let newest = (newest.size.unsigned_abs(), root);
        let size = newest.0;
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut failed = None;
        for ((url, key), known) in self.list.iter().zip(signed.iter_mut()).filter(|(_, known)| **known < size) {
            let asked = ask(app, url, key, (&note, newest), *known);
            let noted = match &asked {
                // Nobody knows how one stands that does not answer.
                Err(Failed { refused: None, .. }) => Ok(()),
                Err(Failed { refused, .. }) => refusing::note(&app.log(), key.name(), refused.clone()),
                Ok(()) => refusing::note(&app.log(), key.name(), None),
            };
            match asked {
                Ok(()) => *known = size,
                Err(error) => failed = failed.or(Some(error.words)),
            }
            failed = failed.or(noted.err().map(|error| error.to_string()));
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Why there is no signature, and what the witness holds against the log, if that is why.
struct Failed {
    words: String,
    refused: Option<String>,
}

impl Failed {
    fn of(error: ClientError, ahead: Option<u64>, size: u64) -> Failed {
        let refused = match (&error, ahead) {
            (_, Some(seen)) => {
                Some(format!("it has seen {seen} leaves and this log has {size}: it has shrunk, or an older copy is in use"))
            }
            (ClientError::Refused { status: 409, words, .. }, None) => {
                Some(format!("it has seen another root of {} leaves: this log has forked, or was rewritten", words.trim()))
            }
            (ClientError::Refused { status, words, .. }, None) if (400..500).contains(status) => {
                Some(format!("it answered {status}: {}", words.trim()))
            }
            (ClientError::Signature(..), None) => Some("it does not sign with the key it is known by".to_owned()),
            _ => None,
        };
        Failed { words: error.to_string(), refused }
    }
}

fn ask(app: &App, url: &str, key: &VerifierKey, (note, (size, root)): (&Note, (u64, Hash)), known: u64) -> Result<(), Failed> {
    let ahead = Cell::new(None);
    let prove = |from: u64| {
        if from > size {
            ahead.set(Some(from));
            return Err(format!("the witness has seen {from} leaves, the log has {size}: was an older copy restored?"));
        }
        let proof = app.db.read(|conn| {
            let state = store::state(conn)?;
            state.map(|state| Tree::of(conn, &state, leaves::hashes).consistency(from, size)).transpose()
        });
        proof.map(Option::unwrap_or_default).map_err(|e: crate::db::DbError| e.to_string())
    };
    let signed = client::cosign(url, key, note, known, prove);
    let Cosigned { time, line } = signed.map_err(|error| Failed::of(error, ahead.get(), size))?;
    let by = json!({ "witness": key.name(), "witnessed_at": time, COSIGNATURE: line });
    let compared = Compared::Consistent { size, root };
    let recorded = app.log().act(move |tx| compared.record(tx, WITNESS, &by));
    recorded.map(drop).map_err(|error| Failed { words: error.to_string(), refused: None })
}
