//! Stored account states that are not what the log says: found at the next start, read again from the
//! entries, and told; what is recorded then has its right place.

use counterfoil::db::{Conn, Db};
use counterfoil::ids::Seq;
use counterfoil::trail::store as trail;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::bank::{Bank, entry, on_both};

const KEPT: &str = "CREATE TABLE kept AS SELECT * FROM account_states";

/// What is done to the states of a log that is closed, given a copy of them from before its last entries.
const WRONGS: &[(&str, &str)] = &[
    (
        "stale",
        "UPDATE account_states SET as_of = (SELECT as_of FROM kept WHERE kept.account = account_states.account), \
        body = (SELECT body FROM kept WHERE kept.account = account_states.account) WHERE account = ?",
    ),
    ("missing", "DELETE FROM account_states WHERE account = ?"),
    ("unreadable", "UPDATE account_states SET body = substr(body, 1, 3) WHERE account = ?"),
    (
        "another's",
        "UPDATE account_states SET body = (SELECT body FROM kept WHERE kept.account <> account_states.account \
            ORDER BY account LIMIT 1) \
        WHERE account = ?",
    ),
];

fn count(conn: &mut Conn, sql: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let found: Number = match conn {
        Conn::Sqlite(c) => diesel::sql_query(sql).get_result(c).unwrap(),
        Conn::Postgres(c) => diesel::sql_query(sql).get_result(c).unwrap(),
    };
    found.n
}

fn fill(bank: &Bank, from: i64) {
    let rows = (from..from + 60).map(|n| entry(&format!("S{n}"), &format!("ACC-{}", n % 5), "2026-03-02T09:00:00Z", n, n + 1));
    bank.submit(rows.collect());
}

fn rejected(bank: &Bank) -> Vec<Seq> {
    let mut conn = bank.db.connect().unwrap();
    trail::events_of(&mut conn, &["states.rejected"], None, 100).unwrap().iter().map(|event| event.seq).collect()
}

#[test]
fn a_stored_state_that_is_not_what_the_log_says_is_read_again_and_told() {
    on_both(|kind| {
        for (wrong, sql) in WRONGS {
            let bank = Bank::with(kind, |config| config.limits.segment_entries = 1_024);
            fill(&bank, 0);
            let bank = bank.restart();
            let mut owner = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
            owner.execute(KEPT).unwrap();
            fill(&bank, 60);
            let account = bank.db.read(|c| counterfoil::ledger::store::account_by_number(c, "ACC-2")).unwrap().unwrap().id;
            bank.intake.stop();
            assert_eq!(count(&mut owner, "SELECT count(*) AS n FROM account_states"), 5, "{kind:?}");
            owner.execute(&sql.replace('?', &account.to_string())).unwrap();
            owner.execute("DROP TABLE kept").unwrap();
            let Bank { home, config, clock, .. } = bank;
            let bank = Bank::at(home, config, clock);
            let receipt = bank.record(entry("NEXT", "ACC-2", "2026-03-02T10:00:00Z", 1, 2));
            assert_eq!(receipt.position, 25, "{kind:?}: {wrong}");
            bank.intake.stop();
            assert_eq!(rejected(&bank).len(), 1, "{kind:?}: {wrong}");
            assert_eq!(bank.findings(), [], "{kind:?}: {wrong}");
            let bank = bank.restart();
            assert_eq!(bank.record(entry("AFTER", "ACC-2", "2026-03-02T10:01:00Z", 2, 3)).position, 26);
            bank.intake.stop();
            assert_eq!(rejected(&bank).len(), 1, "{kind:?}: told once");
        }
    });
}

#[test]
fn states_that_are_what_the_log_says_are_used() {
    on_both(|kind| {
        let bank = Bank::with(kind, |config| config.limits.segment_entries = 1_024);
        for n in 0..30 {
            fill(&bank, n * 60);
        }
        let bank = bank.restart();
        let mut conn = bank.db.connect().unwrap();
        let covered = trail::state(&mut conn).unwrap().unwrap().states_from;
        assert!(covered > 1_800, "{covered}");
        assert_eq!(bank.record(entry("NEXT", "ACC-2", "2026-03-02T10:00:00Z", 1, 2)).position, 361);
        bank.intake.stop();
        assert_eq!((rejected(&bank), bank.findings()), (vec![], vec![]), "{kind:?}");
    });
}
