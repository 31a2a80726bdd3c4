//! Accesses and changes by user.

use askama::Template;

use super::{Choice, Chrome, Empty, FieldError};

/// Who looked at what, and who changed it, over a period.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "reports/users.html")]
pub struct UsersPage {
    /// The frame.
    pub chrome: Chrome,
    /// First day, `YYYY-MM-DD`.
    pub from: String,
    /// Last day, `YYYY-MM-DD`.
    pub through: String,
    /// Types of records.
    pub kinds: Vec<Choice>,
    /// Roles.
    pub roles: Vec<Choice>,
    /// What is wrong with what was asked.
    pub errors: Vec<FieldError>,
    /// How much was looked at.
    pub summary: String,
    /// One line for each person.
    pub rows: Vec<UserRow>,
    /// Said when there are none.
    pub empty: Empty,
    /// Said when there is more than is shown.
    pub more: Option<String>,
    /// The same as CSV and as JSON.
    pub csv: String,
    /// See above.
    pub json: String,
}

/// One person.
#[derive(Clone, Debug, Default)]
pub struct UserRow {
    /// Who.
    pub name: String,
    /// What they are.
    pub role: String,
    /// Counts, in the order of the columns.
    pub counts: Vec<String>,
}
