//! A break in words.

use crate::ledger::BreakKind;
use crate::ledger::continuity::Break;
use crate::money::{Currency, Money, grouped};

/// One sentence on a break, e.g. *Entry 17 begins at USD 990.00 where USD 1,500.00 was expected
/// (difference USD −510.00).* `has_before` says whether the entry stated a balance before: without
/// one, `chain` compares what it ends at.
pub fn break_sentence(found: &Break, currency: Currency, has_before: bool) -> String {
    let seq = found.seq;
    match found.kind {
        BreakKind::Chain => {
            let verb = if has_before { "begins" } else { "ends" };
            compared(found, currency, &format!("Entry {seq} {verb} at"), "was expected")
        }
        BreakKind::Arithmetic => compared(found, currency, &format!("Entry {seq} ends at"), "follows from its own figures"),
        BreakKind::Statement => compared(found, currency, &format!("The statement at entry {seq} shows"), "was expected"),
        BreakKind::Conservation => {
            compared(found, currency, &format!("The legs of the transaction of entry {seq} add up to"), "was expected")
        }
        BreakKind::Sequence => match (found.found, found.expected) {
            (Some(number), Some(expected)) => format!("Entry {seq} carries number {number} where {expected} was expected."),
            _ => format!("Entry {seq} carries a number that does not follow from the one before."),
        },
        BreakKind::RoundingDrift => match (found.found, found.expected) {
            (Some(sum), Some(cap)) => {
                let (sum, cap) = (Money::new(sum, currency).for_people(), Money::new(cap, currency).for_people());
                format!("The roundings of the day up to entry {seq} add up to {sum}, beyond the cap of {cap}.")
            }
            _ => format!("The roundings of the day up to entry {seq} are beyond their cap."),
        },
        BreakKind::ForeignSource => format!("Entry {seq} came from a source its account is not bound to."),
        BreakKind::Record => format!("The change at {seq} starts from another state than the last one known."),
    }
}

/// *begins at X where Y was expected (difference Z).*
fn compared(found: &Break, currency: Currency, start: &str, end: &str) -> String {
    let money = |minor: i64| Money::new(minor, currency).for_people();
    match (found.found, found.expected) {
        (Some(is), Some(should)) => {
            // Two balances that fit may differ by more than fits.
            let difference = grouped(i128::from(is) - i128::from(should), currency);
            format!("{start} {} where {} {end} (difference {currency} {difference}).", money(is), money(should))
        }
        (Some(is), None) => format!("{start} {}, where no balance that can be recorded {end}.", money(is)),
        _ => format!("{start} a balance that cannot be compared."),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn say(kind: BreakKind, expected: Option<i64>, found: Option<i64>, has_before: bool) -> String {
        let usd = Currency::parse("USD").unwrap();
        break_sentence(&Break { seq: 17, kind, expected, found }, usd, has_before)
    }

    #[test]
    fn a_break_reads_as_a_sentence_with_its_difference() {
        let chain = say(BreakKind::Chain, Some(150_000), Some(99_000), true);
        assert_eq!(chain, "Entry 17 begins at USD 990.00 where USD 1,500.00 was expected (difference USD \u{2212}510.00).");
        assert!(say(BreakKind::Chain, Some(1), Some(2), false).starts_with("Entry 17 ends at USD 0.02"));
        let arithmetic = say(BreakKind::Arithmetic, Some(100), Some(250), true);
        assert_eq!(arithmetic, "Entry 17 ends at USD 2.50 where USD 1.00 follows from its own figures (difference USD 1.50).");
        let wide = say(BreakKind::Chain, Some(i64::MAX), Some(i64::MIN), true);
        assert!(wide.contains("(difference USD \u{2212}184,467,440,737,095,516.15)"), "{wide}");
    }

    #[test]
    fn numbers_are_not_money_and_nothing_missing_is_invented() {
        assert_eq!(say(BreakKind::Sequence, Some(8), Some(9), true), "Entry 17 carries number 9 where 8 was expected.");
        for kind in BreakKind::ALL {
            let sentence = say(*kind, None, None, true);
            assert!(sentence.ends_with('.') && !sentence.contains("USD"), "{sentence}");
        }
        assert!(say(BreakKind::Arithmetic, None, Some(5), true).contains("no balance that can be recorded"));
        assert!(say(BreakKind::RoundingDrift, Some(100), Some(120), true).contains("beyond the cap of USD 1.00"));
    }
}
