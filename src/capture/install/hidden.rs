//! Columns that must not go out in the clear: left out, or sealed. They are known by their numbers, which no command
//! changes, so that they stay hidden under another name; and by their names, so that one made anew is hidden too. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config::CapturedTable;

use super::super::names::literal;
use super::store::{Captured, Table};

/// How a column is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It never leaves the bank's database.
    Excluded,
    /// Its values are sealed in the log.
    Sealed,
}

/// A column that is hidden.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hidden {
    /// How.
    pub how: How,
    /// What it was called when the table was added.
    pub name: String,
    /// Its number in the catalogue; 0: an earlier program did not note it.
    pub number: i16,
}

/// Each name that a column of the table had at an `add`, with the numbers of the columns.
pub type Names = BTreeMap<String, BTreeSet<i16>>;

impl How {
    /// The option of `capture add`.
    pub fn option(self) -> &'static str {
        match self {
            How::Excluded => "--exclude",
            How::Sealed => "--sensitive",
        }
    }

    fn word(self) -> &'static str {
        match self {
            How::Excluded => "excluded",
            How::Sealed => "sealed",
        }
    }

    /// Whether what is hidden so is hidden as the other wants it: what is left out need not be sealed.
    fn serves(self, other: How) -> bool {
        self == other || other == How::Sealed
    }
}

/// The hidden columns of a table.
pub fn hidden(table: &Table, exclude: &[String], sensitive: &[String]) -> Vec<Hidden> {
    let of = |how: How, names: &[String]| {
        let one = |name: &String| Hidden { how, name: name.clone(), number: table.numbers.get(name).copied().unwrap_or(0) };
        names.iter().map(one).collect::<Vec<_>>()
    };
    let mut all = [of(How::Excluded, exclude), of(How::Sealed, sensitive)].concat();
    all.sort();
    all.dedup();
    all
}

/// Every name of every column, those of earlier additions too.
pub fn names(known: Option<&Captured>, table: &Table) -> Names {
    let mut names = Names::new();
    let same = known.filter(|known| known.relation == table.oid && !known.names.is_empty());
    match (same, known) {
        (Some(known), _) => names = known.names.clone(),
        (None, Some(known)) => {
            let still = known.columns.keys().filter_map(|name| table.numbers.get(name).map(|number| (name, *number)));
            still.for_each(|(name, number)| {
                names.entry(name.clone()).or_default().insert(number);
            });
        }
        (None, None) => {}
    }
    for (name, number) in &table.numbers {
        names.entry(name.clone()).or_default().insert(*number);
    }
    names
}

/// A column of the table that was hidden and would be so no longer, with how it was.
pub fn let_out(known: &Captured, table: &Table, hidden: &[Hidden]) -> Option<(String, How)> {
    let named = |number: i16| table.numbers.iter().find(|(_, other)| **other == number).map(|(name, _)| name.clone());
    let covered = |name: &String, how: How| {
        let number = table.numbers.get(name);
        hidden.iter().any(|is| Some(&is.number) == number && is.how.serves(how))
    };
    let hides = known.hides();
    let seen = hides.iter().find_map(|was| {
        let by_number = Some(was.number).filter(|number| *number > 0 && known.relation == table.oid).and_then(named);
        let by_name = table.numbers.contains_key(&was.name).then(|| was.name.clone());
        by_number.into_iter().chain(by_name).find(|name| !covered(name, was.how)).map(|name| (name, was.how))
    });
    // Where nobody noted which column it was, one that is not there any more may be any that came since.
    let gone: Vec<&Hidden> = hides.iter().filter(|was| was.number == 0 && !table.numbers.contains_key(&was.name)).collect();
    let Some(how) = gone.first().map(|was| was.how) else { return seen };
    let since: Vec<&String> = table.numbers.keys().filter(|name| !known.columns.contains_key(*name)).collect();
    let open: Vec<&String> = since.iter().copied().filter(|name| !covered(name, how)).collect();
    let enough = since.len() - open.len() >= gone.len();
    seen.or_else(|| open.first().filter(|_| !enough).map(|name| ((*name).clone(), how)))
}

/// Why a table's rows must not be drained: the settings hide a column that the triggers do not, or a hidden column is
/// gone and another one may have its values. `of_type`: columns that the record's type seals.
pub fn exposed(settings: &CapturedTable, of_type: &[String], captured: &Captured, table: Option<&Table>) -> Option<String> {
    let number = |name: &String| table.and_then(|table| table.numbers.get(name));
    let covered = |name: &String, how: How| {
        captured.hidden.iter().any(|is| is.how.serves(how) && (is.name == *name || Some(&is.number) == number(name)))
    };
    let is_column = |name: &&String| number(name).is_some() || captured.columns.contains_key(*name);
    let excluded = settings.exclude.iter().map(|name| (name, How::Excluded));
    let sealed = settings.sensitive.iter().chain(of_type.iter().filter(is_column)).map(|name| (name, How::Sealed));
    if let Some((name, how)) = excluded.chain(sealed).find(|(name, how)| !covered(name, *how)) {
        return Some(format!(
            "{} waits: column {name} is {} by the settings and its triggers do not know that: run `capture add` again with {} {name} \
             (or with its new name, if it was renamed), or take it out of the settings",
            settings.table,
            how.word(),
            how.option()
        ));
    }
    let table = table?;
    let gone = |is: &&Hidden| !table.numbers.values().any(|number| *number == is.number) && !table.numbers.contains_key(&is.name);
    captured.hidden.iter().find(gone).map(|is| {
        format!(
            "{} waits: it has no column {name} any more, which was {} and whose values another column may have now: run `capture add` \
             again, with {} and the name of that column if there is one, and put what it prints into the settings",
            settings.table,
            is.how.word(),
            is.how.option(),
            name = is.name,
        )
    })
}

/// The hidden columns that the table has now, under the names that they have now; and those that no `add` has seen, which
/// may have the values of one that is hidden: they are sealed until one has.
pub fn present(captured: &Captured, table: &Table) -> Vec<Hidden> {
    let hides = captured.hides();
    let new = undeclared(captured, table);
    let of = |name: &String, number: i16| {
        let how = hides.iter().filter(|is| is.number == number || is.name == *name).map(|is| is.how).min();
        let how = how.or_else(|| new.contains(name).then_some(How::Sealed))?;
        Some(Hidden { how, name: name.clone(), number })
    };
    table.numbers.iter().filter_map(|(name, number)| of(name, *number)).collect()
}

/// Columns of a table with hidden ones that no `add` has seen: somebody may have copied what is hidden into them. Those that
/// are hidden themselves, under whatever name, are known.
pub fn undeclared(captured: &Captured, table: &Table) -> BTreeSet<String> {
    let hides = captured.hides();
    if captured.names.is_empty() || hides.is_empty() {
        return BTreeSet::new();
    }
    let seen = |name: &String, number: &i16| {
        captured.names.get(name).is_some_and(|numbers| numbers.contains(number)) || hides.iter().any(|is| is.number == *number)
    };
    table.numbers.iter().filter(|(name, number)| !seen(name, number)).map(|(name, _)| name.clone()).collect()
}

/// What the hidden columns of a kind are called when a trigger fires, in PL/pgSQL. The catalogue is asked as it is then and
/// not as the transaction's snapshot has it.
pub fn called(hidden: &[Hidden], how: How) -> Option<String> {
    let of: Vec<&Hidden> = hidden.iter().filter(|is| is.how == how).collect();
    let names = of.iter().map(|is| literal(&is.name));
    let numbers = of
        .iter()
        .filter(|is| is.number > 0)
        .map(|is| format!("(pg_identify_object_as_address('pg_class'::regclass, TG_RELID, {})).object_names[3]", is.number));
    let parts: Vec<String> = names.chain(numbers).collect();
    (!parts.is_empty()).then(|| format!("ARRAY[{}]::text[]", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn table(columns: &[(&str, i16)]) -> Table {
        let numbers: BTreeMap<&str, i16> = columns.iter().copied().collect();
        let types: BTreeMap<&str, &str> = columns.iter().map(|(name, _)| (*name, "text")).collect();
        serde_json::from_value(json!({
            "oid": 5, "name": "public.a", "kind": "r", "key": ["id"], "columns": types, "numbers": numbers, "types": ["text"],
        }))
        .unwrap()
    }

    fn captured(table: &Table, exclude: &[&str], sensitive: &[&str]) -> Captured {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let hidden = hidden(table, &list(exclude), &list(sensitive));
        serde_json::from_value(json!({
            "id": 1, "relation": table.oid, "name": table.name, "key_columns": ["id"], "excluded": exclude,
            "columns": table.columns, "hidden": hidden, "names": names(None, table), "since": 7, "drained_as": null,
        }))
        .unwrap()
    }

    #[test]
    fn a_column_stays_hidden_under_another_name() {
        let first = table(&[("id", 1), ("tax", 2), ("photo", 3), ("name", 4)]);
        let known = captured(&first, &["photo"], &["tax"]);
        let settings = |exclude: &str, sensitive: &str| CapturedTable {
            table: "public.a".into(),
            exclude: vec![exclude.into()],
            sensitive: vec![sensitive.into()],
            ..CapturedTable::default()
        };
        // Two names have changed places: by name alone nothing would be seen.
        let swapped = table(&[("id", 1), ("name", 2), ("photo", 3), ("tax", 4)]);
        let forgotten = hidden(&swapped, &["photo".into()], &["tax".into()]);
        assert_eq!(let_out(&known, &swapped, &forgotten), Some(("name".into(), How::Sealed)));
        let kept = hidden(&swapped, &["photo".into()], &["name".into(), "tax".into()]);
        assert_eq!(let_out(&known, &swapped, &kept), None);
        assert_eq!(names(Some(&known), &swapped)["tax"], BTreeSet::from([2, 4]), "of rows that still wait it is not known which");
        assert_eq!(exposed(&settings("photo", "tax"), &[], &known, Some(&swapped)), None, "the triggers know them by number");

        let renamed = table(&[("id", 1), ("tin", 2), ("photo", 3), ("name", 4)]);
        assert_eq!(exposed(&settings("photo", "tin"), &["tin".into()], &known, Some(&renamed)), None);
        let wrong = exposed(&settings("photo", "name"), &[], &known, Some(&renamed)).unwrap();
        assert!(wrong.contains("column name is sealed") && wrong.contains("--sensitive name"), "{wrong}");
        let of_type = exposed(&settings("photo", "tax"), &["name".into(), "other".into()], &known, Some(&renamed)).unwrap();
        assert!(of_type.contains("column name"), "a column that the type seals, not one that another table has: {of_type}");
        let not_sealed = exposed(&settings("tax", "tax"), &[], &known, Some(&first)).unwrap();
        assert!(not_sealed.contains("excluded"), "what is sealed leaves: {not_sealed}");
        assert_eq!(exposed(&settings("photo", "photo"), &[], &known, Some(&first)), None, "what is left out need not be sealed");

        let gone = table(&[("id", 1), ("photo", 3), ("copy", 5)]);
        let why = exposed(&settings("photo", "tax"), &[], &known, Some(&gone)).unwrap();
        assert!(why.contains("no column tax any more"), "{why}");
        assert_eq!(let_out(&known, &gone, &hidden(&gone, &["photo".into()], &[])), None, "it is not there");
    }

    #[test]
    fn a_column_that_nobody_declared_is_sealed_where_anything_is_hidden() {
        let known = captured(&table(&[("id", 1), ("tax", 2), ("name", 3)]), &[], &["tax"]);
        let later = table(&[("id", 1), ("tax", 2), ("name", 5), ("copy", 4)]);
        assert_eq!(undeclared(&known, &later), BTreeSet::from(["copy".to_owned(), "name".to_owned()]), "made anew, and new");
        let names = |hidden: Vec<Hidden>| hidden.into_iter().map(|is| (is.name, is.how)).collect::<Vec<_>>();
        let sealed = |name: &str| (name.to_owned(), How::Sealed);
        assert_eq!(names(present(&known, &later)), [sealed("copy"), sealed("name"), sealed("tax")]);
        let open = captured(&table(&[("id", 1), ("name", 3)]), &[], &[]);
        assert!(undeclared(&open, &later).is_empty(), "nothing is hidden there");
    }

    #[test]
    fn what_an_earlier_program_noted_is_kept_by_name() {
        let there = table(&[("id", 1), ("picture", 3)]);
        let old =
            Captured { hidden: Vec::new(), names: Names::new(), ..captured(&table(&[("id", 1), ("photo", 3)]), &["photo"], &[]) };
        assert_eq!(let_out(&old, &there, &[]), Some(("picture".into(), How::Excluded)));
        assert_eq!(let_out(&old, &table(&[("id", 1)]), &[]), None, "it was dropped");
        assert_eq!(let_out(&old, &there, &hidden(&there, &["picture".into()], &[])), None);
        assert_eq!(names(Some(&old), &there).keys().collect::<Vec<_>>(), ["id", "picture"], "which one it was is not known");
    }

    #[test]
    fn a_trigger_asks_for_the_name_of_the_moment() {
        let there = table(&[("id", 1), ("it's", 3)]);
        let all = hidden(&there, &["it's".into()], &[]);
        let sql = called(&all, How::Excluded).unwrap();
        assert_eq!(
            sql,
            "ARRAY['it''s', (pg_identify_object_as_address('pg_class'::regclass, TG_RELID, 3)).object_names[3]]::text[]"
        );
        assert_eq!(called(&all, How::Sealed), None);
    }
}
