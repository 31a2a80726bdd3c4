//! One pass over the log: places, leaves, private parts, and what entries and events say.

use counterfoil_verify::{EntryLeaf, Hash, leaf};

use crate::ids::Seq;
use crate::ledger::store::EntryPartRow;
use crate::privacy::retention::PRUNED;
use crate::records::event::CHANGED;
use crate::trail::generations::RECOVERED;
use crate::trail::sealing::store::SealedPartRow;
use crate::trail::store::{EventPartRow, EventRow};

use super::entries::Entries;
use super::erased::Erased;
use super::event::Event;
use super::findings::Findings;
use super::follow::Follow;
use super::heads::Heads;
use super::learned::Learned;
use super::mark::Reached;
use super::rows;
use super::sealed::Sealed;
use super::store::Slice;
use super::tree::{Leaf, TILE_LEAVES, Tree};
use super::{L2, L3, asides, commitments, definitions};

/// What one pass learns; fed slice by slice.
pub(super) struct Checker {
    /// The name in the leaves at this point.
    pub(super) origin: String,
    next: Seq,
    pub(super) recorded_at: Option<i64>,
    pub(super) findings: Findings,
    pub(super) tree: Tree,
    pub(super) entries: Entries,
    pub(super) follow: Follow,
    /// Account heads at each close; nothing is looked for in the history of one account.
    pub(super) heads: Heads,
    /// What was erased.
    pub(super) erased: Erased,
    /// What is sealed.
    pub(super) sealed: Sealed,
    /// The epoch that the newest start of the program says.
    pub(super) epoch: Option<i64>,
    /// Whether a row of `entries` could not be packed.
    pub(super) odd: bool,
    scratch: Vec<u8>,
}

/// How far each list of a slice has been read.
#[derive(Default)]
struct At {
    entry: rows::At,
    entry_part: usize,
    sealed: usize,
    event: usize,
    event_part: usize,
    aside: usize,
    hit: usize,
}

/// The element at `at` if it is at `seq`; then `at` moves on.
fn take<'a, T>(list: &'a [T], at: &mut usize, seq: Seq, key: impl Fn(&T) -> Seq) -> Option<&'a T> {
    let found = list.get(*at).filter(|item| key(item) == seq)?;
    *at += 1;
    Some(found)
}

impl Checker {
    pub(super) fn new(origin: String, findings: Findings, entries: Entries) -> Checker {
        Checker {
            origin,
            next: 0,
            recorded_at: None,
            findings,
            tree: Tree::default(),
            entries,
            follow: Follow::default(),
            heads: Heads::default(),
            erased: Erased::default(),
            sealed: Sealed::default(),
            epoch: None,
            odd: false,
            scratch: Vec::with_capacity(1024),
        }
    }

    /// How far it has come, as long as nothing was found.
    pub(super) fn reached(&self) -> Option<Reached> {
        let root = self.tree.root().filter(|_| self.next > 0 && self.findings.is_clean())?;
        Some(Reached { origin: self.origin.clone(), size: self.next, root })
    }

    /// Checks the next slice, of which the reader has `learned` what needs no order.
    pub(super) fn add(&mut self, slice: &Slice, learned: Learned) {
        self.odd |= slice.entries.has_odd();
        self.entries.merge(learned);
        if slice.from > self.next {
            self.missing(self.next, slice.from);
            self.tree.cut();
        }
        self.next = slice.to;
        definitions::compare(slice, &self.erased, &mut self.findings);
        let mut at = At::default();
        let mut first = slice.from;
        let mut tiles = slice.tiles.iter().peekable();
        while first < slice.to {
            let to = slice.to.min(first + TILE_LEAVES);
            self.entries.approach(&slice.entries, &at.entry);
            let leaves: Vec<Option<Leaf>> = (first..to).map(|seq| self.place(slice, &mut at, seq)).collect();
            let stored = tiles.next_if(|(tile, _)| tile.idx == first / TILE_LEAVES);
            let stored = stored.map(|(tile, root)| (tile.data.as_slice(), *root));
            self.tree.add_tile(first, &leaves, stored, &mut self.findings);
            first = to;
        }
    }

    /// Checks what is at one place; answers its leaf.
    fn place(&mut self, slice: &Slice, at: &mut At, seq: Seq) -> Option<Leaf> {
        let entry = slice.entries.take(&mut at.entry, seq, &self.origin);
        let entry_part = take(&slice.entry_parts, &mut at.entry_part, seq, |row| row.seq);
        let sealed = take(&slice.sealed_parts, &mut at.sealed, seq, |row| row.seq);
        let event = take(&slice.events, &mut at.event, seq, |row| row.seq);
        let event_part = take(&slice.event_parts, &mut at.event_part, seq, |row| row.seq);
        let aside = take(&slice.asides, &mut at.aside, seq, |row| row.seq);
        let hits_from = at.hit;
        while take(&slice.hits, &mut at.hit, seq, |row| row.seq).is_some() {}
        let hits = &slice.hits[hits_from..at.hit];
        if entry.is_some() && event.is_some() {
            self.findings.add((L2, "place_taken_twice"), "events", seq, "both an entry and an event have this place");
        }
        let event_leaf = event.map(|row| {
            self.heads.event(row, &mut self.findings);
            self.event(row, event_part)
        });
        if event.is_none() && event_part.is_some() {
            commitments::orphan("event_parts", seq, &mut self.findings);
        }
        let Some((row, hash)) = entry else {
            if entry_part.is_some() {
                commitments::orphan("entry_parts", seq, &mut self.findings);
            }
            if sealed.is_some() {
                commitments::orphan("sealed_parts", seq, &mut self.findings);
            }
            asides::compare(seq, aside, None, &mut self.findings);
            match event.filter(|event| event.kind == CHANGED) {
                Some(event) => self.entries.check_change(event, hits, &mut self.findings),
                None => hits.iter().for_each(|hit| self.entries.hits.stray(hit, &mut self.findings)),
            }
            if event.is_none() {
                self.missing(seq, seq + 1);
            }
            return event_leaf;
        };
        // An event at its place may have given the leaves another name.
        let hash = hash.filter(|_| event_leaf.is_none());
        let leaf = self.entry(&row, hash, entry_part, sealed);
        self.heads.entry(&row, leaf.hash);
        self.entries.check(&row, hits, aside, &mut self.findings);
        Some(leaf)
    }

    /// Checks one entry; `hash` is its leaf's, where that is known.
    pub(super) fn entry(
        &mut self,
        row: &EntryLeaf<'_>,
        hash: Option<Hash>,
        part: Option<&EntryPartRow>,
        sealed: Option<&SealedPartRow>,
    ) -> Leaf {
        self.findings.checked(L3, 1);
        self.tick("entries", row.seq, row.recorded_at);
        let leaf = match hash {
            Some(hash) => {
                self.findings.checked(L2, 1);
                Leaf { table: "entries", hash }
            }
            None => {
                self.scratch.clear();
                let encoded = row.encode(&self.origin, &mut self.scratch).is_ok();
                self.leaf("entries", row.seq, encoded)
            }
        };
        match (part, sealed) {
            (_, Some(sealed)) => self.sealed.check(row, part, sealed, &mut self.erased, &mut self.findings),
            (Some(part), None) => {
                let parts = part.listed();
                let opened = Some((part.salt.as_slice(), parts.as_slice()));
                commitments::check("entry_parts", row.seq, row.blind, opened, &mut self.erased, &mut self.findings);
            }
            (None, None) => commitments::check("entry_parts", row.seq, row.blind, None, &mut self.erased, &mut self.findings),
        }
        leaf
    }

    pub(super) fn event(&mut self, row: &EventRow, part: Option<&EventPartRow>) -> Leaf {
        self.tick("events", row.seq, row.recorded_at);
        if row.kind == RECOVERED {
            self.recovered(row);
        }
        self.scratch.clear();
        let encoded = row.leaf().encode(&self.origin, &mut self.scratch).is_ok();
        let leaf = self.leaf("events", row.seq, encoded);
        let body = part.map(|part| [Some(part.body.as_str())]);
        let opened = part.zip(body.as_ref()).map(|(part, body)| (part.salt.as_slice(), body.as_slice()));
        commitments::check("event_parts", row.seq, &row.blind, opened, &mut self.erased, &mut self.findings);
        self.entries.define(row, part, &mut self.findings);
        self.follow.meet(row, part);
        let is_about_erasing = match row.kind.as_str() {
            "parts.erased" | PRUNED | "approval.submitted" | "approval.approved" | "approval.carried_out" => true,
            CHANGED => self.erased.takes(row.seq),
            _ => false,
        };
        if is_about_erasing {
            self.erased.meet(Event::read(row, part));
        }
        if row.kind == "program.started" {
            self.epoch = Some(Event::read(row, part).number("epoch"));
        }
        leaf
    }

    /// From this leaf on the log has the name that the event gives it.
    fn recovered(&mut self, row: &EventRow) {
        let event = Event::read(row, None);
        if event.text("previous") != self.origin || event.text("origin") == self.origin {
            let text = format!("it does not let the log {} go on, but {}", self.origin, event.text("previous"));
            return self.findings.add((L3, "recovery_wrong"), "events", row.seq, text);
        }
        self.origin = event.text("origin");
    }

    fn leaf(&mut self, table: &'static str, seq: Seq, encoded: bool) -> Leaf {
        self.findings.checked(L2, 1);
        if !encoded {
            self.findings.add((L2, "leaf_unreadable"), table, seq, "a field is longer than a leaf can hold");
        }
        Leaf { table, hash: leaf::hash(&self.scratch) }
    }

    /// Recorded time never decreases.
    fn tick(&mut self, table: &'static str, seq: Seq, recorded_at: i64) {
        if self.recorded_at.is_some_and(|last| recorded_at < last) {
            self.findings.add((L3, "time_goes_back"), table, seq, "recorded before the leaf in front of it");
        }
        self.recorded_at = Some(recorded_at);
    }

    fn missing(&mut self, from: Seq, to: Seq) {
        let text = "neither an entry nor an event has this place";
        self.findings.add_range((L2, "leaf_missing"), "entries", (from, to), text);
    }
}
