//! Rows that the log refused: each is settled once its record agrees.

use std::collections::{BTreeMap, BTreeSet};

use crate::db::Outside;

use super::super::CaptureError;
use super::super::names::{columns, record_id};
use super::store;

/// Refused rows that one comparison settles at most.
const MOST: usize = 100_000;

/// Refused rows, with the records that they are about.
#[derive(Default)]
pub struct Refused {
    rows: Vec<(i64, BTreeSet<String>)>,
    /// Of each record that a row is about: whether the log and the table say the same of it.
    agrees: BTreeMap<String, Option<bool>>,
}

impl Refused {
    /// Those of a table that there are now.
    pub fn read(bank: &mut Outside, id: i32, key: &[String]) -> Result<Refused, CaptureError> {
        let (mut refused, mut after) = (Refused::default(), i64::MIN);
        while refused.rows.len() < MOST {
            let some = store::refused(bank, id, after)?;
            let Some((last, ..)) = some.last() else { break };
            after = *last;
            for (number, action, old, new) in some {
                let is_row = matches!(action.as_str(), "INSERT" | "UPDATE" | "DELETE");
                let documents = [old, new].into_iter().flatten().filter(|_| is_row);
                let ids: Option<BTreeSet<String>> =
                    documents.map(|json| columns(&json).and_then(|row| record_id(key, &row))).collect();
                let ids = ids.unwrap_or_default();
                refused.agrees.extend(ids.iter().map(|id| (id.clone(), None)));
                refused.rows.push((number, ids));
            }
        }
        Ok(refused)
    }

    /// Notes of a record whether both sides say the same, or do since now.
    pub fn note(&mut self, id: &str, agrees: bool) {
        if let Some(known) = self.agrees.get_mut(id) {
            *known = Some(agrees && *known != Some(false));
        }
    }

    /// The rows that need nobody any more. `complete`: the records that neither side has were looked for too; `clean`:
    /// nothing differs at all, which settles also what is about no one record.
    pub fn settled(&self, complete: bool, clean: bool) -> Vec<i64> {
        let agrees = |id: &String| self.agrees.get(id).copied().flatten().unwrap_or(complete);
        let done = |ids: &BTreeSet<String>| if ids.is_empty() { clean } else { ids.iter().all(agrees) };
        self.rows.iter().filter(|(_, ids)| done(ids)).map(|(number, _)| *number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_settled_when_each_of_its_records_agrees() {
        let ids = |of: &[&str]| of.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        let rows = vec![(1, ids(&["a"])), (2, ids(&["a", "b"])), (3, ids(&[])), (4, ids(&["gone"]))];
        let agrees = ["a", "b", "gone"].iter().map(|id| ((*id).to_owned(), None)).collect();
        let mut refused = Refused { rows, agrees };
        refused.note("a", true);
        refused.note("b", false);
        refused.note("b", true);
        refused.note("unheard of", false);
        assert_eq!(refused.settled(true, false), [1, 4], "nobody has `gone`");
        assert_eq!(refused.settled(false, false), [1], "nobody looked for it");
        refused.note("a", false);
        assert_eq!(refused.settled(true, true), [3, 4]);
    }
}
