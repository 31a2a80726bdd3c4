//! Account heads: which entry was the last of each account when a business day was closed.
//!
//! `prev` and positions show that nothing is missing between an account's entries; they cannot show
//! that nothing comes after the last one. So the log commits, at each close, to the list of all
//! accounts that have an entry, sorted by account, with the last entry of each: an RFC 6962 tree
//! whose root and size are the body of an event. The place of an account in the list proves its
//! last entry; two neighbours in the list prove that no account between them has one.

use std::error::Error;
use std::fmt;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::decode::Fields;
use crate::leaf::{Hash, put_hash, put_int, put_opt_int};
use crate::text::{from_hex, hex};
use crate::tree::{empty_root, inclusion_proof, node, verify_inclusion};

/// The kind of the event that commits to a list of heads.
pub const KIND: &str = "heads.committed";

const HEAD_PREFIX: u8 = 0x03;

/// The last entry of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// `seq` of the event that defined the account.
    pub account: i64,
    /// `seq` of the entry.
    pub seq: i64,
    /// Its position on the account: how many entries the account has.
    pub position: i64,
    /// The balance after it in minor units, when stated.
    pub balance_after: Option<i64>,
    /// The hash of its leaf.
    pub leaf: Hash,
}

impl Head {
    /// The fields of the head, encoded as those of a leaf.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(74);
        put_int(&mut out, self.account);
        put_int(&mut out, self.seq);
        put_int(&mut out, self.position);
        put_opt_int(&mut out, self.balance_after);
        put_hash(&mut out, &self.leaf);
        out
    }

    /// The head that [`Self::encode`] wrote; nothing for other bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields { rest: bytes };
        let head = Self {
            account: fields.int("account").ok()?,
            seq: fields.int("seq").ok()?,
            position: fields.int("position").ok()?,
            balance_after: fields.opt_int("balance_after").ok()?,
            leaf: fields.bytes("leaf").ok()?.try_into().ok()?,
        };
        fields.rest.is_empty().then_some(head)
    }

    /// Its hash in the list: SHA-256 over `0x03` and its fields.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Sha256::new().chain_update([HEAD_PREFIX]).chain_update(self.encode()).finalize().into()
    }
}

/// A close as its event states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The business date that was closed, as `2026-03-01`.
    pub business_date: String,
    /// The leaves it covers: entries with a `seq` below it.
    pub size: u64,
    /// The accounts in the list.
    pub accounts: u64,
    /// The root of the list.
    pub root: Hash,
}

impl Close {
    /// The public body of the event.
    #[must_use]
    pub fn body(&self) -> Value {
        let Self { business_date, size, accounts, root } = self;
        json!({ "business_date": business_date, "size": size, "accounts": accounts, "root": hex(root) })
    }

    /// The close that [`Self::body`] wrote; nothing for another text.
    #[must_use]
    pub fn parse(body: &str) -> Option<Self> {
        let body: Value = serde_json::from_str(body).ok()?;
        let close = Self {
            business_date: body.get("business_date")?.as_str()?.to_owned(),
            size: body.get("size")?.as_u64()?,
            accounts: body.get("accounts")?.as_u64()?,
            root: from_hex(body.get("root")?.as_str()?)?.try_into().ok()?,
        };
        (is_date(&close.business_date) && (close.accounts > 0 || close.root == empty_root())).then_some(close)
    }
}

/// Ten characters in the form of a date, so that texts compare as dates do.
fn is_date(text: &str) -> bool {
    text.len() == 10 && text.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() })
}

/// Why heads are no list, or prove nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadsError {
    /// The heads are not sorted by account, or one stands twice.
    Unsorted {
        /// The account that stands wrongly.
        account: i64,
    },
    /// The account has no entry in the list.
    NoEntry {
        /// The account.
        account: i64,
    },
    /// The account has an entry in the list.
    HasEntry {
        /// The account.
        account: i64,
        /// `seq` of its last entry.
        seq: i64,
    },
    /// A head is not at its place in the list that the close committed to.
    NotInList {
        /// The account of the head.
        account: i64,
    },
    /// The heads shown are not those that would stand beside the account.
    NotNeighbours {
        /// The account.
        account: i64,
    },
    /// A head of a leaf that the close does not cover.
    Beyond {
        /// `seq` of the head.
        seq: i64,
    },
}

impl fmt::Display for HeadsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsorted { account } => write!(f, "account {account} stands out of order or twice: sort the heads by account"),
            Self::NoEntry { account } => {
                write!(f, "account {account} has no entry up to this close: ask for the proof that it is absent")
            }
            Self::HasEntry { account, seq } => {
                write!(f, "account {account} is not absent: its last entry is {seq}; ask for the proof of that")
            }
            Self::NotInList { account } => write!(
                f,
                "the head of account {account} is not in the list of this close: it is stale or changed; ask for a proof of this close"
            ),
            Self::NotNeighbours { account } => {
                write!(f, "the heads shown do not stand beside account {account}: they do not prove that it is absent")
            }
            Self::Beyond { seq } => write!(f, "entry {seq} is not among the leaves this close covers: the head is wrong"),
        }
    }
}

impl Error for HeadsError {}

/// A head and its place in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The head.
    pub head: Head,
    /// Its number in the list, from 0.
    pub index: u64,
    /// The inclusion proof of RFC 6962.
    pub hashes: Vec<Hash>,
}

impl Placed {
    fn check(&self, close: &Close) -> Result<(), HeadsError> {
        let Self { head, index, hashes } = self;
        if !verify_inclusion(&head.hash(), *index, close.accounts, hashes, &close.root) {
            return Err(HeadsError::NotInList { account: head.account });
        }
        if u64::try_from(head.seq).is_ok_and(|seq| seq < close.size) {
            return Ok(());
        }
        Err(HeadsError::Beyond { seq: head.seq })
    }
}

/// Checks that `placed` is the head of `account` in the list of the close, and so its last entry.
///
/// # Errors
/// When it is the head of another account, or not in this list: a stale one, for instance.
pub fn verify_last(close: &Close, account: i64, placed: &Placed) -> Result<Head, HeadsError> {
    if placed.head.account != account {
        return Err(HeadsError::NoEntry { account });
    }
    placed.check(close)?;
    Ok(placed.head)
}

/// Checks that `account` is not in the list of the close: `beside` holds the heads that would stand
/// before and after it, or one of them at an end of the list, or none when the list is empty.
///
/// # Errors
/// When the account is in the list, or the heads leave room for it.
pub fn verify_absent(close: &Close, account: i64, beside: &[Placed]) -> Result<(), HeadsError> {
    for placed in beside {
        placed.check(close)?;
        if placed.head.account == account {
            return Err(HeadsError::HasEntry { account, seq: placed.head.seq });
        }
    }
    let neighbours = match beside {
        [] => close.accounts == 0,
        [one] if one.head.account > account => one.index == 0,
        [one] => one.index + 1 == close.accounts,
        [before, after] => {
            after.index.checked_sub(1) == Some(before.index) && before.head.account < account && account < after.head.account
        }
        _ => false,
    };
    if neighbours { Ok(()) } else { Err(HeadsError::NotNeighbours { account }) }
}

/// The list of a close, from which proofs are made.
#[derive(Debug, Clone, Default)]
pub struct Heads {
    heads: Vec<Head>,
    /// The roots of its perfect subtrees, the heads' own hashes first.
    rows: Vec<Vec<Hash>>,
}

impl Heads {
    /// The list of heads that are sorted by account.
    ///
    /// # Errors
    /// When they are not.
    pub fn new(heads: Vec<Head>) -> Result<Self, HeadsError> {
        if let Some(pair) = heads.windows(2).find(|pair| pair[0].account >= pair[1].account) {
            return Err(HeadsError::Unsorted { account: pair[1].account });
        }
        let mut rows = vec![heads.iter().map(Head::hash).collect::<Vec<_>>()];
        while let Some(row) = rows.last().filter(|row| row.len() > 1) {
            let (pairs, _) = row.as_chunks::<2>();
            rows.push(pairs.iter().map(|[left, right]| node(left, right)).collect());
        }
        Ok(Self { heads, rows })
    }

    /// What an event commits to.
    #[must_use]
    pub fn close(&self, business_date: &str, size: u64) -> Close {
        let mut frontier = crate::tree::Frontier::new();
        self.rows.iter().take(1).flatten().for_each(|hash| frontier.push(*hash));
        let accounts = self.heads.len() as u64;
        Close { business_date: business_date.to_owned(), size, accounts, root: frontier.root() }
    }

    /// The accounts in the list, in order.
    pub fn accounts(&self) -> impl Iterator<Item = i64> {
        self.heads.iter().map(|h| h.account)
    }

    /// The proof of an account's last entry.
    ///
    /// # Errors
    /// When the account has none.
    pub fn prove_last(&self, account: i64) -> Result<Placed, HeadsError> {
        let index = self.heads.binary_search_by_key(&account, |h| h.account);
        let index = index.map_err(|_| HeadsError::NoEntry { account })?;
        self.placed(index).ok_or(HeadsError::NoEntry { account })
    }

    /// The proof that an account has no entry: at most two heads.
    ///
    /// # Errors
    /// When it has one.
    pub fn prove_absent(&self, account: i64) -> Result<Vec<Placed>, HeadsError> {
        match self.heads.binary_search_by_key(&account, |h| h.account) {
            Ok(index) => Err(HeadsError::HasEntry { account, seq: self.heads[index].seq }),
            Err(index) => {
                let before = index.checked_sub(1).and_then(|i| self.placed(i));
                Ok(before.into_iter().chain(self.placed(index)).collect())
            }
        }
    }

    fn placed(&self, index: usize) -> Option<Placed> {
        let head = *self.heads.get(index)?;
        let read = |level: u32, at: u64| self.rows.get(level as usize).and_then(|row| row.get(at as usize)).copied().ok_or(());
        let hashes = inclusion_proof(index as u64, self.heads.len() as u64, read).ok()?;
        Some(Placed { head, index: index as u64, hashes })
    }
}
