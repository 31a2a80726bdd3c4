//! Travel in time.

use super::{DifferenceView, Fact};

/// The date-time picker, and what stood at the instant that was asked for.
#[derive(Clone, Debug, Default)]
pub struct Travel {
    /// The page, to which the picker leads.
    pub href: String,
    /// The instant, as the picker shows it.
    pub at: String,
    /// Which instant is shown; `None`: now.
    pub heading: Option<String>,
    /// What stood then, where the page below still shows what is now.
    pub facts: Vec<Fact>,
    /// By what clock, and what is not told.
    pub note: String,
}

/// Versions to choose two of.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    /// The page.
    pub href: String,
    /// Their numbers, the newest first.
    pub numbers: Vec<String>,
    /// The two that were chosen.
    pub from: String,
    /// See above.
    pub to: String,
    /// What differs between them.
    pub compared: Option<DifferenceView>,
}
