//! What a batch changed in alerts that were stored before, stored; and the states of accounts, read.

use std::collections::BTreeMap;

use diesel::prelude::*;

use crate::db::among::among;
use crate::db::bulk::Value;
use crate::db::schema::account_states;
use crate::db::standing::{self, Standing, array};
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::on_conn;

use super::alerting::AlertUpdate;

/// Alerts in one statement.
const AT_ONCE: usize = 1_000;

struct UpdateAlert;

impl Standing for UpdateAlert {
    const SQL: &'static str = "UPDATE alerts SET hits = ?, severity = ?, last_seq = ? WHERE id = ?";
}

struct UpdateAlerts;

impl Standing for UpdateAlerts {
    const SQL: &'static str = "UPDATE alerts SET hits = new.hits, severity = new.severity, last_seq = new.last_seq \
        FROM unnest(?::text::bigint[], ?::text::smallint[], ?::text::bigint[], ?::text::bigint[]) AS new (hits, severity, last_seq, id) \
        WHERE alerts.id = new.id";
}

/// The stored states of these accounts, as they are stored.
pub(super) fn states_of(conn: &mut Conn, accounts: &[Seq]) -> DbResult<Vec<(Seq, Vec<u8>)>> {
    let query = account_states::table.filter(among(account_states::account, accounts));
    Ok(on_conn!(conn, |c| query.select((account_states::account, account_states::body)).load(c))?)
}

/// Stores them; on PostgreSQL many in one statement, because the committer waits for each.
pub(super) fn update_alerts(conn: &mut Conn, updates: &BTreeMap<Seq, AlertUpdate>) -> DbResult<()> {
    let rows: Vec<[i64; 4]> =
        updates.iter().map(|(id, update)| [update.hits, update.severity.into(), update.last_seq, *id]).collect();
    match conn {
        Conn::Postgres(_) => rows.chunks(AT_ONCE).try_for_each(|some| {
            let columns = [0, 1, 2, 3].map(|column| array(some.iter().map(|row| row[column])));
            standing::run::<UpdateAlerts>(conn, &columns.each_ref().map(|text| Value::Text(text))).map(drop)
        }),
        Conn::Sqlite(_) => {
            rows.into_iter().try_for_each(|row| standing::run::<UpdateAlert>(conn, &row.map(Value::Int)).map(drop))
        }
    }
}
