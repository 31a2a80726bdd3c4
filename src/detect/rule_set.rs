//! The rules in force: codes, modes, severities and parameters, changed only as a new version.

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::ids::Seq;

use super::changes::LookBack;
use super::{Check, Looks, RULES, Recent, Rule, Severity, rule};

/// Whether a rule runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// Its rules: those on entries, then those on changes of records.
    pub rules: Vec<ActiveRule>,
    on_entries: usize,
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

    /// Refuses a set that lacks a rule or has one twice: a rule that is not wanted is `off`, so that
    /// every report can say so.
    ///
    /// # Errors
    /// Naming the rule.
    pub fn require_all(&self) -> Result<(), String> {
        for rule in RULES {
            match self.rules.iter().filter(|entry| entry.code == rule.code()).count() {
                1 => {}
                0 => {
                    let (code, next) = (rule.code(), "`counterfoil rules show --next` prints the set with every rule");
                    return Err(format!("the rule `{code}` is missing; to do without it, give it the mode `off` ({next})"));
                }
                _ => return Err(format!("the rule `{}` is there twice", rule.code())),
            }
        }
        Ok(())
    }

    /// The set that follows this one with every rule there is: those that this program has learned since are
    /// live with their defaults.
    pub fn next(&self) -> RuleSetBody {
        let mut rules = self.rules.clone();
        let known = |code: &str| self.rules.iter().any(|entry| entry.code == code);
        rules.extend(RuleSetBody::first().rules.into_iter().filter(|entry| !known(&entry.code)));
        RuleSetBody { version: self.version + 1, rules }
    }

    /// What `next` lets pass that this set does not, in sentences; nothing if it only catches more.
    pub fn loosened_by(&self, next: &RuleSetBody) -> Vec<String> {
        self.rules.iter().filter_map(|before| before.loosened_by(next)).collect()
    }

    /// Compiles every rule; the error names the rule and what is wrong with it.
    pub fn compile(&self, id: Seq) -> Result<RuleSet, String> {
        let mut rules = Vec::with_capacity(self.rules.len());
        for entry in &self.rules {
            let rule = rule(&entry.code).ok_or_else(|| format!("there is no rule `{}`", entry.code))?;
            let check = rule.compile(&entry.parameters)?;
            rules.push(ActiveRule { rule, mode: entry.mode, severity: entry.severity, check });
        }
        rules.sort_by_key(|active| active.rule.looks() == Looks::Changes);
        let on_entries = rules.iter().take_while(|active| active.rule.looks() == Looks::Entries).count();
        let reach = rules.iter().map(|r| r.check.reach()).max().unwrap_or(0);
        Ok(RuleSet { id, version: self.version, rules, on_entries, reach })
    }
}

impl RuleEntry {
    fn loosened_by(&self, next: &RuleSetBody) -> Option<String> {
        let code = &self.code;
        let Some(after) = next.rules.iter().find(|entry| entry.code == *code) else {
            return Some(format!("{code} is no longer there."));
        };
        let mut ways = Vec::new();
        if after.mode < self.mode {
            ways.push(format!("its mode is {} instead of {}", text(&after.mode), text(&self.mode)));
        }
        if after.severity < self.severity {
            ways.push(format!("its severity is {} instead of {}", after.severity.text(), self.severity.text()));
        }
        if rule(code).is_none_or(|rule| rule.loosens(&self.parameters, &after.parameters)) {
            ways.push(format!("its parameters are {} instead of {}", after.parameters, self.parameters));
        }
        (!ways.is_empty()).then(|| format!("{code}: {}.", ways.join(", ")))
    }
}

/// A mode as the rule set has it.
fn text(mode: &Mode) -> &'static str {
    match mode {
        Mode::Off => "off",
        Mode::DryRun => "dry_run",
        Mode::Live => "live",
    }
}

impl RuleSet {
    /// The rules on entries.
    pub fn on_entries(&self) -> &[ActiveRule] {
        &self.rules[..self.on_entries]
    }

    /// The rules on changes of records that run.
    pub fn on_changes(&self) -> impl Iterator<Item = &ActiveRule> {
        self.rules[self.on_entries..].iter().filter(|active| active.mode != Mode::Off)
    }

    /// How far the rules on changes that run look back at what an actor did: as far as all of them together.
    pub fn looks_back(&self) -> Option<LookBack> {
        self.on_changes()
            .filter_map(|active| active.check.looks_back())
            .reduce(|one, two| LookBack { most: one.most.max(two.most), window: one.window.max(two.window) })
    }

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
        recent.forgot() && self.on_entries().iter().any(|r| r.mode != Mode::Off && r.check.lacks(recent, at, seq))
    }

    /// The rule of the set with this code.
    pub fn find(&self, code: &str) -> Option<&ActiveRule> {
        self.rules.iter().find(|r| r.rule.code() == code)
    }
}
