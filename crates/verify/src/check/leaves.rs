//! The walk over all leaves, a tile at a time.

use crate::checkpoint::Checkpoint;
use crate::decode::{Leaf, decode};
use crate::export::Opening;
use crate::generation::{self, Recovery};
use crate::heads::{Close, KIND};
use crate::leaf::{self, Hash, commitment};
use crate::tile::{WIDTH, path};

use super::accounts::Accounts;
use super::remembered::Remembered;
use super::tree::Grown;
use super::{Level, Report, Source, hashes_of};

/// Private parts of an entry and of an event.
const ENTRY_PARTS: usize = 5;
const EVENT_PARTS: usize = 1;

/// What a log is held against.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The checkpoint of the log at hand.
    pub newest: &'a Checkpoint,
    /// Those remembered from earlier.
    pub remembered: &'a [Checkpoint],
    /// Whether the caller knows that leaves were lost before the log went on under its present name.
    pub loss_known: bool,
}

/// Checks a whole log: L2, L3, L5, and of L0 that every remembered checkpoint was one of its states.
/// `progress` is told the number of leaves done, a tile at a time.
///
/// # Errors
/// When the source cannot be read.
pub fn check<S: Source>(
    source: &mut S,
    scope: Scope<'_>,
    report: &mut Report,
    mut progress: impl FnMut(u64),
) -> Result<(), S::Error> {
    let size = scope.newest.size;
    let mut remembered = Remembered::new(scope, report);
    let mut walk =
        Walk { origin: scope.newest.origin.clone(), grown: Grown::default(), accounts: Accounts::default(), time: i64::MIN };
    remembered.at(0, "", &walk.grown, report);
    let mut next = 0;
    while next < size {
        let first = next;
        let end = size.min(first.saturating_add(WIDTH as u64));
        let hashes = walk.tile(source, first, end, report)?;
        let leaves = placed(source.leaves(first, end)?, first, end, report);
        let openings = source.openings(first, end)?;
        for (seq, leaf) in (first..end).zip(&leaves) {
            let hash = leaf.as_ref().map(|bytes| leaf::hash(bytes));
            let tile = hashes.as_ref().and_then(|h| h.get((seq - first) as usize)).copied();
            walk.grown.push(seq, hash, tile);
            if let Some(recovery) = leaf.as_ref().and_then(|bytes| walk.named(seq, bytes, &scope.newest.origin)) {
                remembered.recovered(seq, recovery);
            }
            remembered.at(seq + 1, &walk.origin, &walk.grown, report);
            match (leaf, hash) {
                (Some(bytes), Some(hash)) => walk.leaf(seq, bytes, hash, &openings, report),
                _ => report.add_one_of_many(Level::L2, "leaf_missing", seq, "the leaf is missing"),
            }
        }
        walk.grown.compare_full(source, report)?;
        let nothing = hashes.is_none() && leaves.iter().all(Option::is_none);
        next = if nothing { walk.passed_over(source, (end, size), report)? } else { end };
        progress(next);
    }
    for (seq, what) in source.beyond(size)? {
        let text = format!("{what}, beyond the {size} leaves that the checkpoint covers: nobody signed it");
        report.add_one_of_many(Level::L2, "leaf_beyond", seq, text);
    }
    if walk.origin != scope.newest.origin {
        let text = format!("the leaves are of the log {}, the checkpoint of {}", walk.origin, scope.newest.origin);
        report.add(Level::L3, "origin_differs", None, text);
    }
    remembered.finish(report);
    walk.grown.compare_edge(source, report)?;
    walk.grown.blame(scope.newest, report);
    Ok(())
}

/// The leaves at their places.
fn placed(rows: Vec<(u64, Vec<u8>)>, first: u64, end: u64, report: &mut Report) -> Vec<Option<Vec<u8>>> {
    let mut leaves = vec![None; (end - first) as usize];
    for (seq, bytes) in rows {
        let place = seq.checked_sub(first).and_then(|i| leaves.get_mut(i as usize));
        match place {
            Some(place @ None) => *place = Some(bytes),
            Some(Some(_)) => report.add(Level::L2, "leaf_twice", seq, "the leaf is there twice"),
            None => report.add(Level::L2, "leaf_misplaced", seq, format!("the leaf stands among {first} to {}", end - 1)),
        }
    }
    leaves
}

struct Walk {
    /// The name in the leaves at this point.
    origin: String,
    grown: Grown,
    accounts: Accounts,
    time: i64,
}

impl Walk {
    /// Takes the name that the first leaf has, if the log went on from it, and the one that a recovery gives;
    /// answers the recovery.
    fn named(&mut self, seq: u64, bytes: &[u8], newest: &str) -> Option<Recovery> {
        let Ok(Leaf::Event(origin, event)) = decode(bytes) else { return None };
        if seq == 0 && generation::precedes(origin, newest) {
            self.origin = origin.to_owned();
        }
        let recovery = (event.kind == generation::KIND).then(|| Recovery::parse(event.body)).flatten()?;
        let follows = recovery.previous == self.origin && recovery.origin == origin && generation::precedes(&self.origin, origin);
        follows.then(|| {
            self.origin = recovery.origin.clone();
            recovery
        })
    }

    /// Where neither leaves nor their tile are there: passes over what is not there either; answers where to go on.
    fn passed_over<S: Source>(&mut self, source: &mut S, (at, size): (u64, u64), report: &mut Report) -> Result<u64, S::Error> {
        let next = source.next_from(at)?.unwrap_or(size).min(size);
        if next > at {
            self.grown.cut();
            let text = format!("the leaves {at} to {} are missing, with the files that would hold them", next - 1);
            report.add(Level::L2, "leaf_missing", at, text);
        }
        Ok(next)
    }

    /// The hashes of the tile of level 0 that begins with this leaf.
    fn tile<S: Source>(&self, source: &mut S, first: u64, end: u64, report: &mut Report) -> Result<Option<Vec<Hash>>, S::Error> {
        let (index, width) = (first / WIDTH as u64, (end - first) as u16);
        report.note(Level::L2, 1);
        let path = path(0, index, width);
        let Some(data) = source.tile(0, index, width)? else {
            report.add(Level::L2, "tile_missing", first, format!("{path} is missing"));
            return Ok(None);
        };
        let hashes = hashes_of(&data, usize::from(width)).map(<[Hash]>::to_vec);
        if hashes.is_none() {
            report.add(Level::L2, "tile_changed", first, format!("{path} does not have {width} hashes"));
        }
        Ok(hashes)
    }

    fn leaf(&mut self, seq: u64, bytes: &[u8], hash: Hash, openings: &[Opening], report: &mut Report) {
        report.leaves += 1;
        report.note(Level::L2, 1);
        report.note(Level::L3, 1);
        let leaf = match decode(bytes) {
            Ok(leaf) => leaf,
            Err(e) => return report.add(Level::L3, "leaf_unreadable", seq, e.to_string()),
        };
        if leaf.origin() != self.origin {
            report.add(Level::L3, "origin_differs", seq, format!("the leaf is of the log {}", leaf.origin()));
        }
        if u64::try_from(leaf.seq()) != Ok(seq) {
            report.add(Level::L3, "seq_differs", seq, format!("the leaf says it is number {}", leaf.seq()));
        }
        if leaf.recorded_at() < self.time {
            report.add(Level::L3, "time_backwards", seq, "the leaf was recorded before the one ahead of it");
        }
        self.time = self.time.max(leaf.recorded_at());
        let wrong = match &leaf {
            Leaf::Entry(_, entry) => {
                report.entries += 1;
                self.accounts.entry(entry, hash)
            }
            Leaf::Event(_, event) if event.kind == KIND => match Close::parse(event.body) {
                Some(close) => self.accounts.close(event.seq, &close),
                None => vec![("close_wrong", "its body is not that of a close".to_owned())],
            },
            Leaf::Event(_, event) => {
                self.accounts.event(event);
                let misplaced = (seq == 0) != (event.kind == "log.created");
                misplaced.then(|| ("creation_misplaced", format!("{} at {seq}", event.kind))).into_iter().collect()
            }
        };
        wrong.into_iter().for_each(|(kind, detail)| report.add(Level::L3, kind, seq, detail));
        opened(seq, &leaf, openings, report);
    }
}

/// L5: what was committed to, as far as it was handed over.
fn opened(seq: u64, leaf: &Leaf<'_>, openings: &[Opening], report: &mut Report) {
    let mut mine = openings.iter().filter(|o| o.seq == seq).peekable();
    let expected = if matches!(leaf, Leaf::Entry(..)) { ENTRY_PARTS } else { EVENT_PARTS };
    if leaf.blind().len() == 32 && mine.peek().is_none() {
        report.unopened += 1;
    }
    for opening in mine {
        report.note(Level::L5, 1);
        let parts: Vec<Option<&str>> = opening.parts.iter().map(Option::as_deref).collect();
        let right = parts.len() == expected && commitment(&opening.salt, &parts).is_ok_and(|c| c[..] == *leaf.blind());
        if !right {
            report.add(Level::L5, "private_changed", seq, "the private parts are not those the leaf was committed to");
        }
    }
}
