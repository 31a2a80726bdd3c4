//! CSV: RFC 4180 with a header; comma, semicolon or tab, found out from the header alone.

use crate::export::cells::unguarded;
use crate::ledger::{Draft, FIELDS, NewEntry, Refusal};

use super::lines::{LINE_MAX, Line, Lines};
use super::profile::{Plan, shipped_that_fit};
use super::rows::ReadRow;
use super::{ImportError, Profile};

/// Columns of the contract that hold numbers: never guarded against spreadsheets.
const NUMBERS: [&str; 4] = ["amount", "balance_before", "balance_after", "account_seq"];
/// Columns without which no row of the contract could be taken.
const NEEDED: [&str; 6] = ["source_ref", "account", "currency", "kind", "amount", "booked_at"];

/// The fields of one record, unquoted.
#[derive(Debug, Default)]
pub(super) struct Fields {
    text: String,
    spans: Vec<(usize, usize)>,
}

impl Fields {
    /// The text of a column; nothing beyond the last.
    pub fn get(&self, column: usize) -> &str {
        self.spans.get(column).map_or("", |(from, to)| &self.text[*from..*to])
    }

    pub fn len(&self) -> usize {
        self.spans.len()
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        self.spans.iter().map(|(from, to)| &self.text[*from..*to])
    }
}

/// How splitting a record ended.
#[derive(Debug, PartialEq, Eq)]
enum Split {
    Done,
    /// A quote is open at the end.
    Open,
    /// Text follows a closing quote.
    Stray,
}

/// Splits a record; spaces around unquoted values are dropped, those inside quotes stay.
fn split(record: &str, delimiter: u8, into: &mut Fields) -> Split {
    into.text.clear();
    into.spans.clear();
    let bytes = record.as_bytes();
    let is_space = |b: &u8| *b == b' ' || (*b == b'\t' && delimiter != b'\t');
    let after_spaces = |at: usize| at + bytes[at..].iter().take_while(|b| is_space(b)).count();
    let mut at = 0;
    loop {
        let from = into.text.len();
        if bytes.get(after_spaces(at)) == Some(&b'"') {
            match unquote(record, after_spaces(at) + 1, &mut into.text) {
                Some(end) => at = after_spaces(end),
                None => return Split::Open,
            }
            if at < bytes.len() && bytes[at] != delimiter {
                return Split::Stray;
            }
        } else {
            let end = bytes[at..].iter().position(|b| *b == delimiter).map_or(bytes.len(), |n| at + n);
            into.text.push_str(record[at..end].trim_matches([' ', '\t']));
            at = end;
        }
        into.spans.push((from, into.text.len()));
        if at >= bytes.len() {
            return Split::Done;
        }
        at += 1;
    }
}

/// Takes the quoted value that begins at `at`; answers the place after its closing quote.
fn unquote(record: &str, mut at: usize, into: &mut String) -> Option<usize> {
    loop {
        let quote = record[at..].find('"')?;
        into.push_str(&record[at..at + quote]);
        at += quote + 1;
        if record.as_bytes().get(at) != Some(&b'"') {
            return Some(at);
        }
        into.push('"');
        at += 1;
    }
}

/// What the columns mean.
enum Meaning<'a> {
    /// Field names of the contract, in the order of the columns.
    Contract(Vec<&'static str>),
    Profile(Plan<'a>),
}

/// The rows of a CSV file.
pub(super) struct CsvRows<'a> {
    lines: Lines<'a>,
    delimiter: u8,
    columns: usize,
    meaning: Meaning<'a>,
    fields: Fields,
}

impl<'a> CsvRows<'a> {
    /// Reads the header.
    pub fn new(header: Line, lines: Lines<'a>, profile: Option<&'a Profile>) -> Result<CsvRows<'a>, ImportError> {
        let (names, delimiter) = header_names(&header, profile)?;
        let meaning = match profile {
            Some(profile) => Meaning::Profile(profile.plan(&names).map_err(ImportError::Header)?),
            None => Meaning::Contract(contract_columns(&names)?),
        };
        Ok(CsvRows { lines, delimiter, columns: names.len(), meaning, fields: Fields::default() })
    }

    pub fn next(&mut self) -> Result<Option<ReadRow>, ImportError> {
        let Some(line) = self.lines.next_filled()? else { return Ok(None) };
        if !line.whole {
            return Ok(Some(ReadRow::too_long(line)));
        }
        let number = line.number;
        let (bytes, split) = self.record(line)?;
        let read = split.and_then(|()| self.entries());
        Ok(Some(ReadRow::new(number, bytes, read)))
    }

    /// Splits a line into `self.fields`, joined with those after it while a quote is open.
    fn record(&mut self, first: Line) -> Result<(Vec<u8>, Result<(), Refusal>), ImportError> {
        let alone = first.alone;
        let mut bytes = first.bytes;
        let mut joined: Vec<Line> = Vec::new();
        loop {
            let outcome = match std::str::from_utf8(&bytes) {
                Ok(record) => split(record, self.delimiter, &mut self.fields),
                Err(_) => return Ok(self.give_back(bytes, joined, "the row is not UTF-8 text; save the file as UTF-8")),
            };
            match outcome {
                Split::Done => return Ok((bytes, Ok(()))),
                Split::Stray => {
                    return Ok(self.give_back(bytes, joined, "text follows a closing quote; double the quotes inside a value"));
                }
                Split::Open => {}
            }
            // Splitting again from the start costs the square of the length: hence few lines.
            let more = if alone || joined.len() >= JOINED_MAX { None } else { self.lines.next()? };
            match more {
                Some(more) if more.whole && bytes.len() + more.bytes.len() < LINE_MAX => {
                    bytes.push(b'\n');
                    bytes.extend_from_slice(&more.bytes);
                    joined.push(more);
                }
                more => {
                    self.lines.put_back(more.into_iter().collect());
                    return Ok(self.give_back(bytes, joined, "a quote is opened and not closed"));
                }
            }
        }
    }

    /// Refuses the first line alone; the lines tried with it are read again, each by itself.
    fn give_back(&mut self, mut bytes: Vec<u8>, mut joined: Vec<Line>, why: &str) -> (Vec<u8>, Result<(), Refusal>) {
        if !joined.is_empty() {
            let rest: usize = joined.iter().map(|line| line.bytes.len() + 1).sum();
            bytes.truncate(bytes.len() - rest);
            joined.iter_mut().for_each(|line| line.alone = true);
            self.lines.put_back(joined);
        }
        (bytes, Err(Refusal::unreadable(why)))
    }

    fn entries(&mut self) -> Result<Option<Vec<NewEntry>>, Refusal> {
        if self.fields.len() != self.columns {
            let text = format!("the row has {} columns, the header {}", self.fields.len(), self.columns);
            return Err(Refusal::whole("column_count", text));
        }
        match &self.meaning {
            Meaning::Contract(names) => {
                let mut draft = Draft::default();
                for (name, value) in names.iter().zip(self.fields.iter()).filter(|(_, value)| !value.is_empty()) {
                    let value = if NUMBERS.contains(name) { value } else { unguarded(value) };
                    draft.set(name, value.to_owned());
                }
                draft.check().map(|entry| Some(vec![entry]))
            }
            Meaning::Profile(plan) => plan.entries(&self.fields),
        }
    }
}

/// Lines one value may span.
const JOINED_MAX: usize = 64;

/// The names in the header and the delimiter that gives the most of them.
fn header_names(line: &Line, profile: Option<&Profile>) -> Result<(Vec<String>, u8), ImportError> {
    let text =
        std::str::from_utf8(&line.bytes).ok().filter(|text| line.whole && !text.chars().any(|c| c.is_control() && c != '\t'));
    let Some(text) = text else {
        let what =
            "the file does not begin with a line of UTF-8 text of at most 1 MiB; CSV begins with a header, NDJSON with `{`";
        return Err(ImportError::NotText(what.into()));
    };
    let stated = profile.and_then(Profile::delimiter);
    let mut best: (Vec<String>, u8) = (Vec::new(), b',');
    let mut open_quote = false;
    for delimiter in stated.map_or(vec![b',', b';', b'\t'], |d| vec![d]) {
        let mut fields = Fields::default();
        match split(text, delimiter, &mut fields) {
            Split::Done if fields.len() > best.0.len() => {
                best = (fields.iter().map(|name| name.trim().to_owned()).collect(), delimiter);
            }
            Split::Done => {}
            Split::Open | Split::Stray => open_quote = true,
        }
    }
    if best.0.is_empty() || (open_quote && best.0.len() == 1) {
        return Err(ImportError::Header("the header's quotes are not closed".into()));
    }
    Ok(best)
}

fn contract_columns(names: &[String]) -> Result<Vec<&'static str>, ImportError> {
    let mut columns: Vec<&'static str> = Vec::with_capacity(names.len());
    for (i, name) in names.iter().enumerate() {
        let Some((field, _)) = FIELDS.iter().find(|(field, _)| field == name) else {
            let name: String = name.chars().take(64).collect();
            let fits = shipped_that_fit(names);
            let hint = match fits.is_empty() {
                true => "use the field names of the contract, or a mapping profile with --profile".to_owned(),
                false => format!("the header is known to the shipped profiles {}; choose with --profile", fits.join(", ")),
            };
            return Err(ImportError::Header(format!(
                "column {} of the header, `{name}`, is not a field of an entry; {hint}",
                i + 1
            )));
        };
        if columns.contains(field) {
            return Err(ImportError::Header(format!("the header names `{field}` twice")));
        }
        columns.push(field);
    }
    let missing: Vec<&str> = NEEDED.into_iter().filter(|needed| !columns.contains(needed)).collect();
    if missing.is_empty() {
        return Ok(columns);
    }
    Err(ImportError::Header(format!("the header lacks {}; every entry needs them", missing.join(", "))))
}
