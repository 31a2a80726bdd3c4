//! The rules: pure functions of one entry, or of one change of a record, and its bounded history.
//!
//! A rule answers *hit with evidence*, *clear*, *not applicable*, *insufficient history* or an
//! error; nothing else exists, so nothing is left out silently. The window of an entry is the
//! entry plus the booked entries of its key placed before it by (`booked_at`, `seq`) with
//! `booked_at ≥ t − W`. [`RULES`] is the one registry: pages, commands, docs and tests read it.
//!
//! Not here: what becomes of a hit (`alerts`), when rules run (`intake`).

pub mod changes;
pub mod due;
pub mod examples;
mod high_frequency;
mod high_value;
mod outcome;
mod recent;
mod rule_set;
pub mod store;
#[cfg(test)]
mod tests;
mod versions;

use serde::{Deserialize, Serialize};

pub use outcome::RuleOutcome;
pub use recent::{Placed, Recent};
pub use rule_set::{ActiveRule, Mode, RuleEntry, RuleSet, RuleSetBody};
pub use versions::{RuleDifference, differences};

use crate::clock::Moment;
use crate::ids::Seq;
use crate::ledger::NewEntry;
use crate::money::Currency;

/// Every rule there is, in the order in which they are listed everywhere: those on entries first.
pub static RULES: &[&dyn Rule] = &[
    &high_value::HighValue,
    &high_frequency::HighFrequency,
    &changes::LargeChange,
    &changes::AfterHours,
    &changes::ManyRecords,
    &changes::NoReason,
    &changes::OwnRecord,
];

/// Codes of the rules whose hits can tell something of sealed values: senders hear of none of them.
pub fn of_sealed_values() -> Vec<&'static str> {
    RULES.iter().filter(|rule| rule.knows_sealed_values()).map(|rule| rule.code()).collect()
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// Entries.
    Entries,
    /// Changes of records.
    Changes,
}

/// The rule with this code.
pub fn rule(code: &str) -> Option<&'static dyn Rule> {
    RULES.iter().copied().find(|rule| rule.code() == code)
}

/// What a rule is, apart from its parameters in force.
pub trait Rule: Sync {
    /// `high-value`
    fn code(&self) -> &'static str;
    /// `High-value entry`
    fn title(&self) -> &'static str;
    /// The family that alert mail names instead of the rule.
    fn family(&self) -> &'static str;
    /// The pattern it serves.
    fn typology(&self) -> &'static str;
    /// Why it exists: law or practice.
    fn source(&self) -> &'static str;
    /// What is counted together.
    fn grouping(&self) -> &'static str;
    /// Gravity of its hits unless the rule set says otherwise.
    fn severity(&self) -> Severity;
    /// What it looks at.
    fn looks(&self) -> Looks {
        Looks::Entries
    }
    /// Whether a hit can tell something of a sealed value: then the sender is not told of hits.
    fn knows_sealed_values(&self) -> bool {
        false
    }
    /// Parameters of the first rule set.
    fn defaults(&self) -> serde_json::Value;
    /// Checks parameters; the error names what is wrong.
    fn compile(&self, parameters: &serde_json::Value) -> Result<Box<dyn Check>, String>;
    /// Whether some entry hits with the parameters `before` and not with `after`; both can be compiled.
    /// Where a rule cannot tell, any change does.
    fn loosens(&self, before: &serde_json::Value, after: &serde_json::Value) -> bool {
        before != after
    }
    /// Its own examples, which must pass before its parameters may come into force.
    fn examples(&self) -> &'static [examples::Example] {
        &[]
    }
    /// The same, of a rule on changes.
    fn change_examples(&self) -> &'static [changes::ChangeExample] {
        &[]
    }
    /// What its examples show.
    fn example_names(&self) -> Vec<&'static str> {
        let entries = self.examples().iter().map(|example| example.name);
        entries.chain(self.change_examples().iter().map(|example| example.name)).collect()
    }
}

/// A rule with its parameters.
pub trait Check: Send + Sync {
    /// One sentence rendered from the parameters.
    fn text(&self) -> String;
    /// Looks at one entry.
    fn check(&self, _case: &Case<'_>) -> Outcome {
        Outcome::NotApplicable
    }
    /// Looks at one change of a record.
    fn check_change(&self, _case: &changes::ChangeCase<'_>) -> Outcome {
        Outcome::NotApplicable
    }
    /// How far it looks back at what the actor of a change did.
    fn looks_back(&self) -> Option<changes::LookBack> {
        None
    }
    /// Whether hits on changes are counted by actor; else by record.
    fn is_of_actor(&self) -> bool {
        false
    }
    /// The sentence of an alert, from the evidence of a hit.
    fn explain(&self, evidence: &Evidence) -> String;
    /// How many earlier and later entries of the account it needs to see.
    fn reach(&self) -> usize {
        0
    }
    /// Microseconds before an entry that it looks at.
    fn window(&self) -> i64 {
        0
    }
    /// Whether `recent` lacks entries that it must see to judge one that belongs at (`at`, `seq`).
    fn lacks(&self, _recent: &Recent, _at: Moment, _seq: Seq) -> bool {
        false
    }
}

/// One entry with its history: a rule's whole world.
pub struct Case<'a> {
    /// The entry.
    pub entry: &'a NewEntry,
    /// Its place in the log.
    pub seq: Seq,
    /// The account's other booked entries nearest in time; from a look-back where memory falls short.
    pub recent: &'a Recent,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing.
    Clear,
    /// The rule does not apply to such an entry.
    NotApplicable,
    /// The entries it would need to see lie beyond the bound of what is remembered.
    InsufficientHistory,
    /// One hit or, for a late entry that moves others over the line, several.
    Hits(Vec<Hit>),
    /// It could not be evaluated.
    Error(String),
}

/// One match of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The entry, or the change, that crossed the line.
    pub seq: Seq,
    /// Whether a late entry made it cross afterwards.
    pub late: bool,
    /// What was seen.
    pub evidence: Evidence,
}

/// What was seen, in words and numbers that an officer can check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was observed: an amount or a count.
    pub observed: String,
    /// The line that was crossed.
    pub threshold: String,
    /// The window, for a count.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub window: Option<String>,
    /// The entries behind it.
    pub entries: Vec<Seq>,
}

/// How grave a hit is. Of several the gravest counts, never an average.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a look.
    Low = 1,
    /// To be reviewed.
    Medium = 2,
    /// To be reviewed soon.
    High = 3,
    /// At once.
    Critical = 4,
}

impl Severity {
    /// From the least to the gravest.
    pub const ALL: [Severity; 4] = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// As stored.
    pub fn code(self) -> i16 {
        self as i16
    }

    /// From its stored number.
    pub fn from_code(code: i16) -> Option<Severity> {
        Severity::ALL.into_iter().find(|s| s.code() == code)
    }

    /// `high`
    pub fn text(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|s| s.text() == text)
    }
}

/// An amount per currency, as a rule asks for it with every entry.
pub(crate) struct Lines {
    own: Vec<(Currency, Option<i64>)>,
    /// Whole units of any other currency.
    default: Option<i64>,
}

impl Lines {
    /// The line in minor units of `currency`; `None` when it does not fit.
    pub(crate) fn minor(&self, currency: Currency) -> Option<i64> {
        match self.own.iter().find(|(own, _)| *own == currency) {
            Some((_, minor)) => *minor,
            None => self.default?.checked_mul(currency.minor_per_unit()),
        }
    }
}

/// `10000` units of any currency unless it has its own line; as read from a rule set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PerCurrency {
    default: String,
    #[serde(flatten)]
    own: std::collections::BTreeMap<String, String>,
}

impl PerCurrency {
    /// Checks that every line can be read in every currency it is for.
    pub(crate) fn checked(self) -> Result<PerCurrency, String> {
        if self.default.is_empty() || !self.default.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("`{}` must be whole units, so that it can be read in every currency", self.default));
        }
        // No currency has more decimals than four.
        if self.default.parse::<i64>().ok().and_then(|units| units.checked_mul(10_000)).is_none() {
            return Err(format!("`{}` is more than some currency can hold", self.default));
        }
        for (code, amount) in &self.own {
            let currency = Currency::parse(code).map_err(|e| e.to_string())?;
            crate::money::Money::parse_amount(amount, currency).map_err(|e| e.to_string())?;
        }
        Ok(self)
    }

    /// Whether a line is nothing at all.
    pub(crate) fn has_zero(&self) -> bool {
        std::iter::once(&self.default).chain(self.own.values()).any(|line| line.bytes().all(|b| matches!(b, b'0' | b'.')))
    }

    /// Whether some currency has a higher line in `after`.
    pub(crate) fn raised(&self, after: &PerCurrency) -> bool {
        let named = self.own.keys().chain(after.own.keys()).filter_map(|code| Currency::parse(code).ok());
        let units = |lines: &PerCurrency| lines.default.parse::<i64>().unwrap_or(i64::MAX);
        units(after) > units(self) || named.into_iter().any(|currency| after.minor(currency) > self.minor(currency))
    }

    /// The line in minor units of `currency`; `None` when it does not fit.
    pub(crate) fn minor(&self, currency: Currency) -> Option<i64> {
        let text = self.own.get(currency.code()).unwrap_or(&self.default);
        crate::money::Money::parse_amount(text, currency).ok().map(crate::money::Money::minor)
    }

    /// The same, read once: what a rule asks for each entry.
    pub(crate) fn lines(&self) -> Lines {
        let own = self.own.keys().filter_map(|code| Currency::parse(code).ok());
        // The default is whole units, so any currency without decimals reads it as it is.
        let units = Currency::parse("JPY").ok().filter(|yen| yen.decimals() == 0);
        let units = units.and_then(|yen| crate::money::Money::parse_amount(&self.default, yen).ok());
        Lines {
            own: own.map(|currency| (currency, self.minor(currency))).collect(),
            default: units.map(crate::money::Money::minor),
        }
    }

    /// `10,000 in the currency's units (JPY 1,000,000)`
    pub(crate) fn text(&self) -> String {
        let default = self.default.parse().map(crate::money::group_thousands).unwrap_or_else(|_| self.default.clone());
        let own: Vec<String> = self.own.iter().map(|(code, amount)| format!("{code} {amount}")).collect();
        match own.as_slice() {
            [] => format!("{default} in the currency's units"),
            own => format!("{default} in the currency's units ({})", own.join(", ")),
        }
    }
}
