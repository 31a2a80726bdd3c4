//! What a report needs to know apart from the database.

use std::collections::HashMap;

use chrono::NaiveTime;

use crate::clock::Clock;
use crate::config::{Config, Mode};
use crate::ledger::BusinessCalendar;

/// The bank, its calendar and clock, and the settings a report names.
#[derive(Clone, Debug)]
pub struct Context {
    /// The bank's name as printed.
    pub bank: String,
    /// Where the book's pages are: `/b/NAME`, empty for the main one.
    pub root: String,
    /// Time zone, cut-off and days off.
    pub calendar: BusinessCalendar,
    /// The cut-off as text, `24:00`.
    pub cut_off: String,
    /// Now.
    pub clock: Clock,
    /// How strictly each configured source is checked; others are `auto`.
    pub modes: HashMap<String, Mode>,
    /// Whether any mail can leave.
    pub mail_configured: bool,
    /// How many addresses get alert mail.
    pub alert_recipients: usize,
    /// Who gets the digest of a stored report.
    pub reports_to: Vec<String>,
    /// Hours after which a log without a checkpoint from outside is warned of.
    pub anchor_max_hours: u32,
    /// Local time at which the report of the date before is made.
    pub at: NaiveTime,
    /// Missed reports made up for in one turn, at most.
    pub catch_up: u32,
}

impl Context {
    /// From the settings.
    pub fn new(config: &Config, clock: Clock) -> Context {
        let minutes = config.bank.cut_off.0;
        Context {
            bank: config.bank.name.clone(),
            root: config.root(),
            calendar: BusinessCalendar::new(&config.bank),
            cut_off: format!("{:02}:{:02}", minutes / 60, minutes % 60),
            clock,
            modes: config.source.iter().map(|s| (s.name.clone(), s.continuity)).collect(),
            mail_configured: !config.mail.url.is_empty(),
            alert_recipients: config.mail.alerts_to.len(),
            reports_to: recipients(config),
            anchor_max_hours: config.anchor.max_age_hours,
            at: config.report.at,
            catch_up: config.report.catch_up,
        }
    }

    /// How the source with this name is checked.
    pub(super) fn mode(&self, source: &str) -> Mode {
        self.modes.get(source).copied().unwrap_or_default()
    }
}

/// Who gets the digest, and with it a checkpoint: `mail.reports_to`, and whoever outside IT keeps the
/// nightly one. Each once.
fn recipients(config: &Config) -> Vec<String> {
    let mut all = config.mail.reports_to.clone();
    for address in &config.anchor.mail_to {
        if !all.contains(address) {
            all.push(address.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;

    #[test]
    fn whoever_keeps_the_nightly_checkpoint_gets_the_digest_once() {
        let mut config = Config::default();
        config.mail.reports_to = vec!["officer@bank.example".into(), "board@bank.example".into()];
        config.anchor.mail_to = vec!["notary@law.example".into(), "board@bank.example".into()];
        let context = Context::new(&config, Clock::fixed(Moment(0), 1));
        assert_eq!(context.reports_to, ["officer@bank.example", "board@bank.example", "notary@law.example"]);
    }
}
