//! Whoever changes the trail behind the program's back is found: which table, which place.

use counterfoil::db::Db;
use serde_json::Value;

use crate::bank::{Home, on_both};
use crate::support::program::Program;
use crate::tamper::edits::behind_the_triggers;

#[test]
fn integrity_check() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let database = home.url();
        let program = |words: &[&str]| Program::new(dir.path()).args(words).args(["--database", &database]);
        program(&["key", "issue", "--source", "core"]).run().succeeded();
        let change =
            ["record", "customer", "C-1", "--source", "core", "--ref", "R1", "--action", "create", "--after", r#"{"limit":100}"#];
        program(&change).run().succeeded();
        program(&["verify"]).run().succeeded();
        let mut conn = Db::open(&home.owner_url(), 1).unwrap().connect().unwrap();
        behind_the_triggers(&mut conn, "record_fields", "UPDATE record_fields SET new = '9999'").unwrap();
        drop(conn);
        let told = program(&["verify", "--json"]).run().failed_with(1).stdout;
        let told: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
        let findings = told["findings"].as_array().unwrap();
        assert!(findings.iter().any(|finding| finding["table"] == "record_fields"), "{kind:?}: {told}");
    });
}
