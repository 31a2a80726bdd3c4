//! Whether what is in the bank's database is what should be there.

use crate::db::Outside;

use super::definition::{Function, TRIGGERS, VERSION};
use super::hidden::{Hidden, How, exposed};
use super::store::{self, Captured, Made, Table, Trigger};
use super::{CaptureError, CapturedTable};

/// Everything about a captured table that is not as it should be; nothing: all is well. With `settings`,
/// also what they say otherwise.
///
/// # Errors
/// When the bank's database does not answer.
pub fn check(
    bank: &mut Outside,
    captured: &Captured,
    settings: Option<(&CapturedTable, &[String])>,
) -> Result<Vec<String>, CaptureError> {
    let mut found = Vec::new();
    match store::installation(bank)? {
        Some((_, version)) if version != VERSION => {
            found.push(format!("the schema has version {version}, this program makes {VERSION}: run `capture add` again"));
        }
        _ => {}
    }
    let table = store::table(bank, captured.relation)?;
    let types = table.as_ref().map(|table| table.types.clone()).unwrap_or_default();
    let function = Function::of(captured.id, &captured.hidden, &types);
    found.extend(problems(bank, captured, table.as_ref(), &function, &captured.hidden)?);
    match settings {
        None => found.push(format!("{} is in no [[capture.table]] of the settings: nobody drains its rows", captured.name)),
        Some((settings, of_type)) => {
            found.extend(exposed(settings, of_type, captured, table.as_ref()));
            if sorted(&settings.exclude) != sorted(&captured.excluded) {
                found.push(format!(
                    "the settings exclude {:?}, the triggers {:?}: run `capture add` again, or correct the settings",
                    settings.exclude, captured.excluded
                ));
            }
        }
    }
    if store::events(bank)?.0 < 2 {
        found.push("commands on captured tables (DDL) are not recorded: run `capture add` once as a superuser".into());
    }
    Ok(found)
}

fn sorted(names: &[String]) -> Vec<&String> {
    let mut names: Vec<&String> = names.iter().collect();
    names.sort();
    names
}

/// What differs between a captured table and what it should be with `function` and these columns hidden.
pub fn problems(
    bank: &mut Outside,
    captured: &Captured,
    table: Option<&Table>,
    function: &Function,
    hidden: &[Hidden],
) -> Result<Vec<String>, CaptureError> {
    let Some(table) = table else {
        return Ok(vec![format!("the table {} is gone", captured.name)]);
    };
    let mut found = Vec::new();
    if table.oid != captured.relation {
        found.push(format!("{} was made anew", table.name));
    }
    if table.name != captured.name {
        found.push(format!("{} is called {} now", captured.name, table.name));
    }
    if table.key != captured.key_columns {
        found.push(format!("the primary key is {:?}, it was {:?} when the table was added", table.key, captured.key_columns));
    }
    found.extend(columns(captured, table));
    for (how, word) in [(How::Excluded, "excluded"), (How::Sealed, "sealed")] {
        let of = |all: &[Hidden]| all.iter().filter(|one| one.how == how).map(|one| one.name.clone()).collect::<Vec<_>>();
        let (is, was) = (of(hidden), of(&captured.hides()));
        if sorted(&is) != sorted(&was) {
            found.push(format!("{word} are {is:?}, they were {was:?}"));
        }
    }
    let bare = function.name.rsplit('.').next().unwrap_or_default();
    found.extend(function_problem(store::function(bank, bare)?.as_ref(), function));
    found.extend(trigger_problems(&store::triggers(bank, table.oid)?, &function.name));
    Ok(found)
}

fn columns(captured: &Captured, table: &Table) -> Vec<String> {
    let (mut found, mut renamed) = (Vec::new(), Vec::new());
    let hides = !captured.hides().is_empty();
    for (column, kind) in &table.columns {
        match captured.columns.get(column) {
            None => match former(captured, table, column) {
                Some(name) => {
                    found.push(format!("column {name} is called {column} now"));
                    renamed.push(name);
                }
                None if hides => found.push(format!(
                    "column {column} is new: its values are sealed until `capture add` is run again, with --sensitive {column} if they \
                     are to stay so"
                )),
                None => found.push(format!("column {column} is new")),
            },
            Some(_)
                if captured
                    .names
                    .get(column)
                    .is_some_and(|were| !table.numbers.get(column).is_some_and(|is| were.contains(is))) =>
            {
                found.push(format!("column {column} is not the one that was called so"));
            }
            Some(was) if was != kind => found.push(format!("column {column} is {kind}, it was {was}")),
            Some(_) => {}
        }
    }
    let gone = captured.columns.keys().filter(|column| !table.columns.contains_key(*column) && !renamed.contains(column));
    found.extend(gone.map(|column| format!("column {column} is gone")));
    found
}

/// What a column was called when the table was added.
fn former<'a>(captured: &'a Captured, table: &Table, column: &str) -> Option<&'a String> {
    let number = table.numbers.get(column)?;
    let was = |name: &&String| captured.names.get(*name).is_some_and(|numbers| numbers.contains(number));
    captured.columns.keys().filter(|name| !table.columns.contains_key(*name)).find(was)
}

fn function_problem(made: Option<&Made>, function: &Function) -> Option<String> {
    let Some(made) = made else { return Some(format!("the function {} is missing", function.name)) };
    let plain = |setting: &str| setting.to_lowercase().replace([' ', '\'', '"'], "");
    let mut is: Vec<String> = made.settings.iter().map(|setting| plain(setting)).collect();
    let mut should: Vec<String> = function.settings.iter().map(|setting| plain(setting)).collect();
    is.sort();
    should.sort();
    let same = made.body == function.body && made.definer && is == should;
    (!same).then(|| format!("the function {} is not the one of version {VERSION}", function.name))
}

fn trigger_problems(there: &[Trigger], function: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, fires) in TRIGGERS {
        let Some(trigger) = there.iter().find(|trigger| trigger.name == *name) else {
            found.push(format!("the trigger {name} is missing: changes are not captured"));
            continue;
        };
        if trigger.enabled != "A" {
            let how = if trigger.enabled == "D" { "is off: changes are not captured" } else { "does not fire always" };
            found.push(format!("the trigger {name} {how}"));
        }
        let event = fires.split(" ON ").next().unwrap_or_default();
        let level = if fires.contains("STATEMENT") { "FOR EACH STATEMENT" } else { "FOR EACH ROW" };
        let conditions = usize::from(fires.contains("WHEN"));
        let text = &trigger.definition;
        let well = text.contains(event) && text.contains(level) && text.contains(&format!("{function}()"));
        let condition =
            text.matches(" WHEN ").count() == conditions && (conditions == 0 || text.contains("WHEN ((old.* *<> new.*))"));
        if !well || !condition {
            found.push(format!("the trigger {name} is not the one that `capture add` made: {text}"));
        }
    }
    found
}
