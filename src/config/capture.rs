//! `[[capture]]`: tables of the bank's own PostgreSQL whose changes are taken from there.

use serde::{Deserialize, Serialize};

use crate::ids::{SOURCE_NAME_RULE, is_source_name};
use crate::money::Currency;

/// What `capture add` prints where the role that drains belongs, when nobody named it.
pub const ROLE_MISSING: &str = "<role that drains>";

/// One `[[capture]]`: a database whose tables are captured.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Capture {
    /// Its name, in commands and in metrics.
    pub name: String,
    /// `postgres://role@host/database` with parameters of libpq, without a password.
    pub url: String,
    /// File with the role's password; empty: libpq finds it by itself, or none is needed.
    pub password_file: String,
    /// The same for a role that may write to the tables: where two officers decide it, a row is brought back to an earlier
    /// state there. Empty: that is not offered.
    pub restore_url: String,
    /// File with that role's password.
    pub restore_password_file: String,
    /// The source that the changes belong to; empty: the name.
    pub source: String,
    /// The tables.
    pub table: Vec<CapturedTable>,
}

/// One `[[capture.table]]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct CapturedTable {
    /// As `capture add` printed it: schema and table, quoted where SQL wants that.
    pub table: String,
    /// The type of its records.
    #[serde(rename = "type")]
    pub kind: String,
    /// Columns that never leave the bank's database.
    pub exclude: Vec<String>,
    /// Columns whose values are sealed.
    pub sensitive: Vec<String>,
    /// Column that names whom a row is about: the holder of an account, the customer of a record.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// How balances become entries, for a table of accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<EntryMapping>,
}

/// How the rows of a table of accounts become entries.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct EntryMapping {
    /// Column of the account's number.
    pub account: String,
    /// Column of its balance.
    pub balance: String,
    /// The currency of all of them, for example `EUR`; or:
    pub currency: String,
    /// Column of its currency.
    pub currency_column: String,
    /// Whether balances are whole minor units (cents) and not units.
    pub minor_units: bool,
    /// The kind of a change of balance; empty: `transfer`.
    pub kind: String,
}

impl Capture {
    /// The source that the changes belong to.
    pub fn source(&self) -> &str {
        if self.source.is_empty() { &self.name } else { &self.source }
    }
}

impl EntryMapping {
    /// Why it cannot be used, if it cannot.
    pub fn unfit(&self) -> Option<String> {
        if self.account.is_empty() || self.balance.is_empty() {
            return Some("entries needs account and balance, the names of two columns".into());
        }
        if self.currency.is_empty() == self.currency_column.is_empty() {
            return Some("entries needs either currency, for example EUR, or currency_column".into());
        }
        if !self.currency.is_empty()
            && let Err(error) = Currency::parse(&self.currency)
        {
            return Some(error.to_string());
        }
        let kinds = ["", "deposit", "withdrawal", "transfer", "payment", "card", "fee", "interest", "adjustment"];
        (!kinds.contains(&self.kind.as_str())).then(|| format!("entries: `{}` is no kind; one of{}", self.kind, kinds.join(" ")))
    }
}

impl CapturedTable {
    /// Why it cannot be captured so, if it cannot.
    pub fn unfit(&self) -> Option<String> {
        if self.table.is_empty() {
            return Some("table is missing: write it as `capture add` printed it".into());
        }
        if !is_source_name(&self.kind) {
            return Some(format!("type `{}` cannot be the name of a type: {SOURCE_NAME_RULE}", self.kind));
        }
        if self.sensitive.contains(&self.subject) {
            return Some(format!(
                "column {} is sensitive and names the subject, which is not sealed: it can be one of the two",
                self.subject
            ));
        }
        let used = self.entries.iter().flat_map(|map| [&map.account, &map.balance, &map.currency_column]);
        let used: Vec<&String> = used.chain([&self.subject]).chain(&self.sensitive).filter(|c| !c.is_empty()).collect();
        if let Some(column) = used.into_iter().find(|column| self.exclude.contains(column)) {
            return Some(format!("column {column} is excluded and used: it must be one of the two"));
        }
        self.entries.as_ref().and_then(EntryMapping::unfit)
    }
}

/// What is wrong with the captures, if anything.
pub(super) fn unfit(all: &[Capture]) -> Option<String> {
    all.iter().enumerate().find_map(|(at, capture)| {
        let twice = all[..at].iter().any(|other| other.name == capture.name);
        let wrong = if twice { Some("is there twice".to_owned()) } else { wrong(capture) };
        wrong.map(|text| format!("[[capture]] {}: {text}", capture.name.chars().take(80).collect::<String>()))
    })
}

fn wrong(capture: &Capture) -> Option<String> {
    if !is_source_name(&capture.name) || !is_source_name(capture.source()) {
        return Some(format!("name and source: {SOURCE_NAME_RULE}"));
    }
    if let Some(wrong) = url_unfit(&capture.url) {
        return Some(wrong);
    }
    if let Some(wrong) = url_unfit(&capture.restore_url).filter(|_| !capture.restore_url.is_empty()) {
        return Some(format!("restore_{wrong}"));
    }
    let tables = &capture.table;
    for (at, table) in tables.iter().enumerate() {
        if tables[..at].iter().any(|other| other.table == table.table) {
            return Some(format!("table {} is there twice", table.table));
        }
        if let Some(wrong) = table.unfit() {
            return Some(format!("table {}: {wrong}", table.table));
        }
    }
    None
}

/// A URL with a password would be in every copy of the file, and in the list of processes.
fn url_unfit(url: &str) -> Option<String> {
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    let Some(rest) = rest else { return Some("url must be postgres://role@host/database".into()) };
    if rest.contains(ROLE_MISSING) {
        return Some(format!("url has `{ROLE_MISSING}` yet: write that role; `capture add --drain-as ROLE` gives it its rights"));
    }
    let role = rest.rsplit_once('@').map_or("", |(role, _)| role);
    let parameter = rest.split_once('?').is_some_and(|(_, all)| all.split('&').any(|pair| pair.starts_with("password=")));
    (role.contains(':') || parameter)
        .then(|| "url must not hold a password: put it into a file and name it in password_file".into())
}
