//! The list of daily reports, and the frame around one.

use askama::Template;

use super::{Chrome, Empty, FieldError, Flash, Link, NavItem, Pager, SignatureRow, Tag, Travel, Versions};

/// The days and their reports.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "reports/list.html")]
pub struct ReportsPage {
    /// The frame.
    pub chrome: Chrome,
    /// What is listed, in one sentence.
    pub summary: String,
    /// Whether the reader may see the report by user.
    pub by_user: bool,
    /// The newest version of each day, newest day first.
    pub rows: Vec<ReportRow>,
    /// Said when there are none.
    pub empty: Empty,
    /// The way on.
    pub pager: Pager,
}

/// A day in the list.
#[derive(Clone, Debug, Default)]
pub struct ReportRow {
    /// The business date and its page.
    pub date: Link,
    /// The weekday.
    pub weekday: String,
    /// The version.
    pub version: String,
    /// Its status.
    pub status: Tag,
    /// The verdict in one sentence.
    pub verdict: String,
    /// When it was computed.
    pub computed: String,
    /// Sources matched, such as `2 of 2 matched`.
    pub sources: Tag,
    /// Who signed, or that nobody has.
    pub signed: String,
}

/// One day's report on the site: its stored article, and what may be done with it. What changes
/// after the freeze (superseded, signed) stands here, outside the article.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "reports/show.html")]
pub struct ReportShowPage {
    /// The frame.
    pub chrome: Chrome,
    /// What has changed since the article was frozen, such as a newer version.
    pub banner: Option<Flash>,
    /// The versions of this day.
    pub versions: Vec<NavItem>,
    /// The same report in other formats, and its print view.
    pub formats: Vec<Link>,
    /// *Trusted markup*: the `<article>` of [`super::ReportPage`], as stored, or of
    /// [`super::ReportArticle`] for a preview.
    pub article: String,
    /// The signatures so far.
    pub signatures: Vec<SignatureRow>,
    /// The sign-off form, when this reader may sign.
    pub signoff: Option<SignoffForm>,
    /// Why not, otherwise.
    pub signoff_note: String,
    /// The picker.
    pub travel: Travel,
    /// Two versions beside each other, where there are two.
    pub compare: Option<Versions>,
}

/// Signing a report. Field ids: `outcome`, `comment`, `password`.
#[derive(Clone, Debug, Default)]
pub struct SignoffForm {
    /// Where it is sent.
    pub action: String,
    /// The statement signed.
    pub statement: String,
    /// The hash of what is signed.
    pub hash: String,
    /// `reviewed` or `exception` as chosen before; empty at first.
    pub outcome: String,
    /// The comment, as typed.
    pub comment: String,
    /// The reader's sign-in e-mail, so that a password manager offers the right password.
    pub email: String,
    /// Whether the password is asked for again.
    pub password: bool,
    /// What is wrong.
    pub errors: Vec<FieldError>,
}
