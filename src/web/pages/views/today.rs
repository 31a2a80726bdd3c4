//! Today: what the day holds so far.

use askama::Template;

use super::{AlertRow, BreakRow, Chrome, Empty, Figure, Link, RecordBreakRow, Tag, Tile};

/// The first page after signing in.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "today/page.html")]
pub struct TodayPage {
    /// The frame.
    pub chrome: Chrome,
    /// The business date in words.
    pub business_date: String,
    /// The time of these figures.
    pub as_of: String,
    /// The day in one sentence.
    pub summary: String,
    /// Mail that was given up, if there is any, for who may see the list.
    pub mail: Option<Link>,
    /// Entries, value per currency, open alerts, past due, open breaks.
    pub tiles: Vec<Tile>,
    /// The last report: its name and page.
    pub report: Option<Link>,
    /// The last report's status.
    pub report_status: Tag,
    /// The last report's verdict in a sentence, or why there is none.
    pub report_verdict: String,
    /// The feeds and what came from each.
    pub sources: Vec<SourceRow>,
    /// The newest alerts.
    pub alerts: Vec<AlertRow>,
    /// All open alerts; empty for a reader who may not see them.
    pub alerts_href: String,
    /// Said when there are no alerts.
    pub alerts_empty: Empty,
    /// Open continuity breaks.
    pub breaks: Vec<BreakRow>,
    /// Said when there are none.
    pub breaks_empty: Empty,
    /// Open breaks of records; none for a reader who may not see them.
    pub record_breaks: Vec<RecordBreakRow>,
    /// Charts of the day.
    pub figures: Vec<Figure>,
}

/// A source and what came from it today.
#[derive(Clone, Debug, Default)]
pub struct SourceRow {
    /// Its name.
    pub name: String,
    /// How many entries came today.
    pub entries: String,
    /// When the last one came, or since when nothing has.
    pub last: String,
    /// `Received`, `Closed` or `Not received`.
    pub state: Tag,
}
