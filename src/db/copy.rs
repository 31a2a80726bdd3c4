//! PostgreSQL's binary `COPY` format, sent piece by piece while it is written, so that the server is at
//! work meanwhile.

use std::cell::RefCell;
use std::io::Write;

use diesel::prelude::*;
use diesel::result::Error;

use super::bulk::{BulkRow, Value, Width};
use super::{DbError, DbResult};

/// Bytes sent at once, about.
const PIECE: usize = 64 << 10;

/// Appends `rows` rows whose values `fill` puts out in order.
pub(super) fn send<'r, R: BulkRow>(
    conn: &mut PgConnection,
    rows: usize,
    fill: impl Fn(usize, &mut Vec<Value<'r>>) -> DbResult<()>,
) -> DbResult<()> {
    let unfilled: RefCell<Option<DbError>> = RefCell::default();
    let filled = |row: usize, out: &mut Vec<Value<'r>>| {
        fill(row, out).map_err(|error| {
            *unfilled.borrow_mut() = Some(error);
            Error::RollbackTransaction
        })
    };
    let sent = R::copy(conn, &|out| put::<R>(out, rows, &filled));
    match unfilled.into_inner() {
        Some(error) => Err(error),
        None => Ok(sent.map(drop)?),
    }
}

/// Version "no flags".
fn put<'r, R: BulkRow>(
    out: &mut dyn Write,
    rows: usize,
    fill: &dyn Fn(usize, &mut Vec<Value<'r>>) -> QueryResult<()>,
) -> QueryResult<()> {
    let columns = R::WIDTHS.len() as i16;
    let mut piece = Vec::with_capacity((32 + rows * R::WIDTHS.len() * 12).min(PIECE + PIECE / 4));
    let mut values = Vec::with_capacity(R::WIDTHS.len());
    piece.extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
    for row in 0..rows {
        values.clear();
        fill(row, &mut values)?;
        piece.extend_from_slice(&columns.to_be_bytes());
        for (value, width) in values.iter().zip(R::WIDTHS) {
            put_value(&mut piece, *value, *width);
        }
        if piece.len() >= PIECE {
            out.write_all(&piece).map_err(lost)?;
            piece.clear();
        }
    }
    piece.extend_from_slice(&(-1_i16).to_be_bytes());
    out.write_all(&piece).map_err(lost)
}

fn lost(error: std::io::Error) -> Error {
    Error::SerializationError(Box::new(error))
}

fn put_value(out: &mut Vec<u8>, value: Value<'_>, width: Width) {
    let mut field = |bytes: &[u8]| {
        out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
        out.extend_from_slice(bytes);
    };
    match (value, width) {
        (Value::Null, _) => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        // A column's Rust type has its width, so the narrowing never cuts.
        (Value::Int(number), Width::I16) => field(&(number as i16).to_be_bytes()),
        (Value::Int(number), Width::I32) => field(&(number as i32).to_be_bytes()),
        (Value::Int(number), _) => field(&number.to_be_bytes()),
        (Value::Text(text), _) => field(text.as_bytes()),
        (Value::Bytes(bytes), _) => field(bytes),
    }
}
