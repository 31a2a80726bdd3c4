//! Mail that was given up.

use askama::Template;

use super::{Chrome, Empty, FieldError, Link, Tag};

/// Dead letters, and the form that deals with them. Field ids: `mail`, `reason`.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "trail/mail.html")]
pub struct MailPage {
    /// The frame.
    pub chrome: Chrome,
    /// How many wait for somebody.
    pub summary: String,
    /// One line for each mail.
    pub rows: Vec<LetterRow>,
    /// Said when there are none.
    pub empty: Empty,
    /// What the form can be about: value, label, whether it was chosen. None: no form.
    pub choices: Vec<(String, String, bool)>,
    /// The reason, as typed.
    pub reason: String,
    /// What a reason is.
    pub reason_hint: String,
    /// Why this reader has no form.
    pub read_only: Option<String>,
    /// Said when there are more than are shown.
    pub more: Option<String>,
    /// What is wrong.
    pub errors: Vec<FieldError>,
}

/// A mail that was given up.
#[derive(Clone, Debug, Default)]
pub struct LetterRow {
    /// What is in it: `2 alerts`.
    pub content: String,
    /// What it was about, the first few.
    pub about: Vec<Link>,
    /// How many more.
    pub more: usize,
    /// To whom, masked.
    pub recipient: String,
    /// How often it was tried.
    pub tries: String,
    /// Why the last try failed.
    pub error: String,
    /// When it was given up.
    pub given_up: String,
    /// Given up, or acknowledged.
    pub state: Tag,
}
