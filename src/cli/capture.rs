//! `capture add | list | check | remove | reconcile`: tables of the bank's own PostgreSQL.

mod add;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::app::Request;
use crate::capture::{self, Reconcile};
use crate::clock::{Clock, Moment};
use crate::config::{Capture as Settings, Config};
use crate::db::Outside;
use crate::trail::attempts::Outcome;

use super::{CliResult, Common, Done, acts, table};
use add::{Add, database};

/// Differences printed one by one; the rest is counted.
const PRINTED: usize = 1_000;

/// Tables of the bank's own PostgreSQL, captured by triggers: add, list, check, remove, reconcile
#[derive(Debug, Args)]
pub(super) struct Capture {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the triggers of a table, or bring them up to date; prints what belongs into the settings
    Add(Box<Add>),
    /// What waits in the bank's database, and what the log refused
    List {
        /// One capture of the settings, or a postgres:// URL; all of the settings without this
        #[arg(value_name = "NAME")]
        place: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Whether triggers, functions and columns are as they should be; exit code 1 if not
    Check {
        /// One capture of the settings, or a postgres:// URL; all of the settings without this
        #[arg(value_name = "NAME")]
        place: Option<String>,
    },
    /// Take the triggers of a table away, and everything with the last of them
    Remove {
        /// A capture of the settings, or a postgres:// URL of a role that may
        #[arg(value_name = "NAME")]
        place: String,
        /// The table
        table: String,
        /// Lose the rows that wait or were refused; without it they stand in the way
        #[arg(long)]
        discard: bool,
    },
    /// Compare a table with the records and balances of the log; exit code 1 if they differ
    Reconcile {
        /// A capture of the settings
        #[arg(value_name = "NAME")]
        place: String,
        /// The table; all tables of the capture without this
        table: Option<String>,
        /// Record what differs, as changes of an unknown actor
        #[arg(long)]
        record: bool,
    },
}

pub(super) fn run(common: &Common, command: Capture) -> CliResult {
    match command.action {
        Action::Add(command) => command.run(&common.config()?),
        Action::List { place, json } => list(&common.config()?, place.as_deref(), json),
        Action::Check { place } => check(&common.config()?, place.as_deref()),
        Action::Remove { place, table, discard } => remove(common, &place, &table, discard),
        Action::Reconcile { place, table, record } => reconcile(common, &place, table.as_deref(), record),
    }
}

/// The capture of this name, or one made of a URL.
fn named(config: &Config, place: &str) -> anyhow::Result<Settings> {
    if place.contains("://") {
        return Ok(Settings { name: database(place), url: place.to_owned(), ..Settings::default() });
    }
    let found = config.capture.iter().find(|capture| capture.name == place).cloned();
    found.with_context(|| format!("the settings have no [[capture]] {place}; name one of them, or write postgres://…"))
}

fn wanted(config: &Config, place: Option<&str>) -> anyhow::Result<Vec<Settings>> {
    let all = match place {
        Some(place) => vec![named(config, place)?],
        None => config.capture.clone(),
    };
    anyhow::ensure!(!all.is_empty(), "the settings have no [[capture]]; `capture add` prints one");
    Ok(all)
}

fn list(config: &Config, place: Option<&str>, json: bool) -> CliResult {
    let now = Clock::system().now();
    let mut rows = Vec::new();
    for settings in wanted(config, place)? {
        for (table, rejected) in capture::list(&settings)? {
            let lag = table.oldest_at.map(|at| (now.0 - at).max(0) / 1_000_000);
            if json {
                say!("{}", json!({ "capture": settings.name, "table": table, "lag_seconds": lag, "refused": rejected }));
                continue;
            }
            for row in &rejected {
                eprintln!("{} row {} was refused: {} ({})", table.table, row.id, row.detail, row.code);
            }
            let named = settings.table.iter().find(|known| known.table == table.table);
            let kind = named.map_or("not in the settings", |known| known.kind.as_str()).to_owned();
            let lag = lag.map_or_else(String::new, |seconds| format!("{seconds} s"));
            let oldest = table.oldest_at.map_or_else(String::new, |at| Moment(at).to_string());
            let counts = [table.waiting.to_string(), lag, oldest, table.rejected.to_string()];
            rows.push([vec![settings.name.clone(), table.table, kind], counts.to_vec()].concat());
        }
    }
    if !json {
        table::print(&["capture", "table", "type", "waiting", "lag", "oldest", "refused"], &rows);
    }
    Ok(Done::Well)
}

fn check(config: &Config, place: Option<&str>) -> CliResult {
    let mut found = 0;
    for settings in wanted(config, place)? {
        let mut bank = capture::connect(&settings)?;
        for (table, problems) in capture::check(&mut bank, &settings, config)? {
            found += problems.len();
            problems.iter().for_each(|problem| say!("{} {table}: {problem}", settings.name));
            if problems.is_empty() {
                eprintln!("{} {table}: as it should be", settings.name);
            }
        }
    }
    Ok(if found > 0 { Done::Finding } else { Done::Well })
}

fn remove(common: &Common, place: &str, table: &str, discard: bool) -> CliResult {
    let settings = named(&common.config()?, place)?;
    let mut bank: Outside = capture::connect(&settings)?;
    let removed = acts::between(common, "capture.remove", |leader| {
        let note = |removed: &capture::Removed, table: &str| {
            let (waiting, refused) = removed.discarded;
            let body = json!({ "capture": settings.name, "table": table, "discarded": waiting, "refused": refused });
            Ok(leader.perform(Request::NoteCapture { removed: true, body }).map(drop)?)
        };
        Ok((Outcome::Succeeded, capture::remove(&mut bank, table, discard, note)?))
    });
    let removed = removed.map_err(|e| may_not(e, place))?;
    let (waiting, refused) = removed.discarded;
    eprintln!("{table} is captured no longer; {waiting} waiting and {refused} refused rows were discarded.");
    if removed.last {
        eprintln!("It was the last table: the schema counterfoil_capture is gone too.");
    }
    eprintln!("Take it out of the settings as well.");
    Ok(Done::Well)
}

/// The settings name the role that drains, which may not take triggers away.
fn may_not(error: anyhow::Error, place: &str) -> anyhow::Error {
    let text = format!("{error:#}");
    let refused = ["permission denied", "must be owner"].iter().any(|words| text.contains(words));
    match refused && !place.contains("://") {
        true => error.context(format!(
            "the role in the settings of {place} may not take triggers away: write the URL of the table's owner in its place, \
             `counterfoil capture remove postgres://OWNER@HOST/DATABASE TABLE`"
        )),
        false => error,
    }
}

fn reconcile(common: &Common, place: &str, table: Option<&str>, record: bool) -> CliResult {
    let settings = named(&common.config()?, place)?;
    anyhow::ensure!(!settings.table.is_empty(), "[[capture]] {} names no table in the settings", settings.name);
    let differing = acts::between(common, "capture.reconcile", |leader| {
        let wanted = settings.table.iter().filter(|known| table.is_none_or(|name| capture::is_called(known, name)));
        let wanted: Vec<_> = wanted.collect();
        anyhow::ensure!(!wanted.is_empty(), "[[capture]] {} has no table {}", settings.name, table.unwrap_or_default());
        let mut differing = 0;
        for known in wanted {
            differing += reconcile_one(leader, &settings, known, record)?;
        }
        Ok((Outcome::Succeeded, differing))
    })?;
    Ok(if differing > 0 { Done::Finding } else { Done::Well })
}

fn reconcile_one(
    leader: &crate::app::Leader,
    settings: &Settings,
    table: &crate::config::CapturedTable,
    record: bool,
) -> anyhow::Result<u64> {
    let mut printed = 0;
    let mut print = |difference: &capture::Difference| {
        printed += 1;
        if printed <= PRINTED {
            say!("{} {difference}", table.table);
        }
    };
    let found = Reconcile { leader, settings, table, record }.run(&mut print)?;
    if printed > PRINTED {
        say!("{} … and {} more", table.table, printed - PRINTED);
    }
    eprintln!("{}: {found}", table.table);
    Ok(found.differing - found.recorded)
}
