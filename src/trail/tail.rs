//! The growing end of the log: its size, its right edge, and the sealing of leaves.

use counterfoil_verify::{EntryLeaf, EventLeaf, Hash, Tiles, TooLong};

use crate::clock::{Clock, Moment};
use crate::ids::Seq;

use super::NewEvent;
use super::blind::{Blind, Blinds};
use super::store::{EventPartRow, EventRow, TileRow};

/// An event's public text is at most this many bytes; so is its private text.
const EVENT_BYTES_MAX: usize = 32 * 1024;

/// The right edge of one log. Cheap to clone: a failed commit goes back to the clone.
#[derive(Clone, Debug)]
pub struct Tail {
    origin: String,
    epoch: i64,
    tiles: Tiles,
    recorded_at: Moment,
    /// When the newest leaf was recorded: what is evaluated may move time on and leave no leaf.
    sealed_at: Moment,
    /// The hash of the newest leaf.
    newest: Hash,
    scratch: Vec<u8>,
    full: Vec<TileRow>,
    /// How leaves that are made again were blinded.
    pub blinds: Blinds,
}

impl Tail {
    /// The end of a log as loaded or created.
    pub fn new(origin: String, epoch: i64, tiles: Tiles, recorded_at: Moment) -> Tail {
        Tail {
            origin,
            epoch,
            tiles,
            recorded_at,
            sealed_at: recorded_at,
            newest: Hash::default(),
            scratch: Vec::new(),
            full: Vec::new(),
            blinds: Blinds::default(),
        }
    }

    /// The log's name, part of every leaf.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The leaves from here on have another name.
    pub fn rename(&mut self, origin: String) {
        self.origin = origin;
    }

    /// The writer's epoch.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// The next free place.
    pub fn next_seq(&self) -> Seq {
        self.tiles.size() as Seq
    }

    /// The root of the tree over everything up to here.
    pub fn root(&self) -> Hash {
        self.tiles.root()
    }

    /// When the next leaf is recorded.
    pub fn recorded_at(&self) -> Moment {
        self.recorded_at
    }

    /// When the newest leaf was recorded.
    pub fn sealed_at(&self) -> Moment {
        self.sealed_at
    }

    /// The hash of the newest leaf that was sealed here.
    pub fn newest_hash(&self) -> Hash {
        self.newest
    }

    /// Moves recorded time to `now`, never backwards.
    pub fn tick(&mut self, now: Moment) -> Moment {
        self.recorded_at = self.recorded_at.max(now);
        self.recorded_at
    }

    /// Gives an entry's leaf its place; appends its bytes to `leaves` and answers its hash.
    pub fn seal_entry(&mut self, leaf: &EntryLeaf<'_>, leaves: &mut Vec<u8>) -> Result<Hash, TooLong> {
        let start = leaves.len();
        leaf.encode(&self.origin, leaves)?;
        let hash = counterfoil_verify::leaf::hash(&leaves[start..]);
        self.push(hash);
        Ok(hash)
    }

    /// Gives an event its place; answers its rows.
    pub fn seal_event(&mut self, clock: &Clock, event: &NewEvent) -> Result<(EventRow, Option<EventPartRow>), TooLong> {
        self.seal_text(clock, event.kind, event.body.to_string(), event.private.as_ref().map(ToString::to_string))
    }

    /// The same for an event whose JSON is written already.
    pub fn seal_text(
        &mut self,
        clock: &Clock,
        kind: &'static str,
        body: String,
        private: Option<String>,
    ) -> Result<(EventRow, Option<EventPartRow>), TooLong> {
        let seq = self.next_seq();
        private.as_ref().map_or(Ok(()), |text| fits("private", text))?;
        let (blind, salt) =
            self.blind(clock, private.as_ref().map(|text| [Some(text.as_str())]).as_ref().map(<[_; 1]>::as_slice))?;
        let part = salt.zip(private).map(|(salt, body)| EventPartRow { seq, salt: salt.to_vec(), body });
        let blind = blind.bytes().to_vec();
        fits("body", &body)?;
        let recorded_at = self.recorded_at.0;
        self.scratch.clear();
        let leaf = EventLeaf { seq, recorded_at, kind, body: &body, blind: &blind };
        leaf.encode(&self.origin, &mut self.scratch)?;
        self.push(counterfoil_verify::leaf::hash(&self.scratch));
        Ok((EventRow { seq, recorded_at, kind: kind.to_owned(), body, blind }, part))
    }

    /// Blinds the leaf at the next place: answers what it holds, and the salt if its private parts are
    /// to be kept.
    pub fn blind(&mut self, clock: &Clock, parts: Option<&[Option<&str>]>) -> Result<(Blind, Option<[u8; 32]>), TooLong> {
        let seq = self.next_seq();
        self.blinds.blind(clock, seq, parts)
    }

    /// Gives an event that is made again its place, as it was recorded.
    pub fn seal_again(&mut self, row: &EventRow) -> Result<Hash, TooLong> {
        self.scratch.clear();
        let EventRow { seq, recorded_at, kind, body, blind } = row;
        EventLeaf { seq: *seq, recorded_at: *recorded_at, kind, body, blind }.encode(&self.origin, &mut self.scratch)?;
        let hash = counterfoil_verify::leaf::hash(&self.scratch);
        self.push(hash);
        Ok(hash)
    }

    /// The tiles that became full since this was last asked.
    pub fn take_full_tiles(&mut self) -> Vec<TileRow> {
        std::mem::take(&mut self.full)
    }

    fn push(&mut self, hash: Hash) {
        (self.sealed_at, self.newest) = (self.recorded_at, hash);
        let mut full = Vec::new();
        self.tiles.push(hash, &mut full);
        self.full.extend(full.into_iter().map(|t| TileRow { level: i16::from(t.level), idx: t.index as i64, data: t.data }));
    }
}

fn fits(field: &'static str, text: &str) -> Result<(), TooLong> {
    if text.len() > EVENT_BYTES_MAX { Err(TooLong { field, bytes: text.len() }) } else { Ok(()) }
}
