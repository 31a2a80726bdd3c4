//! Making, checking and taking away what capture needs in the bank's database.

mod check;
mod definition;
mod remove;
pub mod store;

use serde_json::json;

use crate::config::{CapturedTable, EntryMapping};
use crate::db::Outside;

use super::names::{literal, path};
use super::{CaptureError, refused};
use definition::{EVENTS, FUNCTIONS, Function, SCHEMA, VERSION};
use store::{Captured, Table};

pub use check::check;
pub use remove::{Removed, remove};

/// What to capture, and how.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// The table as it was typed.
    pub table: String,
    /// The type of its records; empty: the table's name.
    pub kind: String,
    /// Columns that are left out.
    pub exclude: Vec<String>,
    /// Columns that are sealed.
    pub sensitive: Vec<String>,
    /// Column of an account's holder.
    pub subject: String,
    /// How balances become entries.
    pub entries: Option<EntryMapping>,
    /// The role that drains the queue, if it is another than the one that connects.
    pub role: Option<String>,
}

/// What `add` came to.
#[derive(Clone, Debug)]
pub struct Added {
    /// What belongs into the settings.
    pub table: CapturedTable,
    /// What was done, or that nothing was to do.
    pub done: Vec<String>,
    /// What is worth knowing.
    pub warnings: Vec<String>,
}

/// Captures a table, or brings its capture up to date. All of it, or nothing.
///
/// # Errors
/// When the table cannot be captured; it says why.
pub fn add(bank: &mut Outside, spec: &Spec) -> Result<Added, CaptureError> {
    bank.transaction("BEGIN", |bank| {
        let table = find(bank, &spec.table)?;
        let settings = settings(spec, &table)?;
        let mut done = Vec::new();
        schema(bank, &mut done)?;
        // After it, so that what is there is looked at by nobody else meanwhile.
        bank.execute(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.name))?;
        let warnings = events(bank, &mut done)?;
        capture(bank, &table, &spec.exclude, &mut done)?;
        if let Some(role) = &spec.role {
            bank.execute(&definition::grants(role))?;
        }
        Ok(Added { table: settings, done, warnings })
    })
}

/// The one table with a name.
fn find(bank: &mut Outside, name: &str) -> Result<Table, CaptureError> {
    let Some(table) = store::tables(bank, name)?.into_iter().next() else {
        return refused(format!("there is no table {name} in the bank's database; write schema.table"));
    };
    let why = match table.kind.as_str() {
        "r" => None,
        "p" => Some("is partitioned: capture its partitions one by one, with the same --type"),
        "v" | "m" => Some("is a view: capture the tables beneath it"),
        _ => Some("is not an ordinary table"),
    };
    if let Some(why) = why {
        return refused(format!("{} {why}", table.name));
    }
    if table.key.is_empty() {
        return refused(format!(
            "{} has no primary key, so its rows cannot be told apart: add one (ALTER TABLE … ADD PRIMARY KEY …), then capture it",
            table.name
        ));
    }
    Ok(table)
}

/// The settings of the table, once everything they name is there.
fn settings(spec: &Spec, table: &Table) -> Result<CapturedTable, CaptureError> {
    let map = spec.entries.iter().flat_map(|map| [&map.account, &map.balance, &map.currency_column]);
    let named = spec.exclude.iter().chain(&spec.sensitive).chain([&spec.subject]).chain(map).filter(|name| !name.is_empty());
    for column in named {
        if !table.columns.contains_key(column) {
            let known: Vec<&str> = table.columns.keys().map(String::as_str).collect();
            return refused(format!("{} has no column {column}; it has {}", table.name, known.join(", ")));
        }
    }
    if let Some(column) = spec.exclude.iter().find(|column| table.key.contains(column)) {
        return refused(format!("column {column} is part of the primary key, which names the record: it cannot be excluded"));
    }
    let bare = table.name.rsplit('.').next().unwrap_or_default().trim_matches('"').to_lowercase();
    let allowed = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c) { c } else { '_' };
    let kind = if spec.kind.is_empty() { bare.chars().map(allowed).collect() } else { spec.kind.clone() };
    let settings = CapturedTable {
        table: table.name.clone(),
        kind,
        exclude: spec.exclude.clone(),
        sensitive: spec.sensitive.clone(),
        subject: spec.subject.clone(),
        entries: spec.entries.clone(),
    };
    match settings.unfit() {
        Some(unfit) => refused(unfit),
        None => Ok(settings),
    }
}

/// The schema, of this version.
fn schema(bank: &mut Outside, done: &mut Vec<String>) -> Result<(), CaptureError> {
    // Two commands at once would both find nothing.
    bank.execute("SELECT pg_advisory_xact_lock(hashtextextended('counterfoil capture add', 0))")?;
    match store::installation(bank)? {
        None => {
            bank.execute(SCHEMA)?;
            bank.execute(&format!(
                "INSERT INTO counterfoil_capture.installation (id, version) \
                 VALUES (left(replace(gen_random_uuid()::text, '-', ''), 12), {VERSION})"
            ))?;
            done.push("made the schema counterfoil_capture with its queue".into());
        }
        Some((_, version)) if version > VERSION => {
            return refused(format!(
                "a newer counterfoil made the schema (version {version}, this one knows {VERSION}): use that one"
            ));
        }
        Some(_) => {}
    }
    bank.execute(FUNCTIONS)?;
    bank.execute(&format!("UPDATE counterfoil_capture.installation SET version = {VERSION} WHERE version <> {VERSION}"))?;
    Ok(())
}

/// The event triggers, if this role may make them.
fn events(bank: &mut Outside, done: &mut Vec<String>) -> Result<Vec<String>, CaptureError> {
    let (there, superuser) = store::events(bank)?;
    if there == 2 {
        return Ok(Vec::new());
    }
    if superuser {
        bank.execute(EVENTS)?;
        done.push("commands on captured tables (DDL) are recorded from now on".into());
        return Ok(Vec::new());
    }
    let warning = "commands on captured tables (ALTER, DROP, DISABLE TRIGGER) are NOT recorded: only a superuser may make event \
        triggers; run `capture add` once as one. `capture check` finds what they did";
    Ok(vec![warning.to_owned()])
}

/// The function and the triggers of a table, and its row in `captured`.
fn capture(bank: &mut Outside, table: &Table, exclude: &[String], done: &mut Vec<String>) -> Result<(), CaptureError> {
    let known = store::captured(bank)?.into_iter().find(|row| row.relation == table.oid || row.name == table.name);
    let id: i32 = match &known {
        Some(row) => row.id,
        None => {
            let next =
                "SELECT nextval(pg_get_serial_sequence('counterfoil_capture.captured', 'id'))::text AS line WHERE $1 <> ''";
            bank.row(next, &json!([]))?
        }
    };
    if let Some(column) = known.iter().flat_map(|row| &row.excluded).find(|column| !exclude.contains(column))
        && (exclude.is_empty() || table.columns.contains_key(column))
    {
        return refused(format!(
            "column {column} of {} is excluded: name it with --exclude again (or by its new name, if it was renamed); to capture it \
             from now on, run `capture remove` first",
            table.name
        ));
    }
    let function = Function::of(id, exclude, &table.types);
    let differs = match &known {
        Some(row) => check::problems(bank, row, Some(table), &function, exclude)?,
        None => Vec::new(),
    };
    if known.is_some() && differs.is_empty() {
        done.push(format!("{} is captured already, as it should be", table.name));
        return Ok(());
    }
    if let Some(row) = &known {
        // First: what is done next is told in one row of the queue, not in one for each command.
        bank.execute(&format!("DELETE FROM counterfoil_capture.captured WHERE id = {}", row.id))?;
    }
    bank.execute(&function.sql())?;
    bank.execute(&definition::triggers(&table.name, &function.name))?;
    note(bank, id, table, (exclude, &differs))?;
    if known.is_some() {
        done.extend(differs.into_iter().map(|what| format!("set right: {what}")));
    } else {
        done.push(format!("{} is captured from now on", table.name));
    }
    Ok(())
}

/// Notes the capture, and puts the structure of the table into the queue: so the log has it, once.
fn note(bank: &mut Outside, id: i32, table: &Table, (exclude, set_right): (&[String], &[String])) -> Result<(), CaptureError> {
    let list = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
        format!("ARRAY[{}]::text[]", names.join(", "))
    };
    let columns = serde_json::to_string(&table.columns).unwrap_or_default();
    bank.execute(&format!(
        "INSERT INTO counterfoil_capture.captured (id, relation, name, key_columns, excluded, columns) OVERRIDING SYSTEM VALUE \
         VALUES ({id}, {}, {}, {}, {}, {}::jsonb)",
        table.oid,
        literal(&table.name),
        list(&table.key),
        list(exclude),
        literal(&columns),
    ))?;
    bank.execute(&format!(
        "INSERT INTO counterfoil_capture.queue (capture, action, new) SELECT {id}, 'DDL', counterfoil_capture.structure({}) \
         || jsonb_build_object('command', 'capture add', 'role', session_user, 'transaction', txid_current(), \
            'version', {VERSION}, 'excluded', {}, 'set_right', {})",
        table.oid,
        list(exclude),
        list(set_right),
    ))?;
    Ok(())
}

/// The paths of a table's columns that are sealed.
pub fn sealed_paths(table: &CapturedTable) -> Vec<String> {
    table.sensitive.iter().map(|column| path(column)).collect()
}

/// What is captured there under this name.
pub fn captured(bank: &mut Outside, name: &str) -> Result<Captured, CaptureError> {
    if store::installation(bank)?.is_none() {
        return refused("nothing is captured in that database; `capture add` makes what is needed");
    }
    let found = store::captured(bank)?.into_iter().find(|row| row.name == name || row.name.rsplit('.').next() == Some(name));
    found.map_or_else(|| refused(format!("{name} is not captured in that database; see `capture list`")), Ok)
}
