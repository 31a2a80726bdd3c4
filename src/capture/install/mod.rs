//! Making, checking and taking away what capture needs in the bank's database.

mod check;
mod definition;
mod hidden;
mod remove;
pub mod store;

use std::collections::BTreeSet;

use serde_json::json;

use crate::config::{CapturedTable, EntryMapping};
use crate::db::Outside;
use crate::records::Kinds;

use super::names::literal;
use super::{CaptureError, refused, sealed_by_type};
use definition::{EVENTS, FUNCTIONS, Function, SCHEMA, UPGRADES, VERSION};
use hidden::{hidden, let_out, names};
use store::{Captured, Table};

pub use check::check;
pub use hidden::{Hidden, How, exposed, present, undeclared};
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
    /// The role that brings rows back, if any may.
    pub restorer: Option<String>,
    /// Whether another source may have the table's rows from now on.
    pub hand_over: bool,
    /// The types of records as the settings know them: what they seal is sealed.
    pub kinds: Kinds,
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
        settings_of(spec, &table)?;
        let mut done = Vec::new();
        schema(bank, &mut done)?;
        // After it, so that what is there is looked at by nobody else meanwhile.
        bank.execute(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.name))?;
        // Again, now that no command can change it any more.
        let table = store::table(bank, table.oid)?.unwrap_or(table);
        let settings = settings_of(spec, &table)?;
        let mut warnings = events(bank, &mut done)?;
        warnings.extend(declared(bank, &table, &settings)?);
        let hidden = hidden(&table, &settings.exclude, &settings.sensitive);
        capture(bank, &table, (&settings, &hidden, spec.hand_over), &mut done)?;
        if let Some(role) = &spec.role {
            bank.execute(&definition::grants(role, &table, &hidden))?;
        }
        if let Some(role) = &spec.restorer {
            bank.execute(&definition::restorer_grants(role, &table, &hidden))?;
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
fn settings_of(spec: &Spec, table: &Table) -> Result<CapturedTable, CaptureError> {
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
    let mut settings = CapturedTable {
        table: table.name.clone(),
        kind,
        exclude: spec.exclude.clone(),
        sensitive: spec.sensitive.clone(),
        subject: spec.subject.clone(),
        entries: spec.entries.clone(),
    };
    let of_type = sealed_by_type(&spec.kinds, &settings).into_iter();
    let of_type = of_type.filter(|column| table.columns.contains_key(column) && !spec.exclude.contains(column));
    settings.sensitive.extend(of_type);
    let mut seen = BTreeSet::new();
    settings.sensitive.retain(|column| seen.insert(column.clone()));
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
        Some((_, version)) => {
            for (_, sql) in UPGRADES.iter().filter(|(makes, _)| *makes > version) {
                bank.execute(sql)?;
            }
        }
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

/// That columns which were sealed as long as nobody declared them are recorded in the clear from now on.
fn declared(bank: &mut Outside, table: &Table, settings: &CapturedTable) -> Result<Option<String>, CaptureError> {
    let known = store::captured(bank)?.into_iter().find(|row| row.relation == table.oid);
    let new = known.map(|known| undeclared(&known, table)).unwrap_or_default();
    let named = |column: &String| settings.exclude.contains(column) || settings.sensitive.contains(column);
    let open: Vec<String> = new.into_iter().filter(|column| !named(column)).collect();
    Ok((!open.is_empty()).then(|| {
        format!(
            "new columns are recorded in the clear from now on: {}; if one has what is hidden, run `capture add` again at once with \
             --sensitive or --exclude and its name",
            open.join(", ")
        )
    }))
}

/// The function and the triggers of a table, and its row in `captured`.
fn capture(
    bank: &mut Outside,
    table: &Table,
    (settings, hidden, hand_over): (&CapturedTable, &[Hidden], bool),
    done: &mut Vec<String>,
) -> Result<(), CaptureError> {
    let known = store::captured(bank)?.into_iter().find(|row| row.relation == table.oid || row.name == table.name);
    let id: i32 = match &known {
        Some(row) => row.id,
        None => {
            let next =
                "SELECT nextval(pg_get_serial_sequence('counterfoil_capture.captured', 'id'))::text AS line WHERE $1 <> ''";
            bank.row(next, &json!([]))?
        }
    };
    if let Some(known) = &known {
        still_hidden(known, table, hidden)?;
    }
    let function = Function::of(id, hidden, &table.types);
    let mut differs = match &known {
        Some(row) => check::problems(bank, row, Some(table), &function, hidden)?,
        None => Vec::new(),
    };
    if let Some(owner) = known.as_ref().filter(|_| hand_over).and_then(|known| known.drained_as.as_ref()) {
        differs.push(format!("its rows went to source {} of {} and go to whoever drains them next", owner.source, owner.log));
    }
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
    let captured = Captured {
        id,
        relation: table.oid,
        name: table.name.clone(),
        key_columns: table.key.clone(),
        excluded: settings.exclude.clone(),
        columns: table.columns.clone(),
        hidden: hidden.to_vec(),
        names: names(known.as_ref(), table),
        since: told(bank, id, table.oid, (&settings.exclude, &differs))?,
        drained_as: known.as_ref().and_then(|known| known.drained_as.clone()).filter(|_| !hand_over),
        new: BTreeSet::new(),
    };
    store::note(bank, &captured)?;
    if known.is_some() {
        done.extend(differs.into_iter().map(|what| format!("set right: {what}")));
    } else {
        done.push(format!("{} is captured from now on", table.name));
    }
    Ok(())
}

/// Refuses to let a column out that was hidden.
fn still_hidden(known: &Captured, table: &Table, hidden: &[Hidden]) -> Result<(), CaptureError> {
    let Some((column, how)) = let_out(known, table, hidden) else { return Ok(()) };
    let (is, open) = match how {
        How::Excluded => ("excluded", "to capture it"),
        How::Sealed => ("sealed", "to record it in the clear"),
    };
    refused(format!(
        "column {column} of {} is {is}: name it with {} again (or by its new name, if it was renamed); {open} from now on, run \
         `capture remove` first",
        table.name,
        how.option()
    ))
}

/// Puts the structure of the table into the queue, so that the log has it, once; answers that row's number: every row
/// of the table that was queued before has a smaller one, since nobody writes to the table meanwhile.
fn told(bank: &mut Outside, id: i32, oid: i64, (exclude, set_right): (&[String], &[String])) -> Result<i64, CaptureError> {
    let list = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
        format!("ARRAY[{}]::text[]", names.join(", "))
    };
    let inserted = bank.fetched(&format!(
        "INSERT INTO counterfoil_capture.queue (capture, action, new) SELECT {id}, 'DDL', counterfoil_capture.structure({oid}) \
         || jsonb_build_object('command', 'capture add', 'role', session_user, 'transaction', txid_current(), \
            'version', {VERSION}, 'excluded', {}, 'set_right', {}) RETURNING id::text AS line",
        list(exclude),
        list(set_right),
    ))?;
    let number = inserted.into_iter().flatten().next().and_then(|line| line.parse().ok());
    number.map_or_else(|| refused("the bank's database did not say under which number it queued a row"), Ok)
}

/// What is captured there under this name.
pub fn captured(bank: &mut Outside, name: &str) -> Result<Captured, CaptureError> {
    if store::installation(bank)?.is_none() {
        return refused("nothing is captured in that database; `capture add` makes what is needed");
    }
    let found = store::captured(bank)?.into_iter().find(|row| row.name == name || row.name.rsplit('.').next() == Some(name));
    found.map_or_else(|| refused(format!("{name} is not captured in that database; see `capture list`")), Ok)
}
