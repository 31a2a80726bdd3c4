//! Showing what is sealed to somebody who may see it: never without an event that says who, and why.

use serde_json::{Value, json};

use crate::ids::Seq;

use super::super::keys::KeyFolder;
use super::super::{ActError, Log, NewEvent};
use super::{Fields, Opened, Opener, store};

/// What is to be shown, to whom, and why.
pub struct Reveal {
    /// The entry.
    pub entry: Seq,
    /// What its leaf commits to.
    pub blind: Vec<u8>,
    /// Its account.
    pub account: Seq,
    /// The user.
    pub user: Seq,
    /// Why; private.
    pub reason: String,
    /// From where; private.
    pub whence: Value,
}

impl Reveal {
    /// Opens what is sealed of the entry and records that it was shown. Refusals: `404 not_sealed`,
    /// `409 cannot_be_opened`.
    pub fn run(self, log: &Log, keys: &KeyFolder, origin: &str) -> Result<Opened, ActError> {
        let mut opener = Opener::of(keys, origin)?;
        log.act(move |tx| {
            let sealed = store::sealed_part(tx.conn, self.entry)?;
            let sealed = sealed.ok_or_else(|| ActError::refused(404, "not_sealed", "nothing of this entry is sealed"))?;
            let opened = opener.open(tx.conn, &sealed, &self.blind)?.ok_or_else(|| {
                let text = "what is sealed cannot be opened: the master key is missing, or the value was changed; \
                    `counterfoil keys status` and `counterfoil verify` tell which";
                ActError::refused(409, "cannot_be_opened", text)
            })?;
            let fields = Fields(sealed.fields).names();
            let body = json!({ "entry": self.entry, "account": self.account, "fields": fields, "user": self.user });
            let private = json!({ "reason": self.reason, "whence": self.whence });
            tx.append(NewEvent::with_private("value.revealed", body, private))?;
            Ok(opened)
        })
    }
}
