//! `verify`

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use crate::app::{Leader, Request};
use crate::audit::{self, Mark, Options, Outcome, Verified};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, migrate};

use super::verify_export::{self, Exported};
use super::{CliResult, Common, Done, progress, verify_archive};

/// Findings of a kind that are listed for people; `--json` lists up to 1,000.
const LISTED: usize = 20;

/// Hold everything against its log: every leaf and tile hashed again, every commitment opened,
/// sequence, places, continuity, the tables that follow derived again, and the schema compared.
///
/// Changes nothing; that a whole verification was made, and what it came to, is recorded in the log.
/// Open breaks are not tampering. Exit code 1 when something does not hold.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
    /// Verify the history of this account only: its leaves, pointers, continuity and inclusion
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["export", "checkpoint"])]
    account: Option<String>,
    /// Verify this archive (a folder) instead of the database, with its tables in Parquet
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["export", "account", "resume"])]
    archive: Option<PathBuf>,
    #[command(flatten)]
    exported: Exported,
    /// Go on where the last clean run ended, or an interrupted one had come to: hash what came since, hold the rest by its tiles against
    /// the root remembered beside the keys. Tables that follow are not compared; what a whole run has found since
    /// is said again until one finds nothing; nothing is recorded
    #[arg(long, conflicts_with = "account")]
    resume: bool,
    /// Record nothing, e.g. over a copy of the database
    #[arg(long)]
    no_record: bool,
}

pub(super) fn run(common: &Common, command: Verify) -> CliResult {
    if let Some(path) = &command.archive {
        return verify_archive::run(common, path, &command.exported, command.json);
    }
    if command.exported.asked() {
        return verify_export::run(common, &command.exported, command.json);
    }
    // A list of migrations that was tampered with is a finding, as long as the tables are there.
    let (config, db) = common.db_as_it_is()?;
    let bar = progress::leaves();
    let progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let clock = Clock::system();
    let started = clock.now();
    let given = command.exported.given()?;
    let options = Options { config: &config, now: started, progress: &progress, given: &given };
    let mark = if command.resume { Mark::read(&config, db.address())? } else { None };
    if command.resume && mark.is_none() {
        eprintln!("There is no clean run to go on from: this is a whole one.");
    }
    let outcome = match (&command.account, &mark) {
        (Some(number), _) => audit::verify_account(&db, number, options),
        (None, Some(mark)) => audit::verify_resumed(&db, options, mark),
        (None, None) => audit::verify_along(&db, options, &Mark::along(&db, &config, started)),
    };
    let outcome = outcome.or_else(|error| {
        // Why it failed is best said by what the schema lacks.
        migrate::require_current(&mut db.connect()?)?;
        Err(anyhow::Error::from(error))
    })?;
    bar.finish_and_clear();
    if command.json {
        say!("{}", serde_json::to_string(&outcome)?);
    } else {
        print(&outcome);
    }
    if command.account.is_none() {
        let kept = Mark::remember(&db, &config, &outcome, mark.is_none(), started);
        if let Err(error) = kept {
            eprintln!("--resume will not be able to go on from here: {error}.");
        }
    }
    if command.account.is_none() && mark.is_none() && !command.no_record && db.read(audit::is_begun)? {
        record(&db, config, clock, Verified::new(&outcome, started).by(super::whoami::of_this_process()));
    }
    Ok(if outcome.ok { Done::Well } else { Done::Finding })
}

/// Page Trail and the reports say when the log was verified last. A log that cannot be written is
/// still verified.
fn record(db: &Db, config: Config, clock: Clock, verified: Verified) {
    // A log that was damaged is not written on by a command that only looks at it.
    if !verified.ok && db.lease().is_ok_and(|lease| lease.is_some()) {
        return warn("no program writes this log, and it should be looked at before one does");
    }
    let noted = Leader::find(config, clock, super::whoami::of_this_process()).and_then(|leader| {
        let noted = leader.perform(Request::NoteVerified(verified));
        leader.close();
        noted
    });
    if let Err(error) = noted {
        warn(&error.to_string());
    }
}

fn warn(reason: &str) {
    eprintln!("The outcome is not recorded in the log: {reason}.");
}

fn print(outcome: &Outcome) {
    for level in &outcome.levels {
        let word = match (level.ok, level.checked) {
            (false, _) => "DOES NOT",
            (true, 0) => "-",
            (true, _) => "holds",
        };
        let note = level.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
        say!("{} {word:10} {:>12}  {}{note}", level.level, level.checked, level.name);
    }
    findings(outcome);
    say!("Not compared:");
    for exempt in outcome.exempt {
        let column = exempt.column.map_or_else(String::new, |column| format!(".{column}"));
        say!("  {}{column}: {}", exempt.table, exempt.reason);
    }
    if outcome.ok {
        say!("Everything holds: {} leaves, root {}.", outcome.size, outcome.root);
        return;
    }
    say!("Something does not hold: {} findings.", outcome.found);
    say!("Next: stop writing, keep a copy of the database as it is, and compare the places above with a backup");
    say!("and with the checkpoints held outside. What was changed can be restored from a backup that verifies.");
}

fn findings(outcome: &Outcome) {
    let mut counts: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for finding in &outcome.findings {
        let count = counts.entry((finding.level, finding.kind, finding.table)).or_default();
        *count += 1;
        if *count <= LISTED {
            let seq = finding.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
            say!("{} {} {} seq {seq}: {}", finding.level, finding.kind, finding.table, finding.detail);
        }
    }
    for ((level, kind, table), count) in counts.into_iter().filter(|(_, count)| *count > LISTED) {
        say!("{level} {kind} {table}: and {} more; --json lists them", count - LISTED);
    }
}
