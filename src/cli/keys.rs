//! `keys recovery new | test | restore`, `keys master rotate`, `keys status`

use std::io::Read;

use clap::{Args, Subcommand};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::app::{Leader, PrivacyRequest, Request};
use crate::clock::Clock;
use crate::trail::keys::KeyFolder;
use crate::trail::sealing::{self, Challenged, NewRecovery, PrivateKey};
use crate::trail::store;

use super::{CliResult, Common, Done, whoami};

/// Longest text that is read as a key.
const KEY_TEXT_MAX: u64 = 4_096;

/// Keys that seal sensitive fields: the recovery key on paper, the master key in keys.dir
#[derive(Debug, Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The recovery key, which opens what is sealed when every other key is lost
    #[command(subcommand)]
    Recovery(Recovery),
    /// The master key, which opens what is sealed while the program runs
    #[command(subcommand)]
    Master(Master),
    /// Say whether sensitive fields can be sealed; exit code 1 when they cannot
    Status,
}

#[derive(Debug, Subcommand)]
enum Recovery {
    /// Make a recovery key: its private part is printed once, for paper; only the public part is kept
    New,
    /// Read the private recovery key from stdin and open a test value with it: until that was done
    /// once, nothing is sealed
    Test,
    /// Read the private recovery key from stdin and make a new master key: the old one is lost
    Restore,
}

#[derive(Debug, Subcommand)]
enum Master {
    /// Make a new master key and wrap every data key for it
    Rotate,
}

pub(super) fn run(common: &Common, command: Keys) -> CliResult {
    match command.action {
        Action::Recovery(Recovery::New) => new(common),
        Action::Recovery(Recovery::Test) => test(common),
        Action::Recovery(Recovery::Restore) => restore(common),
        Action::Master(Master::Rotate) => rotate(common),
        Action::Status => status(common),
    }
}

/// Asks the leader, and lets it go whatever comes of it.
fn with_leader<T>(common: &Common, work: impl FnOnce(&Leader) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let leader = common.leader()?;
    let done = work(&leader);
    leader.close();
    done
}

fn ask(leader: &Leader, request: PrivacyRequest) -> anyhow::Result<Value> {
    Ok(leader.perform(Request::Privacy(request))?)
}

fn new(common: &Common) -> CliResult {
    let clock = Clock::system();
    let key = PrivateKey::new(&clock);
    let made = NewRecovery::of(&key, &clock, whoami::of_this_process());
    let made = made.ok_or_else(|| anyhow::anyhow!("no test value could be made"))?;
    let name = with_leader(common, |leader| ask(leader, PrivacyRequest::NewRecovery(made)))?;
    say!("{}", key.text().as_str());
    eprintln!(
        "Recovery key {}. Write it on paper now and keep it outside this house: it is not stored and cannot be shown again.\n\
         Then type it in once: counterfoil keys recovery test",
        name.as_str().unwrap_or_default()
    );
    Ok(Done::Well)
}

/// The private key as somebody types it.
fn typed() -> anyhow::Result<PrivateKey> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().take(KEY_TEXT_MAX).read_to_string(&mut text)?;
    PrivateKey::parse(text.trim()).map_err(|why| anyhow::anyhow!("{why}"))
}

fn test(common: &Common) -> CliResult {
    let key = typed()?;
    let name = with_leader(common, |leader| {
        let newest = leader.db().read(Challenged::newest)?;
        let newest =
            newest.ok_or_else(|| anyhow::anyhow!("there is no recovery key yet: run `counterfoil keys recovery new`"))?;
        let tested = newest.open(&key, whoami::of_this_process());
        let name = &newest.name;
        let tested = tested.ok_or_else(|| anyhow::anyhow!("this is not the recovery key {name}, which was made last"))?;
        ask(leader, PrivacyRequest::NoteTested(tested))
    })?;
    eprintln!("The recovery key {} opens what is sealed for it.", name.as_str().unwrap_or_default());
    Ok(Done::Well)
}

fn restore(common: &Common) -> CliResult {
    let key = typed()?;
    let clock = Clock::system();
    let count = with_leader(common, |leader| {
        let (keys, origin) = place(leader)?;
        let whence = whoami::of_this_process();
        let rewrapped = leader.db().read(|conn| sealing::recovered(conn, &keys, (&origin, &clock), &key, whence))?;
        ask(leader, PrivacyRequest::Rewrap(rewrapped))
    })?;
    eprintln!("A new master key is in keys.dir; {count} data keys are wrapped for it. Keep a copy outside this machine.");
    Ok(Done::Well)
}

fn rotate(common: &Common) -> CliResult {
    let whence = whoami::of_this_process();
    let name = with_leader(common, |leader| ask(leader, PrivacyRequest::RotateMaster { whence }))?;
    eprintln!(
        "Every data key is wrapped for the master key {}. Keep a copy of it outside this machine.",
        name.as_str().unwrap_or_default()
    );
    Ok(Done::Well)
}

fn status(common: &Common) -> CliResult {
    let (config, db) = common.db()?;
    let state = db.read(store::state)?.ok_or_else(|| anyhow::anyhow!("there is no log yet"))?;
    let keys = KeyFolder::of(&config, db.address());
    let status = db.read(|conn| sealing::status(conn, &keys, &state.origin))?;
    say!("{}", status.code());
    eprintln!("{}", status.text());
    Ok(if status.is_ready() { Done::Well } else { Done::Finding })
}

/// Where the keys are, and of which log.
fn place(leader: &Leader) -> anyhow::Result<(KeyFolder, String)> {
    let state = leader.db().read(store::state)?.ok_or_else(|| anyhow::anyhow!("there is no log yet"))?;
    Ok((KeyFolder::of(leader.config(), leader.db().address()), state.origin))
}
