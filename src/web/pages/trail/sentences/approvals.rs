//! Proposals and what became of them.

use crate::approvals::Kind;
use crate::reports::page::words::{link, words};
use crate::web::pages::views::Link;

use super::{Body, Said, about};

pub(super) fn said(kind: &str, body: &Body<'_>) -> Option<Said> {
    let user = || body.user();
    let what = title(body);
    let text = match kind {
        "approval.submitted" if body.fields["user"].is_i64() => format!("{} proposed: {what}.", user()),
        "approval.submitted" => format!("The command line proposed: {what}."),
        "approval.approved" if body.fields["complete"] == true => format!("{} approved: {what}.", user()),
        "approval.approved" => format!("{} approved as the first of two: {what}.", user()),
        "approval.refused" => format!("{} refused: {what}.", user()),
        "approval.withdrawn" => format!("{} took a proposal back: {what}.", user()),
        "approval.expired" => format!("A proposal ended because nobody dealt with it in time: {what}."),
        "approval.carried_out" => format!("What was approved was carried out: {what}."),
        "approval.submit_refused" => {
            return about(format!("A proposal was not taken: {}.", words(body.text("code")).to_lowercase()), None);
        }
        "approval.decision_refused" => format!(
            "{} tried to {} a proposal and was not let: {}.",
            user(),
            body.text("decision"),
            words(body.text("code")).to_lowercase()
        ),
        _ => return None,
    };
    about(text, proposal(kind, body))
}

/// As in the middle of a sentence.
fn title(body: &Body<'_>) -> String {
    let title = Kind::parse(body.text("kind")).map_or("?", Kind::title);
    let mut chars = title.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().collect::<String>() + chars.as_str())
}

/// The page of the proposal that the event is about; the submission's own place is in no field of it.
fn proposal(kind: &str, body: &Body<'_>) -> Option<Link> {
    let list = || Some(link("Approvals", "/approvals"));
    if kind == "approval.submitted" {
        return list();
    }
    Some(link("Proposal", format!("/approvals/{}", body.fields["proposal"].as_i64()?)))
}
