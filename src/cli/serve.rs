//! `serve` and `openapi`

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::app::{App, Books, open_db, require_apart};
use crate::clock::Clock;
use crate::config::{Config, MAIN_BOOK};
use crate::db::Db;
use crate::jobs::Duty;
use crate::notify::Mailer;
use crate::web;

use super::{CliResult, Common, Done};

pub(super) fn run(common: &Common) -> CliResult {
    logging();
    let main = common.config()?;
    let mut configs = vec![main];
    // Whoever names one book serves that one alone.
    if common.book == MAIN_BOOK {
        configs.extend(Config::load_books(common.config.as_deref())?);
    }
    require_apart(&configs)?;
    let open = |config: Config| {
        let db = open_db(&config).with_context(|| format!("book `{}`", config.book_name()))?;
        Ok((config, db))
    };
    serve(configs.into_iter().map(open).collect::<anyhow::Result<_>>()?, |_| {})
}

/// Serves books, the first of which is the main one, until asked to leave; `announce` is called once it answers.
pub(super) fn serve(opened: Vec<(Config, Db)>, announce: impl FnOnce(&App)) -> CliResult {
    let mut apps = Vec::new();
    let mut duties = Vec::new();
    for (config, db) in opened {
        match begin(config, db) {
            Ok((app, duty)) => {
                apps.push(app);
                duties.push(duty);
            }
            Err(error) => {
                drop(duties);
                apps.iter().for_each(App::stop);
                return Err(error);
            }
        }
    }
    let mut others = apps.clone().into_iter();
    let main = others.next().context("there is no book to serve")?;
    let books = Books { main, others: others.collect() };
    let result = web::serve(books.clone(), |listening| {
        tracing::info!(addresses = ?listening.addresses, tls = listening.tls, "listening");
        for app in books.all() {
            eprintln!("{} answers at {}", said(app), app.config.public_url());
            if let Some(by) = app.stands_by() {
                eprintln!("For now {by}.");
            }
        }
        announce(&books.main);
    });
    drop(duties);
    apps.iter().for_each(App::stop);
    tracing::info!("everything acknowledged is on the disk; the log is closed");
    result?;
    Ok(Done::Well)
}

/// One book: its log, and what runs by the clock.
fn begin(config: Config, db: Db) -> anyhow::Result<(App, Duty)> {
    let book = config.book_name().to_owned();
    let within = || if config.books().is_empty() { String::new() } else { format!("book `{book}`: ") };
    let mailer =
        Mailer::from_config(&config.mail).with_context(|| format!("{}mail cannot be sent as it is configured", within()))?;
    for doubt in config.mail_doubts() {
        tracing::warn!(book, "{doubt}");
    }
    let app = App::open(config.clone(), db, Clock::system());
    let app = app.with_context(|| format!("{}the log cannot be opened for writing", within()))?;
    let duty = Duty::start(&app, mailer, app.config.public_url())?;
    Ok((app, duty))
}

fn said(app: &App) -> String {
    if app.config.books().is_empty() { "Counterfoil".to_owned() } else { format!("Book `{}`", app.config.book_name()) }
}

pub(super) fn openapi() -> CliResult {
    say!("{}", web::openapi_json());
    Ok(Done::Well)
}

/// One JSON line per event on stderr; `RUST_LOG` chooses what.
pub(super) fn logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt().json().with_writer(std::io::stderr).with_env_filter(filter).try_init();
}
