//! Recording what differs: as changes and entries of an unknown actor.

use serde_json::Value;

use crate::app::{Request, WireChanges, WireRow};
use crate::clock::Clock;
use crate::intake::{Refused, Row};

use super::ours::{Unlike, with_after};
use super::{CaptureError, Run};

/// Changes handed over at once.
const ROWS: usize = 200;

impl Run<'_> {
    /// Hands over what differs; counts what the log has afterwards.
    pub(super) fn record(&mut self, unlike: Vec<Unlike>) -> Result<(), CaptureError> {
        let (mut changes, mut entries) = (Vec::new(), Vec::new());
        for unlike in unlike {
            if let Some(mut change) = unlike.change {
                change["source_ref"] = self.reference().into();
                changes.push((self.count, with_after(&change, unlike.after.as_deref())));
            }
            if let Some(mut draft) = unlike.entry {
                draft.source_ref = Some(self.reference());
                draft.booked_at = Some(Clock::system().now().to_string());
                let entry = draft.check().map_err(|refusal| Refused { refusal, bytes: Vec::new() });
                entries.push(WireRow::from_row(&Row { line: self.count, entry, with_next: false }));
            }
        }
        let origin = format!("capture reconcile {}", self.of.settings.name);
        while !changes.is_empty() {
            let rest = changes.split_off(changes.len().min(ROWS));
            let wire = WireChanges {
                source: self.of.settings.source().to_owned(),
                origin: origin.clone(),
                rows: std::mem::replace(&mut changes, rest),
            };
            let answer = self.of.leader.perform(Request::Changes(wire))?;
            self.count_up(&answer, |row| row["status"] != "rejected", |row| row["detail"].as_str());
        }
        if !entries.is_empty()
            && let Some(source) = self.ours.source()
        {
            let submit = Request::Submit { source, origin, history: false, rows: entries };
            let answer = self.of.leader.perform(submit)?;
            self.count_up(&answer, |row| row["Rejected"].is_null(), |row| row["Rejected"]["detail"].as_str());
        }
        Ok(())
    }

    fn count_up(
        &mut self,
        answer: &Value,
        is_taken: impl Fn(&Value) -> bool,
        detail: impl for<'v> Fn(&'v Value) -> Option<&'v str>,
    ) {
        for row in answer.as_array().into_iter().flatten() {
            if is_taken(row) {
                self.found.recorded += 1;
            } else {
                tracing::warn!(table = self.table.name, detail = detail(row), "a difference was not recorded");
            }
        }
    }

    fn reference(&mut self) -> String {
        self.count += 1;
        format!("reconcile:{}:{}:{}", self.installation, self.run, self.count)
    }
}
