//! The rules' own examples: data that documents each rule and that must pass before it may run.

use std::collections::HashMap;

use crate::clock::Moment;
use crate::ledger::{Context, Direction, Kind, NewEntry, Parts, Status};
use crate::money::{Currency, Money};

use super::changes::{ChangeExample, examples as changes};
use super::{Case, Check, Outcome, Recent, Rule};

/// A story of entries, and which of them are hits.
pub struct Example {
    /// What it shows.
    pub name: &'static str,
    /// In order of arrival: account, when, currency, amount. An account keeps its currency: an entry in
    /// another one is refused before any rule sees it, so no example holds one.
    pub entries: &'static [(&'static str, &'static str, &'static str, &'static str)],
    /// Entries, by their numbers from 0, that the source sends again under the reference of an earlier
    /// one: (the repetition, the first).
    pub again: &'static [(usize, usize)],
    /// Hits in order of discovery: the entry's number from 0; negative: late, number + 1 negated.
    pub hits: &'static [i64],
}

const D: &str = "2026-03-02T10:00:00Z";

/// Examples of `high-value` with its default parameters.
pub static HIGH_VALUE: &[Example] = &[
    Example { name: "fires above the line", entries: &[("A", D, "USD", "25000.00")], again: &[], hits: &[0] },
    Example { name: "fires at the line", entries: &[("A", D, "USD", "10000.00")], again: &[], hits: &[0] },
    Example { name: "is silent one unit below", entries: &[("A", D, "USD", "9999.99")], again: &[], hits: &[] },
    Example {
        name: "does not add up two entries",
        entries: &[("A", D, "USD", "6000.00"), ("A", D, "USD", "6000.00")],
        again: &[],
        hits: &[],
    },
    Example {
        name: "another account's entry is its own",
        entries: &[("A", D, "USD", "5.00"), ("B", D, "USD", "10000.00")],
        again: &[],
        hits: &[1],
    },
    Example {
        name: "counts in the currency's own units",
        entries: &[("A", D, "JPY", "10000"), ("B", D, "JPY", "9999"), ("C", D, "KWD", "9999.999")],
        again: &[],
        hits: &[0],
    },
    Example { name: "an amount of zero is nothing", entries: &[("A", D, "USD", "0.00")], again: &[], hits: &[] },
    Example {
        name: "accounts in a second currency have the line in that currency, and nothing is converted",
        entries: &[("A", D, "USD", "9999.00"), ("B", D, "JPY", "10000"), ("C", D, "EUR", "9999.99")],
        again: &[],
        hits: &[1],
    },
    Example {
        name: "a duplicate is the entry that was there: one hit, not two",
        entries: &[("A", D, "USD", "25000.00"), ("A", D, "USD", "25000.00")],
        again: &[(1, 0)],
        hits: &[0],
    },
    Example {
        name: "a late arrival is judged by itself, whatever was booked after it",
        entries: &[
            ("A", "2026-03-02T10:00:00Z", "USD", "25000.00"),
            ("A", "2026-03-02T09:00:00Z", "USD", "10000.00"),
            ("A", "2026-03-02T08:00:00Z", "USD", "9999.99"),
        ],
        again: &[],
        hits: &[0, 1],
    },
];

/// Examples of `high-frequency` with its default parameters (6 within 60 minutes).
pub static HIGH_FREQUENCY: &[Example] = &[
    Example {
        name: "six within the hour fire at the sixth",
        entries: &[
            ("A", "2026-03-02T10:00:00Z", "USD", "1.00"),
            ("A", "2026-03-02T10:10:00Z", "USD", "1.00"),
            ("A", "2026-03-02T10:20:00Z", "USD", "1.00"),
            ("A", "2026-03-02T10:30:00Z", "USD", "1.00"),
            ("A", "2026-03-02T10:40:00Z", "USD", "1.00"),
            ("A", "2026-03-02T10:50:00Z", "USD", "1.00"),
        ],
        again: &[],
        hits: &[5],
    },
    Example {
        name: "five are one below the line",
        entries: &[
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
        ],
        again: &[],
        hits: &[],
    },
    Example {
        name: "the window is closed at its old edge: exactly one hour apart still counts",
        entries: &[
            ("A", "2026-03-02T10:00:00Z", "USD", "1.00"),
            ("A", "2026-03-02T10:59:56Z", "USD", "1.00"),
            ("A", "2026-03-02T10:59:57Z", "USD", "1.00"),
            ("A", "2026-03-02T10:59:58Z", "USD", "1.00"),
            ("A", "2026-03-02T10:59:59Z", "USD", "1.00"),
            ("A", "2026-03-02T11:00:00Z", "USD", "1.00"),
        ],
        again: &[],
        hits: &[5],
    },
    Example {
        name: "a microsecond more does not",
        entries: &[
            ("A", "2026-03-02T10:00:00Z", "USD", "1.00"),
            ("A", "2026-03-02T10:59:56Z", "USD", "1.00"),
            ("A", "2026-03-02T10:59:57Z", "USD", "1.00"),
            ("A", "2026-03-02T10:59:58Z", "USD", "1.00"),
            ("A", "2026-03-02T10:59:59Z", "USD", "1.00"),
            ("A", "2026-03-02T11:00:00.000001Z", "USD", "1.00"),
        ],
        again: &[],
        hits: &[],
    },
    Example {
        name: "a burst in one instant fires at the sixth and the seventh",
        entries: &[
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
        ],
        again: &[],
        hits: &[5, 6],
    },
    Example {
        name: "another account's traffic does not count",
        entries: &[
            ("A", D, "USD", "1.00"),
            ("B", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("B", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("B", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("B", D, "USD", "1.00"),
        ],
        again: &[],
        hits: &[],
    },
    Example {
        name: "the night the clocks change, hours are real hours",
        entries: &[
            ("A", "2026-10-25T02:30:00+02:00", "EUR", "1.00"),
            ("A", "2026-10-25T02:40:00+02:00", "EUR", "1.00"),
            ("A", "2026-10-25T02:50:00+02:00", "EUR", "1.00"),
            ("A", "2026-10-25T02:35:00+01:00", "EUR", "1.00"),
            ("A", "2026-10-25T02:45:00+01:00", "EUR", "1.00"),
            ("A", "2026-10-25T02:55:00+01:00", "EUR", "1.00"),
        ],
        again: &[],
        hits: &[],
    },
    Example {
        name: "a late arrival makes a later entry cross, marked late",
        entries: &[
            ("A", "2026-03-02T10:00:00Z", "USD", "1.00"),
            ("A", "2026-03-02T10:10:00Z", "USD", "1.00"),
            ("A", "2026-03-02T10:20:00Z", "USD", "1.00"),
            ("A", "2026-03-02T10:30:00Z", "USD", "1.00"),
            ("A", "2026-03-02T10:50:00Z", "USD", "1.00"),
            ("A", "2026-03-02T10:40:00Z", "USD", "1.00"),
        ],
        again: &[],
        hits: &[-5],
    },
    Example {
        name: "amounts of zero are not counted",
        entries: &[
            ("A", D, "USD", "0.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
        ],
        again: &[],
        hits: &[],
    },
    Example {
        name: "an account in a second currency counts by itself",
        entries: &[
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("B", D, "EUR", "1.00"),
            ("B", D, "EUR", "1.00"),
            ("B", D, "EUR", "1.00"),
            ("B", D, "EUR", "1.00"),
            ("B", D, "EUR", "1.00"),
            ("A", D, "USD", "1.00"),
        ],
        again: &[],
        hits: &[10],
    },
    Example {
        name: "a duplicate is the entry that was there and counts once",
        entries: &[
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
        ],
        again: &[(3, 2), (5, 0)],
        hits: &[],
    },
    Example {
        name: "between duplicates the sixth entry fires",
        entries: &[
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
            ("A", D, "USD", "1.00"),
        ],
        again: &[(3, 2), (5, 0)],
        hits: &[7],
    },
];

/// Runs an example; answers the hits found, in the notation of [`Example::hits`].
pub fn run(check: &dyn Check, example: &Example) -> Result<Vec<i64>, String> {
    let mut accounts: HashMap<&str, (Currency, Recent)> = HashMap::new();
    let mut found = Vec::new();
    for (seq, (account, at, currency, amount)) in example.entries.iter().enumerate() {
        // What is sent again is answered with its first receipt and reaches no rule.
        if let Some((_, first)) = example.again.iter().find(|(number, _)| *number == seq) {
            if example.entries.get(*first).filter(|_| *first < seq) != example.entries.get(seq) {
                return Err(format!("entry {seq} is not entry {first} sent again: it differs"));
            }
            continue;
        }
        let currency = Currency::parse(currency).map_err(|e| e.to_string())?;
        let amount = Money::parse_amount(amount, currency).map_err(|e| e.to_string())?.minor();
        let entry = plain_entry(account, Moment::parse(at).map_err(|e| e.to_string())?, currency, amount);
        let (kept_in, recent) = accounts.entry(account).or_insert_with(|| (currency, Recent::default()));
        if *kept_in != currency {
            return Err(format!("entry {seq} is in {currency}, but account {account} is kept in {kept_in}"));
        }
        let seq = seq as i64;
        match check.check(&Case { entry: &entry, seq, recent }) {
            Outcome::Hits(hits) => found.extend(hits.iter().map(|h| if h.late { -(h.seq + 1) } else { h.seq })),
            Outcome::Error(error) => return Err(error),
            _ => {}
        }
        if amount > 0 {
            recent.add(entry.booked_at, seq, check.reach());
        }
    }
    Ok(found)
}

/// Runs every example of a rule; answers the names of those that fail.
pub fn failing(rule: &dyn Rule, check: &dyn Check) -> Vec<&'static str> {
    let wrong = |example: &&Example| run(check, example).as_deref() != Ok(example.hits);
    let entries = rule.examples().iter().filter(wrong).map(|example| example.name);
    let wrong = |example: &&ChangeExample| changes::run(check, example).as_deref() != Ok(example.hits);
    entries.chain(rule.change_examples().iter().filter(wrong).map(|example| example.name)).collect()
}

pub(super) fn plain_entry(account: &str, booked_at: Moment, currency: Currency, amount: i64) -> NewEntry {
    NewEntry {
        source_ref: String::new(),
        account: account.to_owned(),
        currency,
        kind: Kind::Transfer,
        direction: Direction::Credit,
        amount,
        balance_before: None,
        balance_after: None,
        booked_at,
        value_date: None,
        business_date: None,
        transaction_ref: None,
        account_seq: None,
        context: Context::default(),
        channel: None,
        instrument: None,
        reverses: None,
        status: Status::Booked,
        parts: Parts::default(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::detect::{Looks, RULES};

    #[test]
    fn every_rule_passes_its_own_examples() {
        for rule in RULES {
            let check = rule.compile(&rule.defaults()).unwrap();
            assert_eq!(failing(*rule, check.as_ref()), Vec::<&str>::new(), "{}", rule.code());
            assert!(rule.example_names().len() >= 5, "{} needs more examples", rule.code());
        }
    }

    #[test]
    fn every_rule_shows_what_the_issue_asks_of_its_examples() {
        for rule in RULES.iter().filter(|rule| rule.looks() == Looks::Entries) {
            for case in ["second currency", "duplicate", "late arrival"] {
                assert!(rule.examples().iter().any(|example| example.name.contains(case)), "{}: {case}", rule.code());
            }
        }
    }

    #[test]
    fn a_duplicate_counts_as_soon_as_it_is_none() {
        for rule in RULES {
            let check = rule.compile(&rule.defaults()).unwrap();
            for example in rule.examples().iter().filter(|example| !example.again.is_empty()) {
                let each = Example { again: &[], ..*example };
                assert_ne!(run(check.as_ref(), &each).unwrap(), example.hits, "{}: {}", rule.code(), example.name);
            }
            let other =
                Example { name: "", entries: &[("A", D, "USD", "1.00"), ("A", D, "USD", "2.00")], again: &[(1, 0)], hits: &[] };
            assert!(run(check.as_ref(), &other).is_err(), "another amount is no repetition");
        }
    }

    #[test]
    fn parameters_that_cannot_work_are_refused_in_words() {
        let rule = crate::detect::rule("high-frequency").unwrap();
        for wrong in [r#"{"window_seconds":3600,"count":1}"#, r#"{"window_seconds":0,"count":6}"#, r#"{"count":6}"#] {
            assert!(rule.compile(&serde_json::from_str(wrong).unwrap()).is_err(), "{wrong}");
        }
        let rule = crate::detect::rule("high-value").unwrap();
        for wrong in [r#"{"threshold":{"default":"1e4"}}"#, r#"{"threshold":{"default":"1","XXY":"2"}}"#] {
            assert!(rule.compile(&serde_json::from_str(wrong).unwrap()).is_err(), "{wrong}");
        }
    }
}
