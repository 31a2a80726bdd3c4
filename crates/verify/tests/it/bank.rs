//! A small log as a bank would have it, in memory, to be checked and spoilt.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

use counterfoil_verify::check::{Report, Scope, Source, check, open_notes};
use counterfoil_verify::export::{self, Opening};
use counterfoil_verify::generation;
use counterfoil_verify::heads::{Head, Heads, KIND};
use counterfoil_verify::leaf::{self, commitment, jump_position};
use counterfoil_verify::tile::path;
use counterfoil_verify::{Checkpoint, EntryLeaf, EventLeaf, FullTile, Hash, Note, Policy, SignerKey, Tiles};

pub const ORIGIN: &str = "bank.example/trail/test";
const ACCOUNTS: i64 = 7;

/// The SHA-256 of `{}`, a report that an event of every long log names.
const REPORT_SHA256: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

pub fn key(seed: u8) -> SignerKey {
    SignerKey::from_seed(ORIGIN, [seed; 32]).unwrap()
}

/// The log and everything an export of it holds.
#[derive(Clone, Default)]
pub struct Log {
    pub leaves: BTreeMap<u64, Vec<u8>>,
    pub tiles: HashMap<String, Vec<u8>>,
    pub openings: BTreeMap<u64, Opening>,
    pub checkpoint: Vec<u8>,
    pub remembered: Vec<(String, Vec<u8>)>,
    pub origin: String,
    /// `seq` of the entries of each account.
    entries: BTreeMap<i64, Vec<i64>>,
}

impl Log {
    /// A log of so many leaves, signed by the key of this seed, with a remembered checkpoint each
    /// 100 leaves and a close of a day each 200.
    pub fn new(size: u64, seed: u8) -> Self {
        Self::of(ORIGIN, size, seed, "")
    }

    /// The same with another name, or with every amount's words changed a little.
    pub fn of(origin: &str, size: u64, seed: u8, twist: &str) -> Self {
        let mut log = Self { origin: origin.to_owned(), ..Self::default() };
        let mut day = 0;
        for seq in 0..size {
            match seq {
                0 => log.event("log.created", "{}", None),
                1 => log.event("ruleset.defined", "{}", None),
                2 => log.event("source.defined", "{}", None),
                3 => log.event("context.defined", "{}", Some(r#"{"ip":"192.0.2.7"}"#)),
                4 => log.event("delivery.defined", "{}", None),
                5..=11 => log.event("account.defined", "{}", Some(r#"{"account":"DE02"}"#)),
                _ if seq % 200 == 199 => {
                    day += 1;
                    log.close(&format!("2026-03-{day:02}"));
                }
                297 => log.event("report.stored", &format!(r#"{{"body_sha256":"{REPORT_SHA256}"}}"#), Some("{}")),
                _ if seq % 9 == 0 => log.event("session.opened", "{}", Some("{}")),
                _ => log.entry(twist),
            }
        }
        log.sealed(seed)
    }

    /// The definitions and then this event.
    pub fn with_event(kind: &str, body: &str, seed: u8) -> Self {
        let mut log = Self::new(12, seed);
        log.remembered.clear();
        log.tiles.clear();
        log.event(kind, body, None);
        log.sealed(seed)
    }

    /// Makes tiles and checkpoints over the leaves.
    fn sealed(mut self, seed: u8) -> Self {
        let log = &mut self;
        let size = log.leaves.len() as u64;
        let origin = log.origin.clone();
        let sign = |size, root| Checkpoint::new(&origin, size, root).sign(&[&key(seed)]).unwrap().to_string().into_bytes();
        let mut tree = Tiles::new();
        for (seq, leaf) in &log.leaves {
            let mut full = Vec::new();
            tree.push(leaf::hash(leaf), &mut full);
            log.tiles.extend(full.into_iter().map(|FullTile { level, index, data }| (path(level, index, 256), data)));
            if seq % 100 == 99 {
                log.remembered.push((format!("after {seq}"), sign(seq + 1, tree.root())));
            }
        }
        for level in 0..7 {
            let hashes = tree.partial(level);
            let index = size >> (8 * (u32::from(level) + 1));
            if !hashes.is_empty() {
                log.tiles.insert(path(level, index, hashes.len() as u16), hashes.as_flattened().to_vec());
            }
        }
        log.checkpoint = sign(size, tree.root());
        self
    }

    fn next(&self) -> i64 {
        self.leaves.len() as i64
    }

    fn blind(&mut self, parts: Option<Vec<Option<String>>>) -> Vec<u8> {
        let seq = self.leaves.len() as u64;
        let Some(parts) = parts else { return vec![seq as u8; 16] };
        let opening = Opening { seq, salt: [seq as u8; 32], parts };
        let parts: Vec<_> = opening.parts.iter().map(Option::as_deref).collect();
        let blind = commitment(&opening.salt, &parts).unwrap().to_vec();
        self.openings.insert(seq, opening);
        blind
    }

    fn event(&mut self, kind: &str, body: &str, private: Option<&str>) {
        let blind = self.blind(private.map(|p| vec![Some(p.to_owned())]));
        let leaf = EventLeaf { seq: self.next(), recorded_at: self.next() * 1_000, kind, body, blind: &blind };
        self.append(|out, origin| leaf.encode(origin, out).unwrap());
    }

    fn append(&mut self, encode: impl FnOnce(&mut Vec<u8>, &str)) {
        let mut out = Vec::new();
        encode(&mut out, &self.origin);
        self.leaves.insert(self.leaves.len() as u64, out);
    }

    fn entry(&mut self, twist: &str) {
        let seq = self.next();
        let account = 5 + seq % ACCOUNTS;
        let earlier = self.entries.entry(account).or_default();
        let position = earlier.len() as i64 + 1;
        let (prev, jump) = (earlier.last().copied(), jump_position(position).map(|p| earlier[p as usize - 1]));
        earlier.push(seq);
        let parts = seq % 2 == 0;
        let blind = self.blind(parts.then(|| vec![None, Some(format!("Zoë {seq}")), None, None, None]));
        let reference = format!("core-{seq}{twist}");
        let leaf = EntryLeaf {
            seq,
            recorded_at: seq * 1_000,
            source: 2,
            source_ref: &reference,
            account,
            position,
            prev,
            jump,
            kind: 1,
            direction: 1,
            amount: 100,
            currency: "EUR",
            balance_before: Some(100 * (position - 1)),
            balance_after: (seq % 5 > 0).then_some(100 * position),
            booked_at: seq * 1_000,
            value_date: None,
            business_date: 20_000,
            flags: 0,
            transaction_ref: None,
            account_seq: None,
            context: 3,
            delivery: 4,
            channel: None,
            instrument: Some(1),
            status: 1,
            reverses: None,
            rules: 1,
            outcomes: None,
            blind: &blind,
        };
        self.append(|out, origin| leaf.encode(origin, out).unwrap());
    }

    /// The account heads below a size.
    pub fn heads(&self, size: u64) -> Heads {
        use counterfoil_verify::decode::{Leaf, decode};
        let head = |account: &i64, seq: &i64| {
            let leaf = &self.leaves[&(*seq as u64)];
            let Ok(Leaf::Entry(_, entry)) = decode(leaf) else { panic!("no entry at {seq}") };
            let (position, balance_after) = (entry.position, entry.balance_after);
            Head { account: *account, seq: *seq, position, balance_after, leaf: leaf::hash(leaf) }
        };
        let last = |seqs: &Vec<i64>| seqs.iter().rev().find(|s| **s < size as i64).copied();
        Heads::new(self.entries.iter().filter_map(|(a, seqs)| Some(head(a, &last(seqs)?))).collect()).unwrap()
    }

    /// A close that covers all but the last five leaves.
    fn close(&mut self, date: &str) {
        let size = self.leaves.len() as u64 - 5;
        let body = self.heads(size).close(date, size).body().to_string();
        self.event(KIND, &body, None);
    }

    /// Makes a leaf again with something changed, and nothing else.
    pub fn change(&mut self, seq: u64, byte: usize) {
        self.leaves.get_mut(&seq).unwrap()[byte] ^= 1;
    }

    /// The findings of a check with the key of this seed: level, kind and place.
    pub fn findings(&mut self, seed: u8) -> Vec<(String, &'static str, Option<u64>)> {
        let report = self.report(&Policy::of_keys(vec![key(seed).verifier()]));
        report.findings.into_iter().map(|f| (f.level.name().to_owned(), f.kind, f.seq)).collect()
    }

    pub fn report(&mut self, policy: &Policy) -> Report {
        let mut report = Report::default();
        let opened = open_notes(policy, None, &self.checkpoint.clone(), &self.remembered.clone(), &mut report);
        if let Some(opened) = opened {
            let scope =
                Scope { newest: &opened.newest.checkpoint, remembered: &opened.remembered, loss_known: opened.loss_known };
            let Ok(()) = check(self, scope, &mut report, |_| ());
        }
        report
    }

    /// The newest checkpoint, unchecked.
    pub fn newest(&self) -> Checkpoint {
        Checkpoint::parse(Note::parse(&self.checkpoint).unwrap().unverified_text()).unwrap()
    }

    pub fn root(&self) -> Hash {
        self.newest().root
    }
}

impl Source for Log {
    type Error = Infallible;

    fn leaves(&mut self, first: u64, end: u64) -> Result<Vec<(u64, Vec<u8>)>, Infallible> {
        Ok(self.leaves.range(first..end).map(|(seq, leaf)| (*seq, leaf.clone())).collect())
    }

    fn openings(&mut self, first: u64, end: u64) -> Result<Vec<Opening>, Infallible> {
        Ok(self.openings.range(first..end).map(|(_, opening)| opening.clone()).collect())
    }

    fn tile(&mut self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.tiles.get(&path(level, index, width)).cloned())
    }
}

/// Writes the files of an export, as `counterfoil log export` does, and the same as one bundle.
impl Log {
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files: BTreeMap<String, Vec<u8>> = self.tiles.clone().into_iter().collect();
        files.insert(export::CHECKPOINT.into(), self.checkpoint.clone());
        files.insert("README.txt".into(), export::readme(&self.origin, self.leaves.len() as u64, true).into());
        for (_, note) in &self.remembered {
            let checkpoint = Checkpoint::parse(Note::parse(note).unwrap().unverified_text()).unwrap();
            files.insert(export::remembered_path(checkpoint.size, &checkpoint.root), note.clone());
        }
        for (seq, leaf) in &self.leaves {
            files.entry(export::leaves_path(*seq)).or_default().extend(export::leaf_line(*seq, leaf).bytes());
        }
        for (seq, opening) in &self.openings {
            files.entry(export::private_path(*seq)).or_default().extend(export::opening_line(opening).bytes());
        }
        files
    }

    pub fn bundle(&self) -> String {
        let lines = self.files().into_iter().map(|(path, content)| export::bundle_line(&path, &content));
        export::bundle_header() + &lines.collect::<String>()
    }
}

/// The key of the log as it goes on after a loss.
pub fn next_key(seed: u8) -> SignerKey {
    SignerKey::from_seed(&generation::next(ORIGIN), [seed + 100; 32]).unwrap()
}

impl Log {
    /// A log that had so many leaves when it went on under a new name, with this body; its newest
    /// checkpoint is signed by [`next_key`], earlier ones by the key of the same seed.
    pub fn recovered(kept: u64, body: &str, size: u64, seed: u8) -> Self {
        let mut log = Self::new(kept, seed);
        let before = std::mem::take(&mut log.remembered);
        log.tiles.clear();
        log.origin = generation::next(ORIGIN);
        log.event(generation::KIND, body, None);
        (kept + 1..size).for_each(|_| log.entry(""));
        let origin = std::mem::replace(&mut log.origin, ORIGIN.to_owned());
        let mut log = log.sealed(seed);
        let root = log.root();
        log.checkpoint = Checkpoint::new(&origin, size, root).sign(&[&next_key(seed)]).unwrap().to_string().into_bytes();
        log.origin = origin;
        log.remembered = before;
        log
    }
}
