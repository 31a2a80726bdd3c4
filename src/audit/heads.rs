//! L4: the account heads that closes commit to, made again from the entries.
//!
//! The sizes that closes state are known before the pass, so the list is made when the pass reaches
//! each: one head per account is kept, about a hundred bytes, and one root per size. A close costs
//! one hash per account and as many again for the tree.

use std::collections::{BTreeMap, VecDeque};

use counterfoil_verify::heads::{Close, Head, Heads as List, KIND};
use counterfoil_verify::heads_proof::Closes;
use counterfoil_verify::{EntryLeaf, Hash};

use crate::ids::Seq;
use crate::intake::Map;
use crate::trail::store::EventRow;

use super::L4;
use super::findings::Findings;

/// The heads so far, and the roots of the sizes that were passed.
#[derive(Default)]
pub(super) struct Heads {
    /// Sizes that closes state and that are still to come, in order.
    sizes: VecDeque<u64>,
    accounts: Map<Seq, Head>,
    /// Heads and root by size.
    roots: BTreeMap<u64, (u64, Hash)>,
    closes: Closes,
}

impl Heads {
    /// For the closes that these events are.
    pub(super) fn of(events: &[EventRow]) -> Heads {
        let mut sizes: Vec<u64> = events.iter().filter_map(|row| Some(Close::parse(&row.body)?.size)).collect();
        sizes.sort_unstable();
        sizes.dedup();
        Heads { sizes: sizes.into(), ..Heads::default() }
    }

    /// Everything before `seq` has passed.
    fn reach(&mut self, seq: Seq) {
        while let Some(size) = self.sizes.pop_front_if(|size| i64::try_from(*size).is_ok_and(|size| size <= seq)) {
            let mut heads: Vec<Head> = self.accounts.values().copied().collect();
            heads.sort_unstable_by_key(|head| head.account);
            let Ok(list) = List::new(heads) else { continue };
            let given = list.close("", size);
            self.roots.insert(size, (given.accounts, given.root));
        }
    }

    /// Meets the next entry with the hash of its leaf.
    pub(super) fn entry(&mut self, row: &EntryLeaf<'_>, leaf: Hash) {
        if self.sizes.is_empty() {
            return; // No close to come needs it.
        }
        self.reach(row.seq);
        let EntryLeaf { account, seq, position, balance_after, .. } = *row;
        self.accounts.insert(account, Head { account, seq, position, balance_after, leaf });
    }

    /// Meets the next event; only closes matter.
    pub(super) fn event(&mut self, row: &EventRow, findings: &mut Findings) {
        if row.kind != KIND {
            return;
        }
        self.reach(row.seq);
        findings.checked(L4, 1);
        let mut add = |kind, detail: String| findings.add((L4, kind), "events", row.seq, detail);
        let Some(close) = Close::parse(&row.body) else {
            return add("close_unreadable", "its body is no close of a business date".into());
        };
        if let Err(e) = self.closes.add(row.seq, close.clone()) {
            add("close_repeated", e.to_string());
        }
        match self.roots.get(&close.size) {
            None => add("close_wrong", format!("it covers {} leaves, some of which come after it", close.size)),
            Some(given) if *given != (close.accounts, close.root) => {
                let detail =
                    format!("its list of {} account heads is not the one the entries give ({})", close.accounts, given.0);
                add("heads_differ", detail);
            }
            Some(_) => {}
        }
    }
}
