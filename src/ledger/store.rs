//! The tables of the ledger: entries with their private parts, and what they refer to.

use counterfoil_verify::{EntryLeaf, Hash, TooLong};
use diesel::prelude::*;

use crate::clock::Moment;
use crate::db::among::among;
use crate::db::bulk::{BulkRow, Value, Width};
use crate::db::schema::{accounts, breaks, contexts, deliveries, entries, entry_parts, events, sources};
use crate::db::{Conn, DbError, DbResult};
use crate::ids::{Seq, written_as_erased};
use crate::money::Currency;
use crate::{bulk_row, on_conn};

use super::{
    ActorKind, BreakKind, BreakState, Channel, Context, Direction, FLAG_DATE_STATED, Instrument, Kind, NewEntry, Parts, Status,
};

bulk_row! {
    /// A row of `entries`; every column is in the leaf.
    EntryRow => entries {
        seq: i64, recorded_at: i64, source: i64, source_ref: String, account: i64, position: i64,
        prev: Option<i64>, jump: Option<i64>, kind: i16, direction: i16, amount: i64, currency: String,
        balance_before: Option<i64>, balance_after: Option<i64>, booked_at: i64, value_date: Option<i32>,
        business_date: i32, flags: i16, transaction_ref: Option<String>, account_seq: Option<i64>,
        context: i64, delivery: i64, channel: Option<i16>, instrument: Option<i16>, status: i16,
        reverses: Option<String>, rules: i64, outcomes: Option<String>, blind: Vec<u8>,
    }
}
bulk_row! {
    /// A row of `entry_parts`.
    EntryPartRow => entry_parts {
        seq: i64, salt: Vec<u8>, party: Option<String>, counterparty: Option<String>,
        counterparty_name: Option<String>, counterparty_country: Option<String>, reason: Option<String>,
    }
}
bulk_row! {
    /// A row of `sources`.
    SourceRow => sources { id: i64, name: String, created_at: i64 }
}
bulk_row! {
    /// A row of `accounts`.
    AccountRow => accounts { id: i64, source: i64, number: String, currency: String, created_at: i64 }
}
bulk_row! {
    /// A row of `contexts`.
    ContextRow => contexts {
        id: i64, source: i64, session_id: Option<String>, ip: Option<String>, user_agent: Option<String>,
        device_id: Option<String>, actor: Option<String>, actor_kind: Option<i16>, fingerprint: i64,
    }
}
bulk_row! {
    /// A row of `deliveries`.
    DeliveryRow => deliveries {
        id: i64, source: i64, kind: String, api_key: Option<i64>, origin: Option<String>, started_at: i64, fingerprint: i64,
    }
}
bulk_row! {
    /// A row of `breaks`.
    BreakRow => breaks {
        seq: i64, kind: i16, account: i64, currency: String, state: i16, expected: Option<i64>, found: Option<i64>,
        business_date: i32, opened_by: i64, opened_at: i64, due_at: i64, closed_by: Option<i64>, alert: Option<i64>,
    }
}

impl EntryRow {
    /// The leaf of this row: what is stored is what is hashed.
    pub fn leaf(&self) -> EntryLeaf<'_> {
        EntryLeaf {
            seq: self.seq,
            recorded_at: self.recorded_at,
            source: self.source,
            source_ref: &self.source_ref,
            account: self.account,
            position: self.position,
            prev: self.prev,
            jump: self.jump,
            kind: self.kind,
            direction: self.direction,
            amount: self.amount,
            currency: &self.currency,
            balance_before: self.balance_before,
            balance_after: self.balance_after,
            booked_at: self.booked_at,
            value_date: self.value_date,
            business_date: self.business_date,
            flags: self.flags,
            transaction_ref: self.transaction_ref.as_deref(),
            account_seq: self.account_seq,
            context: self.context,
            delivery: self.delivery,
            channel: self.channel,
            instrument: self.instrument,
            status: self.status,
            reverses: self.reverses.as_deref(),
            rules: self.rules,
            outcomes: self.outcomes.as_deref(),
            blind: &self.blind,
        }
    }

    /// The row whose leaf this is: the inverse of [`EntryRow::leaf`].
    pub fn of_leaf(leaf: &[u8]) -> DbResult<EntryRow> {
        let mut values = Vec::with_capacity(EntryRow::WIDTHS.len());
        leaf_values(leaf, &mut values)?;
        EntryRow::read(&values).ok_or_else(not_a_leaf)
    }

    /// The RFC 6962 hash of the row's leaf in the log named `origin`.
    pub fn leaf_hash(&self, origin: &str) -> Result<Hash, TooLong> {
        let mut bytes = Vec::new();
        self.leaf().encode(origin, &mut bytes)?;
        Ok(counterfoil_verify::leaf::hash(&bytes))
    }

    /// The entry's currency.
    pub fn money(&self) -> DbResult<Currency> {
        Currency::parse(&self.currency).map_err(|e| self.corrupt(&e.to_string()))
    }

    /// The entry as it was sent, as far as this row tells; `context` and `parts` complete it.
    pub fn to_entry(&self, account: &str, context: Context, parts: Parts) -> DbResult<NewEntry> {
        let missing = |what: &str| self.corrupt(&format!("unknown {what}"));
        Ok(NewEntry {
            source_ref: self.source_ref.clone(),
            account: account.to_owned(),
            currency: self.money()?,
            kind: Kind::from_code(self.kind).ok_or_else(|| missing("kind"))?,
            direction: Direction::from_code(self.direction).ok_or_else(|| missing("direction"))?,
            amount: self.amount,
            balance_before: self.balance_before,
            balance_after: self.balance_after,
            booked_at: Moment(self.booked_at),
            value_date: self.value_date,
            business_date: (self.flags & FLAG_DATE_STATED != 0).then_some(self.business_date),
            transaction_ref: self.transaction_ref.clone(),
            account_seq: self.account_seq,
            context,
            channel: self.channel.and_then(Channel::from_code),
            instrument: self.instrument.and_then(Instrument::from_code),
            reverses: self.reverses.clone(),
            status: Status::from_code(self.status).ok_or_else(|| missing("status"))?,
            parts,
        })
    }

    fn corrupt(&self, what: &str) -> DbError {
        DbError::Corrupt(format!("entry {}: {what}", self.seq))
    }
}

/// The values of the row of `entries` whose leaf this is: its fields, after origin and word, are the
/// columns in order.
pub fn leaf_values<'a>(leaf: &'a [u8], out: &mut Vec<Value<'a>>) -> DbResult<()> {
    let mut fields = counterfoil_verify::leaf::fields(leaf).skip(2);
    for width in EntryRow::WIDTHS {
        let Some(field) = fields.next().ok_or_else(not_a_leaf)? else {
            out.push(Value::Null);
            continue;
        };
        out.push(match width {
            Width::Text => Value::Text(std::str::from_utf8(field).map_err(|_| not_a_leaf())?),
            Width::Bytes => Value::Bytes(field),
            _ => Value::Int(i64::from_be_bytes(field.try_into().map_err(|_| not_a_leaf())?)),
        });
    }
    Ok(())
}

fn not_a_leaf() -> DbError {
    DbError::Corrupt("the bytes are not the leaf of an entry".into())
}

impl ContextRow {
    /// The context as it was sent.
    pub fn context(&self) -> Context {
        Context {
            session_id: self.session_id.clone(),
            ip: self.ip.clone(),
            user_agent: self.user_agent.clone(),
            device_id: self.device_id.clone(),
            actor: self.actor.clone(),
            actor_kind: self.actor_kind.and_then(ActorKind::from_code),
        }
    }
}

/// One entry.
pub fn entry(conn: &mut Conn, seq: Seq) -> DbResult<Option<EntryRow>> {
    Ok(on_conn!(conn, |c| entries::table.find(seq).select(EntryRow::as_select()).first(c).optional())?)
}

/// The private parts of one entry, unless it has none or they were erased.
pub fn entry_part(conn: &mut Conn, seq: Seq) -> DbResult<Option<EntryPartRow>> {
    Ok(on_conn!(conn, |c| entry_parts::table.find(seq).select(EntryPartRow::as_select()).first(c).optional())?)
}

/// Entries from `from` (inclusive) to `to` (exclusive), oldest first, at most `limit`.
pub fn entries_between(conn: &mut Conn, from: Seq, to: Seq, limit: i64) -> DbResult<Vec<EntryRow>> {
    let query = entries::table.filter(entries::seq.ge(from)).filter(entries::seq.lt(to)).order(entries::seq).limit(limit);
    Ok(on_conn!(conn, |c| query.select(EntryRow::as_select()).load(c))?)
}

/// Private parts of the entries in a range.
pub fn entry_parts_between(conn: &mut Conn, from: Seq, to: Seq) -> DbResult<Vec<EntryPartRow>> {
    let query = entry_parts::table.filter(entry_parts::seq.ge(from)).filter(entry_parts::seq.lt(to));
    Ok(on_conn!(conn, |c| query.order(entry_parts::seq).select(EntryPartRow::as_select()).load(c))?)
}

/// Private parts of several entries, those that have any.
pub fn entry_parts_at(conn: &mut Conn, seqs: &[Seq]) -> DbResult<Vec<EntryPartRow>> {
    let query = entry_parts::table.filter(among(entry_parts::seq, seqs));
    Ok(on_conn!(conn, |c| query.select(EntryPartRow::as_select()).load(c))?)
}

/// Several entries by their places, in order.
pub fn entries_at(conn: &mut Conn, seqs: &[Seq]) -> DbResult<Vec<EntryRow>> {
    let query = entries::table.filter(among(entries::seq, seqs)).order(entries::seq);
    Ok(on_conn!(conn, |c| query.select(EntryRow::as_select()).load(c))?)
}

/// The account with this number as people write it: one whose number was erased is `erased N`.
pub fn account_as_written(conn: &mut Conn, text: &str) -> DbResult<Option<AccountRow>> {
    match (account_by_number(conn, text)?, written_as_erased(text)) {
        (None, Some(erased)) => account_by_number(conn, &erased),
        (found, _) => Ok(found),
    }
}

/// The account with this number, as it is stored.
pub fn account_by_number(conn: &mut Conn, number: &str) -> DbResult<Option<AccountRow>> {
    // No account has such a number, and PostgreSQL takes no text with NUL in it.
    if number.contains('\0') {
        return Ok(None);
    }
    Ok(on_conn!(conn, |c| accounts::table
        .filter(accounts::number.eq(number))
        .select(AccountRow::as_select())
        .first(c)
        .optional())?)
}

/// Every account number, in slices.
pub fn each_account_number(conn: &mut Conn, mut each: impl FnMut(&str)) -> DbResult<()> {
    let mut after = -1;
    loop {
        let query = accounts::table.filter(accounts::id.gt(after)).order(accounts::id).limit(10_000);
        let slice: Vec<(i64, String)> = on_conn!(conn, |c| query.select((accounts::id, accounts::number)).load(c))?;
        let Some((last, _)) = slice.last() else { return Ok(()) };
        after = *last;
        slice.iter().for_each(|(_, number)| each(number));
    }
}

/// The account defined at `id`.
pub fn account(conn: &mut Conn, id: Seq) -> DbResult<Option<AccountRow>> {
    Ok(on_conn!(conn, |c| accounts::table.find(id).select(AccountRow::as_select()).first(c).optional())?)
}

/// The context defined at `id`.
pub fn context(conn: &mut Conn, id: Seq) -> DbResult<Option<ContextRow>> {
    Ok(on_conn!(conn, |c| contexts::table.find(id).select(ContextRow::as_select()).first(c).optional())?)
}

/// Contexts with this fingerprint: usually one.
pub fn contexts_by_fingerprint(conn: &mut Conn, fingerprint: i64) -> DbResult<Vec<ContextRow>> {
    let query = contexts::table.filter(contexts::fingerprint.eq(fingerprint)).order(contexts::id);
    Ok(on_conn!(conn, |c| query.select(ContextRow::as_select()).load(c))?)
}

/// The delivery defined at `id`.
pub fn delivery(conn: &mut Conn, id: Seq) -> DbResult<Option<DeliveryRow>> {
    Ok(on_conn!(conn, |c| deliveries::table.find(id).select(DeliveryRow::as_select()).first(c).optional())?)
}

/// Deliveries with this fingerprint: usually one.
pub fn deliveries_by_fingerprint(conn: &mut Conn, fingerprint: i64) -> DbResult<Vec<DeliveryRow>> {
    let query = deliveries::table.filter(deliveries::fingerprint.eq(fingerprint)).order(deliveries::id.desc()).limit(8);
    Ok(on_conn!(conn, |c| query.select(DeliveryRow::as_select()).load(c))?)
}

/// Every source.
pub fn sources(conn: &mut Conn) -> DbResult<Vec<SourceRow>> {
    Ok(on_conn!(conn, |c| sources::table.order(sources::id).select(SourceRow::as_select()).load(c))?)
}

/// The first place recorded at or after `at`, or `size` if there is none. Recorded time never
/// decreases with the place, so a binary search finds it.
pub fn first_at(conn: &mut Conn, at: Moment, size: Seq) -> DbResult<Seq> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        match recorded_at(conn, middle)? {
            Some(recorded) if recorded < at.0 => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

fn recorded_at(conn: &mut Conn, seq: Seq) -> DbResult<Option<i64>> {
    let entry: Option<i64> = on_conn!(conn, |c| entries::table.find(seq).select(entries::recorded_at).first(c).optional())?;
    if entry.is_some() {
        return Ok(entry);
    }
    Ok(on_conn!(conn, |c| events::table.find(seq).select(events::recorded_at).first(c).optional())?)
}

/// The breaks named at an entry.
pub fn breaks_at(conn: &mut Conn, seq: Seq) -> DbResult<Vec<BreakRow>> {
    let query = breaks::table.filter(breaks::seq.eq(seq)).order(breaks::kind);
    Ok(on_conn!(conn, |c| query.select(BreakRow::as_select()).load(c))?)
}

/// The breaks of an account, newest first, at most `limit`.
pub fn breaks_of(conn: &mut Conn, account: Seq, limit: i64) -> DbResult<Vec<BreakRow>> {
    let query = breaks::table.filter(breaks::account.eq(account)).order(breaks::seq.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(BreakRow::as_select()).load(c))?)
}

/// The first booked entry of another source than the account's on it: what is expected from there on may be that source's.
pub fn first_foreign(conn: &mut Conn, account: Seq) -> DbResult<Option<Seq>> {
    let of = breaks::table.filter(breaks::account.eq(account)).filter(breaks::kind.eq(BreakKind::ForeignSource.code()));
    Ok(on_conn!(conn, |c| of.select(breaks::seq).order(breaks::seq).first(c).optional())?)
}

/// Breaks of an account that were open where the log ended before place `end`, newest first, at most `limit`.
pub fn breaks_open_at(conn: &mut Conn, account: Seq, end: Seq, limit: i64) -> DbResult<Vec<BreakRow>> {
    let still = breaks::closed_by.is_null().or(breaks::closed_by.ge(end)).or(breaks::state.eq(BreakState::Frozen.code()));
    let query = breaks::table.filter(breaks::account.eq(account)).filter(breaks::opened_by.lt(end)).filter(still);
    let query = query.order(breaks::seq.desc()).limit(limit);
    Ok(on_conn!(conn, |c| query.select(BreakRow::as_select()).load(c))?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_row_is_read_back_from_its_leaf() {
        let full = EntryRow {
            seq: 9,
            recorded_at: -1,
            source: 3,
            source_ref: "R-ü".into(),
            account: 4,
            position: 2,
            prev: Some(7),
            jump: Some(5),
            kind: 1,
            direction: -1,
            amount: i64::MAX,
            currency: "USD".into(),
            balance_before: Some(i64::MIN),
            balance_after: Some(0),
            booked_at: 77,
            value_date: Some(-5),
            business_date: 20_000,
            flags: 1,
            transaction_ref: Some("T".into()),
            account_seq: Some(12),
            context: 6,
            delivery: 8,
            channel: Some(3),
            instrument: Some(1),
            status: 2,
            reverses: Some("Q".into()),
            rules: 1,
            outcomes: Some("{}".into()),
            blind: vec![7; 32],
        };
        let bare = EntryRow {
            prev: None,
            jump: None,
            balance_before: None,
            balance_after: None,
            value_date: None,
            transaction_ref: None,
            account_seq: None,
            channel: None,
            instrument: None,
            reverses: None,
            outcomes: None,
            blind: vec![],
            ..full.clone()
        };
        for row in [full, bare] {
            let mut leaf = Vec::new();
            row.leaf().encode("origin", &mut leaf).unwrap();
            assert_eq!(EntryRow::of_leaf(&leaf).unwrap(), row);
            assert!(EntryRow::of_leaf(&leaf[..leaf.len() - 1]).is_err());
        }
    }
}
