//! What went wrong, as a page with a reference to quote.

use actix_web::http::StatusCode;
use actix_web::http::Uri;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, REFERER};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use askama::Template;

use crate::db::DbError;
use crate::trail::ActError;

use super::desk::Desk;
use super::views::{Chrome, ErrorPage, Link};

/// Why a handler has no page to show, before it knows the frame.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is no such thing, or it is over.
    Missing(&'static str),
    /// The rooms below refused.
    Refused {
        /// HTTP status.
        status: u16,
        /// Stable: by it the page is headed.
        code: &'static str,
        /// For people.
        detail: String,
    },
    /// The log is not written by this process at the moment.
    NotWriting,
    /// What is stored is not what the log commits to; for people.
    Altered(String),
    /// A failure of ours; only the log of the program says which.
    Broken(String),
}

impl From<DbError> for Trouble {
    fn from(error: DbError) -> Trouble {
        match error {
            // Whoever asks must know that it was withheld, and why.
            DbError::Altered(detail) => Trouble::Altered(detail),
            error => Trouble::Broken(error.to_string()),
        }
    }
}

impl From<ActError> for Trouble {
    fn from(error: ActError) -> Trouble {
        match error {
            ActError::Db(error) => error.into(),
            ActError::Refused { status, code, detail } => Trouble::Refused { status, code, detail },
            ActError::NotWriting => Trouble::NotWriting,
        }
    }
}

/// A page that says what went wrong.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    page: Box<ErrorPage>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.page.reference)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let body = self.page.render().unwrap_or_else(|_| self.page.heading.clone());
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CONTENT_TYPE, "text/html; charset=utf-8")).insert_header((CACHE_CONTROL, "no-store")).body(body)
    }
}

/// The page for `status`, inside the frame of whoever asked. `detail`, a sentence, says what
/// happened; `code` is the problem's.
pub fn error(request: &HttpRequest, status: StatusCode, code: &str, detail: &str) -> HttpResponse {
    let desk = Desk::of(request);
    let (chrome, reference) = desk.map_or_else(Default::default, |desk| (desk.chrome(""), desk.reference()));
    let failure = match code {
        "form_token" => expired(chrome, status, detail, reference, back(request)),
        _ => page(chrome, status, Some(detail), reference),
    };
    failure.error_response()
}

/// The page of ours that a form was sent from.
fn back(request: &HttpRequest) -> Option<String> {
    let from: Uri = request.headers().get(REFERER)?.to_str().ok()?.parse().ok()?;
    let path = from.path_and_query()?.as_str();
    let here = request.headers().get(HOST)?.to_str().ok()? == from.authority()?.as_str();
    (here && path.starts_with('/') && !path.starts_with("//")).then(|| path.to_owned())
}

/// A form whose token is not the session's: no offence, and no lack of rights.
fn expired(chrome: Chrome, status: StatusCode, detail: &str, reference: String, back: Option<String>) -> Failure {
    let mut failure = page(chrome, status, Some(detail), reference);
    failure.page.heading = "This form has expired".to_owned();
    failure.page.chrome.title = failure.page.heading.clone();
    failure.page.steps =
        vec!["Open the page again and repeat what you did. What you typed may still be there when you go back.".to_owned()];
    if let Some(back) = back {
        failure.page.links.insert(0, link("Open the page again", &back));
    }
    failure
}

/// A handler's trouble as a page.
pub(super) fn failure(desk: &Desk, trouble: Trouble) -> Failure {
    let reference = desk.reference();
    if let Trouble::Altered(detail) = trouble {
        return withheld(desk, &sentence(&detail), reference);
    }
    let (status, code, detail) = match trouble {
        Trouble::Missing(what) => (404, "", Some(what.to_owned())),
        Trouble::Refused { status, code, detail } => (status, code, Some(sentence(&detail))),
        Trouble::NotWriting | Trouble::Altered(_) => (503, "", None),
        Trouble::Broken(why) => {
            tracing::error!(reference, why, "a page could not be made");
            (500, "", None)
        }
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut failure = page(desk.chrome(""), status, detail.as_deref(), reference);
    if let Some((heading, step)) = Some(code).filter(|_| status == StatusCode::CONFLICT).and_then(cause) {
        failure.page.heading = heading.to_owned();
        failure.page.chrome.title = heading.to_owned();
        failure.page.steps = vec![step.to_owned()];
    }
    failure
}

/// What a conflict is, by its code, and what to do next; only what somebody else did meanwhile is *already changed*.
fn cause(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "alert_closed" | "approved_already" | "break_closed" | "close_moved" | "holds_changed" | "key_changed"
        | "key_revoked" | "keys_changed" | "proposal_closed" | "record_changed" | "report_moved" | "rule_set_version"
        | "user_disabled" => ("Already changed", "Open the page again to see how it stands."),
        "hold_there" | "reversed_already" | "user_exists" => {
            ("There already", "Nothing is left to do; the page shows what is there.")
        }
        "nothing_to_erase" | "nothing_to_restore" => ("Nothing to do", "Choose another state, or leave it as it is."),
        "erased" | "record_erased" | "subject_gone" | "values_expired" => {
            ("No longer there", "It cannot be brought back. The page shows what is left.")
        }
        "proposal_open" | "too_many_open" => ("Waits for a decision", "Look at page Approvals: another officer decides it."),
        "in_quarantine" => ("Not yet", "Wait until its time has come; page Approvals shows when that is."),
        "proposal_expired" | "not_approved" | "submitter_gone" => {
            ("Not approved", "Submit it again, for another officer to decide.")
        }
        "funds_insufficient" | "funds_unknown" => ("The funds do not allow it", "It can be forced, with a reason."),
        "clock_distrusted" => {
            ("The clock is not believed", "Tell whoever runs the program; nothing is removed until it is right.")
        }
        "cannot_be_opened" | "key_missing" | "key_unfit" => {
            ("Cannot be opened", "Tell whoever keeps the keys: one is missing, or a value was changed.")
        }
        _ => return None,
    })
}

/// What is not shown, because it is not what was stored.
fn withheld(desk: &Desk, detail: &str, reference: String) -> Failure {
    tracing::error!(reference, detail, "something stored was changed and is not shown");
    let mut failure = page(desk.chrome(""), StatusCode::CONFLICT, Some(detail), reference);
    failure.page.heading = "Not shown: not as it was stored".to_owned();
    failure.page.chrome.title.clone_from(&failure.page.heading);
    failure.page.steps = vec!["Tell whoever answers for the records; do not rely on it until it is restored.".to_owned()];
    failure
}

/// With a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let text: String = chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default();
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

fn page(mut chrome: Chrome, status: StatusCode, detail: Option<&str>, reference: String) -> Failure {
    let (heading, usual, step) = words(status);
    chrome.title = heading.to_owned();
    let links = if status == StatusCode::UNAUTHORIZED { vec![link("Sign in", "/sign-in")] } else { vec![link("Today", "/")] };
    let page = ErrorPage {
        chrome,
        status: status.as_str().to_owned(),
        heading: heading.to_owned(),
        text: detail.unwrap_or(usual).to_owned(),
        // A detail of a refusal already says whom to ask.
        steps: if detail.is_some() && status == StatusCode::FORBIDDEN { Vec::new() } else { vec![step.to_owned()] },
        links,
        reference,
    };
    Failure { status, page: Box::new(page) }
}

fn link(text: &str, href: &str) -> Link {
    Link { text: text.to_owned(), href: href.to_owned() }
}

/// Heading, what happened, and what to do next.
fn words(status: StatusCode) -> (&'static str, &'static str, &'static str) {
    match status.as_u16() {
        400 | 422 => (
            "That could not be read",
            "The address or form holds something this page does not understand.",
            "Go back, correct it, and send it again.",
        ),
        401 => ("Please sign in", "Your session is over, or has not begun. Nothing was changed.", "Sign in to go on."),
        403 => (
            "Not allowed",
            "Your role does not allow this. The attempt is recorded. Nothing was changed.",
            "Ask someone with the right role, or your administrator.",
        ),
        404 => ("Not found", "There is nothing at this address.", "Check the address, or start from Today."),
        405 => {
            ("Not possible that way", "This address does not take what was sent to it.", "Start from the page the form is on.")
        }
        408 => ("Too slow", "What was sent stopped arriving. Nothing was changed.", "Go back and send it again."),
        409 => (
            "Not possible as it stands",
            "What is stored does not allow it. Nothing was changed by you.",
            "Open the page again to see how it stands.",
        ),
        413 => {
            ("Too large", "What was sent is larger than this page takes. Nothing was changed.", "Shorten it and send it again.")
        }
        503 => (
            "Not possible at this moment",
            "This program cannot record anything right now, and what cannot be recorded is not shown.",
            "Try again in a minute. If it stays so, tell whoever runs the program.",
        ),
        _ => (
            "Something went wrong",
            "The page could not be made. Nothing was changed.",
            "Try again. If it happens again, give the reference to whoever runs the program.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_is_headed_by_its_cause() {
        let heading = |code: &str| cause(code).map_or(words(StatusCode::CONFLICT).0, |(heading, _)| heading);
        assert_eq!(heading("alert_closed"), "Already changed");
        assert_eq!(heading("nothing_to_restore"), "Nothing to do");
        assert_eq!(heading("values_expired"), "No longer there");
        assert_eq!(heading("hold_there"), "There already");
        assert_eq!(heading("not_erasable"), "Not possible as it stands");
    }

    #[test]
    fn a_refusal_becomes_a_sentence() {
        assert_eq!(sentence("there is no such alert"), "There is no such alert.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence(""), ".");
    }

    #[test]
    fn what_is_broken_stays_inside() {
        let failure = page(Chrome::default(), StatusCode::INTERNAL_SERVER_ERROR, None, "1f".to_owned());
        assert_eq!(failure.status_code(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(failure.page.render().is_ok_and(|html| html.contains("1f") && !html.contains("database")));
    }
}
