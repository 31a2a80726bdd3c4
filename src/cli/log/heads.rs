//! `log heads`: which entry was the last of an account at the close of a day.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::Context;
use chrono::NaiveDate;
use clap::Args;
use counterfoil_verify::heads_proof::{Claim, HeadsProof};
use serde_json::json;

use crate::app::{Leader, Request};
use crate::ledger::heads::{NoProof, prove};
use crate::trail::attempts::Outcome;

use super::super::{CliResult, Common, Done, acts, whoami};

#[derive(Debug, Args)]
pub(super) struct Heads {
    /// The business date whose close it is about
    #[arg(long)]
    date: NaiveDate,
    /// The account's number; it is not in the file. Of an erased holder `erased N`, N being the account in the log
    #[arg(long, value_name = "NUMBER")]
    account: String,
    /// Into this file, which is made; otherwise to the output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    by: super::Witnesses,
}

pub(super) fn run(common: &Common, command: &Heads) -> CliResult {
    let done = acts::between(common, "heads.prove", |leader| {
        let done = proven(leader, command)?;
        Ok((if done.is_ok() { Outcome::Succeeded } else { Outcome::Refused }, done))
    });
    match done? {
        Ok(said) => eprintln!("{said}"),
        Err(refused) => {
            eprintln!("{refused}");
            return Ok(Done::Finding);
        }
    }
    Ok(Done::Well)
}

/// Makes the proof, notes in the log that it was made, and hands it out.
fn proven(leader: &Leader, command: &Heads) -> anyhow::Result<Result<String, NoProof>> {
    let proof = match prove(&mut leader.db().connect()?, command.date, &command.account, command.by.witnesses) {
        Ok(proof) => proof,
        Err(NoProof::Db(error)) => return Err(error.into()),
        Err(refused) => return Ok(Err(refused)),
    };
    let body = json!({
        "what": "account heads", "business_date": command.date.to_string(), "account": proof.account, "rows": proof.heads.len(),
    });
    leader.perform(Request::NoteExport { body, private: whoami::of_this_process() })?;
    match &command.out {
        None => say!("{}", proof.to_string().trim_end_matches('\n')),
        Some(path) => {
            let shown = path.display();
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let mut file = file.with_context(|| format!("{shown} cannot be made"))?;
            file.write_all(proof.to_string().as_bytes()).with_context(|| format!("{shown} cannot be written"))?;
        }
    }
    Ok(Ok(said(&proof, command.date)))
}

fn said(proof: &HeadsProof, date: NaiveDate) -> String {
    let account = proof.account;
    match (proof.claim, proof.heads.first()) {
        (Claim::Last, Some(placed)) => {
            let (seq, position) = (placed.head.seq, placed.head.position);
            format!("Entry {seq} (position {position}) was the last of account {account} at the close of {date}.")
        }
        _ => format!("Account {account} had no entry at the close of {date}."),
    }
}
