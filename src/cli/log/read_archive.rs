//! `log read-archive`

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::NaiveDate;
use clap::Args;
use counterfoil_verify::archive::{Archive, Row, Table, check};
use counterfoil_verify::check::Report;
use counterfoil_verify::folder::Folder;
use counterfoil_verify::{Policy, VerifierKey};

use crate::export::Format;
use crate::export::archive::{Reading, Wanted};

use super::super::archives::in_order;
use super::super::verify_archive::held;
use super::super::verify_export::{own_key, told};
use super::super::{CliResult, Common, Done};

/// Read entries, events or changes out of archives, of any range, without a database: each archive is verified first,
/// and what does not hold is not read
///
/// Rows are made from the leaves, so it does not matter which tables an archive has. Values, account numbers and what else
/// is personal are there if it was made with --private.
#[derive(Debug, Args)]
pub(in super::super) struct ReadArchive {
    /// entries, events or changes
    what: String,
    /// The archives, in any order
    #[arg(value_name = "FOLDER", required = true)]
    archives: Vec<PathBuf>,
    /// Entries of this account
    #[arg(long, value_name = "NUMBER")]
    account: Option<String>,
    /// Changes of this record
    #[arg(long, value_name = "TYPE/ID")]
    record: Option<String>,
    /// Events, or entries, of this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// The first business date (of events and changes: the UTC date they were recorded on)
    #[arg(long, value_name = "DATE")]
    from: Option<NaiveDate>,
    /// The last such date
    #[arg(long, value_name = "DATE")]
    to: Option<NaiveDate>,
    /// csv or ndjson
    #[arg(long, default_value = "csv")]
    format: String,
    /// Into this file (made with mode 0600); to stdout without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The log's verifier key, from elsewhere; several followed one another. Without it the key in
    /// keys.dir is used
    #[arg(long, value_name = "KEY")]
    key: Vec<VerifierKey>,
}

impl ReadArchive {
    fn table(&self) -> anyhow::Result<Table> {
        let found = Table::ALL.into_iter().find(|table| table.name() == self.what);
        let table = found.with_context(|| format!("`{}` is no table of archives; use entries, events or changes", self.what))?;
        let unfit = |option: &str, of: &str| format!("{option} is for {of}; leave it out to read {}", self.what);
        anyhow::ensure!(self.account.is_none() || table == Table::Entries, unfit("--account", "entries"));
        anyhow::ensure!(self.record.is_none() || table == Table::Changes, unfit("--record", "changes"));
        anyhow::ensure!(self.kind.is_none() || table != Table::Changes, unfit("--kind", "events and entries"));
        Ok(table)
    }

    fn wanted(&self) -> anyhow::Result<Wanted> {
        let record = self.record.as_ref().map(|text| text.split_once('/').context("--record is TYPE/ID, as in customer/C-1001"));
        let record = record.transpose()?.map(|(kind, id)| (kind.to_owned(), id.to_owned()));
        Ok(Wanted { account: self.account.clone(), record, kind: self.kind.clone(), from: self.from, to: self.to })
    }
}

pub(in super::super) fn run(common: &Common, command: &ReadArchive) -> CliResult {
    let (table, wanted) = (command.table()?, command.wanted()?);
    let format =
        Format::parse(&command.format).with_context(|| format!("`{}` is not a format; use csv or ndjson", command.format))?;
    let policy = Policy::of_keys(if command.key.is_empty() { own_key(common)? } else { command.key.clone() });
    let archives = in_order(&command.archives)?;
    for path in &archives {
        let mut report = Report::default();
        held(path, &policy, &[], &mut report)?;
        if !report.is_clean() {
            eprintln!("{} does not hold; nothing was read:", path.display());
            return Ok(told(&report, false));
        }
    }
    let rows = match &command.out {
        None => read(&archives, &policy, (table, &wanted, format), &mut BufWriter::new(io::stdout().lock()))?,
        Some(path) => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let file = file.with_context(|| format!("{} cannot be made", path.display()))?;
            let read = read(&archives, &policy, (table, &wanted, format), &mut BufWriter::new(file));
            if read.is_err() {
                fs::remove_file(path)?;
            }
            read?
        }
    };
    eprintln!("{rows} rows.");
    Ok(Done::Well)
}

/// Writes the rows of one archive after the other.
fn read(
    archives: &[PathBuf],
    policy: &Policy,
    (table, wanted, format): (Table, &Wanted, Format),
    out: &mut dyn Write,
) -> anyhow::Result<u64> {
    let mut reading = Reading::begin(table, wanted, format, out)?;
    for path in archives {
        one(path, policy, &mut reading)?;
    }
    Ok(reading.finish()?)
}

fn one(path: &Path, policy: &Policy, reading: &mut Reading<'_>) -> anyhow::Result<()> {
    let folder = Folder::new(path);
    let archive = Archive { store: &folder, policy, origin: None, checkpoints: &[], rotations: &[] };
    let mut report = Report::default();
    let mut each = |row: &Row| reading.row(row).map_err(|e| e.to_string());
    check(&archive, &mut report, &mut each, &mut |_| ()).map_err(anyhow::Error::msg)?;
    anyhow::ensure!(report.is_clean(), "{} was changed while it was read", path.display());
    Ok(())
}
