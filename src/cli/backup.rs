//! `backup`

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::app::{Leader, Request};
use crate::db::{Db, DbResult, backup};
use crate::ledger::leaves;
use crate::trail::attempts::Outcome;
use crate::trail::store;

use super::{CliResult, Common, Done, acts, whoami};

/// Copy an SQLite database into a new file, also while it is written, and check the copy.
///
/// The keys are not in it. PostgreSQL is backed up by its own means: see docs/operations.md.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The new file
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Print what was copied as JSON
    #[arg(long)]
    json: bool,
}

/// What a copy holds.
struct Held {
    size: i64,
    root: String,
    checkpoint: Option<i64>,
}

pub(super) fn run(common: &Common, command: Backup) -> CliResult {
    let held = acts::between(common, "backup.make", |leader| {
        let copy = backup::copy(leader.db(), &command.to).context("no backup was made")?;
        let held = held(&copy).context("the copy does not hold together: verify the database itself")?;
        drop(copy);
        note(leader, &held)?;
        Ok((Outcome::Succeeded, held))
    })?;
    let file = command.to.display();
    if command.json {
        say!("{}", json!({ "file": file.to_string(), "size": held.size, "root": held.root, "checkpoint": held.checkpoint }));
        return Ok(Done::Well);
    }
    let covered =
        held.checkpoint.map_or_else(|| "no checkpoint yet".to_owned(), |n| format!("checkpoint {n} and what came before"));
    say!("{file}: {} leaves, root {}, {covered}", held.size, held.root);
    eprintln!("Checked: the file is whole and its leaves have that root. Keep it elsewhere, the keys apart from it.");
    Ok(Done::Well)
}

/// The end of the log in the copy, with its root computed again from the leaves at the right edge and the tiles.
fn held(copy: &Db) -> anyhow::Result<Held> {
    let held = copy.read(|conn| {
        let Some(state) = store::state(conn)? else { return DbResult::Ok(None) };
        let trailing = leaves::hashes(conn, state.size - state.size % 256, state.size)?;
        let tail = store::load_tail(conn, &state, &trailing)?;
        let checkpoint = store::newest_checkpoint(conn)?.map(|row| row.number);
        Ok(Some(Held { size: tail.next_seq(), root: hex::encode(tail.root()), checkpoint }))
    })?;
    held.context("there is no log in it")
}

/// A copy of everything leaves the database: that is an event.
fn note(leader: &Leader, held: &Held) -> anyhow::Result<()> {
    let body = json!({ "what": "everything (backup)", "format": "sqlite", "rows": held.size });
    let noted = leader.perform(Request::NoteExport { body, private: whoami::of_this_process() });
    noted.map(drop).context("the backup was made, but that could not be recorded")
}
