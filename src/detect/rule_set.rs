//! The rules in force: codes, modes, severities and parameters, changed only as a new version.

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::ids::Seq;

use super::{Check, RULES, Recent, Rule, Severity, rule};

/// Whether a rule runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Not evaluated.
    Off,
    /// Evaluated; hits are kept but raise no alert.
    DryRun,
    /// Evaluated; hits raise alerts.
    Live,
}

/// One rule of a set, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleEntry {
    /// The rule's code.
    pub code: String,
    /// Whether it runs.
    pub mode: Mode,
    /// Gravity of its hits.
    pub severity: Severity,
    /// Its parameters.
    pub parameters: serde_json::Value,
}

/// A rule set as stored in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSetBody {
    /// From 1.
    pub version: i64,
    /// Every rule of the registry, in its order.
    pub rules: Vec<RuleEntry>,
}

/// A rule of the set in force.
pub struct ActiveRule {
    /// What it is.
    pub rule: &'static dyn Rule,
    /// Whether it runs.
    pub mode: Mode,
    /// Gravity of its hits.
    pub severity: Severity,
    /// With its parameters.
    pub check: Box<dyn Check>,
}

/// The rule set in force.
pub struct RuleSet {
    /// The event that defined it.
    pub id: Seq,
    /// From 1.
    pub version: i64,
    /// Its rules.
    pub rules: Vec<ActiveRule>,
    reach: usize,
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RuleSet {{ id: {}, version: {} }}", self.id, self.version)
    }
}

impl RuleSetBody {
    /// The first rule set: every rule live with its defaults.
    pub fn first() -> RuleSetBody {
        let entry = |rule: &&dyn Rule| RuleEntry {
            code: rule.code().to_owned(),
            mode: Mode::Live,
            severity: rule.severity(),
            parameters: rule.defaults(),
        };
        RuleSetBody { version: 1, rules: RULES.iter().map(entry).collect() }
    }

    /// Compiles every rule; the error names the rule and what is wrong with it.
    pub fn compile(&self, id: Seq) -> Result<RuleSet, String> {
        let mut rules = Vec::with_capacity(self.rules.len());
        for entry in &self.rules {
            let rule = rule(&entry.code).ok_or_else(|| format!("there is no rule `{}`", entry.code))?;
            let check = rule.compile(&entry.parameters)?;
            rules.push(ActiveRule { rule, mode: entry.mode, severity: entry.severity, check });
        }
        let reach = rules.iter().map(|r| r.check.reach()).max().unwrap_or(0);
        Ok(RuleSet { id, version: self.version, rules, reach })
    }
}

impl RuleSet {
    /// How many entries of an account must be remembered for these rules.
    pub fn reach(&self) -> usize {
        self.reach
    }

    /// Microseconds that these rules look back from an entry.
    pub fn window(&self) -> i64 {
        self.rules.iter().map(|r| r.check.window()).max().unwrap_or(0)
    }

    /// Whether a rule that runs must see more of the account than `recent` holds.
    pub fn lacks(&self, recent: &Recent, at: Moment, seq: Seq) -> bool {
        recent.forgot() && self.rules.iter().any(|r| r.mode != Mode::Off && r.check.lacks(recent, at, seq))
    }

    /// The rule of the set with this code.
    pub fn find(&self, code: &str) -> Option<&ActiveRule> {
        self.rules.iter().find(|r| r.rule.code() == code)
    }
}
