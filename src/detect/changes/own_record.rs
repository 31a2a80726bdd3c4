//! A record changed by the one it is about: nobody sets their own limit, salary or permission.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Check, Evidence, Looks, Outcome, Rule, Severity};
use super::examples::{ChangeExample, PLAIN, Told};
use super::{ChangeCase, Except, Types, loosened, read};

const CODE: &str = "own-record";

pub struct OwnRecord;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default)]
    types: Types,
    #[serde(default)]
    except: Except,
}

impl Rule for OwnRecord {
    fn code(&self) -> &'static str {
        CODE
    }
    fn title(&self) -> &'static str {
        "Change of one's own record"
    }
    fn family(&self) -> &'static str {
        "change"
    }
    fn typology(&self) -> &'static str {
        "Self-dealing by staff"
    }
    fn source(&self) -> &'static str {
        "ISO/IEC 27002 5.3, segregation of duties"
    }
    fn grouping(&self) -> &'static str {
        "record"
    }
    fn severity(&self) -> Severity {
        Severity::High
    }
    fn looks(&self) -> Looks {
        Looks::Changes
    }
    fn knows_sealed_values(&self) -> bool {
        true
    }
    fn defaults(&self) -> Value {
        json!({ "except": ["customer"] })
    }
    fn compile(&self, parameters: &Value) -> Result<Box<dyn Check>, String> {
        let read: Parameters = read(CODE, parameters)?;
        let except = read.except.checked().map_err(|e| format!("{CODE}: {e}"))?;
        Ok(Box::new(Parameters { except, ..read }))
    }
    fn loosens(&self, before: &Value, after: &Value) -> bool {
        loosened(before, after, |one: &Parameters, two| one.types.lose(&two.types) || one.except.grows(&two.except))
    }
    fn change_examples(&self) -> &'static [ChangeExample] {
        EXAMPLES
    }
}

impl Check for Parameters {
    fn text(&self) -> String {
        let (types, except) = (self.types.text(), self.except.text());
        format!("A record{types} changed by the one it is about, by its id or the path set for its type{except}.")
    }

    fn check_change(&self, case: &ChangeCase<'_>) -> Outcome {
        let Some(actor) = case.actor.filter(|actor| !self.except.has(actor.kind)) else { return Outcome::NotApplicable };
        if !self.types.have(case.kind) {
            return Outcome::NotApplicable;
        }
        if !actor.own {
            return Outcome::Clear;
        }
        case.hit("the actor's own record".to_owned(), "another's record".to_owned(), None, vec![case.seq])
    }

    fn explain(&self, _: &Evidence) -> String {
        "The record was changed by the one it is about.".to_owned()
    }
}

const OWN: Told = Told { own: true, ..PLAIN };

static EXAMPLES: &[ChangeExample] = &[
    ChangeExample { name: "staff changing their own record fire", zone: "UTC", changes: &[OWN], hits: &[0] },
    ChangeExample { name: "another's record is silent", zone: "UTC", changes: &[PLAIN], hits: &[] },
    ChangeExample {
        name: "customers may change their own",
        zone: "UTC",
        changes: &[Told { actor: Some(("eve", Some("customer"))), ..OWN }],
        hits: &[],
    },
    ChangeExample {
        name: "an actor of no stated kind counts",
        zone: "UTC",
        changes: &[Told { actor: Some(("ann", None)), ..OWN }],
        hits: &[0],
    },
    ChangeExample {
        name: "without an actor nobody can be told",
        zone: "UTC",
        changes: &[Told { actor: None, ..OWN }],
        hits: &[],
    },
];
