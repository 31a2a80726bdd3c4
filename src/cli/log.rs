//! `log key | checkpoint`

use clap::{Args, Subcommand};

use crate::db::Db;
use crate::trail::keys::KeyFolder;
use crate::trail::store;

use super::{CliResult, Common, Done};

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
    Checkpoint,
}

pub(super) fn run(common: &Common, command: Log) -> CliResult {
    let (config, db) = common.db()?;
    match command.action {
        Action::Key => {
            let origin = origin(&db)?;
            let folder = KeyFolder::of(&config, db.address());
            let key = folder.key(&origin)?;
            let dir = folder.dir().display();
            let key =
                key.ok_or_else(|| anyhow::anyhow!("there is no key of {origin} in {dir}; `serve` makes it at its first start"))?;
            say!("{}", key.verifier());
        }
        Action::Checkpoint => {
            let newest = db.read(store::newest_checkpoint)?;
            let newest = newest.ok_or_else(|| anyhow::anyhow!("nothing is signed yet; `serve` signs within seconds"))?;
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
