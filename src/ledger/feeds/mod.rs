//! The end of a feed's day: what the source says it has sent, to be held against what arrived.
//!
//! A closing is an event; a later one for the same date replaces what was said before, and the log
//! keeps both. Comparing is the report's work.

pub mod store;

use serde_json::{Map, Value, json};

use crate::clock::day_date;
use crate::ids::Seq;
use crate::money::{Currency, Money};
use crate::trail::{ActError, Log, NewEvent};

use store::ClosingRow;

/// Currencies in one closing at most.
pub const CURRENCIES_MAX: usize = 64;

/// What a source says of one currency, minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// The currency.
    pub currency: Currency,
    /// How many entries.
    pub count: i64,
    /// Sum of debits.
    pub debits: i64,
    /// Sum of credits.
    pub credits: i64,
}

/// A source's control totals of a business date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The source.
    pub source: Seq,
    /// The key it came with.
    pub api_key: Option<Seq>,
    /// Day number.
    pub business_date: i32,
    /// One per currency; none: nothing was sent.
    pub sums: Vec<Sums>,
}

/// Records a closing; answers its event. Refusals: `422 totals_invalid`.
pub fn close(log: &Log, closing: Closing) -> Result<Seq, ActError> {
    check(&closing)?;
    log.act(move |tx| {
        let seq = tx.append(NewEvent::public("feed.closed", body(&closing)))?;
        let received_at = tx.now().0;
        let row = |sums: &Sums| ClosingRow {
            seq,
            source: closing.source,
            business_date: closing.business_date,
            currency: sums.currency.code().to_owned(),
            entries: sums.count,
            debits: sums.debits,
            credits: sums.credits,
            received_at,
        };
        let mut rows: Vec<ClosingRow> = closing.sums.iter().map(row).collect();
        if rows.is_empty() {
            // Nothing was sent: a marker of its own, with no currency and a count of zero.
            let (source, business_date) = (closing.source, closing.business_date);
            let currency = String::new();
            rows.push(ClosingRow { seq, source, business_date, currency, entries: 0, debits: 0, credits: 0, received_at });
        }
        store::append(tx.conn, &rows)?;
        Ok(seq)
    })
}

fn check(closing: &Closing) -> Result<(), ActError> {
    let refuse = |detail: String| Err(ActError::refused(422, "totals_invalid", detail));
    if closing.sums.len() > CURRENCIES_MAX {
        return refuse(format!("totals name more than {CURRENCIES_MAX} currencies"));
    }
    for (i, sums) in closing.sums.iter().enumerate() {
        let currency = sums.currency;
        if sums.count < 0 || sums.debits < 0 || sums.credits < 0 {
            return refuse(format!("totals of {currency}: count, debits and credits are zero or more"));
        }
        if closing.sums[..i].iter().any(|earlier| earlier.currency == currency) {
            return refuse(format!("totals name {currency} twice"));
        }
    }
    Ok(())
}

/// Sums of a whole feed: nothing personal.
fn body(closing: &Closing) -> Value {
    let mut totals = Map::new();
    for sums in &closing.sums {
        let text = |minor| Money::new(minor, sums.currency).to_string();
        let said = json!({ "count": sums.count, "debits": text(sums.debits), "credits": text(sums.credits) });
        totals.insert(sums.currency.code().to_owned(), said);
    }
    let date = day_date(closing.business_date).to_string();
    json!({ "source": closing.source, "key": closing.api_key, "business_date": date, "totals": totals })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::trail::testing::{Bench, code};

    fn closing(code: &str, count: i64) -> Closing {
        let sums = Sums { currency: Currency::parse(code).unwrap(), count, debits: 0, credits: 50_000 };
        Closing { source: 1, api_key: Some(2), business_date: 20_777, sums: vec![sums] }
    }

    #[test]
    fn a_closing_is_an_event_with_its_rows() {
        let bench = Bench::new();
        let seq = close(&bench.log, closing("USD", 3)).unwrap();
        let (at, body, private) = bench.events("feed.closed").remove(0);
        assert_eq!((at, private), (seq, None));
        assert_eq!(body["totals"]["USD"], serde_json::json!({ "count": 3, "debits": "0.00", "credits": "500.00" }));
        assert_eq!(body["business_date"], "2026-11-20");
    }

    #[test]
    fn totals_that_cannot_be_are_refused() {
        let bench = Bench::new();
        assert_eq!(code(close(&bench.log, closing("USD", -1))), "totals_invalid");
        let mut twice = closing("USD", 1);
        twice.sums.push(twice.sums[0]);
        assert_eq!(code(close(&bench.log, twice)), "totals_invalid");
        assert!(bench.events("feed.closed").is_empty());
    }
}
