//! `[[forward]]`: other systems that get the log's leaves once they are signed.

use serde::{Deserialize, Serialize};

/// One `[[forward]]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Forward {
    /// Its name on pages and in metrics; its cursor goes by it.
    pub name: String,
    /// `syslog+tls://host[:6514]` or a webhook, `https://…` (`http://` only to this machine).
    pub url: String,
    /// How each leaf is written.
    pub format: ForwardFormat,
    /// PEM file with the root certificate of the receiver; a webhook can do without.
    pub ca_file: String,
    /// File with the secret that signs a webhook: `whsec_` and base64, or a text of at least 24 bytes.
    pub secret_file: String,
    /// Whether balance changes go too, and not only events.
    pub entries: bool,
    /// Where it begins.
    pub from: ForwardFrom,
}

/// How a leaf is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ForwardFormat {
    /// OCSF 1.3 JSON.
    #[default]
    Ocsf,
    /// Common Event Format; for syslog.
    Cef,
    /// Our own JSON.
    Plain,
}

/// Where a receiver begins.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ForwardFrom {
    /// With what is recorded after it was set up.
    #[default]
    Now,
    /// With the first leaf of the log.
    Start,
}

/// What is wrong with the receivers, if anything.
pub(super) fn unfit(all: &[Forward]) -> Option<String> {
    all.iter().enumerate().find_map(|(i, forward)| {
        let twice = all[..i].iter().any(|other| other.name == forward.name);
        let wrong = if twice { Some("is there twice".to_owned()) } else { wrong(forward) };
        wrong.map(|text| format!("[[forward]] {}: {text}", forward.name.chars().take(80).collect::<String>()))
    })
}

fn wrong(forward: &Forward) -> Option<String> {
    let named = !forward.name.is_empty() && forward.name.len() <= 64;
    if !named || !forward.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return Some("name must be 1 to 64 letters, digits, - _ .".into());
    }
    match forward.url.split_once("://") {
        Some(("syslog+tls", _)) if forward.ca_file.is_empty() => {
            Some("syslog+tls needs ca_file, the receiver's root certificate".into())
        }
        Some(("syslog+tls", _)) => None,
        Some(("https" | "http", _)) if forward.format == ForwardFormat::Cef => Some("a webhook takes JSON: ocsf or plain".into()),
        Some(("https" | "http", _)) if forward.secret_file.is_empty() => {
            Some("a webhook needs secret_file, which signs it".into())
        }
        Some(("https", _)) => None,
        Some(("http", rest)) if is_here(rest) => None,
        Some(("http", _)) => Some("http only to this machine: use https".into()),
        _ => Some("url must be syslog+tls://host[:port], https://… or http://localhost…".into()),
    }
}

/// Whether an address names this machine.
fn is_here(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}
