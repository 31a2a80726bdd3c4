//! Keys of senders: `cf_<prefix>_<secret>`, bound to one source, with scopes.
//!
//! The prefix (8 hex digits) finds the key and may be shown; the secret (256 random bits) is shown
//! once and only its SHA-256 is stored. [`IssueKey`] and [`RotateKey`] are commands that carry the
//! digest only, so that they can be handed to the process that holds the log. After a rotation both
//! keys work until the old one is revoked.

use serde::{Deserialize, Serialize};
use serde_json::json;
use subtle::ConstantTimeEq;

use crate::clock::{Clock, Moment};
use crate::db::{Conn, DbError, DbResult, bulk};
use crate::ids::Seq;
use crate::trail::{ActError, ActTx, Changed, Log, NewEvent};

use super::store::{self, ACTIVE, KeyRow};
use super::{Scopes, base64url, digest};

/// Longest name of a source, in characters.
/// Keys listed at most.
const LISTED_MAX: i64 = 1_000;

/// A key that was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The event that issued it.
    pub id: Seq,
    /// The source it is bound to.
    pub source: Seq,
    /// The source's name.
    pub source_name: String,
    /// What it may do.
    pub scopes: Scopes,
}

/// A key in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// The event that issued it.
    pub id: Seq,
    /// What it begins with after `cf_`.
    pub prefix: String,
    /// The source's name.
    pub source_name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was issued.
    pub created_at: Moment,
    /// When it was revoked.
    pub revoked_at: Option<Moment>,
}

/// What a rotation gives.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The event that issued the new key.
    pub id: Seq,
    /// The old key's prefix.
    pub old_prefix: String,
    /// The new key's prefix.
    pub prefix: String,
}

/// A drawn key without its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Drawn {
    prefix: String,
    secret_hash: String,
}

/// Draws a key; answers it with its secret text, which is stored nowhere.
fn draw(clock: &Clock) -> (Drawn, String) {
    let prefix = hex::encode(clock.random::<4>());
    let secret = base64url(&clock.random::<32>());
    let text = format!("cf_{prefix}_{secret}");
    (Drawn { prefix, secret_hash: hex::encode(digest(secret.as_bytes())) }, text)
}

/// The command that issues a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IssueKey {
    source: String,
    scopes: Scopes,
    key: Drawn,
}

impl IssueKey {
    /// Draws a key for a source, which is made if it is unknown; answers also the secret text.
    pub fn draw(clock: &Clock, source: &str, scopes: Scopes) -> Result<(IssueKey, String), ActError> {
        let source = source_name(source)?;
        let (key, text) = draw(clock);
        Ok((IssueKey { source, scopes, key }, text))
    }

    /// Issues it; answers its id.
    pub fn run(self, log: &Log) -> Result<Seq, ActError> {
        log.act(move |tx| {
            let source = ensure_source(tx, &self.source)?;
            record(tx, source, self.scopes, &self.key, None)
        })
    }
}

/// The command that gives a source another key like one it has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RotateKey {
    old_prefix: String,
    revoke_old: bool,
    key: Drawn,
}

impl RotateKey {
    /// Draws the new key; answers also its secret text.
    pub fn draw(clock: &Clock, old_prefix: &str, revoke_old: bool) -> (RotateKey, String) {
        let (key, text) = draw(clock);
        (RotateKey { old_prefix: old_prefix.to_owned(), revoke_old, key }, text)
    }

    /// Issues it with the old one's source and scopes; revokes the old one if that was asked for.
    pub fn run(self, log: &Log) -> Result<Rotated, ActError> {
        log.act(move |tx| {
            let old = live_key(tx, &self.old_prefix)?;
            let id = record(tx, old.source, scopes_of(&old)?, &self.key, Some(old.id))?;
            if self.revoke_old {
                end(tx, &old)?;
            }
            Ok(Rotated { id, old_prefix: old.prefix, prefix: self.key.prefix })
        })
    }
}

/// Issues a key to a source; answers its id and the secret text, which cannot be had again.
pub fn issue(log: &Log, clock: &Clock, source: &str, scopes: Scopes) -> Result<(Seq, String), ActError> {
    let (command, text) = IssueKey::draw(clock, source, scopes)?;
    Ok((command.run(log)?, text))
}

/// Issues another key like the one with `prefix`; answers also its secret text.
pub fn rotate(log: &Log, clock: &Clock, prefix: &str, revoke_old: bool) -> Result<(Rotated, String), ActError> {
    let (command, text) = RotateKey::draw(clock, prefix, revoke_old);
    Ok((command.run(log)?, text))
}

/// Revokes the key with this prefix; answers the event.
pub fn revoke(log: &Log, prefix: &str) -> Result<Seq, ActError> {
    let prefix = prefix.to_owned();
    log.act(move |tx| {
        let key = live_key(tx, &prefix)?;
        end(tx, &key)
    })
}

/// Every key, oldest first; at most 1,000.
pub fn list(conn: &mut Conn) -> DbResult<Vec<ListedKey>> {
    let listed = |(row, source_name): (KeyRow, String)| {
        let scopes = scopes_of(&row)?;
        let (created_at, revoked_at) = (Moment(row.created_at), row.revoked_at.map(Moment));
        Ok(ListedKey { id: row.id, prefix: row.prefix, source_name, scopes, created_at, revoked_at })
    };
    store::keys(conn, LISTED_MAX)?.into_iter().map(listed).collect()
}

/// The source with this name; makes it, with its event, when it is unknown.
pub fn ensure_source(tx: &mut ActTx<'_>, name: &str) -> Result<Seq, ActError> {
    let known = if name.contains('\0') { None } else { store::source_by_name(tx.conn, name)? };
    if let Some(id) = known {
        return Ok(id);
    }
    let name = source_name(name)?;
    let id = tx.append(NewEvent::public("source.defined", json!({ "name": name })))?;
    let now = tx.now();
    store::insert_source(tx.conn, id, &name, now)?;
    tx.changed(Changed::Sources);
    Ok(id)
}

/// The key of a bearer text, if it may come in; as slow for a wrong secret as for a right one.
pub fn authenticate(conn: &mut Conn, bearer: &str) -> DbResult<Option<ApiKey>> {
    let Some((prefix, secret)) = parts(bearer) else { return Ok(None) };
    let found = store::key(conn, prefix)?;
    let expected = found.as_ref().map_or(&[0; 32][..], |(row, _)| &row.secret_hash);
    let right: bool = digest(secret.as_bytes())[..].ct_eq(expected).into();
    let Some((row, source_name)) = found.filter(|(row, _)| right && row.state == ACTIVE) else { return Ok(None) };
    Ok(Some(ApiKey { id: row.id, source: row.source, source_name, scopes: scopes_of(&row)? }))
}

/// Prefix and secret of a key's text.
fn parts(text: &str) -> Option<(&str, &str)> {
    let (prefix, secret) = text.strip_prefix("cf_")?.split_once('_')?;
    let well_formed = prefix.len() == 8 && secret.len() == 43 && prefix.bytes().all(|b| b.is_ascii_hexdigit());
    well_formed.then_some((prefix, secret))
}

fn source_name(name: &str) -> Result<String, ActError> {
    if crate::ids::is_source_name(name) {
        return Ok(name.to_owned());
    }
    let shown: String = name.chars().take(80).collect();
    let rule = crate::ids::SOURCE_NAME_RULE;
    Err(ActError::refused(422, "source_name_invalid", format!("`{shown}` cannot be the name of a source: {rule}")))
}

fn scopes_of(row: &KeyRow) -> DbResult<Scopes> {
    Scopes::parse(&row.scopes).map_err(|e| DbError::Corrupt(format!("key {}: {e}", row.id)))
}

fn record(tx: &mut ActTx<'_>, source: Seq, scopes: Scopes, key: &Drawn, replaces: Option<Seq>) -> Result<Seq, ActError> {
    let taken = || ActError::refused(409, "key_prefix_taken", "another key has this prefix by chance; run the command again");
    let secret_hash = hex::decode(&key.secret_hash).ok().filter(|hash| hash.len() == 32).ok_or_else(taken)?;
    if store::key(tx.conn, &key.prefix)?.is_some() {
        return Err(taken());
    }
    let scopes = scopes.to_string();
    let body = json!({
        "source": source, "prefix": key.prefix, "scopes": scopes, "secret_sha256": key.secret_hash, "replaces": replaces,
    });
    let id = tx.append(NewEvent::public("key.issued", body))?;
    let (prefix, created_at) = (key.prefix.clone(), tx.now().0);
    let row = KeyRow { id, source, prefix, secret_hash, scopes, state: ACTIVE, created_at, revoked_at: None };
    bulk::append(tx.conn, &[row])?;
    Ok(id)
}

fn live_key(tx: &mut ActTx<'_>, prefix: &str) -> Result<KeyRow, ActError> {
    let Some((row, _)) = store::key(tx.conn, prefix)? else {
        return Err(ActError::refused(404, "key_unknown", "there is no key with this prefix; `key list` shows them"));
    };
    if row.state != ACTIVE {
        return Err(ActError::refused(409, "key_revoked", "this key is revoked already; `key issue` makes a new one"));
    }
    Ok(row)
}

fn end(tx: &mut ActTx<'_>, key: &KeyRow) -> Result<Seq, ActError> {
    let now = tx.now();
    store::revoke_key(tx.conn, key.id, now)?;
    tx.append(NewEvent::public("key.revoked", json!({ "key": key.id, "prefix": key.prefix })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::trail::testing::{Bench, code};

    #[test]
    fn a_key_opens_its_source_and_nothing_of_it_is_stored() {
        let bench = Bench::new();
        let (id, text) = issue(&bench.log, &bench.clock, "core", Scopes::ALL).unwrap();
        let key = bench.read(|c| authenticate(c, &text)).unwrap();
        assert_eq!((key.id, key.source_name.as_str(), key.scopes), (id, "core", Scopes::ALL));
        assert_eq!(bench.events("source.defined"), [(key.source, json!({ "name": "core" }), None)]);
        let (seq, body, _) = bench.events("key.issued").remove(0);
        assert_eq!((seq, body["source"].as_i64()), (id, Some(key.source)));
        assert!(!body.to_string().contains(parts(&text).unwrap().1));
        let mut wrong = text.clone();
        wrong.replace_range(20..21, if text.as_bytes()[20] == b'A' { "B" } else { "A" });
        for text in [wrong.as_str(), "", "cf_", "cf_00000000_x", &text[..53], &text.replace("cf_", "cg_")] {
            assert_eq!(bench.read(|c| authenticate(c, text)), None, "{text}");
        }
        let (_, second) = issue(&bench.log, &bench.clock, "core", Scopes::parse("read").unwrap()).unwrap();
        assert_eq!(bench.read(|c| authenticate(c, &second)).unwrap().source, key.source);
        assert_eq!(bench.events("source.defined").len(), 1);
        assert_eq!(code(issue(&bench.log, &bench.clock, "\u{7}", Scopes::ALL)), "source_name_invalid");
    }

    #[test]
    fn both_keys_work_after_a_rotation_until_the_old_one_is_revoked() {
        let bench = Bench::new();
        let works = |text: &str| bench.read(|c| authenticate(c, text)).is_some();
        let (id, old) = issue(&bench.log, &bench.clock, "core", Scopes::parse("entries:write").unwrap()).unwrap();
        let (rotated, new) = rotate(&bench.log, &bench.clock, parts(&old).unwrap().0, false).unwrap();
        assert!(works(&old) && works(&new));
        assert_eq!((rotated.old_prefix.as_str(), rotated.prefix.as_str()), (&old[3..11], &new[3..11]));
        assert_eq!(bench.events("key.issued")[1].1["replaces"], id);
        revoke(&bench.log, &rotated.old_prefix).unwrap();
        assert!(!works(&old) && works(&new));
        assert_eq!(code(revoke(&bench.log, &rotated.old_prefix)), "key_revoked");
        assert_eq!(code(rotate(&bench.log, &bench.clock, "00000000", true)), "key_unknown");
        let (third, newest) = rotate(&bench.log, &bench.clock, &rotated.prefix, true).unwrap();
        assert!(!works(&new) && works(&newest));
        let listed = bench.read(list);
        assert_eq!(listed.iter().filter(|k| k.revoked_at.is_none()).map(|k| &k.prefix).collect::<Vec<_>>(), [&third.prefix]);
        assert!(listed.iter().all(|k| k.scopes.to_string() == "entries:write"));
    }
}
