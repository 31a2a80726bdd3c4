//! Mail that was given up: the list, sending it again, acknowledging it.

use actix_web::http::StatusCode;
use actix_web::web;
use serde::Deserialize;

use crate::access::Permission;
use crate::notify::letters::{self, About, DeadLetter, Deed, LISTED_MAX, Order, REASON};
use crate::notify::store::{ACKNOWLEDGED, DEAD, OutboxRow};
use crate::reports::page::words::{LocalTime, alert_link, counted, link, tag, words};
use crate::trail::ActError;

use super::cookies::Done;
use super::desk::{Desk, Page};
use super::errors::sentence;
use super::views::{Empty, FieldError, LetterRow, Link, MailPage};

/// Where the list is.
const LIST: &str = "/trail/mail";

/// An order as sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    /// A Message-ID, or `all`.
    mail: String,
    reason: String,
}

/// `GET /trail/mail`
pub(super) async fn list(desk: Desk) -> Page {
    render(&desk, &Sent::default(), Vec::new()).await
}

/// `POST /trail/mail/resend`
pub(super) async fn resend(desk: Desk, sent: web::Form<Sent>) -> Page {
    order(desk, Deed::Resend, sent.into_inner()).await
}

/// `POST /trail/mail/acknowledge`
pub(super) async fn acknowledge(desk: Desk, sent: web::Form<Sent>) -> Page {
    order(desk, Deed::Acknowledge, sent.into_inner()).await
}

async fn order(desk: Desk, deed: Deed, sent: Sent) -> Page {
    let message_id = Some(sent.mail.clone()).filter(|mail| mail != "all");
    let order = Order { deed, message_id, reason: sent.reason.clone(), user: Some(desk.user()?) };
    match desk.record(move |log| letters::carry_out(log, order)).await? {
        Ok(ordered) => {
            let mails = i64::try_from(ordered.mails).unwrap_or(i64::MAX);
            let done = if deed == Deed::Resend { Done::MailResent(mails) } else { Done::MailAcknowledged(mails) };
            Ok(desk.go(LIST, Some(done)))
        }
        Err(ActError::Refused { status: 422, detail, .. }) => {
            let error = FieldError { field: "reason".to_owned(), text: sentence(&detail) };
            render(&desk, &sent, vec![error]).await
        }
        Err(error) => Err(desk.fail(error.into())),
    }
}

async fn render(desk: &Desk, sent: &Sent, errors: Vec<FieldError>) -> Page {
    let (found, waiting) = desk.read(|conn| Ok((letters::list(conn)?, letters::count(conn)?))).await?;
    let (time, may) = (desk.time(), desk.may(Permission::HandleMail));
    let customers = desk.may(Permission::ReadCustomers);
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = MailPage {
        chrome: desk.chrome("Mail that was given up"),
        summary: match waiting {
            0 => "No mail waits for somebody to look at it.".to_owned(),
            n => {
                format!("{} given up, and nobody has had it sent again or acknowledged it.", counted(n, "mail was", "mails were"))
            }
        },
        rows: found.iter().map(|letter| row(letter, time, customers)).collect(),
        empty: Empty {
            title: "No mail was given up".to_owned(),
            text: "Every mail left, or waits for its next try.".to_owned(),
            action: None,
        },
        choices: if may { choices(&found, sent) } else { Vec::new() },
        reason: sent.reason.clone(),
        reason_hint: format!("{} to {} characters; recorded with your name.", REASON.start(), REASON.end()),
        read_only: (!may && waiting > 0)
            .then(|| "Your role reads this list; officers and administrators deal with it.".to_owned()),
        more: (found.len() as i64 == LISTED_MAX)
            .then(|| format!("Only {LISTED_MAX} are shown; deal with some of them to see the rest.")),
        errors,
    };
    desk.show_as(status, &page)
}

/// What the form can be about: (value, label, whether it was chosen).
fn choices(found: &[DeadLetter], sent: &Sent) -> Vec<(String, String, bool)> {
    let open = found.iter().filter(|letter| !letter.acknowledged);
    let one = |letter: &DeadLetter| {
        let label = format!("{} to {}", content(letter), letter.recipient);
        (letter.message_id.clone(), label, sent.mail == letter.message_id)
    };
    let mut choices: Vec<_> = open.map(one).collect();
    if choices.len() > 1 {
        choices.insert(0, ("all".to_owned(), "All of them".to_owned(), sent.mail == "all"));
    }
    choices
}

fn row(letter: &DeadLetter, time: LocalTime, customers: bool) -> LetterRow {
    LetterRow {
        content: content(letter),
        about: letter.about.iter().map(|about| place(about, customers)).collect(),
        more: usize::try_from(letter.rows).unwrap_or_default().saturating_sub(letter.about.len()),
        recipient: letter.recipient.clone(),
        tries: letter.tries.to_string(),
        error: letter.error.clone(),
        given_up: time.second(letter.given_up),
        state: if letter.acknowledged { tag("Acknowledged", "neutral") } else { tag("Given up", "bad") },
    }
}

fn content(letter: &DeadLetter) -> String {
    let (one, many) = match letter.kind.as_str() {
        "alert" => ("alert", "alerts"),
        "report" => ("report", "reports"),
        "history" => ("import", "imports"),
        "notice" => ("notice", "notices"),
        other => return words(other),
    };
    counted(letter.rows, one, many)
}

/// Where what a mail was about can be read; without a link for whoever may not open it.
fn place(about: &About, customers: bool) -> Link {
    match about {
        About::Alert(reference) if customers => alert_link(reference),
        About::Alert(reference) => link(reference, ""),
        About::Report(date, version) if customers => {
            link(format!("{date}, version {version}"), format!("/reports/{date}?version={version}"))
        }
        About::Report(date, version) => link(format!("{date}, version {version}"), ""),
        About::Event(seq) => link(format!("Event {seq}"), ""),
    }
}

/// The way to the list, when there is something on it, for who may see it.
pub(super) fn way(desk: &Desk, dead: i64) -> Option<Link> {
    let text = format!("{} given up: see why, and have it sent again", counted(dead, "mail was", "mails were"));
    (dead > 0 && desk.may(Permission::ReadActs)).then(|| link(text, LIST))
}

/// That the mail about an alert was given up, if it was.
pub(super) fn of_alert(desk: &Desk, owed: &[OutboxRow]) -> Option<Link> {
    let given_up = owed.iter().filter(|row| matches!(row.state, DEAD | ACKNOWLEDGED)).count();
    let of = counted(owed.len() as i64, "recipient", "recipients");
    let text = format!("The mail about this alert was given up for {given_up} of {of}.");
    let href = if desk.may(Permission::ReadActs) { LIST } else { "" };
    (given_up > 0).then(|| link(text, href))
}
