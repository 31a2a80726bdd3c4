//! A command's act in steps of its own: recorded as attempted before it begins, with who runs it, and with its
//! outcome after; and files that only their owner may read.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde_json::Value;

use crate::app::{Leader, LeaderError, Request};
use crate::db::DbError;
use crate::trail::attempts::Outcome;

use super::{Common, whoami};

/// Runs `work` between the attempt of `act` and its end, and lets the log go. What cannot be recorded is not begun.
pub(super) fn between<T>(
    common: &Common,
    act: &str,
    work: impl FnOnce(&Leader) -> anyhow::Result<(Outcome, T)>,
) -> anyhow::Result<T> {
    let leader = common.leader()?;
    let done = begun(&leader, act, work);
    leader.close();
    done
}

fn begun<T>(leader: &Leader, act: &str, work: impl FnOnce(&Leader) -> anyhow::Result<(Outcome, T)>) -> anyhow::Result<T> {
    let attempt = serde_json::from_value(leader.perform(Request::Begin { act: act.to_owned() })?)?;
    let done = work(leader);
    let outcome = done.as_ref().map_or_else(of_error, |(outcome, _)| *outcome);
    let ended = leader.perform(Request::End { attempt, outcome: outcome.text().to_owned() });
    let (_, value) = done?;
    ended?;
    Ok(value)
}

/// What broke has failed; everything else does not fit what is there.
fn of_error(error: &anyhow::Error) -> Outcome {
    let broke = error.chain().any(|cause| match cause.downcast_ref::<LeaderError>() {
        Some(LeaderError::Request(error)) => error.failed,
        Some(_) => true,
        None => cause.is::<DbError>() || cause.is::<io::Error>(),
    });
    if broke { Outcome::Failed } else { Outcome::Refused }
}

/// Records what is about to be shown of customers, or which report, and to whom.
pub(super) fn seen(leader: &Leader, report: bool, body: Value) -> anyhow::Result<()> {
    leader.perform(Request::NoteSeen { report, body, private: whoami::of_this_process() })?;
    Ok(())
}

/// Opens a file for writing that only its owner may read, also where it was there before.
pub(super) fn owners_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // A mode counts for a new file only. A device, such as /dev/stdout, keeps its own.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}
