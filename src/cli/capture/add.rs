//! `capture add`: the triggers of a table, and the settings that belong to it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::capture::{self, Spec};
use crate::config::{Capture as Settings, Config, EntryMapping, ROLE_MISSING};
use crate::records::Kinds;

use super::super::{CliResult, Done};
use super::named;

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The bank's database, as a role that owns the table: postgres://…, or a capture of the settings
    #[arg(value_name = "URL")]
    place: String,
    /// The table, schema.table
    table: String,
    /// The source that the changes belong to; the database's name without this
    #[arg(long)]
    source: Option<String>,
    /// The type of the records; the table's name without this
    #[arg(long = "type", value_name = "TYPE", default_value = "")]
    kind: String,
    /// A column that never leaves the bank's database
    #[arg(long, value_name = "COLUMN")]
    exclude: Vec<String>,
    /// A column whose values are sealed in the log
    #[arg(long, value_name = "COLUMN")]
    sensitive: Vec<String>,
    /// The column that names whom a row is about: an account's holder, a record's customer
    #[arg(long, value_name = "COLUMN", default_value = "")]
    subject: String,
    /// The table is one of accounts: a TOML file with account, balance, currency (docs/capture.md)
    #[arg(long, value_name = "FILE")]
    entries: Option<PathBuf>,
    /// The role that drains the queue and compares the table: it gets the rights that takes, and no more
    #[arg(long, value_name = "ROLE")]
    drain_as: Option<String>,
    /// The role that may bring a row back which two officers decided on; it gets the rights that takes, and no more
    #[arg(long, value_name = "ROLE")]
    restore_as: Option<String>,
    /// Let the rows go to another source or log than the one that drained them until now
    #[arg(long)]
    hand_over: bool,
}

impl Add {
    pub(super) fn run(&self, config: &Config) -> CliResult {
        let mut capture = named(config, &self.place)?;
        let mut bank = capture::connect(&capture)?;
        if self.place.contains("://") {
            let name = self.source.clone().unwrap_or_else(|| capture.name.clone());
            let known = config.capture.iter().find(|known| known.name == name).cloned();
            // Whoever owns the table is not who drains its queue.
            let url = for_role(&self.place, self.drain_as.as_deref());
            capture = known.unwrap_or(Settings { name, url, ..Settings::default() });
        }
        let added = capture::add(&mut bank, &self.spec(config)?)?;
        added.done.iter().for_each(|line| eprintln!("{line}"));
        added.warnings.iter().for_each(|line| eprintln!("Note: {line}."));
        if capture.table.contains(&added.table) && (self.restore_as.is_none() || !capture.restore_url.is_empty()) {
            eprintln!("The settings have it already.");
            return Ok(Done::Well);
        }
        let changed = !capture.table.is_empty();
        capture.table.retain(|table| table.table != added.table.table);
        capture.table.push(added.table);
        capture.source = capture.source().to_owned();
        if let Some(role) = self.restore_as.as_deref().filter(|_| capture.restore_url.is_empty()) {
            capture.restore_url = for_role(if capture.url.is_empty() { &self.place } else { &capture.url }, Some(role));
        }
        let name = capture.name.clone();
        let unnamed = capture.url.contains(ROLE_MISSING);
        say!("{}", toml::to_string(&json!({ "capture": [capture] }))?.trim_end());
        let place = if changed { format!("in place of [[capture]] {name}") } else { "into the settings".to_owned() };
        if unnamed {
            eprintln!("In its url, write the role that drains in place of {ROLE_MISSING}: --drain-as ROLE gives it its rights.");
        }
        eprintln!("Put this {place} and start `serve` again; until then, what changes waits in the bank's database.");
        Ok(Done::Well)
    }

    fn spec(&self, config: &Config) -> anyhow::Result<Spec> {
        Ok(Spec {
            table: self.table.clone(),
            kind: self.kind.clone(),
            exclude: self.exclude.clone(),
            sensitive: self.sensitive.clone(),
            subject: self.subject.clone(),
            entries: self.entries.as_deref().map(mapping).transpose()?,
            role: self.drain_as.clone(),
            restorer: self.restore_as.clone(),
            hand_over: self.hand_over,
            kinds: Kinds::new(&config.records),
        })
    }
}

/// The database's name in a URL, as a name for its capture.
pub(super) fn database(url: &str) -> String {
    let name = url.split('?').next().and_then(|url| url.rsplit_once('/')).map_or("", |(_, name)| name).to_lowercase();
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).take(64).collect();
    if name.is_empty() { "bank".to_owned() } else { name }
}

/// The URL with another role, or the place for one, and without the password that it may hold.
fn for_role(url: &str, role: Option<&str>) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let escaped = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let role = role.map_or_else(|| ROLE_MISSING.to_owned(), |role| role.bytes().map(escaped).collect());
    let of_owner = |pair: &str| ["password=", "user=", "passfile="].iter().any(|name| pair.starts_with(name));
    let kept: Vec<&str> = parameters.split('&').filter(|pair| !pair.is_empty() && !of_owner(pair)).collect();
    let sign = if kept.is_empty() { "" } else { "?" };
    format!("{scheme}://{role}@{host}{sign}{}", kept.join("&"))
}

fn mapping(file: &Path) -> anyhow::Result<EntryMapping> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let map: EntryMapping = toml::from_str(&text).with_context(|| format!("{} is no mapping", file.display()))?;
    match map.unfit() {
        Some(unfit) => anyhow::bail!("{}: {unfit}", file.display()),
        None => Ok(map),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_the_owner_nor_a_password_is_printed() {
        let url = "postgres://owner:s@h/d?password=s&user=owner&sslmode=require";
        assert_eq!(for_role(url, Some("the drainer")), "postgres://the%20drainer@h/d?sslmode=require");
        assert_eq!(for_role("postgres://h/d", None), format!("postgres://{ROLE_MISSING}@h/d"));
        assert_eq!((database("postgres://a@h/Core Bank?x=/y"), database("postgres://h/")), ("core_bank".into(), "bank".into()));
    }
}
