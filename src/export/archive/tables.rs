//! The tables to read while they are written, in each format that was asked for.

use counterfoil_verify::archive::{Row, Table, line};

use super::super::ExportError;
use super::ArchiveRequest;
use super::folder::{Making, Sink};
use super::parquet::ParquetTable;

pub(super) struct Tables {
    ndjson: Vec<(Table, Sink)>,
    parquet: Vec<(Table, ParquetTable)>,
}

impl Tables {
    pub(super) fn begin(making: &Making, request: &ArchiveRequest) -> Result<Tables, ExportError> {
        let mut tables = Tables { ndjson: Vec::new(), parquet: Vec::new() };
        for table in Table::ALL {
            if request.ndjson {
                tables.ndjson.push((table, making.sink(&table.path("ndjson"))?));
            }
            if request.parquet {
                tables.parquet.push((table, ParquetTable::begin(table, making.sink(&table.path("parquet"))?)?));
            }
        }
        Ok(tables)
    }

    pub(super) fn row(&mut self, row: &Row) -> Result<(), ExportError> {
        if let Some((table, sink)) = self.ndjson.iter_mut().find(|(table, _)| *table == row.table) {
            sink.add(line(table.columns(), &row.cells).as_bytes())?;
        }
        if let Some((_, parquet)) = self.parquet.iter_mut().find(|(table, _)| *table == row.table) {
            parquet.row(&row.cells)?;
        }
        Ok(())
    }

    pub(super) fn finish(self, making: &mut Making) -> Result<(), ExportError> {
        for (_, sink) in self.ndjson {
            making.end(sink)?;
        }
        for (_, table) in self.parquet {
            making.end(table.finish()?)?;
        }
        Ok(())
    }
}
