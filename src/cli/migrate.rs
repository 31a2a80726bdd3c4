//! `migrate up | down | status | roles | guards`

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::db::rights::{OWNER, READER, WRITER};
use crate::db::{Db, guards, migrate, roles};
use crate::trail::store;

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
    Down {
        /// Also where the log has leaves: what only the newest schema keeps is lost for good
        #[arg(long)]
        lose_what_it_holds: bool,
    },
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
        Action::Down { lose_what_it_holds } => {
            let _lease = db.lease()?.context("another process holds the log; stop it before the schema is taken back")?;
            // Before its first migration there is none to ask.
            let leaves = store::state(&mut conn).ok().flatten().map_or(0, |state| state.size);
            anyhow::ensure!(
                leaves == 0 || lose_what_it_holds,
                "the log has {leaves} leaves, and what only this schema keeps would be lost: make a `backup` first, then say \
                 --lose-what-it-holds"
            );
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
