//! A proof about one account at one close that travels alone, and the order of closes in a log.
//!
//! ```text
//! counterfoil-heads-proof@v1
//! last 17                         or: absent 17
//! head 3 <base64 of the head>     the account's, or those beside it
//! <hash in base64>                its way up the list, one line each
//! event <base64 of the leaf>      the event that committed to the list
//!
//! c2sp.org/tlog-proof@v1          the proof of that event, to its end
//! …
//! ```

use std::error::Error;
use std::fmt;

use crate::checkpoint::{Origin, Signed};
use crate::decode::{Leaf, decode};
use crate::generation;
use crate::heads::{Close, Head, HeadsError, KIND, Placed, verify_absent, verify_last};
use crate::key::VerifierKey;
use crate::leaf;
use crate::text::{base64, decimal, from_base64, hash_from_base64};
use crate::tlog_proof::{MAX_HASHES, ProofError, TlogProof};

/// The first line.
pub const HEADER: &str = "counterfoil-heads-proof@v1";

/// What is said about the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The head shown is its last entry.
    Last,
    /// It has no entry.
    Absent,
}

/// Why a proof about an account proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadsProofError {
    /// It has not the form of such a proof: what is wrong.
    Form(&'static str),
    /// Its event is not proven to be in the log.
    Proof(ProofError),
    /// Its event does not commit to a list of heads at its place in this log.
    NoClose,
    /// The list does not say what is claimed.
    Heads(HeadsError),
    /// The log committed to two lists for one day.
    TwoCloses {
        /// The day.
        business_date: String,
        /// `seq` of the one event.
        first: i64,
        /// `seq` of the other.
        second: i64,
    },
    /// A later close covers less, or is of an earlier day.
    Backwards {
        /// `seq` of the earlier event.
        first: i64,
        /// `seq` of the later one.
        second: i64,
    },
}

impl fmt::Display for HeadsProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(what) => write!(f, "this is no proof about an account: {what}; take the file as it was handed out"),
            Self::Proof(e) => e.fmt(f),
            Self::NoClose => f.write_str("its event commits to no list of account heads at its place: ask for a new proof"),
            Self::Heads(e) => e.fmt(f),
            Self::TwoCloses { business_date, first, second } => write!(
                f,
                "the log closed {business_date} twice, in events {first} and {second}: neither can be relied on; ask the bank why"
            ),
            Self::Backwards { first, second } => {
                write!(f, "the close in event {second} covers less than the one before it, in event {first}: ask the bank why")
            }
        }
    }
}

impl Error for HeadsProofError {}

impl From<ProofError> for HeadsProofError {
    fn from(e: ProofError) -> Self {
        Self::Proof(e)
    }
}

impl From<HeadsError> for HeadsProofError {
    fn from(e: HeadsError) -> Self {
        Self::Heads(e)
    }
}

/// A proof about an account, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadsProof {
    /// What it says.
    pub claim: Claim,
    /// `seq` of the event that defined the account.
    pub account: i64,
    /// The account's head, or the heads beside it.
    pub heads: Vec<Placed>,
    /// The bytes of the event's leaf.
    pub event: Vec<u8>,
    /// That the event is in the log.
    pub proof: TlogProof,
}

/// What a proof about an account has proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The close.
    pub close: Close,
    /// `seq` of its event.
    pub event: i64,
    /// The account's last entry, or none.
    pub head: Option<Head>,
    /// The checkpoint that vouches for the event.
    pub signed: Signed,
}

impl HeadsProof {
    /// Checks the proof. `known` are closes the caller knows of, in the order of the log: the one
    /// of the proof must agree with them.
    ///
    /// # Errors
    /// When it proves nothing, or when the log closed a day twice.
    pub fn verify(&self, trusted: &[VerifierKey], origin: Origin<'_>, known: &[(i64, Close)]) -> Result<Proven, HeadsProofError> {
        let signed = self.proof.verify(&leaf::hash(&self.event), trusted, origin)?;
        let (event, close) = close_of(&self.event, &signed.checkpoint.origin).ok_or(HeadsProofError::NoClose)?;
        if u64::try_from(event) != Ok(self.proof.index) || close.size > self.proof.index {
            return Err(HeadsProofError::NoClose);
        }
        let mut closes = Closes::default();
        let mut all: Vec<_> = known.iter().filter(|(seq, _)| *seq != event).cloned().collect();
        all.push((event, close.clone()));
        all.sort_by_key(|(seq, _)| *seq);
        all.into_iter().try_for_each(|(seq, close)| closes.add(seq, close))?;
        let head = match (self.claim, self.heads.as_slice()) {
            (Claim::Last, [placed]) => Some(verify_last(&close, self.account, placed)?),
            (Claim::Last, _) => return Err(HeadsError::NoEntry { account: self.account }.into()),
            (Claim::Absent, heads) => {
                verify_absent(&close, self.account, heads)?;
                None
            }
        };
        Ok(Proven { close, event, head, signed })
    }

    /// Reads a proof; this checks its form only.
    ///
    /// # Errors
    /// When it has not that form.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, HeadsProofError> {
        let form = HeadsProofError::Form;
        let text = std::str::from_utf8(bytes.as_ref()).map_err(|_| form("it is not UTF-8 text"))?;
        let (top, proof) = text.split_once("\n\n").ok_or(form("it has no empty line before the proof of its event"))?;
        let mut lines = top.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(form("its first line is not `counterfoil-heads-proof@v1`"));
        }
        let (claim, account) = lines.next().and_then(claim).ok_or(form("its second line is neither `last` nor `absent`"))?;
        let (mut heads, mut event) = (Vec::<Placed>::new(), None);
        for line in lines {
            if event.is_some() || heads.len() > 2 {
                return Err(form("it has lines too many"));
            } else if let Some(rest) = line.strip_prefix("head ") {
                heads.push(placed(rest).ok_or(form("a head cannot be read"))?);
            } else if let Some(rest) = line.strip_prefix("event ") {
                event = Some(from_base64(rest).ok_or(form("its event is not base64"))?);
            } else {
                let hashes = &mut heads.last_mut().ok_or(form("a hash stands before any head"))?.hashes;
                hashes.push(hash_from_base64(line).filter(|_| hashes.len() < MAX_HASHES).ok_or(form("a hash cannot be read"))?);
            }
        }
        let event = event.ok_or(form("its event is missing"))?;
        Ok(Self { claim, account, heads, event, proof: TlogProof::parse(proof)? })
    }
}

impl fmt::Display for HeadsProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claim = match self.claim {
            Claim::Last => "last",
            Claim::Absent => "absent",
        };
        writeln!(f, "{HEADER}\n{claim} {}", self.account)?;
        for Placed { head, index, hashes } in &self.heads {
            writeln!(f, "head {index} {}", base64(&head.encode()))?;
            hashes.iter().try_for_each(|hash| writeln!(f, "{}", base64(hash)))?;
        }
        write!(f, "event {}\n\n{}", base64(&self.event), self.proof)
    }
}

fn claim(line: &str) -> Option<(Claim, i64)> {
    let (word, account) = line.split_once(' ')?;
    let claim = match word {
        "last" => Claim::Last,
        "absent" => Claim::Absent,
        _ => return None,
    };
    Some((claim, i64::try_from(decimal(account)?).ok()?))
}

fn placed(text: &str) -> Option<Placed> {
    let (index, head) = text.split_once(' ')?;
    let head = Head::decode(&from_base64(head)?)?;
    Some(Placed { head, index: decimal(index)?, hashes: Vec::new() })
}

/// The close that the leaf of an event of this log commits to, and the event's `seq`.
#[must_use]
pub fn close_of(leaf: &[u8], origin: &str) -> Option<(i64, Close)> {
    match decode(leaf).ok()? {
        Leaf::Event(of, event) if (of == origin || generation::precedes(of, origin)) && event.kind == KIND => {
            Some((event.seq, Close::parse(event.body)?))
        }
        _ => None,
    }
}

/// The closes of a log, which go forwards and close each day once.
#[derive(Debug, Clone, Default)]
pub struct Closes {
    last: Option<(i64, Close)>,
}

impl Closes {
    /// Takes the next close in the order of the log.
    ///
    /// # Errors
    /// When its day was closed before, or it covers less than the one before it.
    pub fn add(&mut self, event: i64, close: Close) -> Result<(), HeadsProofError> {
        let wrong = self.last.as_ref().and_then(|(first, last)| {
            let (first, second) = (*first, event);
            if last.business_date == close.business_date {
                Some(HeadsProofError::TwoCloses { business_date: close.business_date.clone(), first, second })
            } else if last.business_date > close.business_date || last.size > close.size || last.accounts > close.accounts {
                Some(HeadsProofError::Backwards { first, second })
            } else {
                None
            }
        });
        self.last = Some((event, close));
        wrong.map_or(Ok(()), Err)
    }
}
