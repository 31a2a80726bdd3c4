//! `verify`

use clap::Args;
use indicatif::ProgressBar;

use crate::audit::{self, Options, Outcome};

use super::verify_export::{self, Exported};
use super::{CliResult, Common, Done};

/// Hold everything against its log: every leaf and tile hashed again, every commitment opened,
/// sequence, places, continuity and the tables that follow derived again. Writes nothing.
///
/// Open breaks are not tampering. Exit code 1 when something does not hold.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
    /// Check the continuity of this account only; everything else is checked whole
    #[arg(long, value_name = "NUMBER")]
    account: Option<String>,
    #[command(flatten)]
    exported: Exported,
}

pub(super) fn run(common: &Common, command: Verify) -> CliResult {
    if command.exported.asked() {
        return verify_export::run(common, &command.exported, command.json);
    }
    let (config, db) = common.db()?;
    let bar = ProgressBar::new(0);
    let progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let outcome = audit::verify(&db, Options { account: command.account, sources: &config.source, progress: &progress })?;
    bar.finish_and_clear();
    if command.json {
        say!("{}", serde_json::to_string(&outcome)?);
    } else {
        print(&outcome);
    }
    Ok(if outcome.ok { Done::Well } else { Done::Finding })
}

fn print(outcome: &Outcome) {
    for level in &outcome.levels {
        say!("{} {:10} {:>12}  {}", level.level, if level.ok { "holds" } else { "DOES NOT" }, level.checked, level.name);
    }
    for finding in &outcome.findings {
        let seq = finding.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
        say!("{} {} {} seq {seq}: {}", finding.level, finding.kind, finding.table, finding.detail);
    }
    say!("{}", if outcome.ok { "Everything holds." } else { "Something does not hold." });
}
