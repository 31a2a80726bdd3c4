//! Showing what is sealed of a record, once, to somebody who says why; that it was shown is an event.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::trail::keys::KeyFolder;
use crate::trail::sealing::Opener;
use crate::trail::{ActError, Log, NewEvent, store as trail};

use super::decide::State;
use super::event::Public;
use super::fields;
use super::json::Json;
use super::state;
use super::store;

/// Who wants to see what is sealed of a record as one of its versions made it, and why.
pub struct RevealRecord {
    /// The record.
    pub record: Seq,
    /// The version whose values are opened.
    pub version: i64,
    /// The user.
    pub user: Seq,
    /// Why; private.
    pub reason: String,
    /// From where; private.
    pub whence: Value,
}

/// A value that was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revealed {
    /// As it was sent.
    Value(Json),
    /// It was erased: nobody can see it any more.
    Erased,
}

impl RevealRecord {
    /// Opens them and records that they were shown. Refusals: `404 not_found`, `404 not_sealed`,
    /// `409 cannot_be_opened`.
    ///
    /// # Errors
    /// Also when the database fails: then nothing is shown.
    pub fn run(self, log: &Log, keys: &KeyFolder, origin: &str) -> Result<BTreeMap<String, Revealed>, ActError> {
        let mut opener = Opener::at_hand(keys, origin)?;
        log.act(move |tx| {
            let missing = || ActError::refused(404, "not_found", "there is no such version of this record");
            let change = store::version(tx.conn, self.record, self.version)?.ok_or_else(missing)?;
            let state = state::at_version(tx.conn, &change)?;
            let opened = opened(tx.conn, &mut opener, &state)?;
            if opened.is_empty() {
                return Err(ActError::refused(404, "not_sealed", "nothing of this record is sealed, as it was then"));
            }
            let (record, version, count) = (self.record, self.version, opened.len());
            let body = json!({ "record": record, "version": version, "fields": count, "user": self.user });
            let paths: Vec<&String> = opened.keys().collect();
            let private = json!({ "reason": self.reason, "paths": paths, "whence": self.whence });
            tx.append(NewEvent::with_private("value.revealed", body, private))?;
            Ok(opened)
        })
    }
}

/// Every sealed value of a state.
fn opened(conn: &mut Conn, opener: &mut Opener, state: &State) -> Result<BTreeMap<String, Revealed>, ActError> {
    let mut opened = BTreeMap::new();
    for (path, held) in state.values.iter().filter(|(_, held)| held.value.is_none()) {
        let Some(value) = value(conn, opener, held.seq, held.n)? else {
            let detail = "a sealed value cannot be opened: the master key is missing, or the value was changed; \
                `counterfoil keys status` and `counterfoil verify` tell which";
            return Err(ActError::refused(409, "cannot_be_opened", detail));
        };
        opened.insert(path.clone(), value);
    }
    Ok(opened)
}

/// One of them; `None` if it is there and cannot be opened.
fn value(conn: &mut Conn, opener: &mut Opener, seq: Seq, n: i32) -> DbResult<Option<Revealed>> {
    let rows = store::fields_of(conn, &[seq])?;
    let event = trail::event(conn, seq)?.and_then(|(event, _)| Public::read(&event.body));
    let (Some(row), Some(event)) = (rows.into_iter().find(|row| row.n == n), event) else {
        return Ok(Some(Revealed::Erased));
    };
    let commitment = usize::try_from(n).ok().and_then(|n| hex::decode(event.fields.get(n)?).ok()).unwrap_or_default();
    let opened = fields::open(conn, opener, &row, &commitment)?;
    Ok(opened.map(|(_, value)| value.map_or(Revealed::Erased, |value| Revealed::Value(Json::stored(value)))))
}
