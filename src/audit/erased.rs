//! L4 and L5: what was erased, and that it was erased under an event.
//!
//! The event commits to the places by their number and a digest of their ranges; the table has the
//! ranges. A place in it has no private part any more, and no other place may lack its own.

use std::collections::BTreeMap;

use crate::approvals::Kind;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::privacy::Ranges;
use crate::privacy::register::Register;
use crate::privacy::retention::PRUNED;
use crate::privacy::store::{self, ErasureRow};
use crate::records::event::CHANGED;

use super::event::Event;
use super::expired::Expired;
use super::findings::Findings;
use super::{L4, L5};

/// A proposal to erase, as far as it went.
#[derive(Debug, Default)]
struct Approved {
    by: Option<Seq>,
    approvers: Vec<Seq>,
    ready_at: Option<i64>,
    carried_out: Option<Seq>,
}

impl Approved {
    /// Whether the erasure recorded at this place and instant was approved by enough people, and waited.
    fn covers(&self, erasure: &ErasureRow) -> bool {
        let mut others: Vec<Seq> = self.approvers.iter().copied().filter(|who| Some(*who) != self.by).collect();
        others.sort_unstable();
        others.dedup();
        let enough = others.len() == self.approvers.len() && others.len() >= if self.by.is_some() { 1 } else { 2 };
        let waited = self.ready_at.is_some_and(|ready| ready <= erasure.erased_at);
        enough && waited && self.carried_out.is_some_and(|seq| seq < erasure.id)
    }
}

/// The erasures of the log.
#[derive(Debug, Default)]
pub(super) struct Erased {
    rows: Vec<ErasureRow>,
    ranges: BTreeMap<Seq, Ranges>,
    /// First place, last place and event of every range, by the first.
    places: Vec<(Seq, Seq, Seq)>,
    /// Events whose ranges are no list of ranges, and what is in their place.
    torn: Vec<Seq>,
    said: BTreeMap<Seq, Event>,
    proposals: BTreeMap<Seq, Approved>,
    /// What went because its time was over.
    expired: Expired,
    /// What the register beside the keys names.
    register: Register,
    /// Private parts that are gone, by the event.
    counts: BTreeMap<Seq, u64>,
}

impl Erased {
    pub(super) fn read(conn: &mut Conn, register: Register) -> DbResult<Erased> {
        let mut lists: BTreeMap<Seq, Vec<(Seq, Seq)>> = BTreeMap::new();
        let mut places = Vec::new();
        for row in store::erased(conn)? {
            places.push((row.first_seq, row.last_seq, row.event));
            lists.entry(row.event).or_default().push((row.first_seq, row.last_seq));
        }
        places.sort_unstable();
        let mut erased = Erased { rows: store::erasures(conn)?, places, register, ..Erased::default() };
        for (event, list) in lists {
            match Ranges::stored(list) {
                Some(ranges) => drop(erased.ranges.insert(event, ranges)),
                None => erased.torn.push(event),
            }
        }
        Ok(erased)
    }

    /// The event under which the private part of this place was erased.
    pub(super) fn under(&self, place: Seq) -> Option<Seq> {
        // What is gone is not erased again, so no two of them hold the same place.
        let at = self.places.partition_point(|(first, ..)| *first <= place);
        let (_, last, event) = self.places.get(at.checked_sub(1)?)?;
        (place <= *last).then_some(*event)
    }

    /// The event under which the private part of a leaf was erased, as the register says: the database may
    /// be an older copy that does not know.
    pub(super) fn registered(&self, place: Seq, blind: &[u8]) -> Option<Seq> {
        self.register.erased(place, blind)
    }

    /// Counts a private part that is gone, as it should be; `false` if no erasure names its place.
    pub(super) fn counted(&mut self, place: Seq) -> bool {
        let Some(event) = self.under(place) else { return false };
        *self.counts.entry(event).or_default() += 1;
        true
    }

    /// Whether the values of this change are gone under an erasure.
    pub(super) fn takes(&self, place: Seq) -> bool {
        self.under(place).is_some()
    }

    /// Meets an event `parts.erased`, a run of retention, a change that is gone, or an event about a proposal.
    pub(super) fn meet(&mut self, event: Event) {
        match event.kind.as_str() {
            "parts.erased" => return drop(self.said.insert(event.seq, event)),
            PRUNED => return self.expired.run(&event),
            CHANGED => {
                if let Some(under) = self.under(event.seq) {
                    self.expired.change(under, &event);
                }
                return;
            }
            _ => {}
        }
        if event.text("kind") != "subject.erase" {
            return;
        }
        if event.kind == "approval.submitted" {
            self.proposals.insert(event.seq, Approved { by: event.body["user"].as_i64(), ..Approved::default() });
            return;
        }
        let Some(proposal) = self.proposals.get_mut(&event.number("proposal")) else { return };
        match event.kind.as_str() {
            "approval.approved" => {
                proposal.approvers.extend(event.body["user"].as_i64());
                let held = |ready: &i64| event.at.saturating_add(Kind::EraseSubject.quarantine()) <= *ready;
                proposal.ready_at = event.body["ready_at"].as_i64().filter(held).or(proposal.ready_at);
            }
            "approval.carried_out" => proposal.carried_out = Some(event.seq),
            _ => {}
        }
    }

    /// Compares the tables with the events, and says what was erased.
    pub(super) fn finish(mut self, findings: &mut Findings) {
        for event in &self.torn {
            findings.add((L4, "ranges_torn"), "erased", *event, "the ranges of this erasure overlap or are empty");
        }
        for row in std::mem::take(&mut self.rows) {
            findings.checked(L4, 1);
            match self.said.remove(&row.id) {
                Some(event) => self.compare(&row, &event, findings),
                None => findings.add((L4, "row_extra"), "erasures", row.id, "no event gives this row"),
            }
        }
        self.expired.finish(findings);
        for event in self.said.keys() {
            findings.add((L4, "row_missing"), "erasures", *event, "the event at this place has no row");
        }
        for event in self.ranges.keys() {
            findings.add((L4, "row_extra"), "erased", *event, "no event gives these ranges");
        }
        let list: Vec<String> = self.counts.iter().map(|(event, count)| format!("{count} under event {event}")).collect();
        if !list.is_empty() {
            findings.note(L5, format!("erased: {}", list.join(", ")));
        }
    }

    fn compare(&mut self, row: &ErasureRow, event: &Event, findings: &mut Findings) {
        let expected = ErasureRow {
            id: event.seq,
            cause: event.text("cause"),
            proposal: event.body["proposal"].as_i64(),
            again: event.body["again"].as_i64(),
            places: event.number("places"),
            digest: event.text("digest"),
            erased_at: event.at,
        };
        if *row != expected {
            findings.add((L4, "row_differs"), "erasures", row.id, "not what the log gives");
        }
        if expected.cause == "retention" {
            self.expired.compare(row, event, findings);
        } else if expected.cause != "register" {
            // Used up: one approval lets one erasure through.
            let approved = expected.proposal.and_then(|id| self.proposals.remove(&id));
            if approved.is_none_or(|approved| !approved.covers(&expected)) {
                let text = "no proposal that was approved by another and held back covers this erasure";
                findings.add((L5, "erasure_unapproved"), "erasures", row.id, text);
            }
        }
        let ranges = self.ranges.remove(&row.id).unwrap_or_default();
        let before = ranges.list().last().is_none_or(|(_, last)| *last < row.id);
        if ranges.digest() != expected.digest || ranges.places() != expected.places || !before {
            findings.add((L4, "ranges_differ"), "erased", row.id, "the places are not those the event commits to");
        }
    }
}
