//! The trail: the log, how far it is verified, and what holds it from outside.

use askama::Template;

use super::{Chrome, Empty, Fact, Link, Pager, Tag, Tile};

/// The log at a glance.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "trail/page.html")]
pub struct TrailPage {
    /// The frame.
    pub chrome: Chrome,
    /// The state of the log in one sentence.
    pub summary: String,
    /// Size, verified to, undetectable window and the like.
    pub tiles: Vec<Tile>,
    /// Origin, size, root, verifier key.
    pub log: Vec<Fact>,
    /// Level, time, result and findings of the last verification.
    pub verification: Vec<Fact>,
    /// Its result.
    pub verified: Tag,
    /// The key by which checkpoints are trusted.
    pub key: Vec<Fact>,
    /// The last checkpoint: number, size, time.
    pub checkpoint: Vec<Fact>,
    /// The signed note itself.
    pub note: Option<String>,
    /// What has come back from outside.
    pub anchors: Vec<AnchorRow>,
    /// Said when there are none.
    pub anchors_empty: Empty,
    /// Whether sensitive fields can be sealed, and by which keys.
    pub sealing: Vec<Fact>,
    /// The receivers of the log, and how far each is.
    pub forwards: Vec<Fact>,
    /// Erasures carried out and waiting.
    pub erasures: Vec<ErasureRow>,
    /// How many there are, and how many holds.
    pub erasures_summary: String,
    /// Whether the reader may bring a checkpoint back.
    pub may_bring_back: bool,
    /// What the list of events holds.
    pub events_title: String,
    /// The newest events.
    pub events: Vec<TrailEventRow>,
    /// The way on.
    pub pager: Pager,
    /// The same list with more or fewer kinds, for a reader who may see events.
    pub other: Option<Link>,
    /// What is wrong, with the next step.
    pub findings: Vec<String>,
    /// Mail that was given up, if there is any, for who may see the list.
    pub mail: Option<Link>,
    /// Where acts are counted, for who may see that.
    pub acts: Option<Link>,
}

/// A place outside that holds a checkpoint.
#[derive(Clone, Debug, Default)]
pub struct AnchorRow {
    /// Mail, witness, time stamp, file.
    pub kind: String,
    /// Where.
    pub place: String,
    /// The log's size it covers.
    pub size: String,
    /// When it was sent.
    pub sent: String,
    /// When it came back, or `—`.
    pub returned: String,
    /// Verified, Sent or Failed.
    pub state: Tag,
}

/// An erasure, carried out or waiting.
#[derive(Clone, Debug, Default)]
pub struct ErasureRow {
    /// The event or the proposal.
    pub what: String,
    /// When it was carried out, or may be.
    pub at: String,
    /// Private parts that went.
    pub places: String,
    /// Done, Waiting, Approved or Older copy put right.
    pub state: Tag,
    /// The proposal.
    pub about: Option<Link>,
}

/// An event of the log.
#[derive(Clone, Debug, Default)]
pub struct TrailEventRow {
    /// Its place in the log.
    pub seq: String,
    /// When it was recorded.
    pub at: String,
    /// Its kind, as `alert.opened`.
    pub kind: String,
    /// What happened, in one sentence without personal data.
    pub summary: String,
    /// The page it is about.
    pub about: Option<Link>,
}
