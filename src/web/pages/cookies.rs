//! The two cookies: who is signed in, and what was just done.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};

use crate::config::Config;
use crate::reports::page::words::counted;

use super::views::Flash;

/// Of the session over plain HTTP: for a first try on the own machine.
const SESSION: &str = "cf_session";
/// Of the session over HTTPS: the prefix makes browsers refuse it without `Secure` or from elsewhere.
const SESSION_SECURE: &str = "__Host-cf_session";
/// Of the message after a form was sent.
const FLASH: &str = "cf_flash";

/// The name of a cookie of this book: a browser may be signed in to several of one host.
fn of_book(config: &Config, name: &str) -> String {
    if config.root().is_empty() { name.to_owned() } else { format!("{name}_{}", config.book_name()) }
}

/// The name of the session's cookie.
pub fn session_cookie_name(config: &Config) -> String {
    of_book(config, if config.is_https() { SESSION_SECURE } else { SESSION })
}

/// The session's cookie; it ends with the browser at the latest.
pub(super) fn session(config: &Config, token: String) -> Cookie<'static> {
    // Lax, not Strict: a link in a mail must find its reader signed in.
    Cookie::build(session_cookie_name(config), token)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(config.is_https())
        .finish()
}

/// Takes the session's cookie away.
pub(super) fn no_session(config: &Config) -> Cookie<'static> {
    let mut cookie = session(config, String::new());
    cookie.make_removal();
    cookie
}

/// A message for the next page. Only its code travels, so that nobody can write words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// An alert was closed by the event with this number.
    AlertClosed(i64),
    /// A checkpoint came back and is a state of this log: the event with this number says so.
    CheckpointHolds(i64),
    /// A checkpoint came back that is none: the event with this number says why.
    CheckpointFails(i64),
    /// What came back holds no checkpoint; the event with this number says that somebody tried.
    CheckpointAbsent(i64),
    /// A hold was placed by the event with this number.
    HoldPlaced(i64),
    /// The same, and nothing is stored of its subject.
    HoldAhead(i64),
    /// The proposal with this number was submitted.
    Proposed(i64),
    /// So many mails that were given up are sent again.
    MailResent(i64),
    /// So many mails that were given up are acknowledged.
    MailAcknowledged(i64),
    /// A proposal was decided by the event with this number.
    ProposalDecided(i64),
    /// Somebody signed in after this many wrong passwords.
    SignedIn(u32),
    /// The session is over.
    SignedOut,
}

impl Done {
    fn code(self) -> String {
        match self {
            Done::AlertClosed(seq) => format!("closed.{seq}"),
            Done::CheckpointHolds(seq) => format!("holds.{seq}"),
            Done::CheckpointFails(seq) => format!("fails.{seq}"),
            Done::CheckpointAbsent(seq) => format!("absent.{seq}"),
            Done::HoldPlaced(seq) => format!("held.{seq}"),
            Done::HoldAhead(seq) => format!("ahead.{seq}"),
            Done::Proposed(seq) => format!("proposed.{seq}"),
            Done::MailResent(mails) => format!("resent.{mails}"),
            Done::MailAcknowledged(mails) => format!("known.{mails}"),
            Done::ProposalDecided(seq) => format!("decided.{seq}"),
            Done::SignedIn(failures) => format!("tried.{failures}"),
            Done::SignedOut => "signed-out".to_owned(),
        }
    }

    /// From its code.
    pub(super) fn parse(code: &str) -> Option<Done> {
        match code.split_once('.') {
            Some(("closed", seq)) => seq.parse().ok().map(Done::AlertClosed),
            Some(("holds", seq)) => seq.parse().ok().map(Done::CheckpointHolds),
            Some(("fails", seq)) => seq.parse().ok().map(Done::CheckpointFails),
            Some(("absent", seq)) => seq.parse().ok().map(Done::CheckpointAbsent),
            Some(("held", seq)) => seq.parse().ok().map(Done::HoldPlaced),
            Some(("ahead", seq)) => seq.parse().ok().map(Done::HoldAhead),
            Some(("proposed", seq)) => seq.parse().ok().map(Done::Proposed),
            Some(("resent", mails)) => mails.parse().ok().map(Done::MailResent),
            Some(("known", mails)) => mails.parse().ok().map(Done::MailAcknowledged),
            Some(("decided", seq)) => seq.parse().ok().map(Done::ProposalDecided),
            Some(("tried", failures)) => failures.parse().ok().map(Done::SignedIn),
            None if code == "signed-out" => Some(Done::SignedOut),
            _ => None,
        }
    }

    /// In words.
    pub(super) fn flash(self) -> Flash {
        let (tone, text) = match self {
            Done::SignedIn(failures) => {
                let refused = "sign-in with a wrong password was refused";
                let refused = counted(failures.into(), refused, "sign-ins with a wrong password were refused");
                ("warn", format!("Since you last signed in, {refused}. If that was not you, tell your administrator."))
            }
            Done::AlertClosed(seq) => ("good", format!("The alert is closed. The decision is event {seq} of the log.")),
            Done::HoldPlaced(seq) => ("good", format!("Hold {seq} is in force: nothing of its subject is erased.")),
            Done::HoldAhead(seq) => {
                let told =
                    "is in force, but nothing is stored under that name so far: check how it is written. It keeps what comes.";
                ("warn", format!("Hold {seq} {told}"))
            }
            Done::Proposed(seq) => ("good", format!("Proposal {seq} is submitted. Another officer decides it.")),
            Done::MailResent(mails) => {
                ("good", format!("{} again; what becomes of it is an event.", counted(mails, "mail waits", "mails wait")))
            }
            Done::MailAcknowledged(mails) => {
                ("good", format!("Recorded: {} acknowledged.", counted(mails, "mail is", "mails are")))
            }
            Done::ProposalDecided(seq) => ("good", format!("Recorded. Your decision is event {seq} of the log.")),
            Done::CheckpointHolds(seq) => {
                ("good", format!("Consistent: the log extends this checkpoint, nothing it covers was changed. Event {seq}."))
            }
            Done::CheckpointFails(seq) => (
                "bad",
                format!("Not a state of this log. Event {seq} says why; keep the mail, and call who answers for this log."),
            ),
            Done::CheckpointAbsent(seq) => (
                "warn",
                format!(
                    "There is no checkpoint in what was pasted. Paste the whole mail, or the lines from the log's name to the \
                     signature. Event {seq}."
                ),
            ),
            Done::SignedOut => ("good", "You have signed out.".to_owned()),
        };
        Flash { tone: tone.to_owned(), text }
    }

    /// The cookie that carries it to the next page.
    pub(super) fn cookie(self, config: &Config) -> Cookie<'static> {
        Cookie::build(of_book(config, FLASH), self.code())
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(config.is_https())
            .max_age(Duration::minutes(2))
            .finish()
    }
}

/// What was just done, if the request says so.
pub(super) fn done(config: &Config, request: &actix_web::HttpRequest) -> Option<Done> {
    request.cookie(&of_book(config, FLASH)).and_then(|cookie| Done::parse(cookie.value()))
}

/// Takes the message away once it has been shown.
pub(super) fn no_flash(config: &Config) -> Cookie<'static> {
    let mut cookie = Cookie::build(of_book(config, FLASH), "").path("/").finish();
    cookie.make_removal();
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_https_the_cookie_is_bound_to_the_host() {
        let mut config = Config::default();
        let plain = session(&config, "token".to_owned()).to_string();
        assert_eq!(plain, "cf_session=token; HttpOnly; SameSite=Lax; Path=/");
        config.server.public_url = "https://monitor.bank.example".to_owned();
        let secure = session(&config, "token".to_owned()).to_string();
        assert_eq!(secure, "__Host-cf_session=token; HttpOnly; SameSite=Lax; Secure; Path=/");
        let gone = no_session(&config).to_string();
        assert!(gone.contains("Max-Age=0") && gone.contains("Secure") && gone.contains("Path=/"), "{gone}");
    }

    #[test]
    fn a_message_travels_as_a_code_only() {
        for done in [Done::AlertClosed(4200), Done::MailResent(2), Done::MailAcknowledged(1), Done::SignedIn(3), Done::SignedOut]
        {
            assert_eq!(Done::parse(&done.code()), Some(done));
        }
        for forged in ["closed.<b>", "closed", "You won", ""] {
            assert_eq!(Done::parse(forged), None);
        }
    }
}
