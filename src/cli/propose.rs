//! What a command only submits: somebody else approves it on the page.

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use crate::access;
use crate::app::{Leader, Request};
use crate::approvals::{self, Kind};
use crate::ids::Seq;

use super::{secret, whoami};

/// Why, and who proposes it.
#[derive(Clone, Debug, Args)]
pub(super) struct Proposer {
    /// Why: 20 to 2,000 characters, for whoever approves
    #[arg(long)]
    reason: String,
    /// Propose it as this user, whose password is read from standard input; another officer then approves.
    /// Without this, two officers must
    #[arg(long = "as", value_name = "EMAIL", requires = "password_stdin")]
    user: Option<String>,
    /// Read the password from standard input (so that it is never an argument)
    #[arg(long, requires = "user")]
    password_stdin: bool,
}

/// The same for a command that without --propose only prints what it would come to.
#[derive(Clone, Debug, Args)]
pub(super) struct Proposing {
    /// Submit it; another officer approves it on page Approvals
    #[arg(long, requires = "reason")]
    propose: bool,
    /// Why: 20 to 2,000 characters, for whoever approves
    #[arg(long, requires = "propose")]
    reason: Option<String>,
    /// Propose it as this user, whose password is read from standard input; another officer then approves.
    /// Without this, two officers must
    #[arg(long = "as", value_name = "EMAIL", requires = "password_stdin", requires = "propose")]
    user: Option<String>,
    /// Read the password from standard input (so that it is never an argument)
    #[arg(long, requires = "user")]
    password_stdin: bool,
}

impl Proposing {
    /// Why and by whom, if it is to be submitted.
    pub fn proposer(self) -> Option<Proposer> {
        let Proposing { propose, reason, user, password_stdin } = self;
        let reason = reason.filter(|_| propose)?;
        Some(Proposer { reason, user, password_stdin })
    }
}

impl Proposer {
    /// Why.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// What is proposed.
pub(super) struct Proposed {
    /// The kind.
    pub kind: Kind,
    /// The thing, by an opaque name.
    pub about: String,
    /// Public facts.
    pub facts: Value,
    /// Private facts.
    pub detail: Option<Value>,
}

/// The officer who has this address and the password on standard input; a refusal is recorded.
fn proven(leader: &Leader, email: &str) -> anyhow::Result<Seq> {
    let (password, now) = (secret::password(email)?, leader.clock().now());
    let found = leader.db().read(|conn| access::prove(conn, now, email, &password, whoami::of_this_process()))?;
    match found {
        Ok(user) => Ok(user.id),
        Err(unproven) => {
            leader.perform(Request::Unproven(unproven))?;
            anyhow::bail!("{email} is not proven")
        }
    }
}

/// Submits it, and says what happens next; answers the proposal's number.
pub(super) fn submit(leader: &Leader, by: &Proposer, proposed: Proposed) -> anyhow::Result<Seq> {
    let user = match &by.user {
        Some(email) => Some(proven(leader, email)?),
        None => None,
    };
    let Proposed { kind, about, facts, detail } = proposed;
    let reason = by.reason.clone();
    let submission = approvals::Submission { kind, about, facts, reason, detail, by: user, whence: whoami::of_this_process() };
    let answer = leader.perform(Request::Propose(submission))?;
    let id = answer.as_i64().context("the answer to the proposal cannot be read")?;
    let who = if user.is_some() { "another officer approves" } else { "two officers approve" };
    eprintln!("Proposal {id} is submitted: nothing is done until {who} it on page Approvals, within 7 days.");
    Ok(id)
}
