//! The maps of the hot path: a fast hash with random keys, because senders choose what is hashed.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

/// A hash map of the hot path.
pub type Map<K, V> = HashMap<K, V, RandomState>;

/// Values with a key that come in runs: the one asked for last is found without hashing, and those
/// changed since they were last taken are known.
pub(super) struct Current<K, V> {
    kept: Vec<Kept<K, V>>,
    places: Map<K, usize>,
    last: usize,
    changed: Vec<usize>,
}

struct Kept<K, V> {
    key: K,
    value: V,
    changed: bool,
}

/// Where a value is kept; good until [`Current::trim`].
#[derive(Clone, Copy, Debug)]
pub(super) struct At(usize);

impl<K, V> Default for Current<K, V> {
    fn default() -> Self {
        Current { kept: Vec::new(), places: Map::default(), last: 0, changed: Vec::new() }
    }
}

impl<K: Copy + Eq + Hash, V: Copy> Current<K, V> {
    /// Where the value of `key` is kept; `read` finds it if it is not.
    pub fn at<E>(&mut self, key: K, read: impl FnOnce() -> Result<V, E>) -> Result<At, E> {
        if self.kept.get(self.last).is_some_and(|kept| kept.key == key) {
            return Ok(At(self.last));
        }
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => {
                let value = read()?;
                self.kept.push(Kept { key, value, changed: false });
                self.places.insert(key, self.kept.len() - 1);
                self.kept.len() - 1
            }
        };
        self.last = place;
        Ok(At(place))
    }

    /// The present value.
    pub fn get(&self, at: At) -> V {
        self.kept[at.0].value
    }

    /// Sets the present value.
    pub fn set(&mut self, at: At, value: V) {
        let kept = &mut self.kept[at.0];
        kept.value = value;
        if !kept.changed {
            kept.changed = true;
            self.changed.push(at.0);
        }
    }

    /// What changed since this was last asked.
    pub fn take_changed(&mut self) -> Vec<(K, V)> {
        let changed = std::mem::take(&mut self.changed);
        let take = |place: usize| {
            let kept = &mut self.kept[place];
            kept.changed = false;
            (kept.key, kept.value)
        };
        changed.into_iter().map(take).collect()
    }

    /// Lets go of what has not changed, if more than `most` are kept.
    pub fn trim(&mut self, most: usize) {
        if self.kept.len() <= most {
            return;
        }
        self.kept.retain(|kept| kept.changed);
        self.places = self.kept.iter().enumerate().map(|(place, kept)| (kept.key, place)).collect();
        self.changed = (0..self.kept.len()).collect();
        self.last = 0;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_changed_is_kept_until_it_is_taken() {
        let mut current: Current<u8, i64> = Current::default();
        let unread = |value: i64| move || Ok::<i64, ()>(value);
        for key in 0..10 {
            current.at(key, unread(i64::from(key))).unwrap();
        }
        let seven = current.at(7, unread(-1)).unwrap();
        current.set(seven, 70);
        current.set(seven, 71);
        current.trim(5);
        // The unchanged are read again, the changed one is not.
        let seven = current.at(7, unread(-1)).unwrap();
        assert_eq!(current.get(seven), 71);
        let three = current.at(3, unread(33)).unwrap();
        assert_eq!(current.get(three), 33);
        current.set(three, 34);
        assert_eq!(current.take_changed(), [(7, 71), (3, 34)]);
        assert_eq!(current.take_changed(), []);
        let three = current.at(3, unread(-1)).unwrap();
        assert_eq!(current.get(three), 34);
    }
}
