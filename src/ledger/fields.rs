//! Single fields of a draft: from text to value, or to a refusal that names the field.

use std::net::IpAddr;

use crate::clock::{DAY, Moment, TimeError, day_date, day_number, parse_date};
use crate::money::{Currency, Money, MoneyError};

use crate::ids::is_invisible;

use super::Refusal;

/// Fields that name something: what looks the same must be the same.
const IDENTIFIERS: &[&str] = &["source_ref", "account", "transaction_ref", "reverses", "id"];

/// Empty text is absent; over-long text and control characters are refused.
pub(crate) fn tidy<T: AsRef<str>>(field: &str, max: usize, slot: &mut Option<T>) -> Result<(), Refusal> {
    let Some(text) = slot.as_ref().map(AsRef::as_ref) else { return Ok(()) };
    if text.is_empty() {
        *slot = None;
        return Ok(());
    }
    if text.len() > max && text.chars().count() > max {
        return Err(Refusal::field("field_too_long", field, format!("{field} may have at most {max} characters")));
    }
    // Not `any`: looked at as a whole, many bytes are looked at at once.
    if text.bytes().fold(false, |found, b| found | (b < 0x20) | (b == 0x7f)) {
        let detail = format!("{field} holds a control character; send printable text only");
        return Err(Refusal::field("control_character", field, detail));
    }
    let doubtful = !text.is_ascii() || text.starts_with(' ') || text.ends_with(' ');
    if doubtful && IDENTIFIERS.contains(&field) && (text.trim() != text || text.contains(is_invisible)) {
        let detail =
            format!("{field} begins or ends with a blank, or holds a character that cannot be seen; no two may look alike");
        return Err(Refusal::field("invisible_character", field, detail));
    }
    Ok(())
}

pub(crate) fn required<T>(field: &str, value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal::field("field_required", field, format!("{field} is required")))
}

pub(crate) fn one_of<T>(field: &str, text: &str, parse: fn(&str) -> Option<T>, choices: fn() -> String) -> Result<T, Refusal> {
    parse(text).ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        Refusal::field("value_unknown", field, format!("`{text}` is no {field}; use one of {}", choices()))
    })
}

pub(crate) fn choice<T>(
    field: &str,
    value: Option<impl AsRef<str>>,
    parse: fn(&str) -> Option<T>,
    choices: fn() -> String,
) -> Result<Option<T>, Refusal> {
    value.map(|text| one_of(field, text.as_ref(), parse, choices)).transpose()
}

pub(crate) fn money_refusal(field: &str, error: &MoneyError) -> Refusal {
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

pub(crate) fn balance(field: &str, value: Option<impl AsRef<str>>, currency: Currency) -> Result<Option<i64>, Refusal> {
    let Some(text) = value else { return Ok(None) };
    let money = Money::parse_balance(text.as_ref(), currency).map_err(|e| money_refusal(field, &e))?;
    Ok(Some(money.minor()))
}

pub(crate) fn time_refusal(field: &str, error: &TimeError) -> Refusal {
    let code = match error {
        TimeError::NotATime(_) | TimeError::LeapSecond(_) => "time_invalid",
        TimeError::TooFine(_) => "time_too_fine",
        TimeError::NotADate(_) => "date_invalid",
        TimeError::OutOfRange(_) => "time_out_of_range",
    };
    Refusal::field(code, field, error.to_string())
}

pub(crate) fn time(field: &str, text: &str) -> Result<Moment, Refusal> {
    Moment::parse(text).map_err(|e| time_refusal(field, &e))
}

pub(crate) fn date(field: &str, value: Option<impl AsRef<str>>) -> Result<Option<i32>, Refusal> {
    let Some(text) = value else { return Ok(None) };
    parse_date(text.as_ref()).map(|d| Some(day_number(d))).map_err(|e| time_refusal(field, &e))
}

/// Days by which a business date may differ from the date of booking: beyond a year it is a slip of
/// the sender's, and would put the entry on a report that nobody reads any more.
const BUSINESS_DATE_APART: i64 = 366;

pub(crate) fn plausible_date(booked_at: Moment, stated: Option<i32>) -> Result<Option<i32>, Refusal> {
    let Some(day) = stated else { return Ok(None) };
    if (i64::from(day) - booked_at.0.div_euclid(DAY)).abs() > BUSINESS_DATE_APART {
        let detail = format!(
            "business_date {} lies more than {BUSINESS_DATE_APART} days from booked_at; correct one of them, or leave it out",
            day_date(day)
        );
        return Err(Refusal::field("business_date_implausible", "business_date", detail));
    }
    Ok(Some(day))
}

/// Officially assigned codes of ISO 3166-1 alpha-2.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW \
     BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB \
     GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM \
     KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC \
     NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL \
     SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS \
     YE YT ZA ZM ZW";

pub(crate) fn country<T: AsRef<str>>(sent: T) -> Result<T, Refusal> {
    let text = sent.as_ref();
    // The standard leaves some to its users: XK for Kosovo, XX and ZZ for what is not known.
    let of_users = matches!(text.as_bytes(), b"AA" | b"ZZ" | [b'Q', b'M'..=b'Z'] | [b'X', b'A'..=b'Z']);
    if of_users || (text.len() == 2 && COUNTRIES.split_whitespace().any(|code| code == text)) {
        return Ok(sent);
    }
    let shown: String = text.chars().take(40).collect();
    let detail = format!("`{shown}` is not a country of ISO 3166; use its two letters in capitals, for example SE");
    Err(Refusal::field("country_unknown", "counterparty_country", detail))
}

pub(crate) fn whole_number(field: &str, value: Option<impl AsRef<str>>) -> Result<Option<i64>, Refusal> {
    let Some(text) = value else { return Ok(None) };
    text.as_ref()
        .parse()
        .map(Some)
        .map_err(|_| Refusal::field("number_invalid", field, format!("{field} must be a whole number")))
}

pub(crate) fn address(text: &str) -> Result<String, Refusal> {
    let parsed: IpAddr = text
        .parse()
        .map_err(|_| Refusal::field("ip_invalid", "ip", "ip is not an IPv4 or IPv6 address; send it without a port or a mask"))?;
    // Of the fourth version there is one way to write an address.
    if parsed.is_ipv4() { Ok(text.to_owned()) } else { Ok(parsed.to_canonical().to_string()) }
}
