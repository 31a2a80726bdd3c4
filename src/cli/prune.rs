//! `prune [--dry-run]`

use clap::Args;
use serde_json::Value;

use crate::app::{LeaderError, Request};
use crate::clock::Clock;
use crate::privacy::retention;

use super::{CliResult, Common, Done};

/// Drop values of changes whose time is over; the leaves stay, and every proof does. Runs every night by itself
#[derive(Debug, Args)]
pub(super) struct Prune {
    /// Only say what would be dropped
    #[arg(long)]
    dry_run: bool,
    /// The run as JSON on stdout
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, command: Prune) -> CliResult {
    let run = if command.dry_run { planned(common) } else { pruned(common)? };
    let run = match run {
        Ok(run) => run,
        Err(detail) => {
            eprintln!("{detail}");
            return Ok(Done::Finding);
        }
    };
    if command.json {
        say!("{run}");
    }
    if command.dry_run {
        eprintln!("Nothing was dropped: this is what a run would do.");
    }
    tell(&run);
    Ok(Done::Well)
}

/// The run, or why there is none.
fn planned(common: &Common) -> Result<Value, String> {
    let (config, db) = common.db().map_err(|e| e.to_string())?;
    let planned = retention::dry_run(&db, &config.retention, Clock::system().now()).map_err(|e| e.to_string())?;
    serde_json::to_value(planned).map_err(|e| e.to_string())
}

fn pruned(common: &Common) -> anyhow::Result<Result<Value, String>> {
    let leader = common.leader()?;
    let answer = leader.perform(Request::Prune);
    leader.close();
    match answer {
        Ok(done) => Ok(Ok(done[1].clone())),
        Err(LeaderError::Request(refused)) if refused.code == "clock_distrusted" => Ok(Err(refused.detail)),
        Err(error) => Err(error.into()),
    }
}

/// Says for people what a run did.
pub(super) fn tell(run: &Value) {
    let n = |field: &str, class: &str| run[field][class].as_i64().unwrap_or_default();
    for class in ["critical", "normal", "debug"] {
        eprintln!("{class}: values of {} changes older than {} days", n("dropped", class), n("days", class));
    }
    eprintln!("held: {}", run["held"]);
    if run["more"] == true {
        eprintln!("More is due than the {} changes of one run: it goes on with the next.", run["cap"]);
    }
}
