//! A whole export.

use std::io::{IsTerminal as _, Write as _};

use counterfoil_verify::check::{Level, Report, Scope, Source as _, check, follow_rotations, open_notes};
use counterfoil_verify::decode::{Leaf, decode};
use counterfoil_verify::files::{Export, Files};
use counterfoil_verify::{Rotation, leaf};

use crate::args::Args;
use crate::print::{Outcome, file_hash, names_file};

pub fn verify<F: Files<Error = String>>(args: &Args, files: F) -> Result<Outcome, String> {
    let mut export = Export::new(files);
    let Some(newest) = export.checkpoint()? else {
        return Err(format!("{} has no file `checkpoint`: this is not an export", args.path));
    };
    let mut remembered = args.checkpoints.clone();
    remembered.extend(export.remembered()?);
    let mut report = Report::default();
    report.kept_outside(args.checkpoints.len());
    let mut rotations = args.rotations.clone();
    rotations.extend(export.rotations()?);
    let policy = follow_rotations(args.policy.clone(), &rotations, &mut report);
    let opened = open_notes(&policy, args.origin.as_deref(), &newest, &remembered, &mut report);
    let Some(opened) = opened else { return Ok(Outcome::of_report("export", None, report)) };
    let checkpoint = &opened.newest.checkpoint;
    let scope = Scope { newest: checkpoint, remembered: &opened.remembered, loss_known: opened.loss_known };
    let mut progress = Progress::new(checkpoint.size);
    check(&mut export, scope, &mut report, |done| progress.show(done))?;
    progress.clear();
    let size = checkpoint.size;
    let mut said: Vec<String> = policy.rotations().iter().map(followed).collect();
    receipt(args, &mut export, size, &mut report, &mut said)?;
    file(args, &mut export, size, &mut report, &mut said)?;
    let (problems, more) = export.problems();
    problems.into_iter().for_each(|text| report.add(Level::L2, "line_unreadable", None, text));
    report.more += more;
    Ok(Outcome::of_report("export", Some(opened.newest), report).saying(said))
}

/// A change of the key in words.
pub fn followed(rotation: &Rotation) -> String {
    format!("the key {} was replaced at {} leaves by {}, which both signed", rotation.old, rotation.size, rotation.new)
}

/// The first leaf from one place to before another of which there is something to say, with its place.
fn found<F: Files<Error = String>, T>(
    export: &mut Export<F>,
    (mut from, to): (u64, u64),
    of: impl Fn(&[u8]) -> Option<T>,
) -> Result<Option<(u64, T)>, String> {
    while let Some(first) = export.next_from(from)?.filter(|first| *first < to) {
        from = first.saturating_add(256);
        let leaves = export.leaves(first, to.min(from))?;
        if let Some(found) = leaves.iter().find_map(|(seq, bytes)| Some((*seq, of(bytes)?))) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whether the leaf of the receipt is in the export, which was just checked.
fn receipt<F: Files<Error = String>>(
    args: &Args,
    export: &mut Export<F>,
    size: u64,
    report: &mut Report,
    said: &mut Vec<String>,
) -> Result<(), String> {
    let Some(receipt) = args.receipt else { return Ok(()) };
    report.note(Level::L1, 1);
    let range = receipt.seq.map_or((0, size), |seq| (seq, size.min(seq.saturating_add(1))));
    if let Some((seq, _)) = found(export, range, |bytes| (leaf::hash(bytes) == receipt.leaf).then_some(()))? {
        said.push(format!("the receipt's leaf is number {seq} of this log"));
        return Ok(());
    }
    report.add(Level::L1, "receipt_unknown", receipt.seq, "the leaf of the receipt is not at its place in this log");
    Ok(())
}

/// Whether an event names the file by its hash.
fn file<F: Files<Error = String>>(
    args: &Args,
    export: &mut Export<F>,
    size: u64,
    report: &mut Report,
    said: &mut Vec<String>,
) -> Result<(), String> {
    let Some((name, content)) = &args.file else { return Ok(()) };
    report.note(Level::L1, 1);
    let hash = file_hash(content);
    let names = |bytes: &[u8]| match decode(bytes) {
        Ok(Leaf::Event(_, event)) => names_file(event.body, &hash).then(|| event.kind.to_owned()),
        _ => None,
    };
    if let Some((seq, kind)) = found(export, (0, size), names)? {
        said.push(format!("{name} is the file that event {seq} ({kind}) names"));
        return Ok(());
    }
    report.add(Level::L1, "file_unknown", None, format!("no event of this log names {name} by its SHA-256"));
    Ok(())
}

/// How far it is, for people who wait at a terminal.
pub struct Progress {
    size: u64,
    percent: u64,
    shown: bool,
}

impl Progress {
    pub fn new(size: u64) -> Self {
        Self { size, percent: 0, shown: std::io::stderr().is_terminal() }
    }

    pub fn show(&mut self, done: u64) {
        let percent = done.saturating_mul(100) / self.size.max(1);
        if self.shown && percent > self.percent {
            self.percent = percent;
            let _ = write!(std::io::stderr(), "\r{done} of {} leaves, {percent} %", self.size);
        }
    }

    pub fn clear(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
