//! Keyed digests of sensitive values: equal values of one field of one record have equal digests, and
//! nobody without the key can hold a guess against one. The key lies in `keys.dir`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::db::{DbError, DbResult};
use crate::trail::keys::KeyFolder;

use super::json::Json;

/// How the key's file ends.
const FILE: &str = "digests";

/// The key.
#[derive(Clone)]
pub struct DigestKey(Zeroizing<[u8; 32]>);

impl DigestKey {
    /// Reads the key of the log named `origin`, or makes it (mode 0600) where none was needed before.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn load(keys: &KeyFolder, origin: &str, clock: &Clock) -> DbResult<DigestKey> {
        if keys.text(origin, FILE)?.is_none() {
            keys.set_text(origin, FILE, &hex::encode(clock.random::<32>()))?;
            let path = keys.file(origin, FILE);
            tracing::warn!(path = %path.display(), "made the key of digests of sensitive values: keep a copy outside this machine");
        }
        let text = Zeroizing::new(keys.text(origin, FILE)?.unwrap_or_default());
        let mut key = Zeroizing::new([0; 32]);
        let unfit = |_| DbError::Unfit(format!("{} does not hold 64 hexadecimal digits", keys.file(origin, FILE).display()));
        hex::decode_to_slice(text.trim(), key.as_mut_slice()).map_err(unfit)?;
        Ok(DigestKey(key))
    }

    /// The digest of a value at a path of what is named `of`.
    pub fn digest(&self, of: &str, path: &str, value: &Json) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_slice()) else { return String::new() };
        for part in [of, path, value.normal().as_str()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        hex::encode(mac.finalize().into_bytes())
    }
}
