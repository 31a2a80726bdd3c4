//! A bank with two customers whose every private field can be told from all else.

use counterfoil::access::searches::{self, Kind as Sought, Search};
use counterfoil::audit::{Given, Options, Outcome, verify};
use counterfoil::config::Config;
use counterfoil::db::Conn;
use counterfoil::on_conn;
use counterfoil::privacy::{Cause, Erasure, Holdings, Scope, Subject, erase};
use diesel::RunQueryDsl;
use diesel::sql_types::Text;
use serde_json::json;

use crate::bank::{Bank, Kind, entry};

/// What is personal of the customer who is erased, and of nobody else.
pub const CANARIES: &[&str] = &[
    "ACC-ERASE-77",
    "Petra-Canary",
    "CP-CANARY-1",
    "Name-Canary",
    "reason-canary",
    "sess-canary",
    "198.51.100.77",
    "Agent-Canary",
    "device-canary",
    "actor-canary",
];

/// The number of the account that is erased.
pub const ACCOUNT: &str = "ACC-ERASE-77";
/// Its holder.
pub const PARTY: &str = "Petra-Canary";

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The column `line` of a query.
pub fn lines(conn: &mut Conn, sql: &str) -> Vec<String> {
    let lines: Vec<Line> = on_conn!(conn, |c| diesel::sql_query(sql).load(c)).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

/// Entries of two customers; the first shares one context with the second.
pub fn fill(bank: &Bank) {
    let mut balance = 0;
    for n in 0..6 {
        let mut row = entry(&format!("E{n}"), ACCOUNT, "2015-03-02T10:00:00Z", balance, balance + 10);
        balance += 10;
        row["party"] = json!(PARTY);
        row["counterparty"] = json!("CP-CANARY-1");
        row["counterparty_name"] = json!("Name-Canary");
        row["counterparty_country"] = json!("SE");
        row["reason"] = json!("reason-canary");
        row["session_id"] = json!(if n == 5 { "sess-shared" } else { "sess-canary" });
        if n != 5 {
            row["ip"] = json!("198.51.100.77");
            row["user_agent"] = json!("Agent-Canary");
            row["device_id"] = json!("device-canary");
            row["actor"] = json!("actor-canary");
            row["actor_kind"] = json!("customer");
        }
        bank.record(row);
        let mut other = entry(&format!("O{n}"), "ACC-OTHER-1", "2015-03-02T10:00:00Z", n * 10, n * 10 + 10);
        other["party"] = json!("Other-Person");
        other["reason"] = json!("rent");
        other["session_id"] = json!("sess-shared");
        bank.record(other);
    }
    // What was refused keeps the row as it was sent; what was searched for keeps the words.
    let mut again = entry("E0", ACCOUNT, "2015-03-02T10:00:00Z", 5, 6);
    again["party"] = json!(PARTY);
    bank.submit(vec![again]);
    bank.submit(vec![json!({ "source_ref": "bad", "account": ACCOUNT, "party": PARTY })]);
    let search = |query: &str| Search { kind: Sought::Account, query: query.to_owned() };
    searches::make(&bank.intake.log(), 7, search(ACCOUNT), None).unwrap();
    searches::make(&bank.intake.log(), 7, search("ACC-OTHER-1"), None).unwrap();
}

/// A bank of this kind with both customers.
pub fn house(kind: Kind) -> Bank {
    let bank = Bank::with(kind, |config: &mut Config| config.limits.segment_entries = 1_024);
    fill(&bank);
    bank
}

/// Erases a subject as the job does once everything is approved.
pub fn erased(bank: &Bank, scope: Scope, name: &str) -> Erasure {
    let subject = Subject::new(scope, name).unwrap();
    let erasure = bank.intake.log().act(move |tx| {
        let to = tx.log_size();
        let holdings = Holdings::find(tx.conn, &subject, to)?;
        erase(tx, Cause::Register { again: 1 }, &holdings.places())
    });
    erasure.unwrap()
}

/// Verifies the bank's database.
pub fn verified(bank: &Bank) -> Outcome {
    let options = Options { config: &bank.config, now: bank.clock.now(), progress: &|_, _| {}, given: Given::NONE };
    verify(&bank.db, options).unwrap()
}

/// Every text that is stored in any table, also inside of bytes, one a line.
pub fn everything(conn: &mut Conn) -> String {
    let columns = match conn {
        Conn::Sqlite(_) => {
            "SELECT m.name || '|' || p.name || '|' || p.type AS line FROM sqlite_master m JOIN pragma_table_info(m.name) p
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"
        }
        Conn::Postgres(_) => {
            "SELECT table_name || '|' || column_name || '|' || data_type AS line FROM information_schema.columns
             WHERE table_schema = 'public'"
        }
    };
    let mut text = String::new();
    for column in lines(conn, columns) {
        let parts: Vec<&str> = column.split('|').collect();
        let (table, column) = (parts[0], parts[1]);
        let value = match (&*conn, parts[2]) {
            (Conn::Sqlite(_), _) => format!("hex(CAST({column} AS BLOB))"),
            (Conn::Postgres(_), "bytea") => format!("encode({column}, 'hex')"),
            (Conn::Postgres(_), _) => format!("encode(convert_to({column}::text, 'UTF8'), 'hex')"),
        };
        for line in lines(conn, &format!("SELECT coalesce({value}, '') AS line FROM {table}")) {
            text.push_str(&String::from_utf8_lossy(&hex::decode(line).unwrap()));
            text.push('\n');
        }
    }
    text
}
