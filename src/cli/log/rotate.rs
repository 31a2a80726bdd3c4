//! `log rotate-key`

use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::app::Leader;
use crate::approvals::Kind;
use crate::cli::propose::{self, Proposed, Proposer};
use crate::cli::{CliResult, Common, Done};
use crate::clock::Clock;
use crate::trail::keys::KeyFolder;
use crate::trail::{rotations, store};

/// Change the key that signs the log
///
/// Makes the new key in a file of its own and proposes it. Once approved, `serve` lets it sign: both keys
/// sign the change, so that whoever trusts the old one can follow.
#[derive(Debug, Args)]
pub(super) struct RotateKey {
    #[command(flatten)]
    by: Proposer,
}

pub(super) fn run(common: &Common, command: &RotateKey) -> CliResult {
    let config = common.config()?;
    let leader = common.leader()?;
    let folder = KeyFolder::of(&config, leader.db().address());
    let proposed = propose(&leader, &folder, &command.by);
    leader.close();
    say!("{}", proposed?);
    Ok(Done::Well)
}

/// Proposes a new key; answers its verifier key.
fn propose(leader: &Leader, folder: &KeyFolder, by: &Proposer) -> anyhow::Result<String> {
    anyhow::ensure!(
        !folder.is_given(),
        "the key comes from the setting keys.log: put it into a file in keys.dir first, and take the setting away"
    );
    let (origin, force) = leader.db().read(|conn| {
        let origin = store::state(conn)?.map(|state| state.origin).unwrap_or_default();
        let force = rotations::in_force(conn, &origin)?;
        Ok::<_, crate::db::DbError>((origin, force))
    })?;
    let old = match force {
        Some(old) => old,
        None => folder.key(&origin)?.with_context(|| format!("there is no key of {origin} yet; `serve` makes it"))?.verifier(),
    };
    let new = folder.make_next(&origin, &Clock::system())?.verifier();
    let path = folder.next_path(&new);
    let facts = json!({ "origin": origin, "old": old.to_string(), "new": new.to_string() });
    let submitted = propose::submit(leader, by, Proposed { kind: Kind::RotateKey, about: origin, facts, detail: None });
    if submitted.is_err() {
        folder.drop_next(&new);
    }
    submitted?;
    eprintln!("The new key is in {}: keep a copy of it outside this machine. It signs nothing yet.", path.display());
    Ok(new.to_string())
}
