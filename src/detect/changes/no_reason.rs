//! A change that does not say why, of what is important enough to be kept long.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::Class;

use super::super::{Check, Evidence, Looks, Outcome, Rule, Severity};
use super::examples::{ChangeExample, PLAIN, Told};
use super::{ChangeCase, Except, Types, loosened, read};

const CODE: &str = "no-reason";

pub struct NoReason;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// This class and those kept longer.
    class: Class,
    #[serde(default)]
    types: Types,
    #[serde(default)]
    except: Except,
}

impl Rule for NoReason {
    fn code(&self) -> &'static str {
        CODE
    }
    fn title(&self) -> &'static str {
        "Change without a reason"
    }
    fn family(&self) -> &'static str {
        "change"
    }
    fn typology(&self) -> &'static str {
        "Changes that nobody can account for"
    }
    fn source(&self) -> &'static str {
        "21 CFR 11.10(e) practice; SOX section 404 change control"
    }
    fn grouping(&self) -> &'static str {
        "record"
    }
    fn severity(&self) -> Severity {
        Severity::Low
    }
    fn looks(&self) -> Looks {
        Looks::Changes
    }
    fn defaults(&self) -> Value {
        json!({ "class": "critical", "except": ["customer", "system"] })
    }
    fn compile(&self, parameters: &Value) -> Result<Box<dyn Check>, String> {
        let read: Parameters = read(CODE, parameters)?;
        let except = read.except.checked().map_err(|e| format!("{CODE}: {e}"))?;
        Ok(Box::new(Parameters { except, ..read }))
    }
    fn loosens(&self, before: &Value, after: &Value) -> bool {
        loosened(before, after, |one: &Parameters, two| {
            two.class > one.class || one.types.lose(&two.types) || one.except.grows(&two.except)
        })
    }
    fn change_examples(&self) -> &'static [ChangeExample] {
        EXAMPLES
    }
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Debug => "debug",
        Class::Normal => "normal",
        Class::Critical => "critical",
    }
}

impl Check for Parameters {
    fn text(&self) -> String {
        let (types, except) = (self.types.text(), self.except.text());
        let of = if self.class == Class::Critical { "critical" } else { class(self.class) };
        let up = if self.class == Class::Critical { "" } else { " or longer kept" };
        format!("A change of class {of}{up} of a record{types} that does not say why{except}.")
    }

    fn check_change(&self, case: &ChangeCase<'_>) -> Outcome {
        let excepted = case.actor.is_some_and(|actor| self.except.has(actor.kind));
        if case.class < self.class || !self.types.have(case.kind) || excepted {
            return Outcome::NotApplicable;
        }
        if case.reasoned {
            return Outcome::Clear;
        }
        case.hit("none".to_owned(), "a reason".to_owned(), None, vec![case.seq])
    }

    fn explain(&self, _: &Evidence) -> String {
        "A change that must be accounted for does not say why.".to_owned()
    }
}

const fn without(class: Class) -> Told {
    Told { class, reasoned: false, ..PLAIN }
}

static EXAMPLES: &[ChangeExample] = &[
    ChangeExample {
        name: "a critical change without a reason fires",
        zone: "UTC",
        changes: &[without(Class::Critical)],
        hits: &[0],
    },
    ChangeExample {
        name: "with a reason it is silent",
        zone: "UTC",
        changes: &[Told { reasoned: true, ..without(Class::Critical) }],
        hits: &[],
    },
    ChangeExample {
        name: "one class below the line is silent",
        zone: "UTC",
        changes: &[without(Class::Normal), without(Class::Debug)],
        hits: &[],
    },
    ChangeExample {
        name: "customers and machines give no reasons; an actor of no stated kind should",
        zone: "UTC",
        changes: &[
            Told { actor: Some(("eve", Some("customer"))), ..without(Class::Critical) },
            Told { actor: Some(("batch", Some("system"))), ..without(Class::Critical) },
            Told { actor: Some(("ann", None)), ..without(Class::Critical) },
        ],
        hits: &[2],
    },
    ChangeExample {
        name: "each change without a reason is a hit of its own",
        zone: "UTC",
        changes: &[without(Class::Critical), without(Class::Critical)],
        hits: &[0, 1],
    },
];
