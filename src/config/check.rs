//! What settings must not say together.

use std::collections::BTreeMap;

use crate::ids::{SOURCE_NAME_RULE, is_source_name};
use crate::money::{Currency, Money};

use super::{Config, ConfigError};

/// The largest rounding of an entry that can be tolerated, whole units of its currency: more is no
/// rounding.
const TOLERANCE_MAX: i64 = 10;
/// And of an account's day.
const TOLERANCE_PER_DAY_MAX: i64 = 1_000;

/// Refuses amounts that cannot be read, or are more than `most` units.
fn bounded(source: &str, key: &str, amounts: &BTreeMap<String, String>, most: i64) -> Result<(), ConfigError> {
    let refuse = |text: String| ConfigError::Refused(format!("[[source]] {source}: {key}: {text}"));
    for (code, amount) in amounts {
        let currency = Currency::parse(code).map_err(|e| refuse(e.to_string()))?;
        let money = Money::parse_amount(amount, currency).map_err(|e| refuse(e.to_string()))?;
        if money.minor() > most * currency.minor_per_unit() {
            return Err(refuse(format!("{amount} {code} is no rounding; at most {most} {code}")));
        }
    }
    Ok(())
}

/// Whether links may begin so: scheme, host, perhaps a path.
fn begins_links(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let fits =
        |rest: &str| !rest.starts_with(['/', ':']) && rest.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>?#\\@`".contains(&b));
    rest.is_some_and(|rest| !rest.is_empty() && fits(rest))
}

impl Config {
    /// Refuses what cannot be meant, naming the key.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |text: String| Err(ConfigError::Refused(text));
        if self.server.tls_cert.is_empty() != self.server.tls_key.is_empty() {
            return refuse("server.tls_cert and server.tls_key must be set together".into());
        }
        if !self.server.public_url.is_empty() && !begins_links(&self.server.public_url) {
            return refuse(format!(
                "server.public_url is `{}`: write https://host, with a path if there is one",
                self.server.public_url
            ));
        }
        if self.bank.name.chars().any(char::is_control) {
            return refuse("bank.name must be one line of printable characters".into());
        }
        if self.bank.weekend.len() > 6 {
            return refuse("bank.weekend must leave at least one business day".into());
        }
        if self.server.bodies_limit < 2 * self.server.body_limit {
            return refuse("server.bodies_limit must be at least twice server.body_limit".into());
        }
        if self.server.body_limit < 1024 || self.server.batch_limit == 0 || self.server.body_seconds == 0 {
            return refuse("server.body_limit must be at least 1024 bytes, server.batch_limit and server.body_seconds 1".into());
        }
        if self.database.readers == 0 || self.limits.queue_entries == 0 || self.limits.segment_entries < 1024 {
            return refuse("database.readers and limits.queue_entries must be at least 1, limits.segment_entries 1024".into());
        }
        if let Some(unfit) = self.unfit_mail() {
            return refuse(unfit);
        }
        for witness in &self.anchor.witness {
            if let Err(error) = witness.key.parse::<counterfoil_verify::VerifierKey>() {
                return refuse(format!("anchor.witness.key of {}: {error}", witness.url));
            }
        }
        let unfit = super::records::unfit(&self.records)
            .or_else(|| super::retention::unfit(&self.retention))
            .or_else(|| super::archive::unfit(&self.archive))
            .or_else(|| super::forward::unfit(&self.forward))
            .or_else(|| super::capture::unfit(&self.capture))
            .or_else(|| self.unfit_books());
        if let Some(unfit) = unfit {
            return refuse(unfit);
        }
        for source in &self.source {
            if !is_source_name(&source.name) {
                let shown: String = source.name.chars().take(80).collect();
                return refuse(format!("[[source]] `{shown}` cannot be the name of a source: {SOURCE_NAME_RULE}"));
            }
            if self.source.iter().filter(|other| other.name == source.name).count() > 1 {
                return refuse(format!("[[source]] {} is there twice", source.name));
            }
            if let Some(unfit) = super::privacy::unfit(&source.name, &source.sensitive) {
                return refuse(unfit);
            }
            bounded(&source.name, "tolerance", &source.tolerance, TOLERANCE_MAX)?;
            bounded(&source.name, "tolerance_per_day", &source.tolerance_per_day, TOLERANCE_PER_DAY_MAX)?;
        }
        Ok(())
    }

    /// What is odd about mail and may be meant so: a sentence each.
    pub fn mail_doubts(&self) -> Vec<&'static str> {
        let set = !self.mail.url.is_empty();
        let alerts = !self.mail.alerts_to.is_empty();
        let digests = !(self.mail.reports_to.is_empty() && self.anchor.mail_to.is_empty());
        let doubts = [
            (!set && alerts, "mail.url is empty: mail to mail.alerts_to waits until it is set"),
            (set && !alerts, "mail.alerts_to names nobody: no alert leaves by mail"),
            (
                set && !digests,
                "mail.reports_to and anchor.mail_to name nobody: no digest leaves by mail, nor a checkpoint with it",
            ),
        ];
        doubts.into_iter().filter_map(|(is, doubt)| is.then_some(doubt)).collect()
    }

    fn unfit_mail(&self) -> Option<String> {
        if !self.mail.url.is_empty() && self.mail.from.trim().is_empty() {
            return Some("mail.from must be set when mail.url is".into());
        }
        let none = self.mail.attempts == 0 || self.mail.timeout_seconds == 0;
        none.then(|| "mail.attempts and mail.timeout_seconds must be at least 1".into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn mail_that_nobody_gets_is_said_but_not_refused() {
        let doubts = |url: &str, alerts: bool, digests: bool| {
            let to = |named: bool| if named { vec!["officer@bank.example".to_owned()] } else { Vec::new() };
            let mut config = Config::default();
            config.mail.url = url.into();
            config.mail.alerts_to = to(alerts);
            config.anchor.mail_to = to(digests);
            config.check().unwrap();
            config.mail_doubts().join("; ")
        };
        assert_eq!((doubts("", false, false), doubts("smtp://relay", true, true)), Default::default());
        assert!(doubts("", true, false).starts_with("mail.url is empty"));
        assert!(doubts("smtp://relay", false, true).starts_with("mail.alerts_to names nobody"));
        assert!(doubts("smtp://relay", true, false).contains("no digest"));
    }
}
