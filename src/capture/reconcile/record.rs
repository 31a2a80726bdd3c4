//! Recording what differs: as changes and entries of an unknown actor.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::app::{Request, WireChanges, WireRow};
use crate::clock::Clock;
use crate::intake::{Refused, Row};

use super::ours::{Unlike, with_after};
use super::{CaptureError, Run};

/// Changes handed over at once.
const ROWS: usize = 200;

impl Run<'_> {
    /// Hands over what differs; answers the records that the log has as they are now, and counts what it took.
    pub(super) fn record(&mut self, unlike: Vec<Unlike>) -> Result<HashSet<String>, CaptureError> {
        let mut owed: HashMap<String, usize> = HashMap::new();
        let (mut changes, mut entries, mut of_entries) = (Vec::new(), Vec::new(), Vec::new());
        for unlike in unlike {
            owed.insert(unlike.id.clone(), unlike.differences.len());
            if let Some(mut change) = unlike.change {
                change["source_ref"] = self.reference().into();
                changes.push((unlike.id.clone(), (self.count, with_after(&change, unlike.after.as_deref()))));
            }
            if let Some(mut draft) = unlike.entry {
                draft.source_ref = Some(self.reference());
                draft.booked_at = Some(Clock::system().now().to_string());
                let entry = draft.check().map_err(|refusal| Refused { refusal, bytes: Vec::new() });
                entries.push(WireRow::from_row(&Row { line: self.count, entry, with_next: false }));
                of_entries.push(unlike.id);
            }
        }
        let mut taken = Vec::new();
        let origin = format!("capture reconcile {}", self.of.settings.name);
        while !changes.is_empty() {
            let rest = changes.split_off(changes.len().min(ROWS));
            let (ids, rows): (Vec<String>, Vec<_>) = std::mem::replace(&mut changes, rest).into_iter().unzip();
            let wire = WireChanges { source: self.of.settings.source().to_owned(), origin: origin.clone(), rows };
            let answer = self.of.leader.perform(Request::Changes(wire))?;
            taken.extend(self.taken(ids, &answer, |row| row["status"] != "rejected", |row| row["detail"].as_str()));
        }
        if !entries.is_empty()
            && let Some(source) = self.ours.source()
        {
            let submit = Request::Submit { source, origin, history: false, rows: entries };
            let answer = self.of.leader.perform(submit)?;
            taken.extend(self.taken(
                of_entries,
                &answer,
                |row| row["Rejected"].is_null(),
                |row| row["Rejected"]["detail"].as_str(),
            ));
        }
        for id in &taken {
            owed.entry(id.clone()).and_modify(|left| *left = left.saturating_sub(1));
        }
        Ok(owed.into_iter().filter(|(_, left)| *left == 0).map(|(id, _)| id).collect())
    }

    /// Whose rows were taken; answers are parallel to them.
    fn taken(
        &mut self,
        ids: Vec<String>,
        answer: &Value,
        is_taken: impl Fn(&Value) -> bool,
        detail: impl for<'v> Fn(&'v Value) -> Option<&'v str>,
    ) -> Vec<String> {
        let mut taken = Vec::new();
        for (id, row) in ids.into_iter().zip(answer.as_array().into_iter().flatten()) {
            if is_taken(row) {
                self.found.recorded += 1;
                taken.push(id);
            } else {
                tracing::warn!(table = self.table.name, detail = detail(row), "a difference was not recorded");
            }
        }
        taken
    }

    fn reference(&mut self) -> String {
        self.count += 1;
        format!("reconcile:{}:{}:{}", self.installation, self.run, self.count)
    }
}
