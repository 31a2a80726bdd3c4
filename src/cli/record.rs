//! `record`: changes of any record, from arguments or from lines of JSON.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value};

use crate::app::{Leader, Request, WireChanges};

use super::{CliResult, Common, Done, whoami};

/// Rows handed over at once.
const ROWS: usize = 200;
/// Bytes of a line, at most.
const LINE_MAX: usize = 128 * 1024;

/// Record a change of any record: a customer, a price, a limit, a permission
#[derive(Debug, Args)]
pub(super) struct Record {
    /// The source that it belongs to; made if it is unknown
    #[arg(long)]
    source: String,
    /// Lines of JSON as for POST /api/v1/changes instead; `-`: standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kind", "id", "action"])]
    lines: Option<PathBuf>,
    /// The record's type, for example customer
    #[arg(value_name = "TYPE", required_unless_present = "lines")]
    kind: Option<String>,
    /// The record's id within its type
    #[arg(value_name = "ID", required_unless_present = "lines")]
    id: Option<String>,
    /// create, update or delete
    #[arg(long, default_value = "update")]
    action: String,
    /// Your id of this change; sending it again is safe
    #[arg(long = "ref", value_name = "REF", required_unless_present = "lines")]
    source_ref: Option<String>,
    /// The whole record before, as JSON
    #[arg(long, value_name = "JSON")]
    before: Option<String>,
    /// The whole record after, as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "set")]
    after: Option<String>,
    /// One field: its JSON pointer, `=`, and its value as JSON (or as plain text)
    #[arg(long, value_name = "/PATH=VALUE")]
    set: Vec<String>,
    /// When, RFC 3339 with an offset; now without this
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Who changed it; you, without this
    #[arg(long)]
    actor: Option<String>,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// critical, normal or debug
    #[arg(long)]
    class: Option<String>,
    /// A path that is sealed
    #[arg(long, value_name = "/PATH")]
    sensitive: Vec<String>,
    /// Print what became of each row as JSON
    #[arg(long)]
    json: bool,
}

/// How many became what.
#[derive(Default)]
struct Tally {
    recorded: u64,
    duplicates: u64,
    unchanged: u64,
    rejected: u64,
    broken: u64,
}

pub(super) fn run(common: &Common, command: Record) -> CliResult {
    let leader = common.leader()?;
    let done = record(&leader, &command);
    leader.close();
    let tally = done?;
    if command.lines.is_some() || !command.json {
        let Tally { recorded, duplicates, unchanged, rejected, broken } = tally;
        eprintln!(
            "{recorded} recorded, {duplicates} there already, {unchanged} unchanged, {rejected} rejected; {broken} with a break"
        );
    }
    Ok(if tally.rejected > 0 { Done::Finding } else { Done::Well })
}

fn record(leader: &Leader, command: &Record) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let Some(file) = &command.lines else {
        hand_over(leader, command, vec![(1, single(command)?)], &mut tally)?;
        return Ok(tally);
    };
    let reader: Box<dyn BufRead> = match file.as_os_str() == "-" {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(BufReader::new(File::open(file).with_context(|| format!("{} cannot be opened", file.display()))?)),
    };
    let mut rows = Vec::new();
    for (line, number) in reader.lines().zip(1..) {
        let line = line.with_context(|| format!("line {number} cannot be read"))?;
        anyhow::ensure!(line.len() <= LINE_MAX, "line {number} has more than {LINE_MAX} bytes; no change is that long");
        if !line.trim().is_empty() {
            rows.push((number, line));
        }
        if rows.len() == ROWS {
            hand_over(leader, command, std::mem::take(&mut rows), &mut tally)?;
        }
    }
    hand_over(leader, command, rows, &mut tally)?;
    Ok(tally)
}

fn hand_over(leader: &Leader, command: &Record, rows: Vec<(u64, String)>, tally: &mut Tally) -> anyhow::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let origin = whoami::of_this_process().to_string();
    let wire = WireChanges { source: command.source.clone(), origin, rows };
    let answer = leader.perform(Request::Changes(wire))?;
    for row in answer.as_array().context("the leader's answer cannot be read")? {
        let count = match row["status"].as_str() {
            Some("recorded") => &mut tally.recorded,
            Some("duplicate") => &mut tally.duplicates,
            Some("unchanged") => &mut tally.unchanged,
            _ => &mut tally.rejected,
        };
        *count += 1;
        tally.broken += u64::from(row["breaks"].as_array().is_some_and(|breaks| !breaks.is_empty()));
        if row["status"] == "rejected" {
            eprintln!(
                "line {}: {} ({})",
                row["line"],
                row["detail"].as_str().unwrap_or_default(),
                row["code"].as_str().unwrap_or_default()
            );
        }
        if command.json {
            say!("{row}");
        }
    }
    Ok(())
}

/// The change of the arguments, as JSON text: values keep the digits they were typed with.
fn single(command: &Record) -> anyhow::Result<String> {
    let mut members = Map::new();
    let mut text = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), Value::from(value.as_str()));
        }
    };
    text("source_ref", &command.source_ref);
    text("type", &command.kind);
    text("id", &command.id);
    text("action", &Some(command.action.clone()));
    text("changed_at", &command.at);
    text("actor", &Some(command.actor.clone().unwrap_or_else(whoami::name)));
    text("reason", &command.reason);
    text("class", &command.class);
    if !command.sensitive.is_empty() {
        members.insert("sensitive".into(), Value::from(command.sensitive.clone()));
    }
    let mut json = Value::Object(members).to_string();
    json.pop();
    for (name, document) in [("before", &command.before), ("after", &command.after)] {
        if let Some(document) = document {
            json.push_str(&format!(",\"{name}\":{document}"));
        }
    }
    if !command.set.is_empty() {
        let fields = command.set.iter().map(|set| field(set)).collect::<anyhow::Result<Vec<String>>>()?;
        json.push_str(&format!(",\"fields\":[{}]", fields.join(",")));
    }
    json.push('}');
    Ok(json)
}

fn field(set: &str) -> anyhow::Result<String> {
    let (path, value) = set.split_once('=').with_context(|| format!("`{set}` is no field; write /path=value"))?;
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok();
    let value = if is_json { value.to_owned() } else { Value::from(value).to_string() };
    Ok(format!("{{\"path\":{},\"new\":{value}}}", Value::from(path)))
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_field_keeps_its_digits_and_plain_text_is_quoted() {
        let read = |set: &str| field(set).unwrap_or_default();
        assert_eq!(read("/limit=1.10"), r#"{"path":"/limit","new":1.10}"#);
        assert_eq!(read("/name=Ann = Bea"), r#"{"path":"/name","new":"Ann = Bea"}"#);
        assert!(field("no value").is_err());
    }
}
