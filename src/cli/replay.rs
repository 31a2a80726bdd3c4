//! `replay`

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use counterfoil_verify::check::Source;
use counterfoil_verify::files::{Export, Files};
use counterfoil_verify::folder::{Bundle, Folder};
use counterfoil_verify::{Checkpoint, Note};

use crate::app::Leader;
use crate::audit::{self, Exported, REPLAY_BATCH, ReplayOptions, Replayed};
use crate::config::Config;
use crate::db::Db;
use crate::trail::attempts::Outcome;

use super::archives::{Archives, is_archive};
use super::{CliResult, Common, Done, acts, progress};

/// Differences that are listed for people; `--json` lists up to 100 of each table.
const LISTED: usize = 40;

/// Make the log again from its leaves in an empty database, evaluating every entry anew, and compare
/// what comes of it with the live tables.
///
/// Reads an export with private parts (`log export --private`), and what came after it from the live
/// database; without an export, everything from the live database. The live database is the one of
/// --database or --against; it is only read, and that it was is recorded in its log, for differences show
/// what is stored. Exit code 1 when something differs.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The export: a folder, or a bundle; or archives that follow one another from leaf 0 on
    #[arg(value_name = "EXPORT")]
    export: Vec<PathBuf>,
    /// Build into this empty database and keep it; without it into a file that is removed again
    #[arg(long, value_name = "URL")]
    into: Option<String>,
    /// Compare with this database instead of the one of --database
    #[arg(long, value_name = "URL")]
    against: Option<String>,
    /// Leaves in one commit; what comes out must not depend on it
    #[arg(long, default_value_t = REPLAY_BATCH, value_name = "N")]
    batch: usize,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
    /// Record nothing, e.g. over a copy of the database
    #[arg(long)]
    no_record: bool,
}

pub(super) fn run(common: &Common, command: &Replay) -> CliResult {
    let common = Common { database: command.against.clone().or_else(|| common.database.clone()), ..common.clone() };
    let outcome = if command.no_record {
        let (config, live) = common.db()?;
        replayed(&config, &live, command)?
    } else {
        let replay = |leader: &Leader| Ok((Outcome::Succeeded, replayed(leader.config(), leader.db(), command)?));
        acts::between(&common, "log.replay", replay)?
    };
    if command.json {
        say!("{}", serde_json::to_string(&outcome)?);
    } else {
        print(&outcome);
    }
    Ok(if outcome.ok { Done::Well } else { Done::Finding })
}

fn replayed(config: &Config, live: &Db, command: &Replay) -> anyhow::Result<Replayed> {
    let scratch = command.into.is_none().then(|| Scratch::beside(live));
    let url = match (&command.into, &scratch) {
        (Some(url), _) => url.clone(),
        (None, Some(scratch)) => format!("sqlite:{}", scratch.0.display()),
        (None, None) => anyhow::bail!("there is no database to build into"),
    };
    anyhow::ensure!(url != config.database.url, "the log cannot be replayed into itself");
    let into = Db::open(&url, 1)?;
    let bar = progress::leaves();
    let progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let options = ReplayOptions { config, batch: command.batch, progress: &progress };
    let outcome = match command.export.as_slice() {
        [] => audit::replay(live, &into, None, &options)?,
        [first, ..] if is_archive(first) => {
            let mut archives = Archives::open(&command.export)?;
            let size = archives.size();
            audit::replay(live, &into, Some(Exported { leaves: &mut archives, size }), &options)?
        }
        [_, _, ..] => anyhow::bail!("one export at a time, or archives that follow one another"),
        [path] if path.is_dir() => from_export(Folder::new(path), path, live, &into, &options)?,
        [path] => {
            let content = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            from_export(Bundle::parse(&content).map_err(anyhow::Error::msg)?, path, live, &into, &options)?
        }
    };
    bar.finish_and_clear();
    Ok(outcome)
}

fn from_export<F: Files<Error = String>>(
    files: F,
    path: &Path,
    live: &Db,
    into: &Db,
    options: &ReplayOptions<'_>,
) -> anyhow::Result<Replayed> {
    let mut export = Export::new(files);
    let note = export.checkpoint().map_err(anyhow::Error::msg)?;
    let note = note.with_context(|| format!("{} has no file `checkpoint`: this is not an export", path.display()))?;
    // Whether it is signed rightly is for `verify --export`: here it only says how many leaves there are.
    let note = Note::parse(&note).map_err(|e| anyhow::anyhow!("the checkpoint of the export: {e}"))?;
    let checkpoint =
        Checkpoint::parse(note.unverified_text()).map_err(|e| anyhow::anyhow!("the checkpoint of the export: {e}"))?;
    let leaves: &mut dyn Source<Error = String> = &mut export;
    Ok(audit::replay(live, into, Some(Exported { leaves, size: checkpoint.size }), options)?)
}

fn print(outcome: &Replayed) {
    say!("{} leaves, {} of them from the export; root {}.", outcome.size, outcome.exported, outcome.root);
    let Replayed { entries, made, taken, commits, .. } = outcome;
    say!("{entries} entries evaluated anew, {made} events made anew, {taken} taken as they are, in {commits} commits.");
    if outcome.not_rederivable > 0 {
        say!("{} private parts are gone: not re-derivable, what was committed to stands.", outcome.not_rederivable);
    }
    for table in &outcome.tables {
        let word = if table.differences == 0 { "equal" } else { "DIFFERS" };
        say!("{word:8} {:>12}  {}", table.rows, table.table);
    }
    for difference in outcome.differences.iter().take(LISTED) {
        let seq = difference.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
        let column = if difference.column.is_empty() { "the row" } else { &difference.column };
        let (table, key) = (difference.table, &difference.key);
        say!("{table} {key} seq {seq} {column}: live {}, replayed {}", difference.live, difference.replayed);
    }
    say!("Not compared:");
    for left in outcome.left_out {
        let column = left.column.map_or_else(String::new, |column| format!(".{column}"));
        say!("  {}{column}: {}", left.table, left.reason);
    }
    if outcome.ok {
        say!("Equal: the live tables are what the leaves give.");
        return;
    }
    say!("{} differences. Next: `counterfoil verify` says whether the leaves or the tables were changed;", outcome.found);
    say!("keep a copy of the database as it is before anything is repaired.");
}

/// A file that is removed with what SQLite puts beside it.
struct Scratch(PathBuf);

impl Scratch {
    /// Beside the live file, under the same protection; in the present folder where that is none.
    fn beside(live: &Db) -> Scratch {
        let folder = live.address().file().and_then(Path::parent).map_or_else(PathBuf::new, Path::to_owned);
        Scratch(folder.join(format!(".counterfoil-replay-{}.db", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm", ".lock"] {
            let mut file = self.0.clone().into_os_string();
            file.push(end);
            // What was never made cannot be removed.
            let _ = fs::remove_file(file);
        }
    }
}
