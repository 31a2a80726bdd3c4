//! Section `retention`: how long the values of changes are kept, and how they are dropped.

use serde::{Deserialize, Serialize};

use super::Class;

/// Days no period may exceed: a century.
const DAYS_MAX: u32 = 36_525;
/// Changes of one run, at most: until it is done, nothing else is recorded.
const PER_RUN_MAX: u32 = 100_000;
/// Days that a log may be silent and its clock still be believed, at most.
const QUIET_DAYS_MAX: u32 = 31;

/// Section `retention`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Periods of a jurisdiction: a beginning, no advice.
    pub preset: Preset,
    /// Days that values of class `critical` are kept; 0: as the preset says.
    pub critical_days: u32,
    /// The same of class `normal`.
    pub normal_days: u32,
    /// The same of class `debug`.
    pub debug_days: u32,
    /// Changes whose values one run drops at most; the rest waits for the next night.
    pub per_run: u32,
    /// Days without a leaf after which the clock is not believed.
    pub quiet_days: u32,
}

/// Periods that begin from what a jurisdiction asks of a bank's records.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Seven years.
    #[default]
    Standard,
    /// The European Union: five years.
    Eu,
    /// The United States: five years.
    Us,
    /// The United Kingdom: five years.
    Uk,
    /// Australia: seven years.
    Au,
    /// Germany: ten years.
    De,
    /// Switzerland: ten years.
    Ch,
}

impl Default for Retention {
    fn default() -> Retention {
        let preset = Preset::Standard;
        Retention { preset, critical_days: 0, normal_days: 0, debug_days: 0, per_run: 10_000, quiet_days: 2 }
    }
}

impl Retention {
    /// Days that values of a class are kept.
    pub fn days(&self, class: Class) -> u32 {
        let (own, preset) = match class {
            Class::Critical => (self.critical_days, self.preset.critical_days()),
            Class::Normal => (self.normal_days, 365),
            Class::Debug => (self.debug_days, 30),
        };
        if own == 0 { preset } else { own }
    }
}

impl Preset {
    fn critical_days(self) -> u32 {
        match self {
            Preset::Standard => 2_555,
            Preset::Eu | Preset::Us | Preset::Uk => 1_827,
            Preset::Au => 2_557,
            Preset::De | Preset::Ch => 3_653,
        }
    }
}

/// What is wrong with the section, if anything.
pub(super) fn unfit(retention: &Retention) -> Option<String> {
    let days = [Class::Debug, Class::Normal, Class::Critical].map(|class| retention.days(class));
    if days.iter().any(|days| *days > DAYS_MAX) {
        return Some(format!("retention: nothing is kept longer than {DAYS_MAX} days; critical_days, normal_days, debug_days"));
    }
    if days[0] > days[1] || days[1] > days[2] {
        let text = "retention: debug_days must not exceed normal_days, nor those critical_days: a sender lengthens by the class";
        return Some(text.to_owned());
    }
    if !(1..=PER_RUN_MAX).contains(&retention.per_run) {
        return Some(format!("retention.per_run must be 1 to {PER_RUN_MAX}"));
    }
    if !(1..=QUIET_DAYS_MAX).contains(&retention.quiet_days) {
        return Some(format!("retention.quiet_days must be 1 to {QUIET_DAYS_MAX}"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_those_of_the_preset_unless_set() {
        let days = |retention: &Retention| [Class::Critical, Class::Normal, Class::Debug].map(|class| retention.days(class));
        assert_eq!(days(&Retention::default()), [2_555, 365, 30]);
        let own = Retention { preset: Preset::De, debug_days: 7, ..Retention::default() };
        assert_eq!((days(&own), unfit(&own)), ([3_653, 365, 7], None));
        for wrong in [
            Retention { debug_days: 400, ..Retention::default() },
            Retention { critical_days: 40_000, ..Retention::default() },
            Retention { per_run: 0, ..Retention::default() },
            Retention { quiet_days: 99, ..Retention::default() },
        ] {
            assert!(unfit(&wrong).is_some(), "{wrong:?}");
        }
    }
}
