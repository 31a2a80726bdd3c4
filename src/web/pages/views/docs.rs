//! The reference of the HTTP interface, and the page for what went wrong.

use askama::Template;

use super::{Chrome, Link};

/// Something went wrong.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "errors/page.html")]
pub struct ErrorPage {
    /// The frame.
    pub chrome: Chrome,
    /// The HTTP status, such as `404`.
    pub status: String,
    /// What happened, in a few words.
    pub heading: String,
    /// What happened, in a sentence, and what was kept.
    pub text: String,
    /// What to do next, a sentence each.
    pub steps: Vec<String>,
    /// Ways on.
    pub links: Vec<Link>,
    /// The reference to quote; may be empty.
    pub reference: String,
}

/// The HTTP interface, from the `OpenAPI` document.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "docs/page.html")]
pub struct DocsPage {
    /// The frame.
    pub chrome: Chrome,
    /// The interface's title.
    pub title: String,
    /// Its version.
    pub version: String,
    /// Paragraphs of introduction.
    pub intro: Vec<Vec<Words>>,
    /// Where the `OpenAPI` document is.
    pub document_href: String,
    /// The operations by subject.
    pub groups: Vec<ApiGroup>,
}

/// Operations on one subject.
#[derive(Clone, Debug, Default)]
pub struct ApiGroup {
    /// The id of its section.
    pub id: String,
    /// The subject.
    pub name: String,
    /// A sentence about it; may be empty.
    pub text: String,
    /// The operations.
    pub operations: Vec<ApiOperation>,
}

/// One operation.
#[derive(Clone, Debug, Default)]
pub struct ApiOperation {
    /// Its id, unique on the page.
    pub id: String,
    /// `GET` or `POST`.
    pub method: String,
    /// The path with its parameters in braces.
    pub path: String,
    /// What it does, in a few words.
    pub summary: String,
    /// More of it, by paragraph; may be empty.
    pub description: Vec<Vec<Words>>,
    /// The scope a key needs; may be empty.
    pub scope: String,
    /// The parameters.
    pub parameters: Vec<ApiParameter>,
    /// The bodies it takes.
    pub request: Vec<ApiBody>,
    /// The answers it gives.
    pub responses: Vec<ApiResponse>,
}

/// A parameter.
#[derive(Clone, Debug, Default)]
pub struct ApiParameter {
    /// Its name.
    pub name: String,
    /// `path`, `query` or `header`.
    pub place: String,
    /// Its type in words.
    pub kind: String,
    /// Whether it must be given.
    pub required: bool,
    /// What it means.
    pub description: Vec<Words>,
}

/// A body an operation takes.
#[derive(Clone, Debug, Default)]
pub struct ApiBody {
    /// The media type.
    pub media: String,
    /// What it holds.
    pub description: Vec<Words>,
    /// An example; may be empty.
    pub example: String,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct ApiResponse {
    /// The HTTP status.
    pub status: String,
    /// When it is given and what it holds.
    pub description: Vec<Words>,
    /// The media type; may be empty.
    pub media: String,
}

/// A piece of a text.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// The words.
    pub text: String,
    /// Whether they are code.
    pub code: bool,
}
