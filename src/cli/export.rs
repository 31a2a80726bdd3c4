//! `export entries | changes | events | breaks | hits | alerts`

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use chrono::NaiveDate;
use clap::Args;
use serde_json::json;

use crate::app::Request;
use crate::export::{self, ExportRequest, Format, What};
use crate::trail::attempts::Outcome;

use super::{CliResult, Common, Done, acts, whoami};

/// Write a table as CSV or NDJSON. That it is made is recorded before and after.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// entries, changes (a row for each field), events, breaks, hits or alerts
    what: String,
    /// The first business date (of changes and events: the UTC date they were recorded on)
    #[arg(long, value_name = "DATE")]
    from: Option<NaiveDate>,
    /// The last such date
    #[arg(long, value_name = "DATE")]
    to: Option<NaiveDate>,
    /// csv or ndjson
    #[arg(long, default_value = "csv")]
    format: String,
    /// Into this file, which only you may read (mode 0600); to stdout without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(common: &Common, command: Export) -> CliResult {
    let what = What::parse(&command.what)
        .with_context(|| format!("`{}` is not an export; use entries, changes, events, breaks, hits or alerts", command.what))?;
    let format =
        Format::parse(&command.format).with_context(|| format!("`{}` is not a format; use csv or ndjson", command.format))?;
    let request = ExportRequest { what, from: command.from, to: command.to, format, private: false };
    let rows = acts::between(common, "export.make", |leader| {
        let rows = write(&request, leader, command.out.as_ref())?;
        let body = json!({
            "what": command.what, "from": command.from, "to": command.to, "format": command.format, "rows": rows,
        });
        leader.perform(Request::NoteExport { body, private: whoami::of_this_process() })?;
        Ok((Outcome::Succeeded, rows))
    })?;
    eprintln!("{rows} rows.");
    Ok(Done::Well)
}

fn write(request: &ExportRequest, leader: &crate::app::Leader, out: Option<&PathBuf>) -> anyhow::Result<u64> {
    let Some(path) = out else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let rows = export::run(request, leader.db(), &mut out)?;
        out.flush()?;
        return Ok(rows);
    };
    let file = acts::owners_file(path);
    let mut out = BufWriter::new(file.with_context(|| format!("{} cannot be written", path.display()))?);
    let rows = export::run(request, leader.db(), &mut out)?;
    out.flush()?;
    Ok(rows)
}
