//! `report --date D` and `nightly`

use std::path::PathBuf;

use anyhow::Context as _;
use chrono::NaiveDate;
use clap::Args;

use crate::app::Request;
use crate::clock::Clock;
use crate::reports::{self, Context, formats};

use super::{CliResult, Common, Done};

/// Print the report of a date: its newest stored version, else a preview (version 0).
#[derive(Debug, Args)]
pub(super) struct Report {
    /// The business date
    #[arg(long)]
    date: NaiveDate,
    /// text, json, html or csv
    #[arg(long, default_value = "text")]
    format: String,
    /// Into this file; to stdout without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Make and store the reports that are due, or that of one date.
#[derive(Debug, Args)]
pub(super) struct Nightly {
    /// This business date, whether it is due or not
    #[arg(long)]
    date: Option<NaiveDate>,
}

pub(super) fn report(common: &Common, command: Report) -> CliResult {
    let (config, db) = common.db()?;
    let context = Context::new(&config, Clock::system());
    let stored = db.read(|conn| reports::load(conn, command.date, None))?;
    let text = match (command.format.as_str(), &stored) {
        ("html", Some(stored)) => stored.html.clone(),
        ("json", Some(stored)) => stored.body.clone(),
        (format, stored) => {
            let report = match stored {
                Some(stored) => stored.report.clone(),
                None => db.read(|conn| reports::preview(conn, &context, command.date))?,
            };
            match format {
                "text" => formats::text(&report),
                "json" => formats::json(&report)?,
                "csv" => formats::csv(&report),
                "html" => reports::page::frozen_in(&report, &context.root),
                other => anyhow::bail!("`{other}` is not a format; use text, json, html or csv"),
            }
        }
    };
    match &command.out {
        None => say!("{}", text.trim_end_matches('\n')),
        Some(path) => std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?,
    }
    Ok(Done::Well)
}

pub(super) fn nightly(common: &Common, command: Nightly) -> CliResult {
    let leader = common.leader()?;
    let made = leader.perform(Request::Nightly { date: command.date });
    let due = made.as_ref().is_ok_and(|made| made.as_array().is_some_and(|made| !made.is_empty()));
    let pruned = due.then(|| leader.perform(Request::Prune));
    leader.close();
    let made = made?;
    let made = made.as_array().cloned().unwrap_or_default();
    if made.is_empty() {
        eprintln!("No report is due.");
    }
    for line in made {
        say!("{} version {} {}", text(&line["date"]), line["version"], text(&line["outcome"]));
    }
    match pruned {
        Some(Ok(done)) => super::prune::tell(&done[1]),
        Some(Err(error)) => eprintln!("{error}"),
        None => {}
    }
    Ok(Done::Well)
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}
