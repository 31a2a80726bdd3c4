//! Parts that many pages share.

use super::Link;

/// What surrounds every page of the site.
#[derive(Clone, Debug, Default)]
pub struct Chrome {
    /// The page's name for the window title, page number included.
    pub title: String,
    /// The bank's name.
    pub bank: String,
    /// The program's version.
    pub version: String,
    /// The other books of the installation.
    pub books: Vec<super::Link>,
    /// What this role may open.
    pub nav: Vec<NavItem>,
    /// Who is signed in, if anyone.
    pub user: Option<UserBadge>,
    /// The token every form sends back.
    pub csrf: String,
    /// A message about what was just done.
    pub flash: Option<Flash>,
    /// Set when another instance leads.
    pub standing: Option<crate::app::StandBy>,
    /// What is read from, where there is a replica.
    pub replica: Option<String>,
    /// The zone all times are in, such as `EST (UTC−05:00)`.
    pub zone: String,
}

/// One item of the navigation.
#[derive(Clone, Debug, Default)]
pub struct NavItem {
    /// The word.
    pub label: String,
    /// Where it leads.
    pub href: String,
    /// Whether the reader is there.
    pub current: bool,
    /// How many things there wait for the reader; `None` for none.
    pub waiting: Option<u64>,
}

/// Who is signed in.
#[derive(Clone, Debug, Default)]
pub struct UserBadge {
    /// The name shown.
    pub name: String,
    /// The role in words.
    pub role: String,
}

/// A message about what was just done.
#[derive(Clone, Debug, Default)]
pub struct Flash {
    /// `good`, `warn`, `bad` or `info`.
    pub tone: String,
    /// The sentence.
    pub text: String,
}

/// Why a list is empty, and what to do.
#[derive(Clone, Debug, Default)]
pub struct Empty {
    /// In a few words.
    pub title: String,
    /// A sentence.
    pub text: String,
    /// What to do next.
    pub action: Option<Link>,
}

/// Paging by key: there is a first page and a next page, never a page count.
#[derive(Clone, Debug, Default)]
pub struct Pager {
    /// What is shown, such as `Entries 1 to 50`.
    pub shown: String,
    /// The first page, when this is not it.
    pub first: Option<String>,
    /// The next page, if there is one.
    pub next: Option<String>,
}

/// What is wrong with a form field.
#[derive(Clone, Debug, Default)]
pub struct FieldError {
    /// The id of the field.
    pub field: String,
    /// What to do about it.
    pub text: String,
}

/// One choice among several.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// The value sent.
    pub value: String,
    /// The words shown.
    pub label: String,
    /// A line of help; may be empty.
    pub help: String,
    /// Whether it is chosen.
    pub selected: bool,
}

/// A filter in force, with the way to remove it.
#[derive(Clone, Debug, Default)]
pub struct Chip {
    /// The filter in words, such as `Severity: high`.
    pub text: String,
    /// The same list without it.
    pub href: String,
}
