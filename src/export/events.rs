//! Events as they stand in the log.

use std::collections::HashMap;

use chrono::NaiveDate;

use crate::clock::{DAY, Moment, day_number};
use crate::db::{Conn, Db, DbError};
use crate::ids::Seq;
use crate::ledger::store as ledger;
use crate::trail::store::{EventRow, event_parts_between, state};

use super::cells::Cell;
use super::writer::Table;
use super::{ExportError, ExportRequest, store};

/// Events read at a time: each is at most 64 KiB.
const SLICE: i64 = 500;

pub(super) const COLUMNS: &[&str] = &["seq", "recorded_at", "kind", "body"];

pub(super) fn export(request: &ExportRequest, db: &Db, table: &mut Table<'_>) -> Result<(), ExportError> {
    let Some((first, end)) = recorded(request, db)? else { return Ok(()) };
    let mut after = first - 1;
    loop {
        let rows = db.read(|conn| slice(conn, after, end - 1, request.private))?;
        let Some((newest, _)) = rows.last() else { return Ok(()) };
        after = newest.seq;
        for (row, private) in rows {
            let mut cells = vec![
                Cell::Int(row.seq),
                Cell::Plain(Moment(row.recorded_at).to_string()),
                Cell::Text(row.kind),
                Cell::Text(row.body),
            ];
            if request.private {
                cells.push(Cell::text(private));
            }
            table.row(cells)?;
        }
    }
}

/// Where what was recorded on the dates asked for begins, and the place before which it ends; `None` without a log.
pub(super) fn recorded(request: &ExportRequest, db: &Db) -> Result<Option<(Seq, Seq)>, DbError> {
    let Some(log) = db.read(state)? else { return Ok(None) };
    let start = |date: NaiveDate| Moment(i64::from(day_number(date)) * DAY);
    let place = |at: Option<Moment>, otherwise| match at {
        Some(at) => db.read(|conn| ledger::first_at(conn, at, log.size)),
        None => Ok(otherwise),
    };
    let first = place(request.from.map(start), 0)?;
    Ok(Some((first, place(request.to.and_then(|date| date.succ_opt()).map(start), log.size)?)))
}

fn slice(conn: &mut Conn, after: Seq, last: Seq, private: bool) -> Result<Vec<(EventRow, Option<String>)>, DbError> {
    let rows = store::events(conn, after, last, SLICE)?;
    let (Some(first), Some(newest)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
    let parts = if private { event_parts_between(conn, first.seq, newest.seq + 1)? } else { Vec::new() };
    let mut parts: HashMap<Seq, String> = parts.into_iter().map(|part| (part.seq, part.body)).collect();
    Ok(rows
        .into_iter()
        .map(|row| {
            let part = parts.remove(&row.seq);
            (row, part)
        })
        .collect())
}
