//! A table of accounts: changes of its balances are entries.

use serde_json::{Value, json};

use super::house::Core;
use crate::bank::on_both;

const ACCOUNTS: &str =
    "CREATE TABLE accounts (number text PRIMARY KEY, balance numeric(20,4) NOT NULL, ccy char(3), holder text, limits jsonb)";
const MAPPING: &str = "account = \"number\"\nbalance = \"balance\"\ncurrency_column = \"ccy\"\nkind = \"payment\"\n";

fn entries(bank: &Core) -> Vec<Value> {
    let out = bank.program(&["export", "entries", "--format", "ndjson"]).run().succeeded().stdout;
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn balances_become_entries_and_the_other_columns_changes() {
    on_both(|kind| {
        let bank = Core::new(kind, ACCOUNTS);
        std::fs::write(bank.dir.path().join("m.toml"), MAPPING).unwrap();
        bank.sql("INSERT INTO accounts VALUES ('OLD', 500, 'EUR', 'Zoe')");
        bank.add("accounts", &["--entries", "m.toml", "--subject", "holder", "--type", "account"]);
        let serving = bank.serve();
        bank.sql(
            "INSERT INTO accounts VALUES ('A-1', 100.50, 'EUR', 'Ann'), ('J-1', 7, 'JPY', 'Jun'); \
            UPDATE accounts SET balance = balance - 0.75, limits = '{\"day\": 5}' WHERE number = 'A-1'; \
            UPDATE accounts SET balance = 400 WHERE number = 'OLD'; UPDATE accounts SET holder = 'Anna' WHERE number = 'A-1'; \
            UPDATE accounts SET balance = 0.001 WHERE number = 'J-1'; UPDATE accounts SET balance = -3 WHERE number = 'J-1'; \
            DELETE FROM accounts WHERE number = 'A-1'",
        );
        bank.drained(&serving);
        let told: Vec<Value> = entries(&bank)
            .iter()
            .map(|e| {
                json!([
                    e["account"],
                    e["kind"],
                    e["direction"],
                    e["amount"],
                    e["balance_before"],
                    e["balance_after"],
                    e["currency"],
                    e["party"]
                ])
            })
            .collect();
        let expected = [
            json!(["A-1", "adjustment", "credit", "100.50", "0.00", "100.50", "EUR", "Ann"]),
            json!(["J-1", "adjustment", "credit", "7", "0", "7", "JPY", "Jun"]),
            json!(["A-1", "payment", "debit", "0.75", "100.50", "99.75", "EUR", "Ann"]),
            json!(["OLD", "payment", "debit", "100.00", "500.00", "400.00", "EUR", "Zoe"]),
        ];
        assert_eq!(told, expected, "half a yen is no balance, so that change and the next are refused");
        let listed = bank.capture(&["list", "--json"]).succeeded().stdout;
        assert!(listed.contains("balance_unreadable") && listed.contains("\"rejected\":2"), "{listed}");
        let account = serving.changes("account", "A-1");
        assert_eq!(account.len(), 4, "{account:#?}");
        assert!(!account.iter().any(|change| change.to_string().contains("99.75")), "a balance is in entries only");
        drop(serving);
        bank.verified();
    });
}
