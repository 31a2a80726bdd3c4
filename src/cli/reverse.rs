//! `reverse`: what cancelling an entry would come to; submitted for a second person.

use clap::Args;
use serde_json::json;

use crate::app::Leader;
use crate::approvals::Kind;
use crate::ids::{Seq, mask_account};
use crate::ledger::history::Newest;
use crate::ledger::reversals::Reversal;
use crate::money::grouped;
use crate::trail::attempts::Outcome;

use super::propose::{self, Proposed, Proposing};
use super::{CliResult, Common, Done, acts};

/// Propose that an entry is reversed; without --propose print what that would come to
///
/// The reversal is an entry of its own, on the same account and of the same source, which moves as much the
/// other way and names the entry. Officers reverse an entry once, and only what its source has not reversed itself;
/// a source that sends its own reversal afterwards is refused with 409 reversed_already, and told which entry did
/// it. (Among its own, a source may reverse an entry in parts.) The log says what the
/// bank's core says: the core must book the reversal too. Until it has, its next entry does not begin where this
/// one ends, and opens a break of continuity.
#[derive(Debug, Args)]
pub(super) struct Reverse {
    /// The entry's place in the log
    seq: Seq,
    /// Even if the balance does not suffice, or is not known
    #[arg(long, requires = "propose")]
    force: bool,
    #[command(flatten)]
    by: Proposing,
}

pub(super) fn run(common: &Common, command: Reverse) -> CliResult {
    acts::between(common, "entry.read", |leader| shown(leader, command).map(|done| (Outcome::Succeeded, done)))
}

/// Prints what it would come to, and submits it where that is asked for.
fn shown(leader: &Leader, command: Reverse) -> CliResult {
    let Reverse { seq, force, by } = command;
    let found = leader.db().read(|conn| Reversal::of(conn, &Newest::default(), seq))?;
    acts::seen(leader, false, json!({ "entry": seq, "account": found.account.id }))?;
    let (currency, account) = (found.entry.money()?, mask_account(&found.account.number));
    let amount = grouped(found.entry.amount.into(), currency);
    say!("entry {seq}: a {} of {currency} {amount} on account {account}", found.direction);
    match found.balance {
        Some((before, after)) => {
            let money = |minor: i64| grouped(minor.into(), currency);
            say!("balance: {currency} {} becomes {currency} {}", money(before), money(after));
        }
        None => say!("balance: not known"),
    }
    let funds = match found.suffices() {
        Some(true) => "the funds suffice",
        Some(false) => "the funds do not suffice: it must be forced",
        None => "nobody can say whether the funds suffice: it must be forced",
    };
    say!("{funds}");
    if let Some(by) = by.proposer() {
        let (about, facts) = (found.about(), found.facts(force)?);
        propose::submit(leader, &by, Proposed { kind: Kind::ReverseEntry, about, facts, detail: None })?;
    }
    Ok(Done::Well)
}
