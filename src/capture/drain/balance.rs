//! A change of an account's row as an entry: what its balance was, what it is, and the difference. Pure.

use crate::clock::Moment;
use crate::config::EntryMapping;
use crate::ledger::{Draft, Refusal};
use crate::money::{Currency, plain};
use crate::records::Decimal;

use super::super::names::Columns;
use super::row::{Of, column};

/// An account's row in the words of the contract.
pub struct Balance {
    /// Its number.
    pub account: String,
    /// Its currency.
    pub currency: Currency,
    /// Its balance in minor units.
    pub minor: i128,
}

impl Balance {
    /// Of a row.
    ///
    /// # Errors
    /// Which column cannot be read.
    pub fn of(map: &EntryMapping, row: &Columns) -> Result<Balance, Refusal> {
        let account = column(row, &map.account);
        let account =
            account.ok_or_else(|| Refusal::field("field_required", "account", format!("column {} is empty", map.account)))?;
        let code =
            if map.currency.is_empty() { column(row, &map.currency_column).unwrap_or_default() } else { map.currency.clone() };
        let currency = Currency::parse(code.trim());
        let currency = currency.map_err(|e| Refusal::field("currency_unknown", "currency", e.to_string()))?;
        // No balance is none that could be lost.
        let text = column(row, &map.balance).unwrap_or_else(|| "0".into());
        let decimals = if map.minor_units { 0 } else { currency.decimals() as i32 };
        let minor = Decimal::parse(&text).ok().and_then(|value| value.scaled_to(decimals)).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            let detail = format!("column {}: `{shown}` is no amount of {}", map.balance, currency.code());
            Refusal::field("balance_unreadable", "balance_after", detail)
        })?;
        Ok(Balance { account, currency, minor })
    }
}

/// The entry that a row's change is; `None` if no balance changed.
///
/// # Errors
/// When account, currency or balance cannot be read.
pub fn entry(of: &Of<'_>, map: &EntryMapping, old: Option<&Columns>, new: Option<&Columns>) -> Result<Option<Draft>, Refusal> {
    // A deleted account is a change of its record: nothing was booked.
    let Some(row) = new else { return Ok(None) };
    let is = Balance::of(map, row)?;
    let was =
        old.map(|row| Balance::of(map, row)).transpose()?.filter(|was| was.account == is.account && was.currency == is.currency);
    if was.as_ref().is_some_and(|was| was.minor == is.minor) {
        return Ok(None);
    }
    let opening = was.is_none();
    let before = was.map_or(0, |was| was.minor);
    let kind = match (opening, map.kind.as_str()) {
        (true, _) => "adjustment",
        (false, "") => "transfer",
        (false, kind) => kind,
    };
    let holder = of.subject(row);
    let opened = opening.then(|| "opening balance".to_owned());
    Ok(Some(Draft {
        source_ref: Some(of.source_ref.to_owned()),
        booked_at: Some(Moment(of.row.at).to_string()),
        session_id: of.context.session.clone(),
        ip: of.context.ip.clone(),
        user_agent: Some(of.context.agent.clone()),
        actor: Some(of.context.actor.clone()),
        party: holder,
        reason: of.context.reason.clone().or(opened),
        ..moved(&is, before, kind)
    }))
}

/// From a balance to another.
pub fn moved(is: &Balance, before: i128, kind: &str) -> Draft {
    let difference = is.minor - before;
    Draft {
        account: Some(is.account.clone()),
        currency: Some(is.currency.code().to_owned()),
        kind: Some(kind.to_owned()),
        direction: Some(if difference < 0 { "debit" } else { "credit" }.to_owned()),
        amount: Some(plain(difference.abs(), is.currency)),
        balance_before: Some(plain(before, is.currency)),
        balance_after: Some(plain(is.minor, is.currency)),
        ..Draft::default()
    }
}
