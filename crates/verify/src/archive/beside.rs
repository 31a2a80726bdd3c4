//! What goes with a leaf, held against what it was committed to.

use crate::check::Level;
use crate::decode::Leaf;
use crate::export::{Opening, parse_opening};
use crate::leaf::commitment;

use super::lines::{Lines, Place};
use super::values::{Value, committed, parse_value};
use super::walk::Walk;

impl Walk<'_, '_> {
    /// L5: the private parts of a leaf, if they are there and what was committed to.
    pub(super) fn opened(
        &mut self,
        seq: u64,
        leaf: &Leaf<'_>,
        lines: &mut Lines<'_>,
    ) -> Result<Option<Vec<Option<String>>>, String> {
        let found = self.beside(seq, lines, |text| parse_opening(text).map(|o| (o.seq, o)))?;
        let committed = leaf.blind().len() == 32;
        let Some((place, Opening { salt, parts, .. })) = found else {
            self.counted.unopened += u64::from(committed);
            return Ok(None);
        };
        self.counted.openings += 1;
        self.report.note(Level::L5, 1);
        let count = if matches!(leaf, Leaf::Entry(..)) { 5 } else { 1 };
        let given: Vec<Option<&str>> = parts.iter().map(Option::as_deref).collect();
        if parts.len() == count && commitment(&salt, &given).is_ok_and(|c| c[..] == *leaf.blind()) {
            return Ok(Some(parts));
        }
        self.report.add_one_of_many(Level::L5, "private_changed", seq, format!("{place}: not what leaf {seq} was committed to"));
        Ok(None)
    }

    /// L5: the values of a change.
    pub(super) fn values(&mut self, seq: u64, leaf: &Leaf<'_>, lines: &mut Lines<'_>) -> Result<Vec<Value>, String> {
        let fields = match leaf {
            Leaf::Event(_, event) => committed(event.kind, event.body),
            Leaf::Entry(..) => Vec::new(),
        };
        let mut values: Vec<Value> = Vec::new();
        while let Some((place, value)) = self.beside(seq, lines, |text| parse_value(text).map(|v| (v.seq, v)))? {
            self.counted.values += 1;
            self.report.note(Level::L5, 1);
            let of = usize::try_from(value.n).ok().and_then(|n| fields.get(n));
            let in_order = values.last().is_none_or(|last| last.n < value.n);
            if in_order && of.is_some_and(|of| value.fits(of)) {
                values.push(value);
            } else {
                self.report.add_one_of_many(
                    Level::L5,
                    "value_changed",
                    seq,
                    format!("{place}: not what leaf {seq} was committed to"),
                );
            }
        }
        self.counted.values_missing += fields.len().saturating_sub(values.len()) as u64;
        Ok(values)
    }

    /// The next line beside the leaves, if it belongs to this one.
    fn beside<T>(
        &mut self,
        seq: u64,
        lines: &mut Lines<'_>,
        parse: impl Fn(&str) -> Option<(u64, T)>,
    ) -> Result<Option<(Place, T)>, String> {
        while let Some((place, text)) = lines.peek()? {
            match parse(text) {
                Some((at, value)) if at == seq => {
                    let place = place.clone();
                    lines.skip();
                    return Ok(Some((place, value)));
                }
                Some((at, _)) if at > seq => return Ok(None),
                _ => self.report.add_one_of_many(Level::L5, "line_unreadable", None, format!("{place} belongs to no leaf there")),
            }
            lines.skip();
        }
        Ok(None)
    }
}
