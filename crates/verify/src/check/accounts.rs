//! L3: what the leaves say of one another. Pointers along each account, references to what was
//! defined, and the lists of heads at each close.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::heads::{Close, Head, Heads};
use crate::heads_proof::Closes;
use crate::leaf::{EntryLeaf, EventLeaf, Hash};

/// Entries between what a close covers and its event that can be taken back.
const LAG_MAX: usize = 262_144;

/// An account so far: its head, and the entries that later jumps can lead to, the newest last.
#[derive(Debug, Clone)]
struct Account {
    head: Head,
    ancestors: Vec<i64>,
}

/// All accounts so far, and what was defined.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    accounts: BTreeMap<i64, Account>,
    defined: HashMap<i64, Defined>,
    closes: Closes,
    /// The newest entries with the head their account had before.
    recent: VecDeque<(i64, i64, Option<Head>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defined {
    Source,
    Account,
    Context,
    Delivery,
    Rules,
}

/// A finding's word and its detail.
pub(super) type Wrong = (&'static str, String);

impl Accounts {
    /// Takes an event that is not a close.
    pub(super) fn event(&mut self, event: &EventLeaf<'_>) {
        let defined = match event.kind {
            "source.defined" => Defined::Source,
            "account.defined" => Defined::Account,
            "context.defined" => Defined::Context,
            "delivery.defined" => Defined::Delivery,
            "ruleset.defined" => Defined::Rules,
            _ => return,
        };
        self.defined.insert(event.seq, defined);
    }

    /// Takes an entry and says what is wrong with its pointers.
    pub(super) fn entry(&mut self, entry: &EntryLeaf<'_>, leaf: Hash) -> Vec<Wrong> {
        let mut wrong = self.references(entry);
        let before = self.accounts.get_mut(&entry.account).map(|a| (a.head, std::mem::take(&mut a.ancestors)));
        let (before, mut ancestors) = before.map_or_else(Default::default, |(head, ancestors)| (Some(head), ancestors));
        let position = before.map_or(1, |head| head.position + 1);
        let prev = ancestors.last().copied();
        // Entry n jumps to n without its lowest set bit: as many steps back along the ancestors of
        // n - 1 as n has trailing zeros.
        let steps = (position - 1).trailing_zeros() as usize;
        ancestors.truncate(ancestors.len().saturating_sub(if position == 1 { 0 } else { steps }));
        let jump = ancestors.last().copied();
        for (name, stated, right) in
            [("position", Some(entry.position), Some(position)), ("prev", entry.prev, prev), ("jump", entry.jump, jump)]
        {
            if stated != right {
                let [stated, right] = [stated, right].map(|v| v.map_or("null".to_owned(), |v| v.to_string()));
                wrong.push(("pointer_wrong", format!("{name} is {stated}, on account {} it should be {right}", entry.account)));
            }
        }
        ancestors.push(entry.seq);
        let head = Head { account: entry.account, seq: entry.seq, position, balance_after: entry.balance_after, leaf };
        if self.recent.len() == LAG_MAX {
            self.recent.pop_front();
        }
        self.accounts.insert(entry.account, Account { head, ancestors });
        self.recent.push_back((entry.seq, entry.account, before));
        wrong
    }

    fn references(&self, entry: &EntryLeaf<'_>) -> Vec<Wrong> {
        let references = [
            ("source", entry.source, Defined::Source),
            ("account", entry.account, Defined::Account),
            ("context", entry.context, Defined::Context),
            ("delivery", entry.delivery, Defined::Delivery),
            ("rules", entry.rules, Defined::Rules),
        ];
        let undefined = references.iter().filter(|(_, seq, kind)| self.defined.get(seq) != Some(kind));
        undefined.map(|(name, seq, _)| ("reference_wrong", format!("{name} {seq} is not defined by an earlier event"))).collect()
    }

    /// Takes a close and says what is wrong with it.
    pub(super) fn close(&mut self, event: i64, close: &Close) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if let Err(e) = self.closes.add(event, close.clone()) {
            wrong.push(("close_repeated", e.to_string()));
        }
        match self.heads_at(close.size) {
            _ if u64::try_from(event).is_ok_and(|event| close.size > event) => {
                wrong.push(("close_wrong", "it covers leaves that come after it".to_owned()));
            }
            None => {
                wrong.push(("close_unchecked", format!("it covers {} leaves, too long before it to be made again", close.size)))
            }
            Some(heads) => {
                let right = heads.close(&close.business_date, close.size);
                if right != *close {
                    let text = format!(
                        "its list of {} account heads is not the one its leaves give ({})",
                        close.accounts, right.accounts
                    );
                    wrong.push(("heads_differ", text));
                }
            }
        }
        wrong
    }

    /// The heads as they were at an earlier size, when that is not too long ago.
    fn heads_at(&self, size: u64) -> Option<Heads> {
        let size = i64::try_from(size).ok()?;
        let mut heads: BTreeMap<i64, Head> = self.accounts.iter().map(|(account, a)| (*account, a.head)).collect();
        let later = self.recent.iter().rev().take_while(|(seq, ..)| *seq >= size);
        let mut taken_back = 0;
        for (_, account, before) in later {
            taken_back += 1;
            match before {
                Some(head) => heads.insert(*account, *head),
                None => heads.remove(account),
            };
        }
        if taken_back == LAG_MAX {
            return None;
        }
        Heads::new(heads.into_values().collect()).ok()
    }
}
