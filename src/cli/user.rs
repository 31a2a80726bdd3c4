//! `user add | disable | reset | list`

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::access::Role;
use crate::access::users::{self, AddUser, ResetPassword};
use crate::app::Request;
use crate::clock::Clock;

use super::{CliResult, Common, Done, secret, table};

#[derive(Debug, Args)]
pub(super) struct User {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a user; the password is read from standard input
    Add {
        /// The address they sign in with
        #[arg(long)]
        email: String,
        /// analyst, officer, auditor (reads only) or admin (no customer data)
        #[arg(long)]
        role: String,
        /// Read the password from standard input (required, so that it is never an argument)
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Give a user another password and end their sessions
    Reset {
        /// Whose password
        #[arg(long)]
        email: String,
        /// Read the password from standard input
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Let a user in no more and end their sessions
    Disable {
        /// Whom
        #[arg(long)]
        email: String,
    },
    /// List the users
    List,
}

pub(super) fn run(common: &Common, command: User) -> CliResult {
    match command.action {
        Action::Add { email, role, .. } => {
            let role = Role::parse(&role).with_context(|| format!("`{role}` is not a role; use one of {}", Role::choices()))?;
            let add = AddUser::prepare(&Clock::system(), &email, role, &secret::password(&email)?)?;
            perform(common, Request::AddUser(add))?;
            eprintln!("{email} can sign in as {}.", role.text());
        }
        Action::Reset { email, .. } => {
            let reset = ResetPassword::prepare(&Clock::system(), &email, &secret::password(&email)?)?;
            perform(common, Request::ResetPassword(reset))?;
            eprintln!("{email} has another password; their sessions have ended.");
        }
        Action::Disable { email } => {
            perform(common, Request::DisableUser { email: email.clone() })?;
            eprintln!("{email} can no longer sign in; their sessions have ended.");
        }
        Action::List => {
            let (_, db) = common.db()?;
            let listed = db.read(users::list)?;
            let state = |user: &users::User| if user.active { "active" } else { "disabled" };
            let row = |u: &users::User| vec![u.email.clone(), u.role.text().into(), state(u).into(), u.created_at.to_string()];
            table::print(&["email", "role", "state", "added"], &listed.iter().map(row).collect::<Vec<_>>());
        }
    }
    Ok(Done::Well)
}

fn perform(common: &Common, request: Request) -> anyhow::Result<()> {
    let leader = common.leader()?;
    let result = leader.perform(request);
    leader.close();
    result?;
    Ok(())
}
