//! `demo`: a demo bank with 30 days of history, served.

mod bank;
mod history;

use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::Days;
use clap::Args;

use crate::access::{Role, Scopes, keys, users};
use crate::app::{App, Inbox};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::ids::Seq;
use crate::ledger::BusinessCalendar;

use super::{CliResult, Common, serve};
use history::History;

/// Make a demo bank with 30 days of history in a fresh SQLite file, and serve it.
///
/// Prints the address, the logins and an API key. Mail is written to a folder beside the file.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Where to make it; by default the first free of counterfoil-demo, counterfoil-demo-2, …
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Days of history
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=120))]
    days: u32,
    /// Make it, print what it prints, and end without serving
    #[arg(long)]
    no_serve: bool,
}

/// Folders tried for a free name.
const FOLDERS_MAX: u32 = 1_000;

pub(super) fn run(common: &Common, command: Demo) -> CliResult {
    let dir = match command.dir {
        Some(dir) => dir,
        None => free_folder()?,
    };
    anyhow::ensure!(!dir.join("demo.db").exists(), "{} holds a demo already; choose another --dir", dir.display());
    std::fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let config = settings(common.config()?, &dir);
    let db = Db::open(&config.database.url, config.database.readers)?;
    let words = make(&config, &db, command.days)?;
    say!("{words}");
    if command.no_serve {
        return Ok(super::Done::Well);
    }
    serve::serve(vec![(config, db)], |_| say!("Stop it with Ctrl-C."))
}

fn free_folder() -> anyhow::Result<PathBuf> {
    let named = |n| if n == 1 { "counterfoil-demo".into() } else { format!("counterfoil-demo-{n}") };
    let free = (1..=FOLDERS_MAX).map(|n| PathBuf::from(named(n))).find(|dir| !dir.exists());
    free.context("every demo folder's name is taken; choose one with --dir")
}

fn settings(mut config: Config, dir: &Path) -> Config {
    config.database.url = format!("sqlite:{}", dir.join("demo.db").display());
    config.bank.name = "Demo Bank".into();
    if config.mail.url.is_empty() {
        config.mail.url = format!("file:{}", dir.join("mail").display());
    }
    config.mail.from = "Demo Bank Monitor <monitor@demo.example>".into();
    config.mail.alerts_to = vec!["officer@demo.example".into()];
    config.mail.reports_to = vec!["officer@demo.example".into()];
    config
}

/// Makes users, a key and the history; answers what to print.
fn make(config: &Config, db: &Db, days: u32) -> anyhow::Result<String> {
    let now = Clock::system().now();
    // The history is recorded as it went: on a clock that begins with its first day.
    let calendar = BusinessCalendar::new(&config.bank);
    let first = calendar.local_date(now).checked_sub_days(Days::new(u64::from(days - 1))).context("a date out of range")?;
    let clock = Clock::standing(calendar.window(first).0.min(now));
    let app = App::start(config.clone(), db.clone(), clock.clone())?;
    let inbox = Inbox::open(app.clone())?;
    let mut silent = config.clone();
    silent.mail.alerts_to.clear();
    silent.mail.reports_to.clear();
    let quiet = App::new(silent, db.clone(), clock, app.intake().map_err(|by| anyhow::anyhow!("{by}"))?)?;
    let made = people_and_key(&app).and_then(|(words, officer)| {
        let history = History { app: &app, quiet: &quiet, officer, now };
        history.record(days).map(|()| words)
    });
    drop(inbox);
    app.stop();
    let words = made?;
    Ok(format!(
        "\nDemo Bank is ready: {}\n\n{words}\nMail is written to {}\n",
        config.public_url(),
        config.mail.url.trim_start_matches("file:")
    ))
}

fn people_and_key(app: &App) -> anyhow::Result<(String, Seq)> {
    let mut words = String::from("Sign in as\n");
    let mut officer = 0;
    for role in Role::ALL {
        let email = format!("{}@demo.example", role.text());
        let password = format!("demo-{}-{}", hex::encode(app.clock.random::<4>()), hex::encode(app.clock.random::<4>()));
        let id = users::add(&app.log(), &app.clock, &email, role, &password)?;
        if role == Role::Officer {
            officer = id;
        }
        words.push_str(&format!("  {email:24} password {password}\n"));
    }
    let (_, secret) = keys::issue(&app.log(), &app.clock, history::SOURCE, Scopes::ALL)?;
    words.push_str(&format!("\nSend entries with the API key of source {}\n  {secret}\n", history::SOURCE));
    Ok((words, officer))
}
