//! Keys that seal: what was made, tested and wrapped anew. Of a wrapped key the log has the digest.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::trail::sealing::store::{self as sealing, DataKeyRow, RecoveryRow};

use super::super::event::Event;
use super::super::findings::Findings;
use super::{extra, missing, same};

#[derive(Default)]
pub(super) struct Keys {
    recovery: BTreeMap<Seq, Recovery>,
    data: BTreeMap<Seq, DataKey>,
}

struct Recovery {
    made: Event,
    tested_at: Option<i64>,
}

struct DataKey {
    made: Event,
    /// Names of the keys it is wrapped for, and the digests of how.
    master: (String, String),
    recovery: (String, String),
}

impl Keys {
    pub(super) fn meet(&mut self, event: Event) {
        match event.kind.as_str() {
            "recovery.made" => drop(self.recovery.insert(event.seq, Recovery { made: event, tested_at: None })),
            "recovery.tested" => {
                if let Some(key) = self.recovery.get_mut(&event.number("recovery")) {
                    key.tested_at = key.tested_at.or(Some(event.at));
                }
            }
            "datakey.made" => {
                let key = DataKey {
                    master: (event.text("master"), event.text("wrapped")),
                    recovery: (event.text("recovery"), event.text("recovery_wrapped")),
                    made: event,
                };
                self.data.insert(key.made.seq, key);
            }
            _ => self.rewrapped(&event),
        }
    }

    fn rewrapped(&mut self, event: &Event) {
        let name = event.text("name");
        for (id, digest) in event.body["keys"].as_object().into_iter().flatten() {
            let Some(key) = id.parse().ok().and_then(|id: Seq| self.data.get_mut(&id)) else { continue };
            let to = (name.clone(), digest.as_str().unwrap_or_default().to_owned());
            match event.body["for"].as_str() {
                Some("master") => key.master = to,
                _ => key.recovery = to,
            }
        }
    }

    pub(super) fn finish(mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        for row in sealing::recovery_rows(conn)? {
            match self.recovery.remove(&row.id) {
                Some(key) => same("recovery_keys", row.id, &row, &key.expected(&row), findings),
                None => extra("recovery_keys", row.id, findings),
            }
        }
        self.recovery.into_keys().for_each(|seq| missing("recovery_keys", seq, findings));
        for row in sealing::data_keys(conn)? {
            match self.data.remove(&row.id) {
                Some(key) => same("data_keys", row.id, &row, &key.expected(&row), findings),
                None => extra("data_keys", row.id, findings),
            }
        }
        self.data.into_keys().for_each(|seq| missing("data_keys", seq, findings));
        Ok(())
    }
}

/// What is stored, if it has this digest; else what differs from it.
fn recognised(stored: &[u8], digest: &str) -> Vec<u8> {
    if hex::encode(Sha256::digest(stored)) == digest { stored.to_owned() } else { [stored, b"?"].concat() }
}

impl Recovery {
    fn expected(&self, row: &RecoveryRow) -> RecoveryRow {
        let public_key = hex::decode(self.made.text("public_key")).unwrap_or_default();
        RecoveryRow {
            id: self.made.seq,
            name: self.made.text("name"),
            public_key,
            challenge: recognised(&row.challenge, &self.made.text("challenge")),
            answer: self.made.text("answer"),
            made_at: self.made.at,
            tested_at: self.tested_at,
        }
    }
}

impl DataKey {
    fn expected(&self, row: &DataKeyRow) -> DataKeyRow {
        DataKeyRow {
            id: self.made.seq,
            month: i32::try_from(self.made.number("month")).unwrap_or_default(),
            master: self.master.0.clone(),
            wrapped: recognised(&row.wrapped, &self.master.1),
            recovery: self.recovery.0.clone(),
            recovery_wrapped: recognised(&row.recovery_wrapped, &self.recovery.1),
            made_at: self.made.at,
        }
    }
}
