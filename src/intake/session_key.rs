//! The key under which session ids of a source declared `session = "secret"` are digested.
//!
//! A live token must not lie in a log: what is stored is HMAC-SHA-256 of it under a key in
//! `keys.dir`, so that entries of one session still belong together and nobody can use the token.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock::Clock;
use crate::config::{Config, SessionKind};
use crate::db::{Address, DbError, DbResult};
use crate::trail::keys;

const FILE: &str = "session.key";

/// The key, if any source needs it.
#[derive(Clone)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// Reads the key, or makes it (mode 0600) at the first start that needs one.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn load(config: &Config, address: &Address, clock: &Clock) -> DbResult<Option<SessionKey>> {
        if !config.source.iter().any(|source| source.session == SessionKind::Secret) {
            return Ok(None);
        }
        Ok(Some(SessionKey(file_key(config, address, clock, FILE, "session ids")?)))
    }

    /// What is stored instead of a token.
    pub fn digest(&self, source: &str, token: &str) -> Option<String> {
        keyed_digest(&self.0, source, token)
    }
}

/// A key of 32 random bytes in a file of `keys.dir`; it is made (mode 0600) the first time. `of` says what it is for.
pub(super) fn file_key(config: &Config, address: &Address, clock: &Clock, name: &str, of: &str) -> DbResult<[u8; 32]> {
    let dir = keys::folder(config, address);
    let path = dir.join(name);
    let failed = |e: std::io::Error| DbError::Unfit(format!("the key {} cannot be read or made: {e}", path.display()));
    if !path.exists() {
        std::fs::create_dir_all(&dir).map_err(failed)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        file.write_all(hex::encode(clock.random::<32>()).as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        tracing::warn!(path = %path.display(), "made a key for {of}: keep a copy outside this machine");
    }
    let mut text = String::new();
    OpenOptions::new().read(true).open(&path).and_then(|mut f| f.read_to_string(&mut text)).map_err(failed)?;
    let mut key = [0; 32];
    let read = hex::decode_to_slice(text.trim(), &mut key);
    read.map_err(|_| DbError::Unfit(format!("{} does not hold 64 hexadecimal digits", path.display())))?;
    Ok(key)
}

/// HMAC-SHA-256 of a value of `of`, in hex.
pub(super) fn keyed_digest(key: &[u8; 32], of: &str, value: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(of.as_bytes());
    mac.update(&[0]);
    mac.update(value.as_bytes());
    Some(hex::encode(mac.finalize().into_bytes()))
}
