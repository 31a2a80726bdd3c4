//! The accounts in memory: found once by number or id, then reached by place.

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::ids::Seq;

use super::maps::Map;
use super::state::AccountState;

/// Where an account is held; good until [`Accounts::let_go`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(usize);

impl Slot {
    /// Its number; each account that is held gets the next one.
    pub fn place(self) -> usize {
        self.0
    }
}

#[derive(Default)]
pub(super) struct Accounts {
    states: Vec<AccountState>,
    numbers: Map<String, Slot>,
    ids: Map<Seq, Slot>,
}

impl Accounts {
    pub fn len(&self) -> usize {
        self.states.len()
    }

    pub fn by_number(&self, number: &str) -> Option<Slot> {
        self.numbers.get(number).copied()
    }

    pub fn by_id(&self, id: Seq) -> Option<Slot> {
        self.ids.get(&id).copied()
    }

    pub fn get(&self, at: Slot) -> &AccountState {
        &self.states[at.0]
    }

    pub fn get_mut(&mut self, at: Slot) -> &mut AccountState {
        &mut self.states[at.0]
    }

    pub fn states(&self) -> &[AccountState] {
        &self.states
    }

    /// Holds an account that is not held yet.
    pub fn insert(&mut self, number: String, state: AccountState) -> Slot {
        let at = Slot(self.states.len());
        self.numbers.insert(number, at);
        self.ids.insert(state.id, at);
        self.states.push(state);
        at
    }

    /// The account with this id is found by its number no more.
    pub fn forget_number(&mut self, id: Seq) {
        if let Some(at) = self.by_id(id) {
            self.numbers.retain(|_, held| *held != at);
        }
    }

    /// Takes out the accounts that `goes` says; the others get new places.
    pub fn let_go(&mut self, goes: impl Fn(&AccountState) -> bool) -> Vec<AccountState> {
        let (gone, states): (Vec<_>, Vec<_>) = std::mem::take(&mut self.states).into_iter().partition(goes);
        let old = std::mem::take(&mut self.ids);
        self.ids = states.iter().enumerate().map(|(place, state)| (state.id, Slot(place))).collect();
        self.states = states;
        let moved: Map<usize, Slot> = old.iter().filter_map(|(id, was)| self.ids.get(id).map(|now| (was.0, *now))).collect();
        self.numbers.retain(|_, at| match moved.get(&at.0) {
            Some(now) => {
                *at = *now;
                true
            }
            None => false,
        });
        gone
    }
}

/// How account numbers are digested in this process.
pub(super) type Hasher = RandomState;

/// Digests of account numbers, eight bytes each.
#[derive(Default)]
pub(super) struct Digests(HashSet<u64, RandomState>);

impl Digests {
    pub fn add(&mut self, hasher: &Hasher, number: &str) {
        self.0.insert(hasher.hash_one(number));
    }
}

/// The account numbers there are: at first those met, in time all.
pub(super) struct KnownNumbers {
    hasher: Hasher,
    digests: Digests,
    complete: bool,
}

impl KnownNumbers {
    /// None are known yet.
    pub fn new(hasher: Hasher) -> KnownNumbers {
        KnownNumbers { hasher, digests: Digests::default(), complete: false }
    }

    pub fn add(&mut self, number: &str) {
        self.digests.add(&self.hasher, number);
    }

    /// With these, all there are but those added since are known.
    pub fn complete(&mut self, mut all: Digests) {
        all.0.extend(self.digests.0.drain());
        self.digests = all;
        self.complete = true;
    }

    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// `false`: there is no such account. `true`: there may be.
    pub fn may_have(&self, number: &str) -> bool {
        !self.complete || self.digests.0.contains(&self.hasher.hash_one(number))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::money::Currency;

    #[test]
    fn until_all_numbers_are_known_any_may_be_there() {
        let mut known = KnownNumbers::new(Hasher::default());
        known.add("A");
        assert!(known.may_have("A") && known.may_have("B") && known.may_have("C"));
        let mut all = Digests::default();
        all.add(&known.hasher, "B");
        known.complete(all);
        assert!(known.may_have("A") && known.may_have("B") && !known.may_have("C"));
        known.add("C");
        assert!(known.may_have("C"));
    }

    #[test]
    fn those_that_stay_are_found_at_their_new_places() {
        let mut accounts = Accounts::default();
        let currency = Currency::parse("USD").unwrap();
        for id in 0..100 {
            let (touched, body) = (id as u64 % 3, Default::default());
            let state = AccountState { id, source: 1, currency, touched, dirty: false, stranger: None, body };
            accounts.insert(format!("A{id}"), state);
        }
        let gone = accounts.let_go(|state| state.touched == 0);
        assert_eq!((gone.len(), accounts.len()), (34, 66));
        for id in 0..100 {
            let by_number = accounts.by_number(&format!("A{id}"));
            assert_eq!(by_number, accounts.by_id(id));
            assert_eq!(by_number.map(|at| accounts.get(at).id), (id % 3 != 0).then_some(id));
        }
    }
}
