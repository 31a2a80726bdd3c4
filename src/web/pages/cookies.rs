//! What was just done, carried to the next page by a cookie. The session's cookie is the guard's.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};

use crate::config::Config;

use super::views::Flash;

/// Of the message after a form was sent.
const FLASH: &str = "cf_flash";

/// A message for the next page. Only its code travels, so that nobody can write words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// An alert was closed by the event with this number.
    AlertClosed(i64),
    /// The session is over.
    SignedOut,
}

impl Done {
    fn code(self) -> String {
        match self {
            Done::AlertClosed(seq) => format!("closed.{seq}"),
            Done::SignedOut => "signed-out".to_owned(),
        }
    }

    /// From its code.
    pub(super) fn parse(code: &str) -> Option<Done> {
        match code.split_once('.') {
            Some(("closed", seq)) => seq.parse().ok().map(Done::AlertClosed),
            None if code == "signed-out" => Some(Done::SignedOut),
            _ => None,
        }
    }

    /// In words.
    pub(super) fn flash(self) -> Flash {
        let text = match self {
            Done::AlertClosed(seq) => format!("The alert is closed. The decision is event {seq} of the log."),
            Done::SignedOut => "You have signed out.".to_owned(),
        };
        Flash { tone: "good".to_owned(), text }
    }

    /// The cookie that carries it to the next page.
    pub(super) fn cookie(self, config: &Config) -> Cookie<'static> {
        Cookie::build(FLASH, self.code())
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(config.is_https())
            .max_age(Duration::minutes(2))
            .finish()
    }
}

/// What was just done, if the request says so.
pub(super) fn done(request: &actix_web::HttpRequest) -> Option<Done> {
    request.cookie(FLASH).and_then(|cookie| Done::parse(cookie.value()))
}

/// Takes the message away once it has been shown.
pub(super) fn no_flash() -> Cookie<'static> {
    let mut cookie = Cookie::build(FLASH, "").path("/").finish();
    cookie.make_removal();
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_travels_as_a_code_only() {
        for done in [Done::AlertClosed(4200), Done::SignedOut] {
            assert_eq!(Done::parse(&done.code()), Some(done));
        }
        for forged in ["closed.<b>", "closed", "You won", ""] {
            assert_eq!(Done::parse(forged), None);
        }
    }
}
