//! Parts that a report and the pages of the site share.

/// Text that leads somewhere.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// The text.
    pub text: String,
    /// Where it leads: an opaque reference.
    pub href: String,
}

/// A state in one or two words.
#[derive(Clone, Debug, Default)]
pub struct Tag {
    /// The word, such as `Matched`.
    pub word: String,
    /// `good`, `warn`, `bad`, `info` or `neutral`: chooses shape and colour.
    pub tone: String,
}

/// A fact with its name.
#[derive(Clone, Debug, Default)]
pub struct Fact {
    /// The name.
    pub label: String,
    /// The value.
    pub value: String,
    /// Where the value leads, if anywhere.
    pub href: Option<String>,
    /// Whether the value is a reference or digest, set in the fixed-width face.
    pub mono: bool,
}

/// A figure of a strip of figures.
#[derive(Clone, Debug, Default)]
pub struct Tile {
    /// What is counted.
    pub label: String,
    /// The figure; several lines where currencies differ.
    pub values: Vec<String>,
    /// What it is compared with, or why it is absent; may be empty.
    pub note: String,
    /// A state that asks for attention, if any.
    pub tag: Option<Tag>,
    /// Where the figure leads.
    pub href: Option<String>,
}

/// A chart with its finding in words and its figures as a table.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    /// The id of the chart's data table, unique on the page.
    pub id: String,
    /// The title above the chart.
    pub title: String,
    /// What the chart shows, in one sentence.
    pub finding: String,
    /// *Trusted markup*: the chart, from [`super::charts`].
    pub svg: String,
    /// The heads of the data table's columns; the first column names its row.
    pub columns: Vec<String>,
    /// The rows of the data table; empty where the chart beside it carries them too.
    pub rows: Vec<Vec<String>>,
}
