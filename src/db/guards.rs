//! What keeps the log append-only inside the database: triggers, their functions, rules. Held against what the
//! migrations make before anything is written, so that nobody records into a log that anybody may change.
//!
//! Not here: tables, columns, indexes and rights (`audit` compares those, [`super::roles`] the rights).

use std::collections::BTreeMap;

use super::definitions::{self, Definition};
use super::{Conn, DbError, DbResult};

/// Guards named in a refusal; the rest is counted.
const NAMED_MAX: usize = 8;
/// Between how a trigger is made and whether it is on, as the catalogue has it.
const ENABLED: &str = " enabled ";

/// A guard that is not as the migrations make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// As the migrations make it; `None` if it is none of theirs.
    pub expected: Option<Definition>,
    /// As it is; `None` if it is missing.
    pub present: Option<Definition>,
}

/// Every guard that is not as the migrations make it, missing or on one of our tables without being ours.
pub fn differences(conn: &mut Conn) -> DbResult<Vec<Difference>> {
    let key = |d: &Definition| (d.kind.clone(), d.owner.clone(), d.name.clone());
    let expected = definitions::expected_guards(conn)?;
    let mut present: BTreeMap<_, _> = definitions::present_guards(conn)?.into_iter().map(|d| (key(&d), d)).collect();
    let mut found = Vec::new();
    for wanted in &expected.all {
        let there = present.remove(&key(wanted));
        if there.as_ref().is_none_or(|there| there.text != wanted.text) {
            found.push(Difference { expected: Some(wanted.clone()), present: there });
        }
    }
    let ours = |d: &Definition| expected.tables.contains(&d.owner);
    found.extend(present.into_values().filter(ours).map(|d| Difference { expected: None, present: Some(d) }));
    Ok(found)
}

/// Refuses a database in which a guard is missing, switched off, changed or added.
///
/// # Errors
/// With the names, and what to do.
pub fn require(conn: &mut Conn) -> DbResult<()> {
    let found = differences(conn)?;
    if found.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = found.iter().take(NAMED_MAX).map(Difference::words).collect();
    let more = found.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Err(DbError::Unfit(format!(
        "what keeps the log append-only was changed in the database: {}{more}. Nothing was written. Find out who did it and run \
         `counterfoil verify`; `counterfoil migrate guards` prints the SQL that puts it right",
        named.join("; ")
    )))
}

impl Difference {
    /// What is wrong, in words.
    pub fn words(&self) -> String {
        let what = match (&self.expected, &self.present) {
            (Some(wanted), Some(there)) if made(wanted) == made(there) => {
                if there.text.ends_with(" enabled D") {
                    "is switched off"
                } else {
                    "is not on for every session"
                }
            }
            (Some(_), Some(_)) => "is not as this program makes it",
            (Some(_), None) => "is missing",
            (None, _) => "is not one of this program's",
        };
        let Some(guard) = self.expected.as_ref().or(self.present.as_ref()) else { return what.to_owned() };
        format!("{}: the {} {} {what}", guard.owner, guard.kind, guard.name)
    }

    /// The statements that put it right, to be run as the owner.
    fn sql(&self) -> Vec<String> {
        match (&self.expected, &self.present) {
            (Some(wanted), there) => restored(wanted, there.as_ref()),
            (None, Some(there)) => vec![dropped(there)],
            (None, None) => Vec::new(),
        }
    }
}

/// How a trigger is made, whether it is on or not.
fn made(guard: &Definition) -> &str {
    guard.text.rsplit_once(ENABLED).map_or(guard.text.as_str(), |(made, _)| made)
}

fn restored(wanted: &Definition, there: Option<&Definition>) -> Vec<String> {
    let Definition { kind, name, owner, text } = wanted;
    let on_postgres = text.contains(ENABLED) || kind == "function";
    match kind.as_str() {
        "trigger" if on_postgres => {
            let mut sql = Vec::new();
            if there.is_none_or(|there| made(there) != made(wanted)) {
                sql.push(format!("DROP TRIGGER IF EXISTS {name} ON {owner};"));
                sql.push(format!("{};", made(wanted)));
            }
            sql.push(format!("ALTER TABLE {owner} ENABLE ALWAYS TRIGGER {name};"));
            sql
        }
        "trigger" => vec![format!("DROP TRIGGER IF EXISTS {name};"), format!("{text};")],
        "segment trigger" => vec![in_each_segment(wanted)],
        // A function of a trigger takes nothing; the catalogue has its body.
        "function" if !text.contains("--") && text.starts_with("BEGIN ") => {
            vec![format!("CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $guard$ {text} $guard$;")]
        }
        _ => vec![format!("-- {kind} {name}: take its statement from migrations/postgres of this release, as CREATE OR REPLACE")],
    }
}

/// Row triggers of a segment come from the whole table, and are only switched on here; one before TRUNCATE is its own.
fn in_each_segment(wanted: &Definition) -> String {
    let Definition { name, owner, .. } = wanted;
    let own = made(wanted).replacen("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1).replacen(" ON each ", " ON %s ", 1);
    let make = match own.contains(" FOR EACH STATEMENT ") {
        true => format!("EXECUTE format('{own}', part); "),
        false => String::new(),
    };
    format!(
        "DO $guard$ DECLARE part REGCLASS; BEGIN FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'public.{owner}'::regclass \
         LOOP {make}EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER {name}', part); END LOOP; END $guard$;"
    )
}

fn dropped(there: &Definition) -> String {
    let Definition { kind, name, owner, text } = there;
    match kind.as_str() {
        "trigger" if text.contains(ENABLED) => format!("DROP TRIGGER {name} ON {owner};"),
        "trigger" => format!("DROP TRIGGER {name};"),
        "rule" => format!("DROP RULE {name} ON {owner};"),
        _ => format!("-- {kind} {name} of {owner} is not one of this program's: drop it"),
    }
}

/// The statements that put every guard right, functions first; none where all are as they must be.
pub fn restoring(conn: &mut Conn) -> DbResult<Vec<String>> {
    let mut found = differences(conn)?;
    // Segments last: their triggers come from those of the whole table. One made anew is not always on there.
    found.sort_by_key(|difference| {
        let kind = difference.expected.as_ref().or(difference.present.as_ref()).map(|guard| guard.kind.clone());
        kind.map_or(0, |kind| ["function", "trigger", "segment trigger"].iter().position(|k| *k == kind).unwrap_or(3))
    });
    let mut sql: Vec<String> = found.iter().flat_map(Difference::sql).collect();
    for segment in definitions::expected_guards(conn)?.all.iter().filter(|guard| guard.kind == "segment trigger") {
        let again = in_each_segment(segment);
        let renewed = format!("DROP TRIGGER IF EXISTS {} ON {};", segment.name, segment.owner);
        if sql.contains(&renewed) && !sql.contains(&again) {
            sql.push(again);
        }
    }
    Ok(sql)
}
