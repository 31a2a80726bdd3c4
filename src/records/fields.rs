//! The fields of a change as they are stored: in clear with a salt, or sealed together with it.

use counterfoil_verify::commitment;

use crate::clock::Clock;
use crate::config::RecordType;
use crate::db::{Conn, DbError, DbResult, bulk};
use crate::ids::Seq;
use crate::ledger::Refusal;
use crate::trail::keys::KeyFolder;
use crate::trail::sealing::{Opener, SealedValue, Sealer, ValuePlace};
use crate::trail::{ActError, ActTx, Changed as TailChanged};

use super::change::NewChange;
use super::decide::{Changed, Decision, Old};
use super::keyed::DigestKey;
use super::store::FieldRow;

/// What seals the fields of one submission.
pub struct Sealing<'k> {
    keys: &'k KeyFolder,
    origin: String,
    sealer: Sealer,
    digests: Option<DigestKey>,
}

/// Stored fields, and what the event says of them.
pub struct Made {
    /// The rows.
    pub rows: Vec<FieldRow>,
    /// Commitments, and which of the fields are sealed.
    pub commitments: (Vec<String>, Vec<usize>),
}

/// Whether a field is sealed.
pub(super) fn is_sealed(rules: &RecordType, also: &[String], field: &Changed) -> bool {
    field.sealed || matches!(field.old, Old::Sealed(_)) || rules.is_sensitive(&field.path, also)
}

impl<'k> Sealing<'k> {
    /// For the log named `origin`.
    pub fn new(keys: &'k KeyFolder, origin: &str) -> Sealing<'k> {
        Sealing { keys, origin: origin.to_owned(), sealer: Sealer::new(keys.clone(), origin), digests: None }
    }

    /// The key of digests.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn digest_key(&mut self, clock: &Clock) -> DbResult<&DigestKey> {
        let key = match self.digests.take() {
            Some(key) => key,
            None => DigestKey::load(self.keys, &self.origin, clock)?,
        };
        Ok(self.digests.insert(key))
    }

    /// Why a change that needs sealing cannot be taken now.
    ///
    /// # Errors
    /// When the database or a key file cannot be read.
    pub fn refusal(
        &mut self,
        tx: &mut ActTx<'_>,
        rules: &RecordType,
        change: &NewChange,
        decision: &Decision,
    ) -> DbResult<Option<Refusal>> {
        if !decision.fields.iter().any(|field| is_sealed(rules, &change.sensitive, field)) {
            return Ok(None);
        }
        let now = tx.now();
        let status = self.sealer.status(tx.conn, now)?;
        let refusal = || Refusal { status: 503, ..Refusal::whole(status.code(), status.text()) };
        Ok((!status.is_ready()).then(refusal))
    }

    /// Makes the key that the change needs, before it has its place.
    ///
    /// # Errors
    /// When the database or a key file fails.
    pub fn prepare(
        &mut self,
        tx: &mut ActTx<'_>,
        rules: &RecordType,
        change: &NewChange,
        decision: &Decision,
    ) -> Result<(), ActError> {
        if !decision.fields.iter().any(|field| is_sealed(rules, &change.sensitive, field)) {
            return Ok(());
        }
        let now = tx.now();
        let Some(fresh) = self.sealer.wants(tx.conn, tx.clock, now)? else { return Ok(()) };
        let id = tx.append(fresh.event.clone())?;
        let row = self.sealer.begin(fresh, id, now);
        bulk::append(tx.conn, &[row])?;
        tx.changed(TailChanged::Sealing);
        Ok(())
    }

    /// The fields of the change at `seq`.
    ///
    /// # Errors
    /// When a key fails.
    pub fn fields(
        &mut self,
        clock: &Clock,
        (seq, record): (Seq, Seq),
        (rules, also): (&RecordType, &[String]),
        fields: &[Changed],
    ) -> DbResult<Made> {
        let mut made = Made { rows: Vec::with_capacity(fields.len()), commitments: Default::default() };
        for (at, field) in fields.iter().enumerate() {
            let mut row = plain(seq, at as i32, field);
            let salt = clock.random::<32>();
            let sealed = is_sealed(rules, also, field);
            if sealed {
                let (key, of) = (self.digest_key(clock)?, record.to_string());
                row.old_digest = match &field.old {
                    Old::Nothing => None,
                    Old::Value(value) => Some(key.digest(&of, &field.path, value)),
                    Old::Sealed(digest) => Some(digest.clone()),
                };
                row.new_digest = field.new.as_ref().map(|value| key.digest(&of, &field.path, value));
                row.old = None;
            }
            let hash = row_commitment(&row, &salt).ok_or_else(|| too_long(&field.path))?;
            match sealed {
                true => self.seal(clock, &mut row, &hash, &salt)?,
                false => row.salt = Some(salt.to_vec()),
            }
            made.commitments.0.push(hex::encode(hash));
            made.commitments.1.extend(sealed.then_some(at));
            made.rows.push(row);
        }
        Ok(made)
    }

    fn seal(&self, clock: &Clock, row: &mut FieldRow, hash: &[u8; 32], salt: &[u8; 32]) -> DbResult<()> {
        let place = ValuePlace { seq: row.seq, n: row.n, commitment: hash };
        let SealedValue { data_key, nonce, sealed } = self.sealer.seal_value(clock, &place, (salt, row.new.as_deref()))?;
        (row.data_key, row.nonce, row.sealed, row.new) = (Some(data_key), Some(nonce), Some(sealed), None);
        Ok(())
    }
}

fn plain(seq: Seq, n: i32, field: &Changed) -> FieldRow {
    let old = match &field.old {
        Old::Value(value) => Some(value.as_str().to_owned()),
        Old::Nothing | Old::Sealed(_) => None,
    };
    FieldRow {
        seq,
        n,
        path: field.path.clone(),
        old,
        new: field.new.as_ref().map(|value| value.as_str().to_owned()),
        old_digest: None,
        new_digest: None,
        salt: None,
        data_key: None,
        nonce: None,
        sealed: None,
    }
}

fn too_long(path: &str) -> DbError {
    DbError::Corrupt(format!("the value at {path} is too long to be committed to; nothing was recorded"))
}

/// What the event commits to, of a field whose value is at hand.
pub fn row_commitment(row: &FieldRow, salt: &[u8; 32]) -> Option<[u8; 32]> {
    let text = |part: &Option<String>| part.clone();
    let parts = [Some(row.path.clone()), text(&row.old), text(&row.new), text(&row.old_digest), text(&row.new_digest)];
    commitment(salt, &parts.each_ref().map(|part| part.as_deref())).ok()
}

/// The salt and the value of a sealed field; `None` if they cannot be opened.
///
/// # Errors
/// When the database cannot be read.
pub fn open(
    conn: &mut Conn,
    opener: &mut Opener,
    row: &FieldRow,
    commitment: &[u8],
) -> DbResult<Option<([u8; 32], Option<String>)>> {
    let (Some(data_key), Some(nonce), Some(sealed)) = (row.data_key, row.nonce.clone(), row.sealed.clone()) else {
        return Ok(None);
    };
    let place = ValuePlace { seq: row.seq, n: row.n, commitment };
    opener.open_value(conn, &place, &SealedValue { data_key, nonce, sealed })
}
