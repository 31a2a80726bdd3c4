//! `key issue | rotate | revoke | list`

use clap::{Args, Subcommand};

use crate::access::Scopes;
use crate::access::keys::{self, IssueKey, RotateKey};
use crate::app::Request;
use crate::clock::Clock;

use super::{CliResult, Common, Done, table};

#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Issue a key to a source, which is made if it is unknown; prints the secret alone on stdout
    Issue {
        /// The source's name
        #[arg(long)]
        source: String,
        /// entries:write changes:write totals:write read receipt:full, with commas or spaces; all without this
        #[arg(long, num_args = 1.., value_name = "SCOPE")]
        scopes: Vec<String>,
    },
    /// Issue another key like the one with this prefix; prints the secret alone on stdout
    Rotate {
        /// What the key begins with after cf_
        prefix: String,
        /// Revoke the old key at once; otherwise it stays valid until `key revoke`
        #[arg(long)]
        revoke_old: bool,
    },
    /// Revoke a key
    Revoke {
        /// What the key begins with after cf_
        prefix: String,
    },
    /// List the keys
    List,
}

pub(super) fn run(common: &Common, command: Key) -> CliResult {
    match command.action {
        Action::Issue { source, scopes } => {
            let scopes = if scopes.is_empty() { Scopes::ALL } else { Scopes::parse(&scopes.join(" "))? };
            let (issue, secret) = IssueKey::draw(&Clock::system(), &source, scopes)?;
            perform(common, Request::IssueKey(issue))?;
            say!("{secret}");
            eprintln!("Key of source {source}. Keep it now: it cannot be shown again.");
        }
        Action::Rotate { prefix, revoke_old } => {
            let (rotate, secret) = RotateKey::draw(&Clock::system(), bare(&prefix), revoke_old);
            perform(common, Request::RotateKey(rotate))?;
            say!("{secret}");
            let old = if revoke_old { "is revoked" } else { "stays valid until `key revoke`" };
            eprintln!("The old key {prefix} {old}.");
        }
        Action::Revoke { prefix } => {
            perform(common, Request::RevokeKey { prefix: bare(&prefix).to_owned() })?;
            eprintln!("Key {prefix} is revoked.");
        }
        Action::List => {
            let (_, db) = common.db()?;
            let row = |k: &keys::ListedKey| {
                let state = k.revoked_at.map_or("active".to_owned(), |at| format!("revoked {at}"));
                vec![k.prefix.clone(), k.source_name.clone(), k.scopes.to_string(), k.created_at.to_string(), state]
            };
            let listed = db.read(keys::list)?;
            table::print(&["prefix", "source", "scopes", "issued", "state"], &listed.iter().map(row).collect::<Vec<_>>());
        }
    }
    Ok(Done::Well)
}

/// A prefix as listed, or as it stands in a key.
fn bare(prefix: &str) -> &str {
    let rest = prefix.strip_prefix("cf_").unwrap_or(prefix);
    rest.split('_').next().unwrap_or(rest)
}

fn perform(common: &Common, request: Request) -> anyhow::Result<()> {
    let leader = common.leader()?;
    let result = leader.perform(request);
    leader.close();
    result?;
    Ok(())
}
