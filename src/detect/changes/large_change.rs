//! A number that changed by much of what it was. Exact: no float, no currency converted.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Check, Evidence, Looks, Outcome, Rule, Severity};
use super::examples::{ChangeExample, PLAIN, Told};
use super::{ChangeCase, Types, loosened, number, read};

const CODE: &str = "large-change";
/// A proportion is told up to this.
const PERCENT_MAX: u32 = 1_000_000;

pub struct LargeChange;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    percent: u32,
    #[serde(default)]
    types: Types,
}

impl Rule for LargeChange {
    fn code(&self) -> &'static str {
        CODE
    }
    fn title(&self) -> &'static str {
        "Large change of a number"
    }
    fn family(&self) -> &'static str {
        "change"
    }
    fn typology(&self) -> &'static str {
        "Prices, limits and rates moved far at once"
    }
    fn source(&self) -> &'static str {
        "COSO internal control, review of master-data changes"
    }
    fn grouping(&self) -> &'static str {
        "record"
    }
    fn severity(&self) -> Severity {
        Severity::Medium
    }
    fn looks(&self) -> Looks {
        Looks::Changes
    }
    fn defaults(&self) -> Value {
        json!({ "percent": 50 })
    }
    fn compile(&self, parameters: &Value) -> Result<Box<dyn Check>, String> {
        let read: Parameters = read(CODE, parameters)?;
        if !(1..=PERCENT_MAX).contains(&read.percent) {
            return Err(format!("{CODE}: percent must be 1 to {PERCENT_MAX}"));
        }
        Ok(Box::new(read))
    }
    fn loosens(&self, before: &Value, after: &Value) -> bool {
        loosened(before, after, |one: &Parameters, two| two.percent > one.percent || one.types.lose(&two.types))
    }
    fn change_examples(&self) -> &'static [ChangeExample] {
        EXAMPLES
    }
}

/// How far a field moved: how many hundredths of what it was; `None`: from nothing at all.
fn moved(old: &str, new: &str, least: u32) -> Option<Option<u32>> {
    let (old, new) = (number(old)?, number(new)?);
    let distance = new.distance(&old);
    if distance.is_zero() || distance.times(100).compare_size(&old.times(least)).is_lt() {
        return None;
    }
    Some((!old.is_zero()).then(|| distance.percent_of(&old, PERCENT_MAX)))
}

impl Check for Parameters {
    fn text(&self) -> String {
        let types = self.types.text();
        format!("A number in a record{types} that changes by {} % or more of what it was, or from zero.", self.percent)
    }

    fn check_change(&self, case: &ChangeCase<'_>) -> Outcome {
        if !self.types.have(case.kind) {
            return Outcome::NotApplicable;
        }
        let far = case.fields.iter().filter_map(|field| moved(field.old?, field.new?, self.percent));
        let far: Vec<Option<u32>> = far.collect();
        // From zero there is no proportion, and nothing larger.
        let most = match far.iter().min_by_key(|moved| moved.map(|percent| u32::MAX - percent)) {
            None => return Outcome::Clear,
            Some(None) => "from zero".to_owned(),
            Some(Some(PERCENT_MAX)) => format!("{PERCENT_MAX} % or more"),
            Some(Some(percent)) => format!("{percent} %"),
        };
        let observed = if far.len() > 1 { format!("{most}, {} fields", far.len()) } else { most };
        case.hit(observed, format!("{} %", self.percent), None, vec![case.seq])
    }

    fn explain(&self, evidence: &Evidence) -> String {
        let (observed, threshold) = (&evidence.observed, &evidence.threshold);
        format!("A number changed by much of what it was ({observed}); the line is {threshold}.")
    }
}

const fn one(fields: &'static [(Option<&'static str>, Option<&'static str>)]) -> Told {
    Told { fields, ..PLAIN }
}

static EXAMPLES: &[ChangeExample] = &[
    ChangeExample {
        name: "a price raised by half fires: the line itself counts",
        zone: "UTC",
        changes: &[one(&[(Some("100.00"), Some("150.00"))])],
        hits: &[0],
    },
    ChangeExample {
        name: "is silent one cent below",
        zone: "UTC",
        changes: &[one(&[(Some("100.00"), Some("149.99"))])],
        hits: &[],
    },
    ChangeExample {
        name: "a price cut by half fires too",
        zone: "UTC",
        changes: &[one(&[(Some("100"), Some("50"))]), one(&[(Some("100"), Some("50.01"))])],
        hits: &[0],
    },
    ChangeExample {
        name: "small steps are judged one by one and not added up",
        zone: "UTC",
        changes: &[one(&[(Some("100"), Some("140"))]), one(&[(Some("140"), Some("196"))])],
        hits: &[],
    },
    ChangeExample {
        name: "from zero to anything fires; from zero to zero does not",
        zone: "UTC",
        changes: &[one(&[(Some("0"), Some("0.01"))]), one(&[(Some("0.00"), Some("0"))])],
        hits: &[0],
    },
    ChangeExample {
        name: "to zero is a change by all of it",
        zone: "UTC",
        changes: &[one(&[(Some("12.50"), Some("0"))])],
        hits: &[0],
    },
    ChangeExample {
        name: "from null, to null, new and gone are no proportion",
        zone: "UTC",
        changes: &[
            one(&[(Some("null"), Some("500"))]),
            one(&[(Some("500"), Some("null"))]),
            one(&[(None, Some("500"))]),
            one(&[(Some("500"), None)]),
        ],
        hits: &[],
    },
    ChangeExample {
        name: "below zero the size counts: −8 to −12 is half of it, −100 to 100 twice",
        zone: "UTC",
        changes: &[one(&[(Some("-8"), Some("-12"))]), one(&[(Some("-100"), Some("100"))]), one(&[(Some("-8"), Some("-11.9"))])],
        hits: &[0, 1],
    },
    ChangeExample {
        name: "numbers beyond every float are compared digit by digit",
        zone: "UTC",
        changes: &[
            one(&[(Some("200000000000000000000000000000000"), Some("300000000000000000000000000000000"))]),
            one(&[(Some("200000000000000000000000000000000"), Some("299999999999999999999999999999999"))]),
            one(&[(Some("1e-9000"), Some("1e9000"))]),
        ],
        hits: &[0, 2],
    },
    ChangeExample {
        name: "a price that moves with its currency fires: nothing is converted",
        zone: "UTC",
        changes: &[one(&[(Some("\"EUR\""), Some("\"JPY\"")), (Some("100.00"), Some("16500"))])],
        hits: &[0],
    },
    ChangeExample {
        name: "an amount written as text is a number, a postcode is not",
        zone: "UTC",
        changes: &[one(&[(Some("\"19.99\""), Some("\"29.99\""))]), one(&[(Some("\"10115\""), Some("\"80331\""))])],
        hits: &[0],
    },
];
