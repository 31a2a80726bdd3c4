//! The flat vocabulary of an entry as it is sent, in JSON, NDJSON or CSV, and its checking.

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use crate::clock::day_date;
use crate::money::{Currency, Money};

use super::fields::{
    address, balance, choice, country, date, money_refusal, one_of, plausible_date, required, tidy, time, whole_number,
};
use super::{ActorKind, Channel, Context, Direction, Instrument, Kind, NewEntry, Parts, Refusal, Status};

/// Every field of the contract with the characters it may have, in the order of exports.
pub const FIELDS: &[(&str, usize)] = &[
    ("source_ref", 200),
    ("account", 64),
    ("currency", 3),
    ("kind", 20),
    ("direction", 10),
    ("amount", 40),
    ("balance_before", 40),
    ("balance_after", 40),
    ("booked_at", 40),
    ("value_date", 10),
    ("business_date", 10),
    ("transaction_ref", 200),
    ("account_seq", 20),
    ("session_id", 256),
    ("ip", 64),
    ("user_agent", 1024),
    ("device_id", 256),
    ("actor", 256),
    ("actor_kind", 20),
    ("channel", 20),
    ("instrument", 20),
    ("party", 256),
    ("counterparty", 256),
    ("counterparty_name", 256),
    ("counterparty_country", 64),
    ("reason", 2000),
    ("reverses", 200),
    ("status", 20),
];

/// An entry as sent: every field is text (owned, or borrowed from what was sent), nothing is checked yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, bound(deserialize = "T: Deserialize<'de> + From<String> + Default"))]
#[allow(missing_docs)] // the fields of the contract; `/docs` and `docs/` explain them
pub struct Draft<T = String> {
    pub source_ref: Option<T>,
    pub account: Option<T>,
    pub currency: Option<T>,
    pub kind: Option<T>,
    pub direction: Option<T>,
    pub amount: Option<T>,
    pub balance_before: Option<T>,
    pub balance_after: Option<T>,
    pub booked_at: Option<T>,
    pub value_date: Option<T>,
    pub business_date: Option<T>,
    pub transaction_ref: Option<T>,
    #[serde(deserialize_with = "number_or_text")]
    pub account_seq: Option<T>,
    pub session_id: Option<T>,
    pub ip: Option<T>,
    pub user_agent: Option<T>,
    pub device_id: Option<T>,
    pub actor: Option<T>,
    pub actor_kind: Option<T>,
    pub channel: Option<T>,
    pub instrument: Option<T>,
    pub party: Option<T>,
    pub counterparty: Option<T>,
    pub counterparty_name: Option<T>,
    pub counterparty_country: Option<T>,
    pub reason: Option<T>,
    pub reverses: Option<T>,
    pub status: Option<T>,
}

/// The sender's number may come as a JSON number or as text, as CSV has it.
fn number_or_text<'de, D: Deserializer<'de>, T: From<String>>(from: D) -> Result<Option<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    match Option::<Either>::deserialize(from) {
        Ok(value) => Ok(value.map(|v| match v {
            Either::Number(n) => n.to_string().into(),
            Either::Text(t) => t.into(),
        })),
        Err(_) => Err(D::Error::custom("account_seq must be a whole number")),
    }
}

impl Draft {
    /// Reads one JSON object; an error names the field where one is to blame.
    pub fn from_json(json: &[u8]) -> Result<Draft, Refusal> {
        // A list would be taken for the fields in their order.
        if json.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[') {
            return Err(Refusal::unreadable("an entry is a JSON object, not a list; see /docs for its fields"));
        }
        serde_json::from_slice(json).map_err(|error| diagnose(json, &error))
    }

    /// Sets a field by its name; `false` if the contract has no such field.
    pub fn set(&mut self, field: &str, value: String) -> bool {
        match self.slot(field) {
            Some(slot) => {
                *slot = Some(value);
                true
            }
            None => false,
        }
    }

    /// The value of a field by its name.
    pub fn get(&mut self, field: &str) -> Option<&str> {
        self.slot(field).and_then(|slot| slot.as_deref())
    }

    fn slot(&mut self, field: &str) -> Option<&mut Option<String>> {
        let at = FIELDS.iter().position(|(name, _)| *name == field)?;
        self.slots().into_iter().nth(at)
    }
}

impl<T: AsRef<str> + Into<String>> Draft<T> {
    /// Every field, in the order of [`FIELDS`].
    pub(super) fn slots(&mut self) -> [&mut Option<T>; FIELDS.len()] {
        [
            &mut self.source_ref,
            &mut self.account,
            &mut self.currency,
            &mut self.kind,
            &mut self.direction,
            &mut self.amount,
            &mut self.balance_before,
            &mut self.balance_after,
            &mut self.booked_at,
            &mut self.value_date,
            &mut self.business_date,
            &mut self.transaction_ref,
            &mut self.account_seq,
            &mut self.session_id,
            &mut self.ip,
            &mut self.user_agent,
            &mut self.device_id,
            &mut self.actor,
            &mut self.actor_kind,
            &mut self.channel,
            &mut self.instrument,
            &mut self.party,
            &mut self.counterparty,
            &mut self.counterparty_name,
            &mut self.counterparty_country,
            &mut self.reason,
            &mut self.reverses,
            &mut self.status,
        ]
    }

    /// Checks every field against the contract.
    pub fn check(mut self) -> Result<NewEntry, Refusal> {
        for ((field, max), slot) in FIELDS.iter().zip(self.slots()) {
            tidy(field, *max, slot)?;
        }
        let currency =
            Currency::parse(required("currency", self.currency)?.as_ref()).map_err(|e| money_refusal("currency", &e))?;
        let kind = one_of("kind", required("kind", self.kind)?.as_ref(), Kind::parse, Kind::choices)?;
        let direction = choice("direction", self.direction, Direction::parse, Direction::choices)?;
        let direction = direction.or(kind.default_direction()).ok_or_else(|| {
            let detail = format!("kind {kind} does not say which way money goes; state direction: credit or debit");
            Refusal::field("direction_required", "direction", detail)
        })?;
        let amount = Money::parse_amount(required("amount", self.amount)?.as_ref(), currency);
        let balance_before = balance("balance_before", self.balance_before, currency)?;
        let balance_after = balance("balance_after", self.balance_after, currency)?;
        if balance_before.is_some() && balance_after.is_none() {
            let detail = "balance_before without balance_after; send both, only balance_after, or neither";
            return Err(Refusal::field("balance_after_required", "balance_after", detail));
        }
        let booked_at = time("booked_at", required("booked_at", self.booked_at)?.as_ref())?;
        let business_date = plausible_date(booked_at, date("business_date", self.business_date)?)?;
        let counterparty_country = self.counterparty_country.map(country).transpose()?.map(Into::into);
        let mut entry = NewEntry {
            source_ref: required("source_ref", self.source_ref)?.into(),
            account: required("account", self.account)?.into(),
            currency,
            kind,
            direction,
            amount: amount.map_err(|e| money_refusal("amount", &e))?.minor(),
            balance_before,
            balance_after,
            booked_at,
            value_date: date("value_date", self.value_date)?,
            business_date,
            transaction_ref: self.transaction_ref.map(Into::into),
            account_seq: whole_number("account_seq", self.account_seq)?,
            context: Context {
                session_id: self.session_id.map(Into::into),
                ip: self.ip.map(|text| address(text.as_ref())).transpose()?,
                user_agent: self.user_agent.map(Into::into),
                device_id: self.device_id.map(Into::into),
                actor: self.actor.map(Into::into),
                actor_kind: choice("actor_kind", self.actor_kind, ActorKind::parse, ActorKind::choices)?,
            },
            channel: choice("channel", self.channel, Channel::parse, Channel::choices)?,
            instrument: choice("instrument", self.instrument, Instrument::parse, Instrument::choices)?,
            reverses: self.reverses.map(Into::into),
            status: choice("status", self.status, Status::parse, Status::choices)?.unwrap_or(Status::Booked),
            parts: Parts {
                party: self.party.map(Into::into),
                counterparty: self.counterparty.map(Into::into),
                counterparty_name: self.counterparty_name.map(Into::into),
                counterparty_country,
                reason: self.reason.map(Into::into),
            },
        };
        entry.mask_cards();
        Ok(entry)
    }
}

/// The fields as they would be sent: what was read, written again. Absent stays absent.
impl From<&NewEntry> for Draft {
    fn from(entry: &NewEntry) -> Draft {
        let money = |minor: i64| Some(Money::new(minor, entry.currency).to_string());
        let date = |day: i32| Some(day_date(day).to_string());
        let (context, parts) = (entry.context.clone(), entry.parts.clone());
        Draft {
            source_ref: Some(entry.source_ref.clone()),
            account: Some(entry.account.clone()),
            currency: Some(entry.currency.code().to_owned()),
            kind: Some(entry.kind.text().to_owned()),
            direction: Some(entry.direction.text().to_owned()),
            amount: money(entry.amount),
            balance_before: entry.balance_before.and_then(money),
            balance_after: entry.balance_after.and_then(money),
            booked_at: Some(entry.booked_at.to_string()),
            value_date: entry.value_date.and_then(date),
            business_date: entry.business_date.and_then(date),
            transaction_ref: entry.transaction_ref.clone(),
            account_seq: entry.account_seq.map(|n| n.to_string()),
            session_id: context.session_id,
            ip: context.ip,
            user_agent: context.user_agent,
            device_id: context.device_id,
            actor: context.actor,
            actor_kind: context.actor_kind.map(|k| k.text().to_owned()),
            channel: entry.channel.map(|c| c.text().to_owned()),
            instrument: entry.instrument.map(|i| i.text().to_owned()),
            party: parts.party,
            counterparty: parts.counterparty,
            counterparty_name: parts.counterparty_name,
            counterparty_country: parts.counterparty_country,
            reason: parts.reason,
            reverses: entry.reverses.clone(),
            status: Some(entry.status.text().to_owned()),
        }
    }
}

/// Finds out which field made an object unreadable; slow, and only on the way to a refusal.
fn diagnose(json: &[u8], error: &serde_json::Error) -> Refusal {
    let value = match serde_json::from_slice::<serde_json::Value>(json) {
        Ok(value) => value,
        Err(error) => return Refusal::unreadable(format!("not readable as JSON: {error}")),
    };
    let serde_json::Value::Object(object) = value else {
        return Refusal::unreadable("an entry is a JSON object; see /docs for its fields");
    };
    for (name, value) in &object {
        if !FIELDS.iter().any(|(field, _)| field == name) {
            let name: String = name.chars().take(64).collect();
            return Refusal::field(
                "unknown_field",
                &name,
                format!("`{name}` is not a field of an entry; see /docs for the fields"),
            );
        }
        let readable = value.is_string() || value.is_null() || (name == "account_seq" && value.is_i64());
        if !readable {
            if name == "account_seq" {
                let detail = "account_seq must be a whole number of at most 63 bits";
                return Refusal::field("field_type", name, detail);
            }
            let detail = format!("{name} must be text in quotes, for example \"1234.50\"; a bare {} is refused", kind_of(value));
            return Refusal::field("field_type", name, detail);
        }
    }
    // A value holds the last of two fields of one name: only the first error knows of it.
    let said = error.to_string();
    if let Some(name) = said.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next()) {
        return Refusal::field("field_repeated", name, format!("{name} is there twice; send it once"));
    }
    Refusal::unreadable(format!("not readable as an entry: {said}"))
}

fn kind_of(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Number(_) => "number",
        serde_json::Value::Bool(_) => "true or false",
        serde_json::Value::Array(_) => "list",
        _ => "object",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const SEED: &str = r#"{"source_ref":"T1","account":"12345","currency":"USD","kind":"deposit","amount":"500.00",
        "balance_before":"1000.00","balance_after":"1500.00","booked_at":"2026-11-20T14:03:22Z",
        "actor":"john_doe","ip":"192.168.1.100"}"#;

    fn refused(change: &str, value: &str) -> Refusal {
        let mut object: serde_json::Value = serde_json::from_str(SEED).unwrap();
        object[change] = serde_json::from_str(value).unwrap();
        let json = serde_json::to_vec(&object).unwrap();
        Draft::from_json(&json).and_then(Draft::check).expect_err(change)
    }

    #[test]
    fn the_seed_s_own_example_is_read() {
        let entry = Draft::from_json(SEED.as_bytes()).unwrap().check().unwrap();
        assert_eq!((entry.amount, entry.balance_before, entry.balance_after), (50_000, Some(100_000), Some(150_000)));
        assert_eq!(entry.direction, Direction::Credit);
        assert_eq!(entry.context.ip.as_deref(), Some("192.168.1.100"));
    }

    #[test]
    fn what_cannot_be_read_names_its_field_and_code() {
        for (field, value, code) in [
            ("amount", "500.00", "field_type"),
            ("amount", "\"1e3\"", "amount_invalid"),
            ("amount", "\"1_000\"", "amount_invalid"),
            ("amount", "\"-1\"", "amount_negative"),
            ("amount", "\"1.001\"", "too_many_decimals"),
            ("currency", "\"XAU\"", "currency_without_minor_units"),
            ("kind", "\"transfer\"", "direction_required"),
            ("kind", "\"gift\"", "value_unknown"),
            ("balance_after", "null", "balance_after_required"),
            ("booked_at", "\"2026-11-20\"", "time_invalid"),
            ("ip", "\"10.0.0.1:80\"", "ip_invalid"),
            ("amout", "\"1\"", "unknown_field"),
            ("source_ref", "\"\"", "field_required"),
            ("account", "\"a\\u0000b\"", "control_character"),
            ("account", "\"12345 \"", "invisible_character"),
            ("account", "\"12345\\u200b\"", "invisible_character"),
            ("source_ref", "\"  \"", "invisible_character"),
            ("counterparty_country", "\"se\"", "country_unknown"),
            ("counterparty_country", "\"SWE\"", "country_unknown"),
            ("counterparty_country", "\"AB\"", "country_unknown"),
            ("business_date", "\"2025-11-18\"", "business_date_implausible"),
            ("business_date", "\"2027-11-22\"", "business_date_implausible"),
        ] {
            let refusal = refused(field, value);
            assert_eq!(refusal.code, code, "{field} = {value}: {refusal}");
            assert!(refusal.field.is_some(), "{field}");
        }
        assert_eq!(Draft::from_json(b"[1]").unwrap_err().status, 400);
        assert_eq!(Draft::from_json(b"{nope").unwrap_err().status, 400);
    }

    #[test]
    fn a_field_that_is_there_twice_is_named() {
        let refusal = Draft::from_json(br#"{"source_ref":"A","source_ref":"B"}"#).unwrap_err();
        assert_eq!((refusal.code, refusal.field.as_deref()), ("field_repeated", Some("source_ref")));
        let torn = Draft::from_json(b"{\"mystery\":\"\xff\"}").unwrap_err();
        assert!(torn.code == "unreadable" && !torn.detail.contains("expected one of"), "{}", torn.detail);
    }
}
