//! A table of the bank's own PostgreSQL, captured by triggers: whatever changes it, by whatever way, is in the log.

use serde_json::json;

use crate::bank::on_both;
use crate::capture::Core;

#[test]
fn triggers() {
    on_both(|kind| {
        let bank = Core::new(kind, "CREATE TABLE limits (account text PRIMARY KEY, daily numeric(12,2), branch text)");
        bank.add("limits", &["--exclude", "branch"]);
        let serving = bank.serve();
        bank.sql(
            "BEGIN; SELECT set_config('counterfoil.actor', 'teller 7', true), set_config('counterfoil.reason', 'by letter', true); \
             INSERT INTO limits VALUES ('A-1', 500.00, 'Bern'); COMMIT; \
             UPDATE limits SET daily = 750.50; UPDATE limits SET branch = 'Basel'; DELETE FROM limits",
        );
        bank.drained(&serving);
        let told: Vec<_> = serving
            .changes("limits", "A-1")
            .iter()
            .map(|change| (change["action"].clone(), change["actor"].clone(), change["reason"].clone()))
            .collect();
        let by = |action: &str, actor: &str, reason: Option<&str>| (json!(action), json!(actor), json!(reason));
        let expected =
            [by("delete", "unknown", None), by("update", "unknown", None), by("create", "teller 7", Some("by letter"))];
        assert_eq!(told, expected, "{kind:?}: an excluded column is no change, and nobody is skipped");
        drop(serving);
        bank.verified();
    });
}
