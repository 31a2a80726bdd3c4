//! A table that was emptied: each of its records is deleted, and the table's own record says so.

use crate::config::CapturedTable;
use crate::ids::Seq;
use crate::records::{Action, Row as ChangeRow, store as records};

use super::super::CaptureError;
use super::super::bank::store::{Queued, Rejected};
use super::super::install::store::Captured;
use super::row::{Context, Of, reference};
use super::{Batch, hides};

/// Records looked at in one go.
const RECORDS: i64 = 200;

impl Batch<'_> {
    /// Deletes every record of the table that is there, and says last that the table was emptied. Done again, it
    /// goes on where it stopped; once that was said, nothing is done: what is there now came after it.
    pub(super) fn emptied(&self, row: &Queued, all: &[Captured]) -> Result<Vec<Rejected>, CaptureError> {
        let Some(table) = self.table(row) else { return Ok(Vec::new()) };
        let source_ref = reference(&self.installation, row);
        let hides = hides(row, table, all);
        let (context, reason_required) = (Context::of(row), self.reason_required(table));
        let of = Of { row, table, hides: &hides, source_ref: &source_ref, context, reason_required };
        let line = row.id.unsigned_abs();
        let known = self.app.db.read(|conn| records::change_by_reference(conn, self.sender.source, &source_ref))?;
        if known.is_some() {
            return Ok(Vec::new());
        }
        let mut rejected = if self.is_alone(table) { self.delete_all(table, &of, line)? } else { Vec::new() };
        rejected.extend(self.changes(vec![self.app.read_change(line, of.emptied().as_bytes())])?);
        rejected.truncate(1);
        Ok(rejected)
    }

    /// Whether no other table has records of its type: of which table a record is, is not known.
    fn is_alone(&self, table: &CapturedTable) -> bool {
        self.settings.table.iter().filter(|other| other.kind == table.kind).count() == 1
    }

    fn delete_all(&self, table: &CapturedTable, of: &Of<'_>, line: u64) -> Result<Vec<Rejected>, CaptureError> {
        let mut rejected = Vec::new();
        let mut after: Seq = -1;
        loop {
            let (source, kind) = (self.sender.source, table.kind.as_str());
            let some = self.app.db.read(|conn| {
                let page = records::records_after(conn, source, kind, after, RECORDS)?;
                let mut there = Vec::with_capacity(page.len());
                for record in page {
                    let newest = records::newest(conn, record.id)?;
                    let exists = newest.is_some_and(|change| change.action != Action::Delete.code());
                    there.push((record, exists));
                }
                Ok::<_, CaptureError>(there)
            })?;
            let Some((last, _)) = some.last() else { break };
            after = last.id;
            let gone = some.iter().filter(|(_, exists)| *exists).map(|(record, _)| of.gone(record.id, &record.reference));
            let rows: Vec<ChangeRow> = gone.map(|json| self.app.read_change(line, json.as_bytes())).collect();
            rejected.extend(self.changes(rows)?);
        }
        Ok(rejected)
    }
}
