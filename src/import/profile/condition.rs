//! When a row is skipped, makes an entry, or takes a case.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::import::csv::Fields;

/// Everything stated must hold; an empty condition always does.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Condition {
    /// Each column holds one of these values.
    pub is: BTreeMap<String, Vec<String>>,
    /// Each column holds none of these values.
    pub not: BTreeMap<String, Vec<String>>,
    /// These columns are not empty.
    pub present: Vec<String>,
    /// These columns are empty.
    pub absent: Vec<String>,
    /// These two columns differ as text.
    pub differ: Option<[String; 2]>,
}

/// A condition bound to a file's columns.
#[derive(Debug)]
pub(super) struct Test<'a> {
    is: Vec<(usize, &'a [String])>,
    not: Vec<(usize, &'a [String])>,
    present: Vec<usize>,
    absent: Vec<usize>,
    differ: Option<(usize, usize)>,
}

impl Condition {
    /// Binds; `column` finds a column by its name or says that it is missing.
    pub fn bind<'a>(&'a self, column: &dyn Fn(&str) -> Result<usize, String>) -> Result<Test<'a>, String> {
        let values = |list: &'a BTreeMap<String, Vec<String>>| {
            list.iter().map(|(name, values)| Ok((column(name)?, values.as_slice()))).collect::<Result<Vec<_>, String>>()
        };
        let columns = |list: &[String]| list.iter().map(|name| column(name)).collect::<Result<Vec<_>, String>>();
        Ok(Test {
            is: values(&self.is)?,
            not: values(&self.not)?,
            present: columns(&self.present)?,
            absent: columns(&self.absent)?,
            differ: self.differ.as_ref().map(|[a, b]| Ok::<_, String>((column(a)?, column(b)?))).transpose()?,
        })
    }
}

impl Test<'_> {
    /// Whether it holds for a row.
    pub fn holds(&self, row: &Fields) -> bool {
        let among = |(column, values): &(usize, &[String])| values.iter().any(|value| value == row.get(*column));
        self.is.iter().all(among)
            && !self.not.iter().any(among)
            && self.present.iter().all(|column| !row.get(*column).is_empty())
            && self.absent.iter().all(|column| row.get(*column).is_empty())
            && self.differ.is_none_or(|(a, b)| row.get(a) != row.get(b))
    }
}
