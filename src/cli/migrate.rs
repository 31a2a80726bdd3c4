//! `migrate up | down | status`

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::db::{Db, migrate};

use super::{CliResult, Common, Done};

#[derive(Debug, Args)]
pub(super) struct Migrate {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Apply what is missing
    Up,
    /// Take back the newest migration, with what it holds
    Down,
    /// List every migration and whether it is applied
    Status,
}

pub(super) fn run(common: &Common, command: Migrate) -> CliResult {
    let config = common.config()?;
    let db = Db::open(&config.database.url, config.database.readers)?;
    let mut conn = db.connect()?;
    match command.action {
        Action::Up => {
            let applied = migrate::up(&mut conn)?;
            applied.iter().for_each(|name| say!("applied {name}"));
            eprintln!("The schema is current.");
        }
        Action::Down => {
            let _lease = db.lease()?.context("another process holds the log; stop it before the schema is taken back")?;
            say!("took back {}", migrate::down(&mut conn)?);
        }
        Action::Status => {
            for (name, applied) in migrate::status(&mut conn)? {
                say!("{} {name}", if applied { "applied" } else { "missing" });
            }
        }
    }
    Ok(Done::Well)
}
