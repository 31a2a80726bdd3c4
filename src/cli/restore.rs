//! `restore-record`: what going back to a version would change; submitted for a second person.

use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::access::store::source_by_name;
use crate::app::Leader;
use crate::approvals::Kind;
use crate::capture::{self, Offer};
use crate::db::DbResult;
use crate::records::store::record_by_reference;
use crate::records::{Held, Json, Restoration};
use crate::trail::attempts::Outcome;

use super::propose::{self, Proposed, Proposing};
use super::{CliResult, Common, Done, acts};

/// Propose that a record goes back to one of its versions; without --propose print what that would change
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The record's type
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The record's id within its type
    id: String,
    /// The source it belongs to
    #[arg(long)]
    source: String,
    /// The version to go back to, from 1
    #[arg(long)]
    version: i64,
    /// Do it in the bank's own table, for a captured record: one transaction there, if the row is still as recorded
    #[arg(long, requires = "propose")]
    at_source: bool,
    #[command(flatten)]
    by: Proposing,
}

pub(super) fn run(common: &Common, command: Restore) -> CliResult {
    acts::between(common, "record.read", |leader| shown(leader, command).map(|done| (Outcome::Succeeded, done)))
}

/// Prints what would change, and submits it where that is asked for.
fn shown(leader: &Leader, command: Restore) -> CliResult {
    let Restore { kind, id, source, version, at_source, by } = command;
    let found = leader.db().read(|conn| match source_by_name(conn, &source)? {
        Some(source) => record_by_reference(conn, source, &kind, &id),
        None => DbResult::Ok(None),
    })?;
    let record = found.with_context(|| format!("source {source} has no record {kind} {id}"))?;
    let restoration = leader.db().read(|conn| Restoration::of(conn, record.id, version))?;
    acts::seen(leader, false, json!({ "record": record.id }))?;
    let text = |held: &Option<Held>| match held {
        None => "nothing".to_owned(),
        Some(held) => held.value.as_ref().map_or_else(|| "a sealed value".to_owned(), Json::for_people),
    };
    for found in &restoration.difference {
        say!("{}: {} becomes {}", found.path, text(&found.from), text(&found.to));
    }
    let (was, is) = restoration.existence;
    if was != is {
        say!("the record {}", if was { "is there again" } else { "is deleted again" });
    }
    if let Some(by) = by.proposer() {
        let about = restoration.about();
        let facts = match at_source.then(|| capture::offer(leader.config(), &source, &kind, was)) {
            None => restoration.facts(),
            Some(Some(Offer::May(from))) => restoration.facts_at_source(&from.capture),
            Some(Some(Offer::Not(why))) => anyhow::bail!("it cannot be done in the bank's own table: {why}"),
            Some(None) => anyhow::bail!("the record was not captured from a table: leave --at-source out"),
        };
        propose::submit(leader, &by, Proposed { kind: Kind::RestoreRecord, about, facts, detail: None })?;
    }
    Ok(Done::Well)
}
