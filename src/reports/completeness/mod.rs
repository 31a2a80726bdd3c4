//! Control totals: what each source announced for a date, against what was recorded.
//!
//! Everything else rests on this, so it stands first in the report. A source from which nothing
//! came is *not received*: its figures are `null`, never zero.

pub(super) mod store;

use std::collections::BTreeMap;

use crate::clock::{Moment, day_number};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::store::SourceRow;
use crate::money;

use super::activity::{Activity, SourceDay};
use super::{Context, Source, SourceState, SourceSums};

pub(super) use store::Closing;

/// What is known of one source on one date.
struct Received<'a> {
    sums: Option<&'a BTreeMap<String, SourceDay>>,
    refused: BTreeMap<String, i64>,
    closing: Vec<Closing>,
    closes: bool,
}

/// The control totals of every source known by then, oldest source first. A source that was not
/// known yet on the date is left out unless something of it belongs there.
pub(super) fn sources(
    conn: &mut Conn,
    ctx: &Context,
    date: i32,
    seq_to: Seq,
    known: &[SourceRow],
    activity: &Activity,
) -> DbResult<Vec<Source>> {
    let mut closings = store::closings(conn, date, seq_to)?;
    let mut refused = store::refusals(conn, date)?;
    let closing_sources = store::sources_that_close(conn, seq_to)?;
    let mut out = Vec::new();
    for source in known {
        let received = Received {
            sums: activity.sources.get(&source.id),
            refused: refused.remove(&source.id).unwrap_or_default(),
            closing: closings.remove(&source.id).unwrap_or_default(),
            closes: closing_sources.contains(&source.id),
        };
        let born_later = day_number(ctx.calendar.local_date(Moment(source.created_at))) > date;
        let nothing = received.sums.is_none() && received.refused.is_empty() && received.closing.is_empty();
        if !(born_later && nothing) {
            out.push(totals(&source.name, received)?);
        }
    }
    Ok(out)
}

fn totals(name: &str, received: Received<'_>) -> DbResult<Source> {
    let empty = BTreeMap::new();
    let sums = received.sums.unwrap_or(&empty);
    let announced = !received.closing.is_empty();
    // Rows of which none could be taken are no feed: what should have come has not.
    let nothing = sums.is_empty() && !announced;
    let refused: i64 = received.refused.values().sum();
    let entries: i64 = sums.values().map(|s| s.booked.entries).sum();
    let expected: i64 = received.closing.iter().map(|c| c.entries).sum();
    let currencies = currencies(sums, &received.closing)?;
    let mismatch = expected != entries || currencies.values().any(|c| c.state == SourceState::Mismatch);
    let known = |n: i64| (!nothing).then_some(n);
    Ok(Source {
        name: name.to_owned(),
        state: match (nothing, announced, mismatch) {
            (true, _, _) => SourceState::NotReceived,
            (_, false, _) => SourceState::NotAnnounced,
            (_, _, true) => SourceState::Mismatch,
            (_, _, false) => SourceState::Matched,
        },
        expected: announced.then_some(expected),
        entries: known(entries),
        attempted: known(sums.values().map(|s| s.attempted).sum()),
        rejected: if refused > 0 { Some(refused) } else { known(0) },
        rejected_by_code: received.refused,
        duplicates: None,
        closes: received.closes,
        closed_at: received.closing.first().map(|c| Moment(c.received_at).to_string()),
        currencies,
    })
}

/// A row per currency that came or was announced. A marker without a currency announces a count
/// alone, which is compared for the source as a whole.
fn currencies(sums: &BTreeMap<String, SourceDay>, closing: &[Closing]) -> DbResult<BTreeMap<String, SourceSums>> {
    let count_only = closing.iter().any(|c| c.currency.is_empty());
    let mut codes: Vec<&str> = sums.keys().map(String::as_str).collect();
    codes.extend(closing.iter().map(|c| c.currency.as_str()).filter(|c| !c.is_empty()));
    codes.sort_unstable();
    codes.dedup();
    let mut out = BTreeMap::new();
    for code in codes {
        let day = sums.get(code).copied().unwrap_or_default().booked;
        let said = closing.iter().find(|c| c.currency == code);
        let currency = super::figures::currency(code)?;
        let state = match said {
            Some(said) => {
                let same = (said.entries, i128::from(said.credits), i128::from(said.debits));
                let same = same == (day.entries, day.credits, day.debits);
                if same { SourceState::Matched } else { SourceState::Mismatch }
            }
            // Announced, but not with this currency: what came in it was not expected.
            None if !closing.is_empty() && !count_only && day.entries > 0 => SourceState::Mismatch,
            None => SourceState::NotAnnounced,
        };
        let text = |minor: i64| money::plain(i128::from(minor), currency);
        out.insert(
            code.to_owned(),
            SourceSums {
                expected_entries: said.map(|s| s.entries),
                entries: day.entries,
                expected_credits: said.map(|s| text(s.credits)),
                credits: money::plain(day.credits, currency),
                expected_debits: said.map(|s| text(s.debits)),
                debits: money::plain(day.debits, currency),
                state,
            },
        );
    }
    Ok(out)
}

/// Whether a source that has closed days before has not closed this one.
pub(super) fn is_waiting(sources: &[Source]) -> bool {
    sources.iter().any(|s| s.closes && s.closed_at.is_none())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::activity::Sums;
    use super::*;

    fn closing(currency: &str, entries: i64, debits: i64, credits: i64) -> Closing {
        Closing { seq: 9, source: 1, currency: currency.into(), entries, debits, credits, received_at: 0 }
    }

    fn check(came: &[(&str, i64, i64, i64)], closing: Vec<Closing>, refused: i64) -> Source {
        let mut sums = BTreeMap::new();
        for (code, entries, debits, credits) in came {
            let booked = Sums { entries: *entries, credits: (*credits).into(), debits: (*debits).into() };
            sums.insert((*code).to_owned(), SourceDay { booked, attempted: 0 });
        }
        let refused = if refused > 0 { BTreeMap::from([("direction_required".to_owned(), refused)]) } else { BTreeMap::new() };
        let closes = !closing.is_empty();
        totals("core", Received { sums: (!sums.is_empty()).then_some(&sums), refused, closing, closes }).unwrap()
    }

    #[test]
    fn a_source_matches_by_count_and_sums_of_every_currency() {
        let came = [("USD", 2, 100, 200), ("JPY", 1, 0, 5)];
        let said = vec![closing("USD", 2, 100, 200), closing("JPY", 1, 0, 5)];
        let source = check(&came, said, 0);
        assert_eq!((source.state, source.expected, source.entries), (SourceState::Matched, Some(3), Some(3)));
        assert_eq!(source.currencies["USD"].expected_debits.as_deref(), Some("1.00"));
        assert_eq!(source.currencies["JPY"].credits, "5");
        for said in [
            vec![closing("USD", 2, 100, 200)],                          // JPY was not announced
            vec![closing("USD", 2, 100, 201), closing("JPY", 1, 0, 5)], // a sum is off
            vec![closing("USD", 3, 100, 200), closing("JPY", 0, 0, 5)], // counts off that add up
            vec![closing("USD", 2, 100, 200), closing("JPY", 1, 0, 5), closing("EUR", 1, 0, 7)],
        ] {
            assert_eq!(check(&came, said, 0).state, SourceState::Mismatch);
        }
        assert_eq!(check(&came, vec![closing("", 3, 0, 0)], 0).state, SourceState::Matched);
        assert_eq!(check(&[], vec![closing("", 0, 0, 0)], 0).state, SourceState::Matched);
    }

    #[test]
    fn nothing_received_is_unknown_and_not_zero() {
        let source = check(&[], Vec::new(), 0);
        assert_eq!((source.state, source.entries, source.rejected), (SourceState::NotReceived, None, None));
        let source = check(&[], Vec::new(), 3);
        assert_eq!((source.state, source.entries, source.rejected), (SourceState::NotReceived, None, Some(3)));
    }
}
