//! `verify --export`: an export held against a key, without the database it came from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use counterfoil_verify::check::{Level, Report, Scope, check, follow_rotations, open_notes};
use counterfoil_verify::files::{Export, Files};
use counterfoil_verify::folder::{Bundle, Folder};
use counterfoil_verify::{Found, Note, Policy, VerifierKey};
use indicatif::ProgressBar;
use serde_json::json;

use crate::audit::Given;
use crate::trail::keys::KeyFolder;
use crate::trail::store;

use super::{CliResult, Common, Done};

/// What goes with `--export`.
#[derive(Debug, Args)]
pub(super) struct Exported {
    /// Verify this export (a folder, or a bundle) instead of the database
    #[arg(long, value_name = "PATH")]
    export: Option<PathBuf>,
    /// The log's verifier key, from elsewhere; several followed one another. Without it the key in
    /// keys.dir is used
    #[arg(long, value_name = "KEY")]
    key: Vec<VerifierKey>,
    /// A checkpoint kept from earlier (the note, or a whole mail): was it really a state of this log?
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
}

impl Exported {
    /// Whether an export is meant.
    pub(super) fn asked(&self) -> bool {
        self.export.is_some()
    }

    /// What is brought from outside, for the database.
    pub(super) fn given(&self) -> anyhow::Result<Given> {
        Ok(Given { keys: self.key.clone(), checkpoints: self.kept()? })
    }

    /// The keys to trust: those given, else that of this installation, which is said.
    pub(super) fn keys(&self, common: &Common) -> anyhow::Result<Vec<VerifierKey>> {
        if self.key.is_empty() { own_key(common) } else { Ok(self.key.clone()) }
    }

    /// Whether keys came from elsewhere.
    pub(super) fn has_keys(&self) -> bool {
        !self.key.is_empty()
    }

    /// The checkpoints kept from earlier, with their names; a file may hold several.
    pub(super) fn kept(&self) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        let read = |path: &PathBuf| {
            let content = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            let notes = Found::notes_named(&path.display().to_string(), &content);
            let noted = notes.iter().all(|(_, note)| Note::find(note).is_some());
            anyhow::ensure!(
                noted,
                "there is no signed checkpoint in {}: give the note, or the mail that holds it",
                path.display()
            );
            Ok(notes)
        };
        let kept: anyhow::Result<Vec<_>> = self.checkpoint.iter().map(read).collect();
        Ok(kept?.concat())
    }
}

pub(super) fn run(common: &Common, command: &Exported, json: bool) -> CliResult {
    let path = command.export.as_deref().context("--export needs a path")?;
    let (keys, kept) = (command.keys(common)?, command.kept()?);
    let report = if path.is_dir() {
        verify(Folder::new(path), keys, kept, path)?
    } else {
        let content = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        verify(Bundle::parse(&content).map_err(anyhow::Error::msg)?, keys, kept, path)?
    };
    Ok(told(&report, json))
}

/// Prints a report; answers how the command ends.
pub(super) fn told(report: &Report, json: bool) -> Done {
    if json {
        say!("{}", as_json(report))
    } else {
        print(report)
    }
    if report.is_clean() { Done::Well } else { Done::Finding }
}

/// The key this installation signs with: said aloud, because it proves nothing to anybody else.
pub(super) fn own_key(common: &Common) -> anyhow::Result<Vec<VerifierKey>> {
    let (config, db) = common.db()?;
    let state = db.read(store::state)?.context("there is no log here whose key could be used: give --key")?;
    let folder = KeyFolder::of(&config, db.address());
    let key = folder.key(&state.origin)?.context("keys.dir holds no key of this log: give --key")?;
    eprintln!("Using the key in {}: to an outsider this proves nothing; give --key from elsewhere.", folder.dir().display());
    Ok(vec![key.verifier()])
}

fn verify<F: Files<Error = String>>(
    files: F,
    keys: Vec<VerifierKey>,
    mut notes: Vec<(String, Vec<u8>)>,
    path: &Path,
) -> anyhow::Result<Report> {
    let (mut export, mut report) = (Export::new(files), Report::default());
    report.kept_outside(notes.len());
    let newest = export.checkpoint().map_err(anyhow::Error::msg)?;
    let newest = newest.with_context(|| format!("{} has no file `checkpoint`: this is not an export", path.display()))?;
    notes.extend(export.remembered().map_err(anyhow::Error::msg)?);
    let rotations = export.rotations().map_err(anyhow::Error::msg)?;
    let policy = follow_rotations(Policy::of_keys(keys), &rotations, &mut report);
    if let Some(opened) = open_notes(&policy, None, &newest, &notes, &mut report) {
        let bar = ProgressBar::new(opened.newest.checkpoint.size);
        let scope = Scope { newest: &opened.newest.checkpoint, remembered: &opened.remembered, loss_known: opened.loss_known };
        let checked = check(&mut export, scope, &mut report, |done| bar.set_position(done));
        bar.finish_and_clear();
        checked.map_err(anyhow::Error::msg)?;
    }
    let (problems, more) = export.problems();
    problems.into_iter().for_each(|text| report.add(Level::L2, "line_unreadable", None, text));
    report.more += more;
    Ok(report)
}

fn as_json(report: &Report) -> serde_json::Value {
    let levels = Level::ALL.map(|level| {
        let ok = report.findings.iter().all(|f| f.level != level);
        json!({ "level": level.name(), "name": level.words(), "checked": report.checked(level), "ok": ok })
    });
    let finding = |f: &counterfoil_verify::check::Finding| json!({ "level": f.level.name(), "kind": f.kind, "table": null, "seq": f.seq, "detail": f.detail });
    let findings: Vec<_> = report.findings.iter().map(finding).collect();
    json!({ "ok": report.is_clean(), "levels": levels, "findings": findings, "more": report.more, "said": report.said })
}

fn print(report: &Report) {
    for level in Level::ALL.into_iter().filter(|level| report.checked(*level) > 0) {
        let ok = report.findings.iter().all(|f| f.level != level);
        say!("{} {:10} {:>12}  {}", level.name(), if ok { "holds" } else { "DOES NOT" }, report.checked(level), level.words());
    }
    for line in &report.said {
        say!("{line}");
    }
    for finding in &report.findings {
        let seq = finding.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
        say!("{} {} seq {seq}: {}", finding.level.name(), finding.kind, finding.detail);
    }
    if report.more > 0 {
        say!("and {} more", report.more);
    }
    say!("{}", if report.is_clean() { "Everything holds." } else { "Something does not hold." });
}
