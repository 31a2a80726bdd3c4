//! Rows of cells into CSV or NDJSON.

use std::io::Write;

use serde_json::Map;

use super::ExportError;
use super::cells::{Cell, write_csv};

/// How an export is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 with a header, UTF-8.
    #[default]
    Csv,
    /// One JSON object a line.
    Ndjson,
}

impl Format {
    /// From its name.
    pub fn parse(text: &str) -> Option<Format> {
        match text {
            "csv" => Some(Format::Csv),
            "ndjson" => Some(Format::Ndjson),
            _ => None,
        }
    }
}

/// A table being written.
pub(super) struct Table<'a> {
    format: Format,
    columns: Vec<&'static str>,
    out: &'a mut dyn Write,
    rows: u64,
}

impl<'a> Table<'a> {
    /// Begins, in CSV with the header.
    pub fn begin(format: Format, columns: Vec<&'static str>, out: &'a mut dyn Write) -> Result<Table<'a>, ExportError> {
        if format == Format::Csv {
            let header: Vec<Cell> = columns.iter().map(|name| Cell::Plain((*name).into())).collect();
            write_csv(out, &header)?;
        }
        Ok(Table { format, columns, out, rows: 0 })
    }

    /// One row, parallel to the columns.
    pub fn row(&mut self, cells: Vec<Cell>) -> Result<(), ExportError> {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows += 1;
        match self.format {
            Format::Csv => write_csv(self.out, &cells)?,
            Format::Ndjson => {
                let values = cells.into_iter().map(Cell::json);
                let object: Map<_, _> = self.columns.iter().map(|name| (*name).to_owned()).zip(values).collect();
                serde_json::to_writer(&mut *self.out, &object).map_err(std::io::Error::from)?;
                self.out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// Ends; answers how many rows were written.
    pub fn finish(self) -> Result<u64, ExportError> {
        self.out.flush()?;
        Ok(self.rows)
    }
}
