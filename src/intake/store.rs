//! What a batch changed in alerts that were stored before, stored.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, SmallInt};

use crate::db::schema::alerts;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;

use super::alerting::AlertUpdate;

/// Alerts in one statement.
const AT_ONCE: usize = 1_000;
/// All of them in one round trip.
const UPDATE: &str = "UPDATE alerts SET hits = new.hits, severity = new.severity, last_seq = new.last_seq \
    FROM unnest($1, $2, $3, $4) AS new (id, hits, severity, last_seq) WHERE alerts.id = new.id";

/// Stores them; on PostgreSQL many in one statement, because the committer waits for each.
pub(super) fn update_alerts(conn: &mut Conn, updates: &BTreeMap<Seq, AlertUpdate>) -> DbResult<()> {
    match conn {
        Conn::Sqlite(c) => {
            for (id, update) in updates {
                let values =
                    (alerts::hits.eq(update.hits), alerts::severity.eq(update.severity), alerts::last_seq.eq(update.last_seq));
                diesel::update(alerts::table.find(*id)).set(values).execute(c)?;
            }
        }
        Conn::Postgres(c) => {
            let updates: Vec<(&Seq, &AlertUpdate)> = updates.iter().collect();
            for some in updates.chunks(AT_ONCE) {
                let column = |of: fn(&AlertUpdate) -> i64| some.iter().map(|(_, update)| of(update)).collect::<Vec<i64>>();
                let severities: Vec<i16> = some.iter().map(|(_, update)| update.severity).collect();
                diesel::sql_query(UPDATE)
                    .bind::<Array<BigInt>, _>(some.iter().map(|(id, _)| **id).collect::<Vec<i64>>())
                    .bind::<Array<BigInt>, _>(column(|update| update.hits))
                    .bind::<Array<SmallInt>, _>(severities)
                    .bind::<Array<BigInt>, _>(column(|update| update.last_seq))
                    .execute(c)?;
            }
        }
    }
    Ok(())
}
