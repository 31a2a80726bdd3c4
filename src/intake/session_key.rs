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
        let dir = keys::folder(config, address);
        let path = dir.join(FILE);
        let failed = |e: std::io::Error| DbError::Unfit(format!("the key {} cannot be read or made: {e}", path.display()));
        if !path.exists() {
            std::fs::create_dir_all(&dir).map_err(failed)?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
            file.write_all(hex::encode(clock.random::<32>()).as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
            tracing::warn!(path = %path.display(), "made a key for session ids: keep a copy outside this machine");
        }
        let mut text = String::new();
        OpenOptions::new().read(true).open(&path).and_then(|mut f| f.read_to_string(&mut text)).map_err(failed)?;
        let mut key = [0; 32];
        let read = hex::decode_to_slice(text.trim(), &mut key);
        read.map_err(|_| DbError::Unfit(format!("{} does not hold 64 hexadecimal digits", path.display())))?;
        Ok(Some(SessionKey(key)))
    }

    /// What is stored instead of a token.
    pub fn digest(&self, source: &str, token: &str) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(source.as_bytes());
        mac.update(&[0]);
        mac.update(token.as_bytes());
        Some(hex::encode(mac.finalize().into_bytes()))
    }
}
