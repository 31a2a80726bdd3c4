//! `log archive`

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::app::Request;
use crate::config::ArchiveFormat;
use crate::export::archive::{self, ArchiveRequest, Archived, Bound, Chosen, Outcome, choose};
use crate::trail::attempts;

use super::super::{CliResult, Common, Done, acts, progress, whoami};

/// Write a closed range of the log as files that verify on their own: leaves, proof, checkpoint, and
/// tables to read. That it was made is an event
///
/// A range is widened to whole tiles of 256 leaves and ends where the log is closed. Without --from it
/// begins where the archives made so far end. counterfoil-verify archive checks it.
#[derive(Debug, Args)]
pub(in super::super) struct Archive {
    /// Into this folder, which is made
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The first leaf, or the first day (UTC) on which leaves were recorded
    #[arg(long, value_name = "SEQ|DATE")]
    from: Option<String>,
    /// The last leaf, or the last such day
    #[arg(long, value_name = "SEQ|DATE")]
    to: Option<String>,
    /// Formats of the tables: ndjson (or jsonl), parquet, both
    #[arg(long, default_value = "both")]
    format: String,
    /// With private parts and values: personal data, which erasure does not reach there
    #[arg(long)]
    private: bool,
}

pub(in super::super) fn run(common: &Common, command: &Archive) -> CliResult {
    let format = ArchiveFormat::parse(&command.format)
        .with_context(|| format!("`{}` is not a format; use ndjson, parquet or both", command.format))?;
    let (from, to) = (bound(command.from.as_deref())?, bound(command.to.as_deref())?);
    let made = acts::between(common, "archive.make", |leader| {
        let chosen = choose(leader.db(), from, to)?;
        tell(&chosen);
        let Chosen { from, to, .. } = chosen;
        let request = ArchiveRequest { from, to, ndjson: format.ndjson(), parquet: format.parquet(), private: command.private };
        let bar = progress::leaves();
        let shown = |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        };
        let note = |body| {
            leader.perform(Request::NoteArchive { body, private: whoami::of_this_process() })?;
            Ok::<_, anyhow::Error>(())
        };
        let made = archive::make(leader.db(), &request, &command.out, note, &shown);
        bar.finish_and_clear();
        Ok((attempts::Outcome::Succeeded, made?))
    });
    match made? {
        Outcome::Made(archived) => summary(&archived),
        Outcome::Completed => {
            eprintln!("It had been written and recorded before, by a process that was killed: now it has its name.");
        }
    }
    Ok(Done::Well)
}

fn bound(text: Option<&str>) -> anyhow::Result<Option<Bound>> {
    let read = |text: &str| {
        Bound::parse(text).with_context(|| format!("`{text}` is neither a leaf's number nor a date like 2026-03-01"))
    };
    text.map(read).transpose()
}

/// Says how the range differs from what was asked for.
fn tell(chosen: &Chosen) {
    let Chosen { from, to, asked, closed } = chosen;
    if let Some((first, end)) = asked {
        eprintln!(
            "Asked for leaves {first} to {}: archived are {from} to {}, in whole tiles of 256; closed are the first {closed}.",
            end - 1,
            to - 1
        );
    }
}

fn summary(archived: &Archived) {
    let manifest = &archived.manifest;
    eprintln!(
        "Leaves {} to {} of {}: {} entries, {} events, {} private parts, {} values; proven against the checkpoint of {} leaves.",
        manifest.from,
        manifest.to - 1,
        manifest.origin,
        manifest.entries,
        manifest.events,
        manifest.openings,
        manifest.values,
        manifest.size
    );
    for left in &manifest.left_out {
        let why = match left.why.as_str() {
            "not_asked" => "not asked for (--private)",
            "sealed" => "sealed",
            _ => "erased",
        };
        eprintln!("Left out: {} {}, {why}.", left.count, left.what);
    }
    eprintln!("SHA-256 of the manifest, also in the log: {}", archived.digest);
}
