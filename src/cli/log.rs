//! `log key | checkpoint | export | archive | read-archive | restore-archive | heads | rotate-key | recover`

mod archive;
mod heads;
mod read_archive;
mod recover;
mod restore_archive;
mod rotate;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use counterfoil_verify::export::{bundle_header, bundle_line};
use serde_json::json;

use crate::app::{Leader, Request};
use crate::db::Db;
use crate::export::{self, LogExport, LogFiles};
use crate::trail::attempts::Outcome;
use crate::trail::keys::KeyFolder;
use crate::trail::{rotations, store, witnessed};

use super::{CliResult, Common, Done, acts, whoami};

#[derive(Debug, Args)]
pub(super) struct Log {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the verifier key of the log: for paper, and for whoever verifies
    Key,
    /// Print the newest signed checkpoint
    Checkpoint(Witnesses),
    /// Write what the newest checkpoint covers, for counterfoil-verify and verify.html. That it was
    /// made is an event
    Export(Export),
    Archive(archive::Archive),
    ReadArchive(read_archive::ReadArchive),
    RestoreArchive(restore_archive::RestoreArchive),
    /// Write the proof that an account's last entry at the close of a day was the last, or that the
    /// account had none; counterfoil-verify checks it. That it was made is an event
    Heads(heads::Heads),
    RotateKey(rotate::RotateKey),
    Recover(recover::Recover),
}

#[derive(Debug, Args)]
struct Export {
    /// Into this folder, which is made; with --bundle into this file
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// One file instead of a folder, for a browser
    #[arg(long)]
    bundle: bool,
    /// With private parts: personal data
    #[arg(long)]
    private: bool,
    #[command(flatten)]
    by: Witnesses,
}

/// Which checkpoint is handed out.
#[derive(Clone, Copy, Debug, Args)]
struct Witnesses {
    /// The newest that at least so many witnesses signed, with their signatures: for policies with a quorum
    #[arg(long, value_name = "N", default_value_t = 0)]
    witnesses: usize,
}

pub(super) fn run(common: &Common, command: Log) -> CliResult {
    match command.action {
        Action::Export(command) => return export(common, &command),
        Action::Archive(command) => return archive::run(common, &command),
        Action::ReadArchive(command) => return read_archive::run(common, &command),
        Action::RestoreArchive(command) => return restore_archive::run(common, &command),
        Action::Heads(command) => return heads::run(common, &command),
        Action::RotateKey(command) => return rotate::run(common, &command),
        Action::Recover(command) => return recover::run(common, &command),
        Action::Key | Action::Checkpoint(_) => {}
    }
    let (config, db) = common.db()?;
    match command.action {
        Action::Export(_)
        | Action::Archive(_)
        | Action::ReadArchive(_)
        | Action::RestoreArchive(_)
        | Action::Heads(_)
        | Action::RotateKey(_)
        | Action::Recover(_) => {}
        Action::Key => {
            let origin = origin(&db)?;
            let folder = KeyFolder::of(&config, db.address());
            let key = match db.read(|conn| rotations::in_force(conn, &origin))? {
                Some(force) => folder.key_of(&force)?,
                None => folder.key(&origin)?,
            };
            let dir = folder.dir().display();
            let key =
                key.ok_or_else(|| anyhow::anyhow!("there is no key of {origin} in {dir}; `serve` makes it at its first start"))?;
            say!("{}", key.verifier());
        }
        Action::Checkpoint(Witnesses { witnesses }) => {
            let newest = db.read(|conn| witnessed::newest(conn, witnesses))?;
            let newest = newest.ok_or_else(|| match witnesses {
                0 => anyhow::anyhow!("nothing is signed yet; `serve` signs within seconds"),
                n => anyhow::anyhow!("no checkpoint that {n} witnesses signed is known; they are asked once a minute"),
            })?;
            say!("{}", newest.note.trim_end());
            eprintln!("Checkpoint {} covers {} leaves.", newest.number, newest.size);
        }
    }
    Ok(Done::Well)
}

fn origin(db: &Db) -> anyhow::Result<String> {
    let state = db.read(store::state)?;
    Ok(state.ok_or_else(|| anyhow::anyhow!("there is no log yet; `serve` or `key issue` makes it"))?.origin)
}

fn export(common: &Common, command: &Export) -> CliResult {
    let LogExport { origin, size, openings } = acts::between(common, "log.export", |leader| {
        let written = write(leader, command)?;
        let body = json!({ "what": "log", "size": written.size, "private": command.private });
        leader.perform(Request::NoteExport { body, private: whoami::of_this_process() })?;
        Ok((Outcome::Succeeded, written))
    })?;
    eprintln!("{size} leaves of {origin}, {openings} private parts.");
    Ok(Done::Well)
}

fn write(leader: &Leader, command: &Export) -> anyhow::Result<LogExport> {
    let path = command.out.display();
    if command.bundle {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&command.out);
        let mut bundle = Bundle(BufWriter::new(file.with_context(|| format!("{path} cannot be made"))?));
        bundle.0.write_all(bundle_header().as_bytes())?;
        let written = export::log(leader.db(), command.private, command.by.witnesses, &mut bundle);
        if written.is_err() {
            fs::remove_file(&command.out)?;
        }
        bundle.0.flush()?;
        return Ok(written?);
    }
    // The folder is made with the first file in it: what cannot be exported leaves none.
    let is_empty = !command.out.exists() || fs::read_dir(&command.out)?.next().is_none();
    anyhow::ensure!(is_empty, "{path} is not empty: name a new folder");
    Ok(export::log(leader.db(), command.private, command.by.witnesses, &mut Folder(&command.out))?)
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Files in a folder that is the owner's alone.
struct Folder<'a>(&'a Path);

impl LogFiles for Folder<'_> {
    fn put(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        let path = self.0.join(path);
        path.parent().map_or(Ok(()), make_folder)?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(content)
    }
}

/// Files in one bundle, a line each.
struct Bundle(BufWriter<File>);

impl LogFiles for Bundle {
    fn put(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        self.0.write_all(bundle_line(path, content).as_bytes())
    }
}
