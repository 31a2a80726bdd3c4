//! The SQL that `add` runs for one table, and that `check` holds what is there against. Pure.

use super::super::names::{identifier, literal};
use super::hidden::{Hidden, How, called};
use super::store::Table;

/// The version of everything that is made in the bank's database.
pub const VERSION: i32 = 2;
/// Its schema.
pub const SCHEMA: &str = include_str!("../schema.sql");
/// What brings one of an earlier version to the next, by the version that it makes.
pub const UPGRADES: &[(i32, &str)] = &[(2, include_str!("../upgrade_2.sql"))];
/// Its functions but those of single tables.
pub const FUNCTIONS: &str = include_str!("../functions.sql");
/// Its event triggers.
pub const EVENTS: &str = include_str!("../events.sql");

/// The triggers of a table, with when each fires. The names sort before others: a trigger that changes the same
/// row again must not come first, or the queue would have the second change before the first.
pub const TRIGGERS: &[(&str, &str)] = &[
    ("00_counterfoil_insert", "AFTER INSERT ON {table} FOR EACH ROW"),
    ("00_counterfoil_update", "AFTER UPDATE ON {table} FOR EACH ROW WHEN (OLD.* OPERATOR(pg_catalog.*<>) NEW.*)"),
    ("00_counterfoil_delete", "AFTER DELETE ON {table} FOR EACH ROW"),
    ("00_counterfoil_truncate", "AFTER TRUNCATE ON {table} FOR EACH STATEMENT"),
];

/// Types whose text no setting changes.
const PLAIN: &[&str] = &[
    "int2",
    "int4",
    "int8",
    "numeric",
    "text",
    "varchar",
    "bpchar",
    "char",
    "name",
    "bool",
    "uuid",
    "date",
    "timestamp",
    "time",
    "json",
    "jsonb",
    "inet",
    "cidr",
];

/// The trigger function of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name, with the schema.
    pub name: String,
    /// What is between the dollars.
    pub body: String,
    /// Settings that hold while it runs, in order of the alphabet.
    pub settings: Vec<&'static str>,
}

impl Function {
    /// Of a table with this number, these hidden columns and columns of these types.
    pub fn of(id: i32, hidden: &[Hidden], types: &[String]) -> Function {
        let name = format!("counterfoil_capture.captured_{id}");
        Function { name, body: body(id, hidden), settings: settings(types) }
    }

    /// Makes it, or makes it anew.
    pub fn sql(&self) -> String {
        let settings: Vec<String> = self.settings.iter().map(|setting| format!("SET {setting}")).collect();
        format!(
            "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {} AS $body${}$body$;\n\
             REVOKE ALL ON FUNCTION {}() FROM PUBLIC;",
            self.name,
            settings.join(" "),
            self.body,
            self.name
        )
    }
}

fn body(id: i32, hidden: &[Hidden]) -> String {
    if hidden.is_empty() {
        return format!(
            "\n-- counterfoil capture, version {VERSION}\nBEGIN\n    \
             INSERT INTO counterfoil_capture.queue (capture, action, old, new) VALUES ({id}, TG_OP, to_jsonb(OLD), to_jsonb(NEW));\n    \
             RETURN NULL;\nEND\n"
        );
    }
    let sealed = called(hidden, How::Sealed).unwrap_or_else(|| "NULL".into());
    let (without, unless) = match called(hidden, How::Excluded) {
        None => (["to_jsonb(OLD)", "to_jsonb(NEW)"].map(str::to_owned), ""),
        Some(names) => (
            ["OLD", "NEW"].map(|row| format!("to_jsonb({row}) - {names}")),
            "IF TG_OP = 'UPDATE' AND before = after THEN\n        RETURN NULL;\n    END IF;\n    ",
        ),
    };
    let [before, after] = without;
    format!(
        "\n-- counterfoil capture, version {VERSION}\nDECLARE\n    before jsonb := {before};\n    after jsonb := {after};\nBEGIN\n    \
         {unless}INSERT INTO counterfoil_capture.queue (capture, action, old, new, sealed) VALUES ({id}, TG_OP, before, after, {sealed});\n    \
         RETURN NULL;\nEND\n"
    )
}

/// Of two sessions with other settings, the same value must come with the same text.
fn settings(types: &[String]) -> Vec<&'static str> {
    let needs = |of: &[&str]| types.iter().any(|name| of.contains(&name.as_str()) || is_other(name));
    let mut settings = vec!["search_path = pg_catalog, pg_temp"];
    if needs(&["timestamptz", "timetz"]) {
        settings.push("timezone = 'UTC'");
    }
    if needs(&["float4", "float8"]) {
        settings.push("extra_float_digits = 1");
    }
    if needs(&["bytea"]) {
        settings.push("bytea_output = 'hex'");
    }
    if needs(&["interval"]) {
        settings.push("intervalstyle = 'postgres'");
    }
    if types.iter().any(|name| is_other(name)) {
        settings.push("datestyle = 'ISO, YMD'");
    }
    settings
}

/// Ranges, lists, domains, … may hold anything.
fn is_other(name: &str) -> bool {
    let known = ["timestamptz", "timetz", "float4", "float8", "bytea", "interval"];
    !PLAIN.contains(&name) && !known.contains(&name)
}

/// Makes the triggers of a table anew; they fire for replication roles too.
pub fn triggers(table: &str, function: &str) -> String {
    let mut sql = String::new();
    for (name, fires) in TRIGGERS {
        let name = identifier(name);
        let fires = fires.replace("{table}", table);
        sql += &format!(
            "DROP TRIGGER IF EXISTS {name} ON {table};\nCREATE TRIGGER {name} {fires} EXECUTE FUNCTION {function}();\n\
             ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name};\n"
        );
    }
    sql
}

/// Takes the triggers and the function of a table away.
pub fn without(table: Option<&str>, id: i32) -> String {
    let mut sql = String::new();
    if let Some(table) = table {
        for (name, _) in TRIGGERS {
            sql += &format!("DROP TRIGGER IF EXISTS {} ON {table};\n", identifier(name));
        }
    }
    sql + &format!("DROP FUNCTION IF EXISTS counterfoil_capture.captured_{id}();\n")
}

/// What a role needs that drains the queue and compares the table, and nothing more: it sees no excluded column.
pub fn grants(role: &str, table: &Table, hidden: &[Hidden]) -> String {
    let (role, reach) = (identifier(role), reaching(role, table));
    let left_out = |number: &i16| hidden.iter().any(|is| is.how == How::Excluded && is.number == *number);
    let columns = table.numbers.iter().filter(|(_, number)| !left_out(number)).map(|(name, _)| identifier(name));
    reach
        + &format!(
            "GRANT USAGE ON SCHEMA counterfoil_capture TO {role};\n\
         GRANT SELECT, DELETE ON counterfoil_capture.queue TO {role};\n\
         GRANT SELECT, INSERT, DELETE ON counterfoil_capture.rejected TO {role};\n\
         GRANT SELECT ON counterfoil_capture.installation, counterfoil_capture.captured, counterfoil_capture.restored TO {role};\n\
         GRANT UPDATE (drained_as) ON counterfoil_capture.captured TO {role};\n\
         GRANT SELECT ({}) ON {} TO {role};\n",
            columns.collect::<Vec<_>>().join(", "),
            table.name
        )
}

/// Lets a role find a table in its schema, if it may not look there yet: `public` is open to all as a rule, and its owner
/// another one.
fn reaching(role: &str, table: &Table) -> String {
    format!(
        "DO $reaching$ DECLARE\n\
         place oid := (SELECT relnamespace FROM pg_class WHERE oid = {});\n\
         BEGIN IF NOT has_schema_privilege({role}, place, 'USAGE') THEN\n\
         EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I', place::regnamespace, {role}); END IF; END $reaching$;\n",
        table.oid,
        role = literal(role)
    )
}

/// What a role needs that brings rows back: it deletes none, and sees and writes no excluded column.
pub fn restorer_grants(role: &str, table: &Table, hidden: &[Hidden]) -> String {
    let (role, reach) = (identifier(role), reaching(role, table));
    let left_out = |number: &i16| hidden.iter().any(|is| is.how == How::Excluded && is.number == *number);
    let columns = table.numbers.iter().filter(|(_, number)| !left_out(number)).map(|(name, _)| name);
    let all: Vec<String> = columns.clone().map(|name| identifier(name)).collect();
    let written: Vec<String> = columns.filter(|name| !table.key.contains(name)).map(|name| identifier(name)).collect();
    let update = if written.is_empty() { String::new() } else { format!(", UPDATE ({})", written.join(", ")) };
    reach
        + &format!(
            "GRANT USAGE ON SCHEMA counterfoil_capture TO {role};\n\
         GRANT SELECT, INSERT ON counterfoil_capture.restored TO {role};\n\
         GRANT SELECT ({0}), INSERT ({0}){update} ON {1} TO {role};\n",
            all.join(", "),
            table.name
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_quoted_and_settings_follow_the_types() {
        let types = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let plain = Function::of(7, &[], &types(&["int4", "numeric"]));
        assert_eq!(plain.settings, ["search_path = pg_catalog, pg_temp"]);
        assert!(plain.body.contains("VALUES (7, TG_OP, to_jsonb(OLD), to_jsonb(NEW))"), "{}", plain.body);
        let left_out = Hidden { how: How::Excluded, name: "it's".to_owned(), number: 2 };
        let odd = Function::of(7, &[left_out], &types(&["timestamptz", "float8"]));
        assert_eq!(odd.settings[1..], ["timezone = 'UTC'", "extra_float_digits = 1"]);
        assert!(odd.body.contains("to_jsonb(OLD) - ARRAY['it''s', (pg_identify"), "{}", odd.body);
        assert_eq!(Function::of(7, &[], &types(&["_text"])).settings.len(), 6);
        assert!(triggers("s.\"T\"", "f").contains("AFTER INSERT ON s.\"T\" FOR EACH ROW EXECUTE FUNCTION f();"));
    }
}
