//! What the tests want to know of the log before they edit it.

use diesel::prelude::*;

use crate::db::schema::{accounts, breaks, day_ranges, entries, entry_parts, event_parts, hits};
use crate::db::{Conn, Db};
use crate::on_conn;

fn connected(url: &str) -> Conn {
    Db::open(url, 1).unwrap().connect().unwrap()
}

/// The places of a table's rows, in order.
pub fn seqs(url: &str, table: &str) -> Vec<i64> {
    macro_rules! keys {
        ($table:ident . $key:ident) => {
            on_conn!(&mut connected(url), |c| $table::table.select($table::$key).order($table::$key).load(c)).unwrap()
        };
    }
    match table {
        "entry_parts" => keys!(entry_parts.seq),
        "event_parts" => keys!(event_parts.seq),
        "breaks" => keys!(breaks.seq),
        "entries" => keys!(entries.seq),
        "hits" => keys!(hits.seq),
        _ => keys!(accounts.id),
    }
}

/// The place of the one late hit.
pub fn late_hit(url: &str) -> i64 {
    on_conn!(&mut connected(url), |c| hits::table.filter(hits::late.eq(1)).select(hits::seq).first(c)).unwrap()
}

/// Where the first range begins.
pub fn first_range(url: &str) -> i64 {
    on_conn!(&mut connected(url), |c| day_ranges::table.order(day_ranges::business_date).select(day_ranges::first_seq).first(c))
        .unwrap()
}
