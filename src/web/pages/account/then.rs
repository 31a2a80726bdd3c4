//! An account as it was at an instant: its balance as booked by then, the same as the log knew it then, the breaks that
//! were open, and where its entries and the log ended. A logarithmic number of steps, however long the account is.

use crate::clock::Moment;
use crate::db::Conn;
use crate::ids::Seq;
use crate::ledger::history::{self, Balance, Newest};
use crate::ledger::store::{self as ledger, BreakRow};
use crate::reports::page::words::{LocalTime, UNKNOWN, count, fact};

use super::super::errors::Trouble;
use super::super::fill;
use super::super::travel::{end_at, picker};
use super::super::views::{Fact, Travel};
use super::Shown;

/// Breaks counted at most.
const BREAKS_MAX: i64 = 1_000;

/// What stood at an instant.
pub(super) struct Then {
    /// After what was booked by then, as it is known now.
    booked: Balance,
    /// The same of what was recorded by then.
    known: Balance,
    /// The breaks that were open.
    breaks: Vec<BreakRow>,
    /// Its last entry recorded by then.
    pub last: Option<Seq>,
    /// Where the log ended.
    pub end: Seq,
}

pub(super) fn read(conn: &mut Conn, heads: &Newest, id: Seq, at: Moment) -> Result<Then, Trouble> {
    // What was booked at the instant itself counts.
    let (behind, ever) = (Moment(at.0.saturating_add(1)), Moment(i64::MAX));
    let end = end_at(conn, at)?;
    Ok(Then {
        booked: history::balance(conn, heads, id, behind, ever)?,
        known: history::balance(conn, heads, id, behind, at)?,
        breaks: ledger::breaks_open_at(conn, id, end, BREAKS_MAX)?,
        last: history::last_known(conn, heads, id, at)?,
        end,
    })
}

pub(super) fn view(shown: &Shown, at: Option<Moment>, time: LocalTime) -> Travel {
    let travel = picker(&format!("/accounts/{}", shown.account.id), at, time);
    let Some(then) = &shown.then else { return travel };
    let note = "The balance goes by when entries were booked. Everything below is as it was recorded by then: an entry, a break \
                or an alert that came later is left out.";
    Travel { facts: facts(then, &shown.account.currency, time), note: note.to_owned(), ..travel }
}

fn facts(then: &Then, currency: &str, time: LocalTime) -> Vec<Fact> {
    let open = match then.breaks.len() as i64 {
        n if n >= BREAKS_MAX => format!("{} or more", count(n)),
        n => count(n),
    };
    let mut facts = vec![fact("Balance, as booked by then", amount(&then.booked, currency))];
    facts.extend(last(&then.booked, time));
    facts.push(fact("Balance, as it was known then", amount(&then.known, currency)));
    facts.push(fact("Breaks open then", open));
    facts
}

fn amount(balance: &Balance, currency: &str) -> String {
    match balance {
        Balance::Known { minor, proven, .. } => {
            let doubt = if *proven { "" } else { " (the order of its last instant is not proven)" };
            format!("{currency} {}{doubt}", fill::minor((*minor).into(), currency))
        }
        Balance::NoEntry => "No entry yet".to_owned(),
        Balance::NotStated { .. } => "Not stated by the entries".to_owned(),
        Balance::TooLong => "Not looked for: too many late entries".to_owned(),
    }
}

/// The entry that says so.
fn last(balance: &Balance, time: LocalTime) -> Option<Fact> {
    let (seq, booked) = match balance {
        Balance::Known { seq, booked_at, .. } => (*seq, time.second(*booked_at)),
        Balance::NotStated { seq } => (*seq, UNKNOWN.to_owned()),
        Balance::NoEntry | Balance::TooLong => return None,
    };
    let text = format!("{} (booked {booked})", count(seq));
    Some(Fact { href: Some(fill::entry_href(seq)), ..fact("Last entry booked by then", text) })
}
