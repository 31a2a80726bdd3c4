//! Entries in the words of the contract, with their place in the log.

use std::collections::HashMap;

use crate::clock::{Moment, day_date};
use crate::db::{Conn, Db, DbError};
use crate::ids::Seq;
use crate::ledger::store::{EntryPartRow, EntryRow, entry_parts_between};
use crate::ledger::{FIELDS, NewEntry};
use crate::money::Money;
use crate::trail::generations::Origins;
use crate::trail::store::state;

use super::cells::Cell;
use super::names::Names;
use super::writer::Table;
use super::{ExportError, ExportRequest, days, store};

/// Entries read at a time.
const SLICE: i64 = 2_000;

/// The fields of the contract, then the place in the log.
pub(super) fn columns() -> Vec<&'static str> {
    let contract = FIELDS.iter().map(|(name, _)| *name);
    contract.chain(["seq", "leaf", "position", "recorded_at"]).collect()
}

pub(super) fn export(request: &ExportRequest, db: &Db, table: &mut Table<'_>) -> Result<(), ExportError> {
    let Some(log) = db.read(state)? else { return Ok(()) };
    let origins = db.read(Origins::of)?;
    let dates = days(request);
    let Some((first, last)) = db.read(|conn| store::places_of_days(conn, dates.0, dates.1))? else { return Ok(()) };
    let mut names = Names::default();
    let (mut after, last) = (first - 1, last.min(log.size - 1));
    loop {
        let rows = db.read(|conn| slice(conn, dates, after, last, &mut names))?;
        let Some((newest, _)) = rows.last() else { return Ok(()) };
        after = newest.seq;
        for (row, parts) in &rows {
            table.row(cells(row, parts.as_ref(), &names, origins.at(row.seq))?)?;
        }
    }
}

type Slice = Vec<(EntryRow, Option<EntryPartRow>)>;

fn slice(conn: &mut Conn, dates: (i32, i32), after: Seq, last: Seq, names: &mut Names) -> Result<Slice, DbError> {
    let rows = store::entries(conn, dates, after, last, SLICE)?;
    let (Some(first), Some(newest)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
    let parts = entry_parts_between(conn, first.seq, newest.seq + 1)?;
    let mut parts: HashMap<Seq, EntryPartRow> = parts.into_iter().map(|part| (part.seq, part)).collect();
    names.load_accounts(conn, rows.iter().map(|row| row.account))?;
    names.load_contexts(conn, rows.iter().map(|row| row.context))?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let part = parts.remove(&row.seq);
            (row, part)
        })
        .collect())
}

fn cells(row: &EntryRow, parts: Option<&EntryPartRow>, names: &Names, origin: &str) -> Result<Vec<Cell>, DbError> {
    let account = &names.account(row.account)?.number;
    let parts = parts.map(EntryPartRow::parts).unwrap_or_default();
    let mut entry = row.to_entry(account, names.context(row.context)?, parts)?;
    entry.business_date = Some(row.business_date);
    let leaf = row.leaf_hash(origin).map_err(|e| DbError::Corrupt(format!("entry {}: {e}", row.seq)))?;
    let mut cells = entry_cells(&entry);
    cells.extend([
        Cell::Int(row.seq),
        Cell::Plain(hex::encode(leaf)),
        Cell::Int(row.position),
        Cell::Plain(Moment(row.recorded_at).to_string()),
    ]);
    Ok(cells)
}

/// The fields of the contract in their order.
pub(super) fn entry_cells(entry: &NewEntry) -> Vec<Cell> {
    let money = |minor: i64| Cell::Plain(Money::new(minor, entry.currency).to_string());
    let balance = |minor: Option<i64>| minor.map_or(Cell::Null, money);
    let date = |day: Option<i32>| Cell::plain(day.map(day_date));
    let text = |text: &Option<String>| Cell::text(text.as_deref());
    let (context, parts) = (&entry.context, &entry.parts);
    vec![
        Cell::Text(entry.source_ref.clone()),
        Cell::Text(entry.account.clone()),
        Cell::Plain(entry.currency.code().into()),
        Cell::Plain(entry.kind.text().into()),
        Cell::Plain(entry.direction.text().into()),
        money(entry.amount),
        balance(entry.balance_before),
        balance(entry.balance_after),
        Cell::Plain(entry.booked_at.to_string()),
        date(entry.value_date),
        date(entry.business_date),
        text(&entry.transaction_ref),
        Cell::int(entry.account_seq),
        text(&context.session_id),
        text(&context.ip),
        text(&context.user_agent),
        text(&context.device_id),
        text(&context.actor),
        Cell::plain(context.actor_kind),
        Cell::plain(entry.channel),
        Cell::plain(entry.instrument),
        text(&parts.party),
        text(&parts.counterparty),
        text(&parts.counterparty_name),
        text(&parts.counterparty_country),
        text(&parts.reason),
        text(&entry.reverses),
        Cell::Plain(entry.status.text().into()),
    ]
}
