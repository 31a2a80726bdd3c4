//! Tables as Parquet: written column by column, and read again row by row to be held against the leaves.
//!
//! Whole numbers and minor units are INT64, instants TIMESTAMP(MICROS) in UTC, dates DATE, texts UTF-8: nothing is
//! rounded. Only this file knows the crate.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use counterfoil_verify::archive::{Cell, Column, ColumnKind, Row, Table};
use counterfoil_verify::check::{Level, Report};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;

use super::super::ExportError;
use super::folder::Sink;

/// Rows of a group; a group is held in memory.
const GROUP_ROWS: usize = 65_536;
/// Findings that are listed.
const FOUND_MAX: usize = 100;
/// Bytes of text in a group, about.
const GROUP_BYTES: usize = 64 << 20;

impl From<ParquetError> for ExportError {
    fn from(error: ParquetError) -> ExportError {
        ExportError::Write(io::Error::other(error))
    }
}

/// The name of a column: minor units say so.
fn name(column: &Column) -> String {
    let end = if column.kind == ColumnKind::Money { "_minor" } else { "" };
    format!("{}{end}", column.name)
}

fn schema(table: Table) -> String {
    let kind = |kind| match kind {
        ColumnKind::Int | ColumnKind::Money => ("INT64", ""),
        ColumnKind::Time => ("INT64", " (TIMESTAMP(MICROS,true))"),
        ColumnKind::Date => ("INT32", " (DATE)"),
        ColumnKind::Text => ("BYTE_ARRAY", " (UTF8)"),
    };
    let column = |column: &Column| {
        let (physical, logical) = kind(column.kind);
        format!("OPTIONAL {physical} {}{logical};", name(column))
    };
    let columns: Vec<String> = table.columns().iter().map(column).collect();
    format!("message {} {{ {} }}", table.name(), columns.join(" "))
}

/// The values of a column of the present group.
enum Values {
    Long(Vec<i64>),
    Int(Vec<i32>),
    Text(Vec<ByteArray>),
}

struct Buffer {
    values: Values,
    /// For each row 1, or 0 where it has none.
    present: Vec<i16>,
}

/// A table being written.
pub(super) struct ParquetTable {
    writer: SerializedFileWriter<Sink>,
    buffers: Vec<Buffer>,
    rows: usize,
    bytes: usize,
}

impl ParquetTable {
    pub(super) fn begin(table: Table, sink: Sink) -> Result<ParquetTable, ExportError> {
        let schema = Arc::new(parse_message_type(&schema(table))?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_created_by("counterfoil".to_owned())
            .build();
        let buffer = |column: &Column| Buffer {
            values: match column.kind {
                ColumnKind::Int | ColumnKind::Money | ColumnKind::Time => Values::Long(Vec::new()),
                ColumnKind::Date => Values::Int(Vec::new()),
                ColumnKind::Text => Values::Text(Vec::new()),
            },
            present: Vec::new(),
        };
        let buffers = table.columns().iter().map(buffer).collect();
        Ok(ParquetTable { writer: SerializedFileWriter::new(sink, schema, Arc::new(properties))?, buffers, rows: 0, bytes: 0 })
    }

    pub(super) fn row(&mut self, cells: &[Cell]) -> Result<(), ExportError> {
        for (buffer, cell) in self.buffers.iter_mut().zip(cells) {
            self.bytes += buffer.add(cell)?;
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        let mut group = self.writer.next_row_group()?;
        let mut buffers = self.buffers.iter_mut();
        while let Some(mut column) = group.next_column()? {
            let Some(Buffer { values, present }) = buffers.next() else { break };
            match values {
                Values::Long(values) => drop(column.typed::<Int64Type>().write_batch(values, Some(present), None)?),
                Values::Int(values) => drop(column.typed::<Int32Type>().write_batch(values, Some(present), None)?),
                Values::Text(values) => drop(column.typed::<ByteArrayType>().write_batch(values, Some(present), None)?),
            }
            column.close()?;
        }
        group.close()?;
        self.buffers.iter_mut().for_each(Buffer::clear);
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Sink, ExportError> {
        if self.rows > 0 {
            self.flush()?;
        }
        Ok(self.writer.into_inner()?)
    }
}

impl Buffer {
    /// Appends a cell; answers how many bytes it has.
    fn add(&mut self, cell: &Cell) -> Result<usize, ExportError> {
        let other = || ExportError::Write(io::Error::other("a cell is not of its column's kind"));
        self.present.push(i16::from(*cell != Cell::Null));
        match (&mut self.values, cell) {
            (_, Cell::Null) => return Ok(1),
            (Values::Long(to), Cell::Int(value) | Cell::Money(value, _) | Cell::Time(value)) => to.push(*value),
            (Values::Int(to), Cell::Date(value)) => to.push(i32::try_from(*value).map_err(|_| other())?),
            (Values::Text(to), Cell::Text(text)) => {
                to.push(ByteArray::from(text.as_bytes().to_vec()));
                return Ok(text.len() + 32);
            }
            _ => return Err(other()),
        }
        Ok(8)
    }

    fn clear(&mut self) {
        self.present.clear();
        match &mut self.values {
            Values::Long(values) => values.clear(),
            Values::Int(values) => values.clear(),
            Values::Text(values) => values.clear(),
        }
    }
}

fn open(path: &Path, table: Table) -> Result<RowIter<'static>, String> {
    let unreadable = |e: &dyn std::fmt::Display| format!("cannot be read: {e}");
    let file = File::open(path).map_err(|e| unreadable(&e))?;
    let reader = SerializedFileReader::new(file).map_err(|e| unreadable(&e))?;
    let columns = |schema: &SchemaDescriptor| -> Vec<_> {
        schema
            .columns()
            .iter()
            .map(|column| (column.name().to_owned(), column.physical_type(), column.converted_type()))
            .collect()
    };
    let right = parse_message_type(&schema(table)).map_err(|e| unreadable(&e))?;
    if columns(reader.metadata().file_metadata().schema_descr()) != columns(&SchemaDescriptor::new(Arc::new(right))) {
        return Err("has other columns than it must have".into());
    }
    Ok(RowIter::from_file_into(Box::new(reader)))
}

/// A file that was made to mislead a reader can make the crate panic: that is a finding, too.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("cannot be read: its parts do not fit together".into()))
}

/// A word, the leaf it is about, and what is wrong.
type Found = (&'static str, Option<u64>, String);

/// The Parquet tables of an archive, held row by row against what its leaves give.
pub struct ParquetCheck {
    tables: Vec<(Table, Result<RowIter<'static>, String>, u64)>,
    found: Vec<Found>,
    more: u64,
    checked: u64,
}

impl ParquetCheck {
    /// Opens the tables of an archive's folder.
    pub fn open(folder: &Path) -> ParquetCheck {
        let mut check = ParquetCheck { tables: Vec::new(), found: Vec::new(), more: 0, checked: 0 };
        for table in Table::ALL {
            let rows = guarded(|| open(&folder.join(table.path("parquet")), table));
            if let Err(why) = &rows {
                check.found.push(("table_unreadable", None, format!("{} {why}", table.path("parquet"))));
            }
            check.tables.push((table, rows, 0));
        }
        check
    }

    /// Holds the next row of its table against one that the leaves give.
    pub fn row(&mut self, row: &Row) {
        if let Some((kind, seq, text)) = self.compared(row) {
            self.find(kind, seq, text);
        }
    }

    fn compared(&mut self, row: &Row) -> Option<Found> {
        let (table, rows_of, number) = self.tables.iter_mut().find(|(table, ..)| *table == row.table)?;
        let Ok(rows) = rows_of else { return None };
        self.checked += 1;
        *number += 1;
        let seq = match row.cells.first() {
            Some(Cell::Int(seq)) => Some(seq.unsigned_abs()),
            _ => None,
        };
        let path = table.path("parquet");
        match guarded(|| rows.next().transpose().map_err(|e| format!("cannot be read: {e}"))) {
            Ok(None) => Some(("table_row_missing", seq, format!("{path} ends before row {number}"))),
            Err(why) => {
                let found = ("table_unreadable", seq, format!("{path} row {number} {why}"));
                *rows_of = Err(why);
                Some(found)
            }
            Ok(Some(found)) => {
                let found = found.get_column_iter().map(|(_, field)| field);
                let pairs = table.columns().iter().zip(&row.cells).zip(found);
                let names: Vec<String> =
                    pairs.filter(|((_, cell), field)| !same(cell, field)).map(|((column, _), _)| name(column)).collect();
                let text = format!("{path} row {number} is not what the leaf gives: {}", names.join(", "));
                (!names.is_empty()).then_some(("table_row_changed", seq, text))
            }
        }
    }

    /// Notes something; of more than [`FOUND_MAX`] the rest is counted.
    fn find(&mut self, kind: &'static str, seq: Option<u64>, text: String) {
        if self.found.len() < FOUND_MAX { self.found.push((kind, seq, text)) } else { self.more += 1 }
    }

    /// Adds what was found to a report.
    pub fn finish(mut self, report: &mut Report) {
        for (table, rows, number) in &mut self.tables {
            if let Ok(rows) = rows
                && !matches!(guarded(|| rows.next().transpose().map_err(|e| e.to_string())), Ok(None))
            {
                let text = format!("{} goes on after row {number}", table.path("parquet"));
                self.found.push(("table_row_added", None, text));
            }
        }
        report.note(Level::L4, self.checked);
        report.more += self.more;
        self.found.into_iter().for_each(|(kind, seq, text)| report.add(Level::L4, kind, seq, text));
    }
}

fn same(cell: &Cell, field: &Field) -> bool {
    match (cell, field) {
        (Cell::Null, Field::Null) => true,
        (Cell::Int(one) | Cell::Money(one, _), Field::Long(two)) => one == two,
        (Cell::Time(one), Field::TimestampMicros(two)) => one == two,
        (Cell::Date(one), Field::Date(two)) => *one == i64::from(*two),
        (Cell::Text(one), Field::Str(two)) => one == two,
        _ => false,
    }
}
