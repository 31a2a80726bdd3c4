//! The tables of keys and of what is sealed under them.

use diesel::prelude::*;

use crate::db::schema::{data_keys, recovery_keys, sealed_parts};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::{bulk_row, on_conn};

bulk_row! {
    /// A row of `recovery_keys`.
    RecoveryRow => recovery_keys {
        id: i64, name: String, public_key: Vec<u8>, challenge: Vec<u8>, answer: String, made_at: i64, tested_at: Option<i64>,
    }
}
bulk_row! {
    /// A row of `data_keys`.
    DataKeyRow => data_keys {
        id: i64, month: i32, master: String, wrapped: Vec<u8>, recovery: String, recovery_wrapped: Vec<u8>, made_at: i64,
    }
}
bulk_row! {
    /// A row of `sealed_parts`.
    SealedPartRow => sealed_parts { seq: i64, data_key: i64, fields: i16, nonce: Vec<u8>, sealed: Vec<u8> }
}

/// Every recovery key there ever was, oldest first.
pub fn recovery_rows(conn: &mut Conn) -> DbResult<Vec<RecoveryRow>> {
    Ok(on_conn!(conn, |c| recovery_keys::table.order(recovery_keys::id).select(RecoveryRow::as_select()).load(c))?)
}

/// Notes that a recovery key opened its test value.
pub(super) fn set_tested(conn: &mut Conn, id: Seq, at: i64) -> DbResult<()> {
    on_conn!(conn, |c| diesel::update(recovery_keys::table.find(id)).set(recovery_keys::tested_at.eq(at)).execute(c))?;
    Ok(())
}

/// Every data key, oldest first: one a month.
pub fn data_keys(conn: &mut Conn) -> DbResult<Vec<DataKeyRow>> {
    Ok(on_conn!(conn, |c| data_keys::table.order(data_keys::id).select(DataKeyRow::as_select()).load(c))?)
}

/// One data key.
pub(super) fn data_key(conn: &mut Conn, id: Seq) -> DbResult<Option<DataKeyRow>> {
    Ok(on_conn!(conn, |c| data_keys::table.find(id).select(DataKeyRow::as_select()).first(c).optional())?)
}

/// The data key of a month, the newest if there are several.
pub(super) fn data_key_of(conn: &mut Conn, month: i32) -> DbResult<Option<DataKeyRow>> {
    let query = data_keys::table.filter(data_keys::month.eq(month)).order(data_keys::id.desc());
    Ok(on_conn!(conn, |c| query.select(DataKeyRow::as_select()).first(c).optional())?)
}

/// Stores how a data key is wrapped now.
pub(super) fn rewrap(conn: &mut Conn, row: &DataKeyRow) -> DbResult<()> {
    let values = (
        data_keys::master.eq(&row.master),
        data_keys::wrapped.eq(&row.wrapped),
        data_keys::recovery.eq(&row.recovery),
        data_keys::recovery_wrapped.eq(&row.recovery_wrapped),
    );
    on_conn!(conn, |c| diesel::update(data_keys::table.find(row.id)).set(values).execute(c))?;
    Ok(())
}

/// What is sealed of one entry.
pub fn sealed_part(conn: &mut Conn, seq: Seq) -> DbResult<Option<SealedPartRow>> {
    Ok(on_conn!(conn, |c| sealed_parts::table.find(seq).select(SealedPartRow::as_select()).first(c).optional())?)
}

/// What is sealed of the entries in a range.
pub fn sealed_parts_between(conn: &mut Conn, from: Seq, to: Seq) -> DbResult<Vec<SealedPartRow>> {
    let query = sealed_parts::table.filter(sealed_parts::seq.ge(from)).filter(sealed_parts::seq.lt(to));
    Ok(on_conn!(conn, |c| query.order(sealed_parts::seq).select(SealedPartRow::as_select()).load(c))?)
}
