//! The walk over an archive: the events before the range, the leaves of the range, and with each what
//! was opened of it and the rows it gives.

use std::collections::HashMap;

use crate::check::{Level, Report};
use crate::checkpoint::Checkpoint;
use crate::decode::{Leaf, decode};
use crate::export::{leaves_path, parse_leaf, private_path};
use crate::generation::{self, Recovery};
use crate::leaf::{self, Hash};

use super::definitions::Definitions;
use super::lines::{Lines, Place};
use super::manifest::Manifest;
use super::rows::{Row, rows_of};
use super::tables::Tables;
use super::tiles::{Hashes, TileLevels};
use super::trees::Trees;
use super::{DEFINITIONS, PRIVATE_DEFINITIONS, PROOF, Store, values_path};

/// What was counted on the way.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub entries: u64,
    pub events: u64,
    pub definitions: u64,
    pub openings: u64,
    pub values: u64,
    pub unopened: u64,
    pub values_missing: u64,
}

pub(super) struct Walk<'a, 's> {
    pub store: &'s dyn Store,
    pub manifest: &'a Manifest,
    pub newest: &'a Checkpoint,
    pub kept: &'a [Checkpoint],
    pub report: &'a mut Report,
    pub each: &'a mut dyn FnMut(&Row) -> Result<(), String>,
    pub counted: Counted,
    definitions: Definitions,
    trees: Trees,
    compared: usize,
    /// The name in the leaves at this point.
    origin: Option<String>,
    time: i64,
    /// Of each account in the range its newest entry: position and number.
    accounts: HashMap<i64, (i64, i64)>,
}

/// What goes with the leaves: openings and values.
struct Beside<'s> {
    openings: Lines<'s>,
    values: Lines<'s>,
}

impl<'a, 's> Walk<'a, 's> {
    pub(super) fn new(
        store: &'s dyn Store,
        (manifest, newest, kept): (&'a Manifest, &'a Checkpoint, &'a [Checkpoint]),
        report: &'a mut Report,
        each: &'a mut dyn FnMut(&Row) -> Result<(), String>,
    ) -> Self {
        Self {
            store,
            manifest,
            newest,
            kept,
            report,
            each,
            counted: Counted::default(),
            definitions: Definitions::default(),
            trees: Trees::default(),
            compared: 0,
            origin: None,
            time: i64::MIN,
            accounts: HashMap::new(),
        }
    }

    pub(super) fn run(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), String> {
        let mut proof = Hashes::open(self.store, PROOF.to_owned())?;
        self.earlier(&mut proof)?;
        self.trees.fill(self.manifest.from, &mut proof)?;
        self.range(progress)?;
        self.compare_kept();
        self.trees.fill(self.newest.size, &mut proof)?;
        self.compare_kept();
        if self.trees.is_cut() || !proof.is_over()? {
            let text = "proof: it does not have the hashes that belong to these leaves: some were cut, added or shifted";
            self.report.add(Level::L2, "proof_differs", None, text);
        }
        self.finish();
        Ok(())
    }

    /// The events before the range that it refers to.
    fn earlier(&mut self, proof: &mut Hashes) -> Result<(), String> {
        let mut lines = Lines::new(self.store, vec![DEFINITIONS.to_owned()]);
        let mut openings = Lines::new(self.store, vec![PRIVATE_DEFINITIONS.to_owned()]);
        while let Some((place, text)) = lines.next()? {
            let parsed = parse_leaf(&text).filter(|(seq, _)| *seq >= self.trees.size() && *seq < self.manifest.from);
            let Some((seq, bytes)) = parsed else {
                self.line("line_unreadable", &place, "it holds no leaf that belongs there");
                continue;
            };
            self.trees.fill(seq, proof)?;
            let hash = leaf::hash(&bytes);
            self.trees.push(seq, hash, hash);
            self.counted.definitions += 1;
            self.report.note(Level::L2, 1);
            let leaf = match decode(&bytes) {
                Ok(leaf) => leaf,
                Err(e) => {
                    self.report.add_one_of_many(Level::L3, "leaf_unreadable", seq, format!("{place}: {e}"));
                    continue;
                }
            };
            self.of_this_log(seq, &leaf, &place);
            let opened = self.opened(seq, &leaf, &mut openings)?;
            let private = opened.as_ref().and_then(|parts| parts.first()?.as_deref());
            let defines = match &leaf {
                Leaf::Event(_, event) => self.definitions.take_earlier(event, private),
                Leaf::Entry(..) => false,
            };
            if !defines {
                self.line("definition_unused", &place, "it defines nothing");
            }
        }
        self.left(&mut openings)
    }

    fn range(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), String> {
        let pages: Vec<u64> = self.manifest.pages().collect();
        let list = |path: fn(u64) -> String| pages.iter().map(|page| path(*page)).collect::<Vec<_>>();
        let mut leaves = Lines::new(self.store, list(leaves_path));
        let mut beside =
            Beside { openings: Lines::new(self.store, list(private_path)), values: Lines::new(self.store, list(values_path)) };
        let mut tiles = TileLevels::open(self.store, self.manifest.from, self.manifest.to)?;
        let mut tables = Tables::open(self.store, self.manifest.has("ndjson"));
        for seq in self.manifest.from..self.manifest.to {
            self.compare_kept();
            let (found, tile) = (self.at(seq, &mut leaves)?, tiles.leaf()?);
            if tile.is_none() {
                self.report.add_one_of_many(Level::L2, "tile_missing", seq, "tiles/0: the hash of this leaf is missing");
            }
            let hash = found.as_ref().map(|(_, bytes)| leaf::hash(bytes));
            let (Some(by_leaf), Some(by_tile)) = (hash.or(tile), tile.or(hash)) else {
                self.trees.cut();
                continue;
            };
            self.trees.push(seq, by_leaf, by_tile);
            tiles.grow(0, seq, by_tile, self.report)?;
            if let (Some((place, bytes)), Some(hash)) = (found, hash) {
                for row in self.leaf((seq, &place), &bytes, &hash, &mut beside)? {
                    tables.row(&row, self.report)?;
                    (self.each)(&row)?;
                }
            }
            if (seq + 1) % super::STEP == 0 {
                progress(seq + 1 - self.manifest.from);
            }
        }
        while let Some((place, _)) = leaves.next()? {
            self.line("leaf_misplaced", &place, "it is past the range");
        }
        self.left(&mut beside.openings)?;
        self.left(&mut beside.values)?;
        tiles.finish(self.report)?;
        tables.finish(self.report)
    }

    /// The leaf of this number, if it comes next.
    fn at(&mut self, seq: u64, leaves: &mut Lines<'_>) -> Result<Option<(Place, Vec<u8>)>, String> {
        while let Some((place, text)) = leaves.peek()? {
            let parsed = parse_leaf(text).filter(|(seq, _)| place.path == leaves_path(*seq));
            match parsed {
                Some((at, bytes)) if at == seq => {
                    let place = place.clone();
                    leaves.skip();
                    return Ok(Some((place, bytes)));
                }
                Some((at, _)) if at > seq => break,
                Some((at, _)) => {
                    self.report.add_one_of_many(Level::L2, "leaf_misplaced", at, format!("{place}: leaf {at} was there before"))
                }
                None => self.report.add_one_of_many(
                    Level::L2,
                    "line_unreadable",
                    None,
                    format!("{place}: no leaf that belongs there"),
                ),
            }
            leaves.skip();
        }
        let path = leaves_path(seq);
        self.report.add_one_of_many(Level::L2, "leaf_missing", seq, format!("{path}: leaf {seq} is missing"));
        Ok(None)
    }

    /// Checks a leaf of the range; answers its rows.
    fn leaf(
        &mut self,
        (seq, place): (u64, &Place),
        bytes: &[u8],
        hash: &Hash,
        beside: &mut Beside<'_>,
    ) -> Result<Vec<Row>, String> {
        self.report.leaves += 1;
        self.report.note(Level::L2, 1);
        self.report.note(Level::L3, 1);
        let leaf = match decode(bytes) {
            Ok(leaf) => leaf,
            Err(e) => {
                self.report.add_one_of_many(Level::L3, "leaf_unreadable", seq, format!("{place}: {e}"));
                return Ok(Vec::new());
            }
        };
        self.of_this_log(seq, &leaf, place);
        if leaf.recorded_at() < self.time {
            self.report.add_one_of_many(
                Level::L3,
                "time_backwards",
                seq,
                format!("{place}: it was recorded before the one ahead of it"),
            );
        }
        self.time = self.time.max(leaf.recorded_at());
        let opened = self.opened(seq, &leaf, &mut beside.openings)?;
        let values = self.values(seq, &leaf, &mut beside.values)?;
        match &leaf {
            Leaf::Entry(..) => {
                self.report.entries += 1;
                self.counted.entries += 1;
            }
            Leaf::Event(_, event) => {
                self.counted.events += 1;
                self.definitions.take(event, opened.as_ref().and_then(|parts| parts.first()?.as_deref()));
            }
        }
        for (word, to) in self.definitions.wrong(&leaf) {
            self.report.add_one_of_many(
                Level::L3,
                "reference_wrong",
                seq,
                format!("{place}: {word} {to} is not defined by an earlier event that is here"),
            );
        }
        self.pointers(seq, &leaf, place);
        Ok(rows_of(&leaf, hash, opened.as_deref(), &values, &self.definitions))
    }

    fn of_this_log(&mut self, seq: u64, leaf: &Leaf<'_>, place: &Place) {
        let name = leaf.origin();
        let allowed = name == self.newest.origin || generation::precedes(name, &self.newest.origin);
        let goes_on = match (&self.origin, leaf) {
            (None, _) => true,
            (Some(current), _) if current == name => true,
            // Between two events before the range anything may have happened.
            (Some(current), _) if seq < self.manifest.from || self.report.leaves <= 1 => generation::precedes(current, name),
            (Some(current), Leaf::Event(_, event)) if event.kind == generation::KIND => {
                Recovery::parse(event.body).is_some_and(|r| r.previous == *current && r.origin == name)
            }
            _ => false,
        };
        if !allowed || !goes_on {
            self.report.add_one_of_many(Level::L3, "origin_differs", seq, format!("{place}: the leaf is of the log {name}"));
        }
        self.origin = Some(name.to_owned());
        if u64::try_from(leaf.seq()) != Ok(seq) {
            self.report.add_one_of_many(
                Level::L3,
                "seq_differs",
                seq,
                format!("{place}: the leaf says it is number {}", leaf.seq()),
            );
        }
    }

    /// Positions and `prev` along an account, as far as both ends are in the range.
    fn pointers(&mut self, seq: u64, leaf: &Leaf<'_>, place: &Place) {
        let Leaf::Entry(_, entry) = leaf else { return };
        let before = self.accounts.insert(entry.account, (entry.position, entry.seq));
        let right = match before {
            Some((position, prev)) => entry.position == position + 1 && entry.prev == Some(prev),
            None if entry.position == 1 => entry.prev.is_none(),
            None => entry.prev.is_some_and(|prev| u64::try_from(prev).is_ok_and(|prev| prev < self.manifest.from)),
        };
        if !right {
            let text = format!("{place}: position {} on account {} does not follow", entry.position, entry.account);
            self.report.add_one_of_many(Level::L3, "pointer_wrong", seq, text);
        }
    }

    fn left(&mut self, lines: &mut Lines<'_>) -> Result<(), String> {
        while let Some((place, _)) = lines.next()? {
            self.line("line_unreadable", &place, "it belongs to no leaf there");
        }
        Ok(())
    }

    fn line(&mut self, kind: &'static str, place: &Place, text: &str) {
        self.report.add_one_of_many(Level::L2, kind, None, format!("{place}: {text}"));
    }

    /// Checkpoints kept from earlier that are of the present size.
    fn compare_kept(&mut self) {
        let size = self.trees.size();
        while let Some(kept) = self.kept.get(self.compared).filter(|kept| kept.size <= size) {
            self.compared += 1;
            if kept.size < size || kept.size < self.manifest.from {
                self.report.said.push(format!("a checkpoint of {} leaves cannot be held against this archive", kept.size));
                continue;
            }
            self.report.note(Level::L0, 1);
            if !self.trees.is_cut() && !self.trees.has(&kept.root) {
                let text = format!("the checkpoint kept of {} leaves was never a state of this log", kept.size);
                self.report.add(Level::L0, "checkpoint_differs", None, text);
            }
        }
    }

    /// Says what is wrong with the whole, now that there is a root.
    fn finish(&mut self) {
        self.trees.blame(&self.newest.root, self.report);
        for kept in self.kept.iter().skip(self.compared) {
            let text =
                format!("a checkpoint of {} leaves is newer than that of this archive, and not held against it", kept.size);
            self.report.said.push(text);
        }
        let unused: Vec<String> = self.definitions.unused().iter().take(10).map(ToString::to_string).collect();
        if !unused.is_empty() {
            let text = format!("{DEFINITIONS}: nothing in the range refers to {}", unused.join(", "));
            self.report.add_one_of_many(Level::L3, "definition_unused", None, text);
        }
    }
}
