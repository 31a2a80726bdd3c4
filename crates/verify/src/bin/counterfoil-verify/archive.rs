//! An archive of a closed range.

use std::path::Path;

use counterfoil_verify::archive::{Archive, Manifest, check};
use counterfoil_verify::check::{Level, Report};
use counterfoil_verify::folder::Folder;

use crate::args::Args;
use crate::export::{Progress, followed};
use crate::print::Outcome;

pub fn verify(args: &Args, path: &Path) -> Result<Outcome, String> {
    if !path.is_dir() {
        return Err(format!("{} is no folder: an archive is one", path.display()));
    }
    let folder = Folder::new(path);
    let archive = Archive {
        store: &folder,
        policy: &args.policy,
        origin: args.origin.as_deref(),
        checkpoints: &args.checkpoints,
        rotations: &args.rotations,
    };
    let (mut report, mut found) = (Report::default(), None);
    let mut progress = None;
    let mut each = |row: &counterfoil_verify::archive::Row| {
        found = found.or_else(|| args.receipt.and_then(|receipt| receipt_row(row, &receipt.leaf)));
        Ok(())
    };
    let mut tell = |done| progress.get_or_insert_with(|| Progress::new(counterfoil_verify::archive::MAX_LEAVES)).show(done);
    let checked = check(&archive, &mut report, &mut each, &mut tell)?;
    if let Some(progress) = progress {
        progress.clear();
    }
    let mut said: Vec<String> = checked.followed.iter().map(followed).collect();
    if args.receipt.is_some() {
        report.note(Level::L1, 1);
        match found {
            Some(seq) => said.push(format!("the receipt's leaf is number {seq} of this log")),
            None => report.add(Level::L1, "receipt_unknown", None, "the leaf of the receipt is not in this archive"),
        }
    }
    said.extend(checked.manifest.iter().flat_map(describe));
    Ok(Outcome::of_report("archive", checked.signed, report).saying(said))
}

/// The number of the leaf, if it is the one of the receipt.
fn receipt_row(row: &counterfoil_verify::archive::Row, leaf: &counterfoil_verify::Hash) -> Option<i64> {
    use counterfoil_verify::archive::Cell;
    match (row.cells.first(), row.cells.last()) {
        (Some(Cell::Int(seq)), Some(Cell::Text(hash))) if *hash == counterfoil_verify::text::hex(leaf) => Some(*seq),
        _ => None,
    }
}

fn describe(manifest: &Manifest) -> Vec<String> {
    let Manifest { from, to, entries, events, .. } = manifest;
    let mut said = vec![format!("leaves {from} to {}: {entries} entries, {events} events", to - 1)];
    let why = |why: &str| match why {
        "not_asked" => "was not asked for".to_owned(),
        "sealed" => "is sealed".to_owned(),
        "erased" => "was erased".to_owned(),
        other => other.to_owned(),
    };
    said.extend(
        manifest.left_out.iter().map(|l| format!("left out, as the manifest says: {} of {}: {}", l.count, l.what, why(&l.why))),
    );
    if manifest.has("parquet") {
        said.push("the tables in Parquet are the files that the manifest lists; `counterfoil verify --archive` holds their rows against the leaves".to_owned());
    }
    said
}
