//! The command line: one file per command.
//!
//! A command that writes takes the lease if it is free, else it asks the process that has it, so
//! it works the same beside a running `serve`. Exit codes: 0 well, 1 a finding (tampering, rejected
//! rows, a failing rule example), 2 could not run. What is for programs goes to stdout; what is
//! for people to stderr.

/// Prints a line to stdout; a reader that has gone away is no error.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}

mod acts;
mod archives;
mod backup;
mod capture;
mod demo;
mod export;
mod import;
mod key;
mod keys;
mod log;
mod mail;
mod migrate;
mod progress;
mod propose;
mod prune;
mod record;
mod replay;
mod report;
mod restore;
mod reverse;
mod rules;
mod secret;
mod serve;
mod subject;
mod table;
mod user;
mod verify;
mod verify_archive;
mod verify_export;
mod whoami;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::app::Leader;
use crate::clock::Clock;
use crate::config::{Config, MAIN_BOOK};
use crate::db::{Address, Db};

/// Records every balance change in a trail that outsiders can verify, checks balance continuity,
/// flags what is unusual and writes the daily compliance report.
#[derive(Debug, Parser)]
#[command(name = "counterfoil", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
struct Common {
    /// Where the log lives: sqlite:FILE or postgres://user@host/database
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
    /// Settings in TOML; see counterfoil.example.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The book, where the settings name several ([book.NAME])
    #[arg(long, global = true, value_name = "NAME", default_value = MAIN_BOOK)]
    book: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    /// Serve pages and interface, and run what runs by the clock
    Serve,
    Import(import::Import),
    Record(Box<record::Record>),
    RestoreRecord(restore::Restore),
    Capture(capture::Capture),
    Reverse(reverse::Reverse),
    Report(report::Report),
    Nightly(report::Nightly),
    Prune(prune::Prune),
    Verify(verify::Verify),
    Replay(replay::Replay),
    Export(export::Export),
    Backup(backup::Backup),
    /// Users who sign in: add, disable, reset
    User(user::User),
    /// Keys of the sources that send: issue, rotate, revoke, list
    Key(key::Key),
    Keys(keys::Keys),
    /// The log: its verifier key, its newest checkpoint, exports, another key
    Log(log::Log),
    /// Mail that was given up: list, resend, acknowledge
    Mail(mail::Mail),
    /// The rules: list, show, test, activate
    Rules(rules::Rules),
    Subject(subject::Subject),
    Witness(witness::Witnessing),
    /// The schema: up, down, status
    Migrate(migrate::Migrate),
    /// Print the description of the HTTP interface
    Openapi,
}

/// How a command ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    /// Exit code 0.
    Well,
    /// Exit code 1.
    Finding,
}

type CliResult = anyhow::Result<Done>;

impl Common {
    fn config(&self) -> anyhow::Result<Config> {
        Ok(Config::load_book(self.config.as_deref(), self.database.as_deref(), &self.book)?)
    }

    /// The database, for reading; it must have the schema of this binary.
    fn db(&self) -> anyhow::Result<(Config, Db)> {
        let (config, db) = self.db_as_it_is()?;
        crate::db::migrate::require_current(&mut db.connect()?)?;
        Ok((config, db))
    }

    /// The database, whatever its list of migrations says.
    fn db_as_it_is(&self) -> anyhow::Result<(Config, Db)> {
        let config = self.config()?;
        if let Ok(Address::Sqlite(file)) = Address::parse(&config.database.url) {
            anyhow::ensure!(file.exists(), "there is no database {}; `serve` or `key issue` makes it", file.display());
        }
        let db = Db::open(&config.database.url, config.database.readers)?;
        Ok((config, db))
    }

    /// Whoever writes the log.
    fn leader(&self) -> anyhow::Result<Leader> {
        Ok(Leader::find(self.config()?, Clock::system(), whoami::of_this_process())?)
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Demo(command) => demo::run(&cli.common, command),
        Command::Serve => serve::run(&cli.common),
        Command::Import(command) => import::run(&cli.common, command),
        Command::Record(command) => record::run(&cli.common, *command),
        Command::RestoreRecord(command) => restore::run(&cli.common, command),
        Command::Capture(command) => capture::run(&cli.common, command),
        Command::Reverse(command) => reverse::run(&cli.common, command),
        Command::Report(command) => report::report(&cli.common, command),
        Command::Nightly(command) => report::nightly(&cli.common, command),
        Command::Prune(command) => prune::run(&cli.common, command),
        Command::Verify(command) => verify::run(&cli.common, command),
        Command::Replay(command) => replay::run(&cli.common, &command),
        Command::Export(command) => export::run(&cli.common, command),
        Command::Backup(command) => backup::run(&cli.common, command),
        Command::Openapi => serve::openapi(),
        Command::User(command) => user::run(&cli.common, command),
        Command::Key(command) => key::run(&cli.common, command),
        Command::Keys(command) => keys::run(&cli.common, command),
        Command::Log(command) => log::run(&cli.common, command),
        Command::Mail(command) => mail::run(&cli.common, command),
        Command::Rules(command) => rules::run(&cli.common, command),
        Command::Subject(command) => subject::run(&cli.common, command),
        Command::Witness(command) => witness::run(&cli.common, command),
        Command::Migrate(command) => migrate::run(&cli.common, command),
    };
    match result {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Finding) => ExitCode::from(1),
        Err(error) => {
            eprintln!("counterfoil: {}", told(&error));
            ExitCode::from(2)
        }
    }
}

/// The error with its causes, each said once.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_tree_is_sound() {
        use clap::CommandFactory;
        super::Cli::command().debug_assert();
    }
}
