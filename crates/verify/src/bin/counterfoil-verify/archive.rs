//! An archive of a closed range.

use std::path::Path;

use counterfoil_verify::archive::{Archive, Cell, Manifest, Row, Table, check};
use counterfoil_verify::check::{Level, Report};
use counterfoil_verify::folder::Folder;
use counterfoil_verify::text::hex;

use crate::args::{Args, Receipt};
use crate::export::{Progress, followed};
use crate::print::{Outcome, file_hash, names_file};

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
    let (mut report, mut found, mut naming) = (Report::default(), None, None);
    let file = args.file.as_ref().map(|(name, content)| (name, file_hash(content)));
    let mut progress = None;
    let mut each = |row: &Row| {
        found = found.or_else(|| args.receipt.and_then(|receipt| receipt_row(row, &receipt)));
        naming = naming.take().or_else(|| file.as_ref().and_then(|(_, hash)| naming_row(row, hash)));
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
            None => report.add(Level::L1, "receipt_unknown", None, "the leaf of the receipt is not at its place in this archive"),
        }
    }
    if let Some((name, _)) = file {
        report.note(Level::L1, 1);
        match naming {
            Some(event) => said.push(format!("{name} is the file that {event} names")),
            None => report.add(Level::L1, "file_unknown", None, format!("no event of this archive names {name} by its SHA-256")),
        }
    }
    said.extend(checked.manifest.iter().flat_map(describe));
    Ok(Outcome::of_report("archive", checked.signed, report).saying(said))
}

/// The number of the leaf, if it is the one of the receipt.
fn receipt_row(row: &Row, receipt: &Receipt) -> Option<i64> {
    let (Some(Cell::Int(seq)), Some(Cell::Text(hash))) = (row.cells.first(), row.cells.last()) else { return None };
    let here = receipt.seq.is_none_or(|wanted| u64::try_from(*seq) == Ok(wanted));
    (here && *hash == hex(&receipt.leaf)).then_some(*seq)
}

/// The event in words, if it names the file with this SHA-256.
fn naming_row(row: &Row, hash: &str) -> Option<String> {
    let cell = |name: &str| row.table.columns().iter().position(|column| column.name == name).and_then(|at| row.cells.get(at));
    match (row.table, cell("seq"), cell("kind"), cell("body")) {
        (Table::Events, Some(Cell::Int(seq)), Some(Cell::Text(kind)), Some(Cell::Text(body))) if names_file(body, hash) => {
            Some(format!("event {seq} ({kind})"))
        }
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
