//! The balance in steps, and the ribbon of continuity.

use crate::alerts::ContinuityBreak;
use crate::clock::Moment;
use crate::ledger::store::EntryRow as Entry;
use crate::ledger::{BreakKind, BreakState, Movement};
use crate::money::Currency;
use crate::reports::page::charts::{Mark, Point, Segment, Unit, ribbon, steps};
use crate::reports::page::words::{LocalTime, UNKNOWN, count, counted, words};

use super::super::fill;
use super::super::views::Figure;
use super::{Checked, Shown};

/// The newest entries as a balance over time, in the order in which they moved it; `None` when none
/// carries a balance.
pub(super) fn balance(shown: &Shown, time: LocalTime) -> Option<Figure> {
    let currency = &shown.account.currency;
    let text = |minor: i64| fill::minor(minor.into(), currency);
    let point = |entry: &Movement| {
        let balance = entry.balance_after?;
        let label = time.minute(Moment(entry.booked_at));
        Some(Point { entry: entry.seq, label, at: entry.booked_at, balance: balance.into(), text: text(balance) })
    };
    let entries = shown.course.iter().flat_map(|instant| &instant.entries);
    let points: Vec<Point> = entries.filter_map(point).collect();
    let (first, last) = (points.first()?, points.last()?);
    let from = first.at;
    let marks: Vec<Mark> = shown.breaks.iter().filter_map(|found| mark(shown, found)).filter(|m| m.at >= from).collect();
    let broken = match marks.len() {
        0 => "No break in between.".to_owned(),
        n => format!("{} in between, marked \u{d7}.", counted(i64::try_from(n).unwrap_or(0), "break", "breaks")),
    };
    let over = if shown.newest.len() < super::LOOKED_AT { "all" } else { "the newest" };
    let number = counted(i64::try_from(points.len()).unwrap_or(0), "entry", "entries");
    let finding = format!("{} {currency} after {over} {number} with a balance. {broken}", last.text);
    let title = format!("Balance in {currency}");
    let decimals = Currency::parse(currency).map_or(0, Currency::decimals);
    let svg = steps(&title, &finding, Unit { name: currency, decimals }, &points, &marks);
    let rows = points.iter().map(|point| vec![point.label.clone(), point.text.clone()]).collect();
    let columns = vec!["Booked".to_owned(), format!("Balance {currency}")];
    Some(Figure { id: "balance".to_owned(), title, finding, svg, columns, rows })
}

/// A break of balances as a mark on the chart. Where it was healed the balance does not jump.
fn mark(shown: &Shown, found: &ContinuityBreak) -> Option<Mark> {
    if !matches!(found.found.kind, BreakKind::Chain | BreakKind::Arithmetic) || found.state == BreakState::Healed {
        return None;
    }
    let entry = shown.broken.get(&found.found.seq)?;
    let difference = found.found.difference();
    let label = difference.map_or_else(
        || words(found.found.kind.text()),
        |d| {
            let sign = if d > 0 { "+" } else { "" };
            format!("{sign}{}", fill::minor(d.into(), &entry.currency))
        },
    );
    Some(Mark {
        entry: entry.seq,
        at: entry.booked_at,
        expected: found.found.expected.map(i128::from),
        found: found.found.found?.into(),
        open: found.state == BreakState::Open,
        label,
    })
}

/// Unbroken runs of entries and the breaks between them, in the order of recording.
///
/// Without anything checked there is no ribbon: a whole one would say that all is well.
pub(super) fn continuity(shown: &Shown, checked: Checked, time: LocalTime) -> Option<Figure> {
    let newest = shown.newest.first().filter(|_| checked.checked > 0 || !shown.breaks.is_empty())?;
    let mut breaks: Vec<(i64, &ContinuityBreak)> =
        shown.breaks.iter().filter_map(|b| Some((shown.broken.get(&b.found.seq)?.position, b))).collect();
    breaks.sort_by_key(|(position, _)| *position);
    let (segments, rows) = pieces(&breaks, newest.position);
    let open = breaks.iter().filter(|(_, b)| b.state == BreakState::Open).count();
    let finding = match (breaks.len(), open) {
        (0, _) if checked.checked < checked.looked => {
            format!("No break among the entries that were checked, of {}.", counted(newest.position, "entry", "entries"))
        }
        (0, _) => format!("{} without a break.", counted(newest.position, "entry", "entries")),
        (n, open) => format!("{}, {open} still open.", counted(i64::try_from(n).unwrap_or(0), "break", "breaks")),
    };
    let end = |entry: Option<&Entry>| entry.map_or_else(|| UNKNOWN.to_owned(), |e| time.minute(Moment(e.booked_at)));
    let ends = (end(shown.first.as_ref()), end(Some(newest)));
    let title = "Runs and breaks".to_owned();
    let svg = ribbon(&title, &finding, (&ends.0, &ends.1), &segments);
    let columns = vec!["Piece".to_owned(), "Entries".to_owned()];
    Some(Figure { id: "ribbon".to_owned(), title, finding, svg, columns, rows })
}

fn pieces(breaks: &[(i64, &ContinuityBreak)], total: i64) -> (Vec<Segment>, Vec<Vec<String>>) {
    let (mut segments, mut rows, mut done) = (Vec::new(), Vec::new(), 0);
    let run = |until: i64, done: &mut i64, segments: &mut Vec<Segment>, rows: &mut Vec<Vec<String>>| {
        let entries = until - *done;
        if entries > 0 {
            let text = counted(entries, "entry", "entries");
            segments.push(Segment::Run { entries: entries.unsigned_abs(), text });
            rows.push(vec![format!("{} to {}", count(*done + 1), count(until)), count(entries)]);
            *done = until;
        }
    };
    for (position, found) in breaks {
        run(position - 1, &mut done, &mut segments, &mut rows);
        let open = found.state == BreakState::Open;
        segments.push(Segment::Break { open, text: found.found.seq.to_string() });
        let name = format!("{} break at {}, {}", words(found.found.kind.text()), found.found.seq, found.state.text());
        rows.push(vec![name, String::new()]);
    }
    run(total, &mut done, &mut segments, &mut rows);
    (segments, rows)
}
