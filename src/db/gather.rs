//! Many rows read at once and packed: no struct per row, no allocation per value, no call per value
//! through the query layer.
//!
//! A row is its columns in order, as the fields of a leaf are written: two bytes of length and the
//! value, a number in eight bytes, `FF FF` for none. SQLite hands its values to an aggregate function
//! ([`super::feed`]); PostgreSQL sends rows as binary `COPY`. Measured in
//! `docs/performance.md`: a third of what the same rows cost through structs.

use std::cell::RefCell;
use std::io::Read;
use std::ops::Range;

use counterfoil_verify::leaf::MAX_FIELD;
use diesel::connection::SimpleConnection;
use diesel::pg::{CopyFormat, CopyTarget, Pg};
use diesel::prelude::*;
use diesel::query_builder::AstPass;
use diesel::sql_types::BigInt;

use super::bulk::{BulkRow, Width};
use super::feed;
use super::schema::entries;
use super::{Conn, DbError, DbResult};

/// Rows of a table, packed.
#[derive(Debug, Default)]
pub struct Packed {
    bytes: Vec<u8>,
    rows: Vec<(i64, Range<usize>)>,
    /// The keys of rows that are not among them, because a value is not of its column's type or is
    /// longer than a field can be; in order.
    pub odd: Vec<i64>,
}

impl Packed {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none, and no odd ones either.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.odd.is_empty()
    }

    /// The key of a row and its bytes, the prefix before them; rows are in order of their keys.
    pub fn get(&self, row: usize) -> Option<(i64, &[u8])> {
        let (key, range) = self.rows.get(row)?;
        Some((*key, &self.bytes[range.clone()]))
    }

    /// Takes out the rows that `is_well` does not answer for; their keys become odd ones.
    pub fn retain(&mut self, mut is_well: impl FnMut(&[u8]) -> bool) {
        let Packed { bytes, rows, odd } = self;
        let before = odd.len();
        rows.retain(|(key, range)| {
            let well = is_well(&bytes[range.clone()]);
            if !well {
                odd.push(*key);
            }
            well
        });
        if odd.len() > before {
            odd.sort_unstable();
        }
    }
}

/// Packs one row after the other.
pub(super) struct Packer {
    widths: &'static [Width],
    prefix: Vec<u8>,
    packed: Packed,
    /// Of the row that is being packed.
    start: usize,
    column: usize,
    key: i64,
    fits: bool,
}

impl Packer {
    /// `spent` gives its room.
    fn new(widths: &'static [Width], prefix: &[u8], spent: Packed) -> Packer {
        let mut packed = spent;
        packed.bytes.clear();
        packed.rows.clear();
        packed.odd.clear();
        Packer { widths, prefix: prefix.to_vec(), packed, start: 0, column: 0, key: 0, fits: true }
    }

    /// A row begins.
    pub(super) fn begin(&mut self) {
        let bytes = &mut self.packed.bytes;
        (self.start, self.column, self.fits) = (bytes.len(), 0, true);
        bytes.extend_from_slice(&self.prefix);
    }

    fn next(&mut self) -> Option<Width> {
        let width = self.widths.get(self.column).copied();
        self.column += 1;
        width
    }

    /// No value.
    pub(super) fn null(&mut self) {
        self.column += 1;
        self.packed.bytes.extend_from_slice(&[0xFF, 0xFF]);
    }

    /// A whole number.
    pub(super) fn int(&mut self, value: i64) {
        if self.column == 0 {
            self.key = value;
        }
        self.fits &= match self.next() {
            Some(Width::I16) => i16::try_from(value).is_ok(),
            Some(Width::I32) => i32::try_from(value).is_ok(),
            Some(Width::I64) => true,
            _ => false,
        };
        let mut field = [0, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        field[2..].copy_from_slice(&value.to_be_bytes());
        self.packed.bytes.extend_from_slice(&field);
    }

    /// Text.
    pub(super) fn text(&mut self, value: &[u8]) {
        self.fits &= self.next() == Some(Width::Text);
        self.field(value);
    }

    /// Bytes.
    pub(super) fn blob(&mut self, value: &[u8]) {
        self.fits &= self.next() == Some(Width::Bytes);
        self.field(value);
    }

    fn field(&mut self, value: &[u8]) {
        match u16::try_from(value.len()) {
            Ok(length) if value.len() <= MAX_FIELD => {
                self.packed.bytes.extend_from_slice(&length.to_be_bytes());
                self.packed.bytes.extend_from_slice(value);
            }
            _ => self.fits = false,
        }
    }

    /// A value that no column of ours holds.
    pub(super) fn other(&mut self) {
        self.column += 1;
        self.fits = false;
    }

    /// The row is over.
    pub(super) fn end(&mut self) {
        let Packed { bytes, rows, odd } = &mut self.packed;
        if self.fits && self.column == self.widths.len() {
            rows.push((self.key, self.start..bytes.len()));
        } else {
            bytes.truncate(self.start);
            odd.push(self.key);
        }
    }

    fn finish(self) -> Packed {
        let mut packed = self.packed;
        // Both databases read along the key, but neither promises to.
        if !packed.rows.is_sorted_by_key(|(key, _)| *key) {
            packed.rows.sort_unstable_by_key(|(key, _)| *key);
        }
        packed.odd.sort_unstable();
        packed
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

thread_local! {
    /// What the next `COPY` of this thread reads: diesel asks for it without a value to ask.
    static COPIED: RefCell<String> = const { RefCell::new(String::new()) };
    /// What came of it; kept for its room.
    static SENT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The rows that a query in [`COPIED`] answers, as something to copy.
struct Copied;

impl CopyTarget for Copied {
    type Table = entries::table;
    type SqlType = BigInt;

    fn walk_target(mut pass: AstPass<'_, '_, Pg>) -> QueryResult<()> {
        COPIED.with_borrow(|query| pass.push_sql(query));
        Ok(())
    }
}

/// The rows whose key lies between `from` and before `to`, with `prefix` before each; at most
/// `to - from` of them, because the key is one number. They take the room of rows that are `spent`: to
/// ask the system for it anew costs as much as reading them.
pub fn between<R: BulkRow>(conn: &mut Conn, (from, to): (i64, i64), prefix: &[u8], spent: Packed) -> DbResult<Packed> {
    let key = R::COLUMNS.split(',').next().unwrap_or_default();
    let mut packer = Packer::new(R::WIDTHS, prefix, spent);
    let (columns, table) = (R::COLUMNS, R::TABLE);
    match conn {
        Conn::Sqlite(c) => {
            let pack = feed::PACK;
            let sql = format!("SELECT {pack}({columns}) AS count FROM {table} WHERE {key} >= ? AND {key} < ?");
            let query = diesel::sql_query(sql).bind::<BigInt, _>(from).bind::<BigInt, _>(to);
            let Count { count } = feed::packing(&mut packer, || query.get_result(c))?;
            let packed = packer.finish();
            if usize::try_from(count) != Ok(packed.len() + packed.odd.len()) {
                return Err(DbError::Corrupt(format!("not all of {count} rows were read of {table}")));
            }
            Ok(packed)
        }
        Conn::Postgres(c) => {
            COPIED.set(format!("(SELECT {columns} FROM {table} WHERE {key} >= {from} AND {key} < {to} ORDER BY {key})"));
            let failed = |e: std::io::Error| DbError::Query(diesel::result::Error::DeserializationError(Box::new(e)));
            let unknown = || DbError::Corrupt(format!("rows of {table} came in a format that is not known"));
            SENT.with_borrow_mut(|sent| {
                sent.clear();
                diesel::copy_to(Copied).with_format(CopyFormat::Binary).load_raw(c)?.read_to_end(sent).map_err(failed)?;
                // Diesel leaves the end of the answer unread, and a statement that is prepared already would find the
                // connection busy; a simple one reads it first.
                c.batch_execute("SELECT 1")?;
                unpack(sent, &mut packer).ok_or_else(unknown)
            })?;
            Ok(packer.finish())
        }
    }
}

/// What binary `COPY` begins with: its name, no flags, no more of a header.
const COPY_BEGINS: &[u8] = b"PGCOPY\n\xFF\r\n\0\0\0\0\0\0\0\0\0";

/// Reads rows as PostgreSQL's binary `COPY` sends them: the number of columns, −1 after the last row, and for
/// each its length (−1: none) and its value.
fn unpack(sent: &[u8], packer: &mut Packer) -> Option<()> {
    let mut sent = sent.strip_prefix(COPY_BEGINS)?;
    loop {
        let columns = i16::from_be_bytes(take(&mut sent)?);
        if columns < 0 {
            return sent.is_empty().then_some(());
        }
        packer.begin();
        for width in packer.widths.iter().take(usize::try_from(columns).ok()?) {
            let Ok(length) = usize::try_from(i32::from_be_bytes(take(&mut sent)?)) else {
                packer.null();
                continue;
            };
            let (value, rest) = sent.split_at_checked(length)?;
            sent = rest;
            match (width, length) {
                (Width::Text, _) => packer.text(value),
                (Width::Bytes, _) => packer.blob(value),
                (Width::I64, 8) => packer.int(i64::from_be_bytes(value.try_into().ok()?)),
                (Width::I32, 4) => packer.int(i64::from(i32::from_be_bytes(value.try_into().ok()?))),
                (Width::I16, 2) => packer.int(i64::from(i16::from_be_bytes(value.try_into().ok()?))),
                _ => return None,
            }
        }
        packer.end();
    }
}

fn take<const N: usize>(sent: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = sent.split_first_chunk()?;
    *sent = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const WIDTHS: &[Width] = &[Width::I64, Width::I16, Width::Text, Width::Bytes];

    fn sent(rows: &[&[u8]], ends: &[u8]) -> Vec<u8> {
        [COPY_BEGINS, &rows.concat(), ends].concat()
    }

    #[test]
    fn rows_of_a_copy_are_packed_as_fields() {
        let row = b"\0\x04\0\0\0\x08\0\0\0\0\0\0\0\x07\0\0\0\x02\xFF\xFE\0\0\0\x01R\xFF\xFF\xFF\xFF";
        let mut packer = Packer::new(WIDTHS, b"before", Packed::default());
        unpack(&sent(&[row], b"\xFF\xFF"), &mut packer).unwrap();
        let packed = packer.finish();
        let fields = b"before\0\x08\0\0\0\0\0\0\0\x07\0\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE\0\x01R\xFF\xFF";
        assert_eq!((packed.len(), packed.get(0)), (1, Some((7, &fields[..]))));
        for (rows, ends) in [(&row[..], &b""[..]), (&row[..10], b"\xFF\xFF"), (&row[..], b"\xFF\xFFmore")] {
            assert!(
                unpack(&sent(&[rows], ends), &mut Packer::new(WIDTHS, b"", Packed::default())).is_none(),
                "{rows:?} {ends:?}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_its_column_is_odd() {
        let mut packer = Packer::new(WIDTHS, b"", Packed::default());
        let mut row = |key: i64, second: i64, text: &[u8]| {
            packer.begin();
            packer.int(key);
            packer.int(second);
            packer.text(text);
            packer.null();
            packer.end();
        };
        row(9, 1, b"well");
        row(8, 40_000, b"too many bits");
        row(7, 1, &[b'x'; MAX_FIELD + 1]);
        row(6, 1, &[b'x'; MAX_FIELD]);
        let packed = packer.finish();
        let keys: Vec<i64> = (0..packed.len()).map(|row| packed.get(row).unwrap().0).collect();
        assert_eq!((keys, packed.odd.as_slice(), packed.is_empty()), (vec![6, 9], &[7, 8][..], false));
    }
}
