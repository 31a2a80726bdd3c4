//! What users and commands attempted.

use askama::Template;

use super::{Chrome, Empty, Tile};

/// Attempts of a period, counted by user and kind.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "trail/acts.html")]
pub struct ActsPage {
    /// The frame.
    pub chrome: Chrome,
    /// What is counted, in one sentence.
    pub summary: String,
    /// First day, `YYYY-MM-DD`.
    pub from: String,
    /// Last day, `YYYY-MM-DD`.
    pub through: String,
    /// All of it at a glance.
    pub tiles: Vec<Tile>,
    /// One line for each user and kind.
    pub rows: Vec<ActsRow>,
    /// What keys read: one line for each key and kind.
    pub reads: Vec<ReadsRow>,
    /// Said when there are none.
    pub empty: Empty,
    /// Said when there are more lines than are shown.
    pub more: Option<String>,
}

/// One key and kind of what it read.
#[derive(Clone, Debug, Default)]
pub struct ReadsRow {
    /// Whose key.
    pub who: String,
    /// What was read, in words.
    pub kind: String,
    /// Its stable name.
    pub code: String,
    /// Reads that were answered.
    pub answered: String,
    /// Reads that were not.
    pub not_answered: String,
}

/// One user and kind.
#[derive(Clone, Debug, Default)]
pub struct ActsRow {
    /// Whose.
    pub who: String,
    /// The act in words.
    pub act: String,
    /// Its stable name.
    pub code: String,
    /// Attempts, denied ones included.
    pub attempted: String,
    /// Done.
    pub succeeded: String,
    /// Begun and refused.
    pub refused: String,
    /// Not begun: they may not.
    pub denied: String,
    /// Broke inside.
    pub failed: String,
    /// Without a known end.
    pub unknown: String,
}
