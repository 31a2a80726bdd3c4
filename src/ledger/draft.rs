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

/// An entry as sent: every field is text, nothing is checked yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // the fields of the contract; `/docs` and `docs/` explain them
pub struct Draft {
    pub source_ref: Option<String>,
    pub account: Option<String>,
    pub currency: Option<String>,
    pub kind: Option<String>,
    pub direction: Option<String>,
    pub amount: Option<String>,
    pub balance_before: Option<String>,
    pub balance_after: Option<String>,
    pub booked_at: Option<String>,
    pub value_date: Option<String>,
    pub business_date: Option<String>,
    pub transaction_ref: Option<String>,
    #[serde(deserialize_with = "number_or_text")]
    pub account_seq: Option<String>,
    pub session_id: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub device_id: Option<String>,
    pub actor: Option<String>,
    pub actor_kind: Option<String>,
    pub channel: Option<String>,
    pub instrument: Option<String>,
    pub party: Option<String>,
    pub counterparty: Option<String>,
    pub counterparty_name: Option<String>,
    pub counterparty_country: Option<String>,
    pub reason: Option<String>,
    pub reverses: Option<String>,
    pub status: Option<String>,
}

/// The sender's number may come as a JSON number or as text, as CSV has it.
fn number_or_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    match Option::<Either>::deserialize(from) {
        Ok(value) => Ok(value.map(|v| match v {
            Either::Number(n) => n.to_string(),
            Either::Text(t) => t,
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
        Some(match field {
            "source_ref" => &mut self.source_ref,
            "account" => &mut self.account,
            "currency" => &mut self.currency,
            "kind" => &mut self.kind,
            "direction" => &mut self.direction,
            "amount" => &mut self.amount,
            "balance_before" => &mut self.balance_before,
            "balance_after" => &mut self.balance_after,
            "booked_at" => &mut self.booked_at,
            "value_date" => &mut self.value_date,
            "business_date" => &mut self.business_date,
            "transaction_ref" => &mut self.transaction_ref,
            "account_seq" => &mut self.account_seq,
            "session_id" => &mut self.session_id,
            "ip" => &mut self.ip,
            "user_agent" => &mut self.user_agent,
            "device_id" => &mut self.device_id,
            "actor" => &mut self.actor,
            "actor_kind" => &mut self.actor_kind,
            "channel" => &mut self.channel,
            "instrument" => &mut self.instrument,
            "party" => &mut self.party,
            "counterparty" => &mut self.counterparty,
            "counterparty_name" => &mut self.counterparty_name,
            "counterparty_country" => &mut self.counterparty_country,
            "reason" => &mut self.reason,
            "reverses" => &mut self.reverses,
            "status" => &mut self.status,
            _ => return None,
        })
    }

    /// Checks every field against the contract.
    pub fn check(mut self) -> Result<NewEntry, Refusal> {
        for (field, max) in FIELDS {
            tidy(field, *max, self.slot(field))?;
        }
        let currency = Currency::parse(&required("currency", self.currency)?).map_err(|e| money_refusal("currency", &e))?;
        let kind = one_of("kind", &required("kind", self.kind)?, Kind::parse, Kind::choices)?;
        let direction = choice("direction", self.direction, Direction::parse, Direction::choices)?;
        let direction = direction.or(kind.default_direction()).ok_or_else(|| {
            let detail = format!("kind {kind} does not say which way money goes; state direction: credit or debit");
            Refusal::field("direction_required", "direction", detail)
        })?;
        let amount = Money::parse_amount(&required("amount", self.amount)?, currency);
        let balance_before = balance("balance_before", self.balance_before, currency)?;
        let balance_after = balance("balance_after", self.balance_after, currency)?;
        if balance_before.is_some() && balance_after.is_none() {
            let detail = "balance_before without balance_after; send both, only balance_after, or neither";
            return Err(Refusal::field("balance_after_required", "balance_after", detail));
        }
        let booked_at = time("booked_at", &required("booked_at", self.booked_at)?)?;
        let business_date = plausible_date(booked_at, date("business_date", self.business_date)?)?;
        let counterparty_country = self.counterparty_country.map(country).transpose()?;
        Ok(NewEntry {
            source_ref: required("source_ref", self.source_ref)?,
            account: required("account", self.account)?,
            currency,
            kind,
            direction,
            amount: amount.map_err(|e| money_refusal("amount", &e))?.minor(),
            balance_before,
            balance_after,
            booked_at,
            value_date: date("value_date", self.value_date)?,
            business_date,
            transaction_ref: self.transaction_ref,
            account_seq: whole_number("account_seq", self.account_seq)?,
            context: Context {
                session_id: self.session_id,
                ip: self.ip.map(|text| address(&text)).transpose()?,
                user_agent: self.user_agent,
                device_id: self.device_id,
                actor: self.actor,
                actor_kind: choice("actor_kind", self.actor_kind, ActorKind::parse, ActorKind::choices)?,
            },
            channel: choice("channel", self.channel, Channel::parse, Channel::choices)?,
            instrument: choice("instrument", self.instrument, Instrument::parse, Instrument::choices)?,
            reverses: self.reverses,
            status: choice("status", self.status, Status::parse, Status::choices)?.unwrap_or(Status::Booked),
            parts: Parts {
                party: self.party,
                counterparty: self.counterparty,
                counterparty_name: self.counterparty_name,
                counterparty_country,
                reason: self.reason,
            },
        })
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
