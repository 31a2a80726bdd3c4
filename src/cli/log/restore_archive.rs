//! `log restore-archive`

use std::path::PathBuf;

use clap::Args;
use counterfoil_verify::check::{Report, Source};
use counterfoil_verify::{Policy, VerifierKey};

use crate::audit::{self, Exported, REPLAY_BATCH, ReplayOptions};
use crate::db::Db;

use super::super::archives::Archives;
use super::super::verify_archive::held;
use super::super::verify_export::{own_key, told};
use super::super::{CliResult, Common, Done, progress};

/// Make a log again from its archives in an empty database, for reading: those from its first leaf on,
/// without a gap
///
/// Each archive is verified first. Every entry is evaluated anew and must give its leaf. What was made
/// without --private, or erased, is not known there. Read the database with SQL, `report --no-record` or `replay`; it
/// is no log to go on with: nothing signs it.
#[derive(Debug, Args)]
pub(in super::super) struct RestoreArchive {
    /// The archives, in any order
    #[arg(value_name = "FOLDER", required = true)]
    archives: Vec<PathBuf>,
    /// The empty database
    #[arg(long, value_name = "URL")]
    into: String,
    /// The log's verifier key, from elsewhere; several followed one another. Without it the key in
    /// keys.dir is used
    #[arg(long, value_name = "KEY")]
    key: Vec<VerifierKey>,
}

pub(in super::super) fn run(common: &Common, command: &RestoreArchive) -> CliResult {
    let keys = if command.key.is_empty() { own_key(common)? } else { command.key.clone() };
    let mut archives = Archives::open(&command.archives)?;
    let policy = Policy::of_keys(keys);
    for path in &command.archives {
        let mut report = Report::default();
        held(path, &policy, &[], &mut report)?;
        if !report.is_clean() {
            eprintln!("{} does not hold; nothing was restored:", path.display());
            return Ok(told(&report, false));
        }
    }
    let (config, into) = (common.config()?, Db::open(&command.into, 1)?);
    let bar = progress::leaves();
    let shown = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let options = ReplayOptions { config: &config, batch: REPLAY_BATCH, progress: &shown };
    let size = archives.size();
    let leaves: &mut dyn Source<Error = String> = &mut archives;
    let restored = audit::restore(&into, Exported { leaves, size }, &options)?;
    bar.finish_and_clear();
    match restored {
        Ok(restored) => {
            let values = audit::restore_values(&into, restored.size, archives.values())?;
            eprintln!(
                "{} leaves restored, {} of them entries, with {values} values of changes; root {}.",
                restored.size, restored.entries, restored.root
            );
            if restored.held_back > 0 {
                eprintln!("The last {} are not: what belongs to the last entry may lie in the next archive.", restored.held_back);
            }
            if restored.not_rederivable > 0 {
                eprintln!("{} private parts are not there; what the leaves say of them stands.", restored.not_rederivable);
            }
            Ok(Done::Well)
        }
        Err(differs) => {
            let (seq, column) = (differs.seq, &differs.column);
            eprintln!(
                "Leaf {seq} is not what its content gives: {column} is {}, made again {}.",
                differs.recorded, differs.rebuilt
            );
            Ok(Done::Finding)
        }
    }
}
