//! The page of a report: its words, its charts, and the document that is frozen.
//!
//! [`article`] prints the `<article>` that the site shows inside its frame; [`frozen`] prints the
//! document that is stored and handed out: it depends on nobody who is signed in, carries its own
//! style sheet, and its `<article>` is byte for byte what [`article`] prints. Structs hold finished
//! text (see [`parts`]); fields documented as *trusted markup* are printed unescaped and come from
//! [`charts`] only.
//!
//! Not here: the figures (`reports`), the frame around an article (`web`).

pub mod addresses;
pub mod charts;
mod daily;
mod daily_rows;
mod fill;
mod parts;
mod rows;
pub mod words;

use askama::Template;

pub use daily::{DailyReport, ReportArticle, ReportPage};
pub use daily_rows::{
    AlertCountRow, CashRow, CountRow, CurrencyActivity, FrequencyRow, HourRow, KindRow, LateRow, RuleRow, SignatureRow,
    SourceSumRow, SourceTotals, VersionRow,
};
pub use parts::{Fact, Figure, Link, Tag, Tile};
pub use rows::{BreakRow, EntryRow};

use super::Report;

/// The site's style sheet, carried by every frozen document so that it reads the same for ever.
const STYLE: &str = include_str!("../../web/assets/app.css");

/// The `<article>` alone.
pub fn article(report: &Report) -> String {
    printed(&ReportArticle { report: fill::report(report) })
}

/// The whole document, for storage, of the main book.
pub fn frozen(report: &Report) -> String {
    frozen_in(report, "")
}

/// The same of the book at `root`, into which its addresses lead.
pub fn frozen_in(report: &Report, root: &str) -> String {
    addresses::within(root, &printed(&ReportPage { style: STYLE, report: fill::report(report) }))
}

/// Templates over finished text cannot fail; if one does, its page says so and nothing else.
fn printed(page: &impl Template) -> String {
    page.render().unwrap_or_else(|error| format!("<article><p>This page could not be printed: {error}.</p></article>"))
}

/// The `<article>` of a frozen document; `None` when there is none in it.
pub fn article_of(frozen: &str) -> Option<&str> {
    let start = frozen.find("<article")?;
    let end = frozen.rfind("</article>")?;
    frozen.get(start..end + "</article>".len())
}

/// The source expression that lets a browser apply the style of frozen documents of this version
/// of the program: `'sha256-…'`, for `style-src`.
pub fn style_source() -> String {
    use base64::Engine;
    use sha2::Digest;
    let digest = sha2::Sha256::digest(STYLE.as_bytes());
    format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(digest))
}
