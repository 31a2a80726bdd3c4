//! `import FILE --source NAME`

use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::Clock;
use crate::import::{self, Format, ImportRequest, Profile, Progress, Summary, profile};
use crate::intake::Rehearsal;
use crate::trail::attempts::Outcome;

use super::{CliResult, Common, Done, acts};

/// Record the entries of a file: CSV or NDJSON, plain, .gz or .zst.
///
/// Run it again after an interruption: nothing is recorded twice. Refused rows are listed with line,
/// field and reason in FILE.rejects.csv. Exit code 1 when rows were refused.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file
    file: PathBuf,
    /// The source the entries come from; made if it is unknown
    #[arg(long)]
    source: String,
    /// auto, csv or ndjson
    #[arg(long, default_value = "auto")]
    format: String,
    /// How a foreign layout is read: a shipped profile, or a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Entries of the past: alerts are raised, but one summary is mailed instead of each
    #[arg(long)]
    history: bool,
    /// Read and check everything against what is recorded, record nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, command: Import) -> CliResult {
    let format = Format::parse(&command.format)
        .with_context(|| format!("`{}` is not a format; use auto, csv or ndjson", command.format))?;
    let profile = command.profile.as_deref().map(Profile::load);
    let profile = profile.transpose().with_context(|| format!("shipped profiles: {}", profile::names().join(", ")))?;
    let config = common.config()?;
    let mail_to = if command.history { config.mail.alerts_to.clone() } else { Vec::new() };
    let (path, source, history) = (command.file.clone(), command.source.clone(), command.history);
    let request = ImportRequest { path, source, format, profile, history, mail_to };
    let bar = Bar::default();
    let summary = if command.dry_run {
        import::dry_run(&request, || Rehearsal::begin(&config, Clock::system(), &command.source), &bar)?
    } else {
        acts::between(common, "import.run", |leader| Ok((Outcome::Succeeded, import::run(&request, leader, leader.db(), &bar)?)))?
    };
    bar.finish();
    print(&command, &summary)?;
    Ok(if summary.rejected > 0 { Done::Finding } else { Done::Well })
}

fn print(command: &Import, summary: &Summary) -> anyhow::Result<()> {
    if summary.resumed {
        eprintln!("An interrupted import was taken up where it stopped.");
    }
    if summary.masked > 0 {
        eprintln!("{} texts held card numbers, which were masked: middle digits are not in the log.", summary.masked);
    }
    if summary.skipped > 0 {
        eprintln!("{} rows were left out, as the profile says.", summary.skipped);
    }
    if let Some(file) = &summary.rejects_file {
        eprintln!("{} rows were refused: see {}", summary.rejected, file.display());
    }
    if let Some(error) = &summary.rejects_error {
        eprintln!("The refused rows could not be listed: {error}");
    }
    if !command.json {
        let did = if command.dry_run { "Checked, nothing recorded" } else { "Done" };
        eprintln!(
            "{did}: {} rows read; {} entries recorded, {} duplicates, {} rows rejected; {} hits, {} breaks open.",
            summary.read, summary.recorded, summary.duplicates, summary.rejected, summary.hits, summary.breaks
        );
    }
    say!("{}", serde_json::to_string(summary)?);
    Ok(())
}

/// A progress bar per pass over the file; silent when stderr is not a terminal.
#[derive(Default)]
struct Bar {
    bar: Mutex<Option<ProgressBar>>,
}

impl Bar {
    fn finish(&self) {
        if let Ok(bar) = self.bar.lock()
            && let Some(bar) = bar.as_ref()
        {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Bar {
    fn begin(&self, what: &str, bytes: u64) {
        self.finish();
        let bar = ProgressBar::new(bytes);
        if let Ok(style) = ProgressStyle::with_template("{msg:10} {bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        if let Ok(mut slot) = self.bar.lock() {
            *slot = Some(bar);
        }
    }

    fn at(&self, bytes: u64) {
        if let Ok(bar) = self.bar.lock()
            && let Some(bar) = bar.as_ref()
        {
            bar.set_position(bytes);
        }
    }
}
