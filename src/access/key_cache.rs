//! Keys that were recognised a moment ago.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::clock::{Moment, SECOND};

use super::{ApiKey, digest};

/// Keys recognised within the last second, by the digest of their text.
///
/// A request with a key seen a moment ago asks no database. A key revoked through this process is
/// let in no more at once (every act ends what was remembered), one revoked otherwise within a second.
#[derive(Debug)]
pub(super) struct KeyCache {
    keys: RwLock<HashMap<[u8; 32], Remembered>>,
}

#[derive(Debug)]
struct Remembered {
    key: Arc<ApiKey>,
    since: Moment,
    /// Acts committed when it was recognised: a revocation is one more.
    acts: u64,
}

/// For how long a key is remembered, microseconds.
const REMEMBERED: i64 = SECOND;
/// Keys remembered at most.
const REMEMBERED_MAX: usize = 1_024;

impl KeyCache {
    pub(super) fn new() -> KeyCache {
        KeyCache { keys: RwLock::default() }
    }

    pub(super) fn get(&self, bearer: &str, now: Moment, acts: u64) -> Option<Arc<ApiKey>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let found = keys.get(&digest(bearer.as_bytes()))?;
        (found.acts == acts && is_fresh(found.since, now)).then(|| found.key.clone())
    }

    pub(super) fn put(&self, bearer: &str, key: Arc<ApiKey>, now: Moment, acts: u64) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= REMEMBERED_MAX {
            keys.retain(|_, found| is_fresh(found.since, now));
        }
        if keys.len() < REMEMBERED_MAX {
            keys.insert(digest(bearer.as_bytes()), Remembered { key, since: now, acts });
        }
    }
}

/// Whichever way the clock went.
fn is_fresh(since: Moment, now: Moment) -> bool {
    now >= since && now.0 - since.0 < REMEMBERED
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::Scopes;

    #[test]
    fn the_cache_forgets_after_a_second_and_holds_a_bound() {
        let cache = KeyCache::new();
        let key = Arc::new(ApiKey { id: 1, source: 2, source_name: "core".into(), scopes: Scopes::ALL });
        cache.put("a", key.clone(), Moment(0), 7);
        assert!(cache.get("a", Moment(0), 8).is_none(), "an act was committed since");
        assert!(cache.get("a", Moment(SECOND - 1), 7).is_some() && cache.get("b", Moment(0), 7).is_none());
        assert!(cache.get("a", Moment(SECOND), 7).is_none() && cache.get("a", Moment(-1), 7).is_none());
        for i in 0..5_000 {
            cache.put(&i.to_string(), key.clone(), Moment(0), 7);
        }
        assert_eq!(cache.keys.read().unwrap().len(), REMEMBERED_MAX);
        cache.put("later", key, Moment(SECOND), 7);
        assert!(cache.get("later", Moment(SECOND), 7).is_some());
        assert_eq!(cache.keys.read().unwrap().len(), 1);
    }
}
