//! `witness`

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use counterfoil_verify::VerifierKey;

use crate::clock::Clock;
use crate::notify::Mailer;
use crate::web;
use crate::witness::{Watch, Witness};

use super::{CliResult, Common, Done};

/// Watch other logs, on a host under another administrator: sign only what extends what was seen
/// before, and raise an alarm by mail when a log is silent, shrinks or forks.
///
/// Mail is sent as section `mail` of the configuration says, to `mail.alerts_to`.
#[derive(Debug, Args)]
pub(super) struct Witnessing {
    /// The verifier key of a log to watch: `counterfoil log key` prints it. Any number of them;
    /// of a log whose key was changed, the old and the new one
    #[arg(long = "log", required = true, value_name = "KEY")]
    logs: Vec<VerifierKey>,
    /// Folder of the witness' key and of what it remembers
    #[arg(long, value_name = "FOLDER", default_value = "witness")]
    dir: PathBuf,
    /// The witness' name, part of its key
    #[arg(long, default_value = "witness")]
    name: String,
    /// Where it answers
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8481")]
    listen: String,
    /// Minutes without a checkpoint after which a log is silent
    #[arg(long, value_name = "MINUTES", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    silence: u32,
}

pub(super) fn run(common: &Common, command: Witnessing) -> CliResult {
    super::serve::logging();
    let config = common.config()?;
    let mailer = Mailer::from_config(&config.mail).context("mail cannot be sent as it is configured")?;
    if mailer.is_off() || config.mail.alerts_to.is_empty() {
        eprintln!("No mail is configured (mail.url, mail.alerts_to): alarms go to this program's own log only.");
    }
    let clock = Clock::system();
    let witness = Arc::new(Witness::open(command.dir, &command.name, &command.logs, clock.clone())?);
    let watch = Watch::new(mailer, config.mail.alerts_to.clone(), command.silence, clock);
    let key = witness.verifier();
    web::serve_witness(witness, watch, &command.listen, |address| {
        eprintln!("The witness answers at http://{address}. Give the log's operator its key:");
        say!("{key}");
    })?;
    Ok(Done::Well)
}
