//! `log recover`

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use counterfoil_verify::Note;

use crate::access::{Permission, users};
use crate::approvals;
use crate::cli::{CliResult, Common, Done, secret, whoami};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Conn, Db, guards, migrate};
use crate::ids::Seq;
use crate::ledger::leaves;
use crate::trail::keys::KeyFolder;
use crate::trail::recovery::{self, Decided, Plan};

/// Let the log go on under a new name after a real loss: the database is an older copy, or the key is gone
///
/// Two officers decide it here, each with their password, because nothing may be written to a log that lacks
/// what was signed. Their passwords are read from standard input, a line each, in the order of --officer.
/// After a stop in the middle it is run again.
#[derive(Debug, Args)]
pub(super) struct Recover {
    /// The address of an officer; two of them
    #[arg(long = "officer", required = true, value_name = "EMAIL")]
    officers: Vec<String>,
    /// Why: 20 to 2,000 characters; kept in the log's private part
    #[arg(long)]
    reason: String,
    /// A newer checkpoint than the one beside the keys: a mail, a witness' file
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

pub(super) fn run(common: &Common, command: &Recover) -> CliResult {
    let [one, two] = command.officers.as_slice() else { anyhow::bail!("name two officers: --officer A --officer B") };
    let config = common.config()?;
    let db = Db::open(&config.database.url, config.database.readers)?;
    let lease = db.lease()?.context("another program holds the log for writing: there is nothing to recover while it runs")?;
    let mut conn = db.connect()?;
    if db.address().file().is_some() {
        migrate::up(&mut conn)?;
    }
    migrate::require_current(&mut conn)?;
    guards::require(&mut conn)?;
    let reason = approvals::checked_text("reason", &command.reason)?;
    let keys = KeyFolder::of(&config, db.address());
    anyhow::ensure!(
        !keys.is_given(),
        "the key comes from the setting keys.log: take the setting away, a new key is made in keys.dir"
    );
    let plan = recovery::plan(&mut conn, &keys, brought(command)?, leaves::hashes)?;
    announce(&plan, &config);
    let officers = prove(&mut conn, [one, two])?;
    let by = Decided { officers, reason, whence: whoami::of_this_process() };
    let seq = recovery::carry_out(&mut conn, &keys, &Clock::system(), &plan, &by, leaves::hashes)?;
    drop(lease);
    say!("{}", plan.origin);
    eprintln!(
        "The log goes on as {} from event {seq} on. Start `serve`; then print `counterfoil log key` on paper,",
        plan.origin
    );
    eprintln!("give the key to the witnesses as that of a new log, and keep a copy of what is in {}.", keys.dir().display());
    Ok(Done::Well)
}

fn brought(command: &Recover) -> anyhow::Result<Option<Note>> {
    let Some(path) = &command.checkpoint else { return Ok(None) };
    let content = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Note::find(&content).map(Some).with_context(|| format!("{} holds no checkpoint", path.display()))
}

fn announce(plan: &Plan, config: &Config) {
    eprintln!("The log {} of {} has {} leaves.", plan.previous, config.bank.name, plan.size);
    match (plan.unfinished, plan.lost) {
        (Some(seq), _) => eprintln!("The recovery in event {seq} was not finished: it is finished now."),
        (None, Some((from, to))) => eprintln!("Leaves {from} to {} were signed and are lost.", to - 1),
        (None, None) => eprintln!("Its key is lost; no leaf is known to be."),
    }
}

/// Two different active officers, by their passwords.
fn prove(conn: &mut Conn, emails: [&String; 2]) -> anyhow::Result<[Seq; 2]> {
    let mut officers = [0; 2];
    for (officer, email) in officers.iter_mut().zip(emails) {
        let password = secret::password(email)?;
        let user = users::prove(conn, email, &password).with_context(|| email.to_owned())?;
        *officer = users::require(conn, user.id, Permission::Approve).with_context(|| email.to_owned())?.id;
    }
    anyhow::ensure!(officers[0] != officers[1], "two different officers must decide it");
    Ok(officers)
}
