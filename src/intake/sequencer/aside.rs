//! What is sorted and read beside the two stages, on threads of its own, and taken when it is there.

use crate::ids::Seq;

use super::super::committer;
use super::super::engine::Engine;
use super::super::indexer::Indexer;
use super::super::queue::Command;
use super::super::runs::Run;
use super::super::warming::{self, Warmth};
use super::Sequencer;

/// Segments that may wait to be indexed before nothing more is taken: 2,097,152 entries of the usual size.
const SEGMENTS_BEHIND: i64 = 8;
/// Where segments are smaller, so many entries may.
const ENTRIES_BEHIND: i64 = 500_000;

impl Sequencer {
    /// Has closed segments sorted into index runs, one at a time, off this thread. Where that falls behind, nothing is
    /// taken until it has caught up: what is not indexed is held in memory, and read again by the next start.
    pub(super) fn index(&mut self, engine: &Engine) {
        let first = engine.indexed_to;
        let behind = (engine.size_before - first) / self.settings.segment_entries;
        self.queue.hold_up(behind >= SEGMENTS_BEHIND.max(ENTRIES_BEHIND / self.settings.segment_entries));
        if self.indexing || behind == 0 {
            return;
        }
        let last = first + self.settings.segment_entries - 1;
        let (db, jobs, queue) = (self.db.clone(), self.jobs.clone(), self.queue.clone());
        let work = move || match (Indexer { db, write: |side| committer::aside(&jobs, side) }).index(first, last) {
            Ok(runs) => drop(queue.push_first(Command::Indexed(last, runs))),
            // It is tried again with the next commit.
            Err(error) => tracing::error!(%error, first, last, "a segment could not be indexed"),
        };
        let spawned = std::thread::Builder::new().name("indexer".into()).spawn(work);
        self.indexing = spawned.is_ok();
    }

    /// Has a larger filter over all references read, off this thread.
    fn grow(&self) {
        let (db, queue) = (self.db.clone(), self.queue.clone());
        let work = move || {
            let read = warming::larger_filter(&db);
            let read =
                read.inspect_err(|error| tracing::warn!(%error, "the filter over references is full and could not be made anew"));
            drop(queue.push_first(Command::Grown(read.ok())));
        };
        if let Err(error) = std::thread::Builder::new().name("growing".into()).spawn(work) {
            tracing::warn!(%error, "the filter over references is full and could not be made anew");
            drop(self.queue.push_first(Command::Grown(None)));
        }
    }

    /// Has what only makes recording faster read, off this thread.
    pub(super) fn warm(&self) {
        let (db, queue, settings) = (self.db.clone(), self.queue.clone(), self.settings.clone());
        let work = move || {
            let warmed = |warmth| drop(queue.push_first(Command::Warmed(Box::new(warmth))));
            let held = |held| drop(queue.push_first(Command::Held(held)));
            if let Err(error) = warming::read(&db, &settings.hasher, warmed, held) {
                tracing::warn!(%error, "the index runs could not be read aside: recording goes on more slowly");
            }
        };
        if let Err(error) = std::thread::Builder::new().name("warming".into()).spawn(work) {
            tracing::warn!(%error, "the index runs could not be read aside: recording goes on more slowly");
        }
    }

    /// Takes what was read aside; what is older than the engine is read once more.
    pub(super) fn warmed(&mut self, engine: &mut Engine, warmth: Warmth) {
        if engine.is_warm() {
            return;
        }
        if !engine.warm(warmth) {
            self.warm();
        }
    }

    pub(super) fn indexed(&mut self, engine: &mut Engine, last: Seq, runs: Vec<Run>) {
        self.indexing = false;
        engine.indexed_to = engine.indexed_to.max(last + 1);
        if engine.references.close_segment(runs, last) {
            self.grow();
        }
        self.index(engine);
    }
}
