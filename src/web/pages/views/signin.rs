//! The page before all others.

use askama::Template;

use super::Chrome;

/// Sign in: e-mail and password.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "signin/page.html")]
pub struct SignInPage {
    /// The frame; nobody is signed in.
    pub chrome: Chrome,
    /// What was typed before.
    pub email: String,
    /// Why it failed; never which of the two was wrong.
    pub error: Option<String>,
    /// Why the reader is here, such as an ended session.
    pub notice: Option<String>,
    /// The page to return to: a path of this site.
    pub next: String,
}
