//! Keys that were recognised a moment ago.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::clock::{Moment, SECOND};

use super::{ApiKey, digest};

/// Keys recognised within the last second, by the digest of their text.
///
/// A request with a key seen a moment ago asks no database; a revoked key is let in for less than
/// a second more.
#[derive(Debug)]
pub(super) struct KeyCache {
    keys: RwLock<HashMap<[u8; 32], Remembered>>,
}

#[derive(Debug)]
struct Remembered {
    key: Arc<ApiKey>,
    since: Moment,
}

/// For how long a key is remembered, microseconds.
const REMEMBERED: i64 = SECOND;
/// Keys remembered at most.
const REMEMBERED_MAX: usize = 1_024;

impl KeyCache {
    pub(super) fn new() -> KeyCache {
        KeyCache { keys: RwLock::default() }
    }

    pub(super) fn get(&self, bearer: &str, now: Moment) -> Option<Arc<ApiKey>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let found = keys.get(&digest(bearer.as_bytes()))?;
        is_fresh(found.since, now).then(|| found.key.clone())
    }

    pub(super) fn put(&self, bearer: &str, key: Arc<ApiKey>, now: Moment) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= REMEMBERED_MAX {
            keys.retain(|_, found| is_fresh(found.since, now));
        }
        if keys.len() < REMEMBERED_MAX {
            keys.insert(digest(bearer.as_bytes()), Remembered { key, since: now });
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
        cache.put("a", key.clone(), Moment(0));
        assert!(cache.get("a", Moment(SECOND - 1)).is_some() && cache.get("b", Moment(0)).is_none());
        assert!(cache.get("a", Moment(SECOND)).is_none() && cache.get("a", Moment(-1)).is_none());
        for i in 0..5_000 {
            cache.put(&i.to_string(), key.clone(), Moment(0));
        }
        assert_eq!(cache.keys.read().unwrap().len(), REMEMBERED_MAX);
        cache.put("later", key, Moment(SECOND));
        assert!(cache.get("later", Moment(SECOND)).is_some());
        assert_eq!(cache.keys.read().unwrap().len(), 1);
    }
}
