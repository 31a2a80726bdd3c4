//! Cells of a table, and their CSV: RFC 4180, guarded against spreadsheets that run formulas.
//!
//! A text that begins with `=`, `+`, `-`, `@` or a tab gets a leading `'`, and so does a text that
//! begins with such a `'` already: so [`unguarded`] always gives back what was there. Numbers stay
//! numbers.

use std::io::{self, Write};

use serde_json::Value;

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// No value.
    Null,
    /// Text from anywhere: guarded.
    Text(String),
    /// Text of ours that cannot be a formula, or decimal money: printed as it is.
    Plain(String),
    /// A whole number.
    Int(i64),
    /// Text that was guarded before: printed as it is, quoted if it must be.
    Written(String),
}

impl Cell {
    /// Text, or none.
    pub fn text(value: Option<impl Into<String>>) -> Cell {
        value.map_or(Cell::Null, |text| Cell::Text(text.into()))
    }

    /// A plain value, or none.
    pub fn plain(value: Option<impl ToString>) -> Cell {
        value.map_or(Cell::Null, |text| Cell::Plain(text.to_string()))
    }

    /// A whole number, or none.
    pub fn int(value: Option<i64>) -> Cell {
        value.map_or(Cell::Null, Cell::Int)
    }

    /// As JSON: text as it is, whole numbers as numbers, money as text.
    pub fn json(self) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::Text(text) | Cell::Plain(text) | Cell::Written(text) => Value::from(text),
            Cell::Int(number) => Value::from(number),
        }
    }
}

/// Whether a spreadsheet could take it for a formula, looking past guards.
fn is_formula(text: &str) -> bool {
    matches!(text.trim_start_matches('\'').as_bytes().first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\0'))
}

/// Text as a guarded cell holds it.
pub fn guarded(text: &str) -> std::borrow::Cow<'_, str> {
    if is_formula(text) { format!("'{text}").into() } else { text.into() }
}

/// What a guarded cell stands for.
pub fn unguarded(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if is_formula(rest) => rest,
        _ => text,
    }
}

/// One CSV record with its line end.
pub fn write_csv(out: &mut dyn Write, cells: &[Cell]) -> io::Result<()> {
    for (i, cell) in cells.iter().enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        match cell {
            Cell::Null => {}
            Cell::Int(number) => write!(out, "{number}")?,
            Cell::Text(text) => write_quoted(out, &guarded(text))?,
            Cell::Plain(text) | Cell::Written(text) => write_quoted(out, text)?,
        }
    }
    out.write_all(b"\r\n")
}

/// Quotes when the text needs it; spaces at the ends need it too, because readers drop them.
fn write_quoted(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let special = |c: char| matches!(c, ',' | '"' | '\r' | '\n' | ';' | '\t');
    let spaced = text.starts_with(' ') || text.ends_with(' ');
    if !spaced && !text.contains(special) {
        return out.write_all(text.as_bytes());
    }
    write!(out, "\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn csv(cells: &[Cell]) -> String {
        let mut out = Vec::new();
        write_csv(&mut out, cells).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_formula_is_defused_and_a_number_stays_a_number() {
        let text = |text: &str| Cell::Text(text.into());
        assert_eq!(csv(&[text("=1+1"), Cell::Plain("-5.00".into()), Cell::Int(-3), Cell::Null]), "'=1+1,-5.00,-3,\r\n");
        assert_eq!(
            csv(&[text("O'Neil"), text("'quoted'"), text("DE89 3704"), text("a \"b\", c")]),
            "O'Neil,'quoted',DE89 3704,\"a \"\"b\"\", c\"\r\n"
        );
        assert_eq!(csv(&[text("'=x"), text("-12"), text(" x ")]), "''=x,'-12,\" x \"\r\n");
    }

    proptest! {
        #[test]
        fn a_guard_can_always_be_taken_off(text in "['=+@\\- a1]{0,6}") {
            let cell = guarded(&text);
            prop_assert_eq!(unguarded(&cell), text.as_str());
            prop_assert!(!matches!(cell.as_bytes().first(), Some(b'=' | b'+' | b'-' | b'@')));
        }
    }
}
