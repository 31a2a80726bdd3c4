//! `report --date D` and `nightly`

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use chrono::NaiveDate;
use clap::Args;
use serde_json::json;

use crate::app::Request;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::reports::{self, Context, formats};
use crate::trail::attempts::Outcome;

use super::{CliResult, Common, Done, acts};

/// Print the report of a date: its newest stored version, else a preview (version 0). That it was read is an
/// event
#[derive(Debug, Args)]
pub(super) struct Report {
    /// The business date
    #[arg(long)]
    date: NaiveDate,
    /// text, json, html or csv
    #[arg(long, default_value = "text")]
    format: String,
    /// Into this file, which only you may read; to stdout without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Do not record that it was read, e.g. over a copy of the database
    #[arg(long)]
    no_record: bool,
}

/// Make and store the reports that are due and note that the night came, or make the report of one date.
#[derive(Debug, Args)]
pub(super) struct Nightly {
    /// This business date, whether it is due or not
    #[arg(long)]
    date: Option<NaiveDate>,
}

pub(super) fn report(common: &Common, command: Report) -> CliResult {
    anyhow::ensure!(
        ["text", "json", "html", "csv"].contains(&command.format.as_str()),
        "`{}` is not a format; use text, json, html or csv",
        command.format
    );
    if command.no_record {
        let (config, db) = common.db()?;
        let (text, _) = written(&config, &db, &command)?;
        hand_out(&command, &text)?;
        return Ok(Done::Well);
    }
    acts::between(common, "report.read", |leader| {
        let (text, version) = written(leader.config(), leader.db(), &command)?;
        let body = json!({ "date": command.date, "version": version, "format": command.format });
        acts::seen(leader, true, body)?;
        hand_out(&command, &text)?;
        Ok((Outcome::Succeeded, Done::Well))
    })
}

/// The report in its format, and which version it is.
fn written(config: &Config, db: &Db, command: &Report) -> anyhow::Result<(String, i32)> {
    let context = Context::new(config, Clock::system());
    let stored = db.read(|conn| reports::load(conn, command.date, None))?;
    Ok(match (command.format.as_str(), stored) {
        ("html", Some(stored)) => (stored.html, stored.report.version),
        ("json", Some(stored)) => (stored.body, stored.report.version),
        (format, stored) => {
            let report = match stored {
                Some(stored) => stored.report,
                None => db.read(|conn| reports::preview(conn, &context, command.date))?,
            };
            let text = match format {
                "json" => formats::json(&report)?,
                "csv" => formats::csv(&report),
                "html" => reports::page::frozen_in(&report, &context.root),
                _ => formats::text(&report),
            };
            (text, report.version)
        }
    })
}

fn hand_out(command: &Report, text: &str) -> anyhow::Result<()> {
    let Some(path) = &command.out else {
        say!("{}", text.trim_end_matches('\n'));
        return Ok(());
    };
    let written = acts::owners_file(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("{} cannot be written", path.display()))
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
