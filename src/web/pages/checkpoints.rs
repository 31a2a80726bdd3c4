//! What is held outside: the last signed checkpoint, those that came back, and the form by which an
//! officer brings one back.

use actix_web::web;
use serde::Deserialize;
use serde_json::json;

use crate::clock::{HOUR, Moment};
use crate::db::{Conn, DbResult};
use crate::ledger::leaves;
use crate::reports::page::words::{LocalTime, count, counted, fact, tag};
use crate::trail::returned::{self, Compared};
use crate::trail::store::{self, AnchorRow as Anchor, CheckpointRow};

use super::cookies::Done;
use super::desk::{Desk, Page};
use super::views::{AnchorRow, Empty, Fact, Tile};

/// Returns listed.
const LISTED: i64 = 20;

/// The checkpoint as pasted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    text: String,
}

/// `POST /trail/checkpoints`
pub(super) async fn bring_back(desk: Desk, sent: web::Form<Sent>) -> Page {
    let (user, app, text) = (desk.user()?, desk.app.clone(), sent.into_inner().text);
    let compared = desk
        .read_freely(move |conn| {
            let keys = app.signer.verifiers(conn)?;
            Ok(returned::compare(conn, &keys, &text, leaves::hashes)?)
        })
        .await?;
    let done = match compared {
        Compared::Consistent { .. } => Done::CheckpointHolds,
        Compared::Nothing => Done::CheckpointAbsent,
        Compared::Contradicts { .. } | Compared::NotThisLog(_) => Done::CheckpointFails,
    };
    let recorded = desk.record(move |log| log.act(move |tx| compared.record(tx, "officer", &json!({ "user": user })))).await?;
    let seq = recorded.map_err(|e| desk.fail(e.into()))?;
    Ok(desk.go("/trail", Some(done(seq))))
}

/// Said while nothing has come back.
pub(super) fn nothing_outside() -> Empty {
    let text = "Whoever controls this machine could rewrite the log unseen. Checkpoints leave it with every mail; bring one back \
        to see that the log still extends it.";
    Empty { title: "No checkpoint has come back from outside".to_owned(), text: text.to_owned(), action: None }
}

/// The last checkpoint, and what came back.
pub(super) struct Held {
    last: Option<CheckpointRow>,
    back: Vec<Anchor>,
    newest: Option<Anchor>,
}

impl Held {
    pub fn read(conn: &mut Conn) -> DbResult<Held> {
        Ok(Held {
            last: store::newest_checkpoint(conn)?,
            back: store::anchors_newest(conn, LISTED)?,
            newest: store::newest_anchor(conn)?,
        })
    }

    /// Number, size and time of the last checkpoint.
    pub fn facts(&self, time: LocalTime) -> Vec<Fact> {
        let Some(last) = &self.last else { return vec![fact("Signed checkpoints", "None yet; one is signed within seconds")] };
        vec![
            fact("Number", count(last.number)),
            fact("Covers", counted(last.size, "leaf", "leaves")),
            fact("Signed", time.second(Moment(last.signed_at))),
        ]
    }

    /// The signed note itself.
    pub fn note(&self) -> Option<String> {
        self.last.as_ref().map(|last| last.note.clone())
    }

    /// Checkpoints that came back, newest first.
    pub fn rows(&self, time: LocalTime) -> Vec<AnchorRow> {
        let row = |anchor: &Anchor| AnchorRow {
            kind: "Checkpoint".to_owned(),
            place: if anchor.kind == "witness" { "Witness" } else { "Brought back by an officer" }.to_owned(),
            size: count(anchor.size),
            sent: time.second(Moment(anchor.signed_at)),
            returned: time.second(Moment(anchor.returned_at)),
            state: tag("Consistent", "good"),
        };
        self.back.iter().map(row).collect()
    }

    /// How long ago the newest checkpoint that came back was signed: what was recorded since could be
    /// rewritten unseen.
    pub fn tile(&self, now: Moment, hours: u32, time: LocalTime) -> Tile {
        let (value, note) = match &self.newest {
            None => ("Never".to_owned(), "no checkpoint has come back from outside".to_owned()),
            Some(anchor) => {
                let since = anchor.signed_at.min(anchor.returned_at);
                let age = (now.0 - since).max(0) / HOUR;
                let late = if age > i64::from(hours) { format!("; older than {hours} h") } else { String::new() };
                (format!("{age} h"), format!("since the checkpoint of {}{late}", time.second(Moment(since))))
            }
        };
        Tile { label: "Anchor age".to_owned(), values: vec![value], note, ..Tile::default() }
    }
}
