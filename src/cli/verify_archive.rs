//! `verify --archive`: an archive held against a key, its tables in Parquet included.

use std::path::Path;

use counterfoil_verify::Policy;
use counterfoil_verify::archive::{Archive, Checked, Row, check};
use counterfoil_verify::check::{Level, Report};
use counterfoil_verify::folder::Folder;

use crate::export::archive::{ParquetCheck, is_recorded};

use super::verify_export::{Exported, told};
use super::{CliResult, Common, progress};

pub(super) fn run(common: &Common, path: &Path, command: &Exported, json: bool) -> CliResult {
    let (policy, kept) = (Policy::of_keys(command.keys(common)?), command.kept()?);
    let mut report = Report::default();
    let checked = held(path, &policy, &kept, &mut report)?;
    if !command.has_keys() {
        recorded(common, &checked, &mut report)?;
    }
    Ok(told(&report, json))
}

/// Checks the archive in a folder.
pub(super) fn held(path: &Path, policy: &Policy, kept: &[(String, Vec<u8>)], report: &mut Report) -> anyhow::Result<Checked> {
    anyhow::ensure!(path.is_dir(), "{} is no folder: an archive is one", path.display());
    let folder = Folder::new(path);
    let archive = Archive { store: &folder, policy, origin: None, checkpoints: kept, rotations: &[] };
    let parquet = path.join("tables/entries.parquet").exists();
    let mut tables = parquet.then(|| ParquetCheck::open(path));
    let bar = progress::leaves();
    let mut each = |row: &Row| {
        if let Some(tables) = &mut tables {
            tables.row(row);
        }
        Ok(())
    };
    let checked = check(&archive, report, &mut each, &mut |done| bar.set_position(done));
    bar.finish_and_clear();
    let checked = checked.map_err(anyhow::Error::msg)?;
    // Without a checkpoint to rely on no leaf was read, and so no row.
    if let Some(tables) = tables.filter(|_| checked.signed.is_some()) {
        tables.finish(report);
    }
    Ok(checked)
}

/// Whether the log of this installation says that the archive was made.
fn recorded(common: &Common, checked: &Checked, report: &mut Report) -> anyhow::Result<()> {
    let Some(digest) = checked.digest.map(hex::encode) else { return Ok(()) };
    let (_, db) = common.db()?;
    match db.read(|conn| is_recorded(conn, &digest))? {
        Some(seq) => report.said.push(format!("event {seq} of the log says that this archive was made")),
        None => {
            let text = "no event of this log says that an archive with this manifest was made";
            report.add(Level::L0, "archive_unknown", None, text);
        }
    }
    Ok(())
}
