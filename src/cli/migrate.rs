//! `migrate up | down | status | roles | guards`

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::db::rights::{OWNER, READER, WRITER};
use crate::db::{Db, guards, migrate, roles};

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
    /// Print the SQL that puts triggers right which keep the log append-only, to be pasted as the owner
    Guards,
    /// Print the SQL that splits PostgreSQL's roles, to be pasted as a superuser
    Roles,
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
            if let (Some(_), false) = (roles::database(&mut conn)?, roles::are_split(&mut conn)?) {
                eprintln!("One role may do everything here; `counterfoil migrate roles` prints how to split them.");
            }
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
        Action::Guards => {
            migrate::require_current(&mut conn)?;
            let sql = guards::restoring(&mut conn)?;
            sql.iter().for_each(|statement| say!("{statement}"));
            match sql.is_empty() {
                true => eprintln!("Every guard is as this program makes it."),
                false => eprintln!("Run `counterfoil verify` first, then paste this as the owner of the tables."),
            }
        }
        Action::Roles => {
            let database = roles::database(&mut conn)?.context("an SQLite file has no roles: its owner is who may read it")?;
            say!("{}", roles::setup_sql(&database).trim_end());
            eprintln!("Paste this into psql as a superuser, connected to {database}; then give the two roles passwords:");
            eprintln!("  \\password {WRITER}\n  \\password {READER}");
            eprintln!("and connect as {WRITER} from then on. `migrate up` needs a superuser or a role granted {OWNER}.");
        }
    }
    Ok(Done::Well)
}
