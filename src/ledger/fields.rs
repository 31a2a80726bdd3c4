//! Single fields of a draft: from text to value, or to a refusal that names the field.

use std::net::IpAddr;

use crate::clock::{Moment, TimeError, day_number, parse_date};
use crate::money::{Currency, Money, MoneyError};

use crate::ids::is_invisible;

use super::Refusal;

/// Fields that name something: what looks the same must be the same.
const IDENTIFIERS: &[&str] = &["source_ref", "account", "transaction_ref", "reverses"];

/// Empty text is absent; over-long text and control characters are refused.
pub(super) fn tidy(field: &str, max: usize, slot: Option<&mut Option<String>>) -> Result<(), Refusal> {
    let Some(slot) = slot else { return Ok(()) };
    let Some(text) = slot else { return Ok(()) };
    if text.is_empty() {
        *slot = None;
        return Ok(());
    }
    if text.len() > max && text.chars().count() > max {
        return Err(Refusal::field("field_too_long", field, format!("{field} may have at most {max} characters")));
    }
    if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        let detail = format!("{field} holds a control character; send printable text only");
        return Err(Refusal::field("control_character", field, detail));
    }
    if IDENTIFIERS.contains(&field) && (text.trim() != text || text.contains(is_invisible)) {
        let detail = format!(
            "{field} begins or ends with a blank, or holds a character that cannot be seen; two accounts must not look alike"
        );
        return Err(Refusal::field("invisible_character", field, detail));
    }
    Ok(())
}

pub(super) fn required(field: &str, value: Option<String>) -> Result<String, Refusal> {
    value.ok_or_else(|| Refusal::field("field_required", field, format!("{field} is required")))
}

pub(super) fn one_of<T>(field: &str, text: &str, parse: fn(&str) -> Option<T>, choices: fn() -> String) -> Result<T, Refusal> {
    parse(text).ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        Refusal::field("value_unknown", field, format!("`{text}` is not a {field}; use one of {}", choices()))
    })
}

pub(super) fn choice<T>(
    field: &str,
    value: Option<String>,
    parse: fn(&str) -> Option<T>,
    choices: fn() -> String,
) -> Result<Option<T>, Refusal> {
    value.map(|text| one_of(field, &text, parse, choices)).transpose()
}

pub(super) fn money_refusal(field: &str, error: &MoneyError) -> Refusal {
    let code = match error {
        MoneyError::UnknownCurrency(_) => "currency_unknown",
        MoneyError::NoMinorUnits(_) => "currency_without_minor_units",
        MoneyError::Negative(_) => "amount_negative",
        MoneyError::TooManyDecimals { .. } => "too_many_decimals",
        MoneyError::TooLarge => "amount_too_large",
        MoneyError::NotAnAmount(_) | MoneyError::Mixed(..) => "amount_invalid",
    };
    Refusal::field(code, field, error.to_string())
}

pub(super) fn balance(field: &str, value: Option<String>, currency: Currency) -> Result<Option<i64>, Refusal> {
    let Some(text) = value else { return Ok(None) };
    let money = Money::parse_balance(&text, currency).map_err(|e| money_refusal(field, &e))?;
    Ok(Some(money.minor()))
}

pub(super) fn time_refusal(field: &str, error: &TimeError) -> Refusal {
    let code = match error {
        TimeError::NotATime(_) | TimeError::LeapSecond(_) => "time_invalid",
        TimeError::TooFine(_) => "time_too_fine",
        TimeError::NotADate(_) => "date_invalid",
        TimeError::OutOfRange(_) => "time_out_of_range",
    };
    Refusal::field(code, field, error.to_string())
}

pub(super) fn time(field: &str, text: &str) -> Result<Moment, Refusal> {
    Moment::parse(text).map_err(|e| time_refusal(field, &e))
}

pub(super) fn date(field: &str, value: Option<String>) -> Result<Option<i32>, Refusal> {
    let Some(text) = value else { return Ok(None) };
    parse_date(&text).map(|d| Some(day_number(d))).map_err(|e| time_refusal(field, &e))
}

pub(super) fn whole_number(field: &str, value: Option<String>) -> Result<Option<i64>, Refusal> {
    let Some(text) = value else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Refusal::field("number_invalid", field, format!("{field} must be a whole number")))
}

pub(super) fn address(text: &str) -> Result<String, Refusal> {
    let parsed: IpAddr = text
        .parse()
        .map_err(|_| Refusal::field("ip_invalid", "ip", "ip is not an IPv4 or IPv6 address; send it without a port or a mask"))?;
    Ok(parsed.to_canonical().to_string())
}
