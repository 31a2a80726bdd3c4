//! Changes of records, a row for each field that a change set: what was there, what is there now.
//!
//! Values are JSON texts, so that a number is not taken for a text; a sealed value is not told, only that it is sealed.

use std::collections::{BTreeMap, HashMap};

use crate::clock::Moment;
use crate::db::{Conn, Db, DbResult};
use crate::ids::Seq;
use crate::ledger::store::{self as ledger, SourceRow};
use crate::records::event::Private;
use crate::records::store::{self as records, ChangeRow, FieldRow};
use crate::records::{Action, class_from_code, class_text};
use crate::trail::store::{EventPartRow, event_parts_between};

use super::cells::Cell;
use super::events::recorded;
use super::names::Names;
use super::writer::Table;
use super::{ExportError, ExportRequest, store};

/// Changes read at a time: each has at most 300 fields.
const SLICE: i64 = 200;

pub(super) const COLUMNS: &[&str] = &[
    "seq",
    "recorded_at",
    "changed_at",
    "source",
    "type",
    "id",
    "version",
    "action",
    "class",
    "source_ref",
    "actor",
    "actor_kind",
    "session_id",
    "ip",
    "reason",
    "restores",
    "fields",
    "path",
    "old",
    "new",
    "sealed",
];

pub(super) fn export(request: &ExportRequest, db: &Db, table: &mut Table<'_>) -> Result<(), ExportError> {
    let Some((first, end)) = recorded(request, db)? else { return Ok(()) };
    let sources: HashMap<Seq, String> =
        db.read(ledger::sources)?.into_iter().map(|SourceRow { id, name, .. }| (id, name)).collect();
    let (mut after, mut names) = (first - 1, Names::default());
    loop {
        let changes = db.read(|conn| slice(conn, (after, end), &mut names))?;
        let Some((newest, ..)) = changes.last() else { return Ok(()) };
        after = newest.seq;
        for (change, part, fields) in changes {
            let private = part.and_then(|part| Private::read(&part.body)).unwrap_or_default();
            let whole = of_change(&change, private, sources.get(&change.source), &names);
            if fields.is_empty() {
                table.row([whole, vec![Cell::Null; 4]].concat())?;
                continue;
            }
            for field in fields {
                table.row([whole.clone(), of_field(field)].concat())?;
            }
        }
    }
}

type Whole = (ChangeRow, Option<EventPartRow>, Vec<FieldRow>);

fn slice(conn: &mut Conn, (after, end): (Seq, Seq), names: &mut Names) -> DbResult<Vec<Whole>> {
    let rows = store::changes(conn, after, end, SLICE)?;
    let (Some(first), Some(newest)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
    names.load_records(conn, rows.iter().map(|row| row.record))?;
    let parts = event_parts_between(conn, first.seq, newest.seq + 1)?;
    let mut parts: HashMap<Seq, EventPartRow> = parts.into_iter().map(|part| (part.seq, part)).collect();
    let mut fields: BTreeMap<Seq, Vec<FieldRow>> = BTreeMap::new();
    for field in records::fields_between(conn, first.seq, newest.seq + 1)? {
        fields.entry(field.seq).or_default().push(field);
    }
    let whole = rows.into_iter().map(|row| (parts.remove(&row.seq), fields.remove(&row.seq).unwrap_or_default(), row));
    Ok(whole.map(|(part, fields, row)| (row, part, fields)).collect())
}

fn of_change(change: &ChangeRow, private: Private, source: Option<&String>, names: &Names) -> Vec<Cell> {
    let (who, action, class) = (private.who, Action::from_code(change.action), class_from_code(change.class));
    let mut cells = vec![
        Cell::Int(change.seq),
        Cell::Plain(Moment(change.recorded_at).to_string()),
        Cell::Plain(Moment(change.changed_at).to_string()),
        Cell::text(source.map(String::as_str)),
    ];
    cells.extend(names.about(change.record).record());
    cells.extend([
        Cell::Int(change.version),
        Cell::plain(action.map(Action::text)),
        Cell::plain(class.map(class_text)),
        Cell::text(change.source_ref.as_deref()),
        Cell::text(change.actor.as_deref()),
        Cell::text(who.actor_kind),
        Cell::text(who.session_id),
        Cell::text(who.ip),
        Cell::text(private.reason),
        Cell::int(change.restores),
        Cell::Int(change.fields.into()),
    ]);
    cells
}

fn of_field(field: FieldRow) -> Vec<Cell> {
    let sealed = field.old_digest.is_some() || field.new_digest.is_some();
    vec![Cell::Text(field.path), Cell::text(field.old), Cell::text(field.new), Cell::Plain(sealed.to_string())]
}
