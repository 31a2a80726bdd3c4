//! Sensitive columns from start to end: they wait until they can be sealed, and then nobody finds them in the clear.

use counterfoil::access::Role;
use counterfoil::capture::{Spec, standings};
use counterfoil::records::store;

use super::house::Beside;
use crate::bank::on_both;
use crate::desk::{page, send};
use crate::privacy::ready_to_seal;
use crate::site::Site;

const WHY: &str = "The holder asked which number we keep, ticket 77 of today.";

#[test]
fn a_sensitive_column_waits_is_sealed_and_is_revealed_to_who_may() {
    on_both(|kind| {
        let sql = "CREATE TABLE customer (id int PRIMARY KEY, name text, tax_id text, health jsonb); CREATE TABLE plain (id int PRIMARY KEY)";
        let mut bank = Beside::new(
            Site::now(kind, |config| {
                config.records = toml::from_str("[[type]]\nname = \"customer\"\nsensitive = [\"/health\"]").unwrap();
            }),
            sql,
        );
        let kinds = bank.site.app.record_kinds().clone();
        bank.add(Spec { table: "plain".into(), ..Spec::default() }).unwrap();
        bank.add(Spec { table: "customer".into(), sensitive: vec!["tax_id".into()], kinds, ..Spec::default() }).unwrap();
        assert_eq!(bank.settings.table[1].sensitive, ["tax_id", "health"], "what the type seals is sealed under any name");
        bank.sql(
            "INSERT INTO customer VALUES (1, 'Ann', 'TAX-CANARY-1', '{\"d\": \"HEALTH-CANARY-1\"}'); INSERT INTO plain VALUES (1); \
             UPDATE customer SET tax_id = 'TAX-CANARY-2'; ALTER TABLE customer RENAME health TO condition; \
             UPDATE customer SET condition = '{\"d\": \"HEALTH-CANARY-2\"}'; DELETE FROM customer; \
             INSERT INTO customer VALUES (1, 'Ann', 'TAX-CANARY-3', NULL)",
        );
        let why = bank.turn().unwrap_err().to_string();
        assert!(why.contains("tables with sensitive columns wait"), "{why}");
        let said = standings("main").into_iter().find(|standing| standing.name == "core").map(|standing| standing.why);
        assert!(said.is_none(), "who drains no longer says nothing");
        assert_eq!(
            bank.sql("SELECT count(*) FROM counterfoil_capture.queue WHERE action <> 'DDL'"),
            "5",
            "the other table was drained"
        );
        assert!(!bank.stored().contains("CANARY"), "{kind:?}");

        ready_to_seal(&bank.site.bank);
        bank.turn().unwrap();
        assert_eq!(bank.waiting(), "0");
        assert!(!bank.stored().contains("CANARY"), "{kind:?}: sealed, in every table and file");
        let (db, site) = (&bank.site.app.db, &bank.site);
        let source = db.read(|conn| counterfoil::access::store::source_by_name(conn, "core")).unwrap().unwrap();
        let record = db.read(|conn| store::record_by_reference(conn, source, "customer", "1")).unwrap().unwrap().id;
        let path = format!("/records/{record}");
        let (officer, analyst) = (site.sign_in(Role::Officer), site.sign_in(Role::Analyst));
        let shown = page(site, &officer, &path).text;
        assert!(shown.contains("Show what is sealed") && shown.contains("Ann") && !shown.contains("CANARY"), "{shown}");
        let open = |who, version: &str| send(site, who, &format!("{path}/reveal"), &[("version", version), ("reason", WHY)]);
        assert_eq!(open(&analyst, "1").status, 403);
        let first = open(&officer, "1").text;
        assert!(first.contains("TAX-CANARY-1") && first.contains("HEALTH-CANARY-1"), "{first}");
        assert!(open(&officer, "3").text.contains("HEALTH-CANARY-2"), "under its new name too");
        assert!(open(&officer, "5").text.contains("TAX-CANARY-3"));
        assert!(!bank.stored().contains("CANARY"));
        assert_eq!(bank.site.bank.findings(), []);
    });
}
