//! `serve` and `openapi`

use std::time::Duration;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::jobs::Duty;
use crate::notify::Mailer;
use crate::web;

use super::{CliResult, Common, Done};

pub(super) fn run(common: &Common) -> CliResult {
    logging();
    let config = common.config()?;
    let settings = &config.database;
    let mut db = Db::open(&settings.url, settings.readers)?;
    if !settings.read_url.is_empty() {
        let bound = Duration::from_secs(settings.read_lag_seconds.into());
        db = db.with_replica(&settings.read_url, settings.readers, bound).context("database.read_url")?;
    }
    serve(config, db, |_| {})
}

/// Serves until asked to leave; `announce` is called with the address once it answers.
pub(super) fn serve(config: Config, db: Db, announce: impl FnOnce(&App)) -> CliResult {
    let mailer = Mailer::from_config(&config.mail).context("mail cannot be sent as it is configured")?;
    let app = App::open(config, db, Clock::system()).context("the log cannot be opened for writing")?;
    let duty = Duty::start(&app, mailer, app.config.public_url())?;
    let url = app.config.public_url();
    let result = web::serve(app.clone(), |listening| {
        tracing::info!(addresses = ?listening.addresses, tls = listening.tls, "listening");
        eprintln!("Counterfoil answers at {url}");
        if let Some(by) = app.stands_by() {
            eprintln!("For now {by}.");
        }
        announce(&app);
    });
    drop(duty);
    app.stop();
    tracing::info!("everything acknowledged is on the disk; the log is closed");
    result?;
    Ok(Done::Well)
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
