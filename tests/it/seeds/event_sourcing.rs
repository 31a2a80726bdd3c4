//! Every table follows from the log: made again from its leaves it is the same, and where somebody changed it, named.

use counterfoil::db::Db;

use crate::bank::{Home, entry, on_both};
use crate::support::program::Program;
use crate::tamper::edits::behind_the_triggers;

#[test]
fn event_sourcing() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let database = home.url();
        let program = |words: &[&str]| Program::new(dir.path()).args(words).args(["--database", &database]);
        let lines: Vec<String> =
            (0..20).map(|n| entry(&format!("E{n}"), "A-1", "2026-03-02T10:00:00Z", n * 100, n * 100 + 100).to_string()).collect();
        std::fs::write(dir.path().join("day.ndjson"), lines.join("\n")).unwrap();
        program(&["import", "day.ndjson", "--source", "core"]).run().succeeded();
        program(&["replay"]).run().succeeded();
        let mut conn = Db::open(&home.owner_url(), 1).unwrap().connect().unwrap();
        behind_the_triggers(&mut conn, "day_figures", "UPDATE day_figures SET credits = credits + 1").unwrap();
        drop(conn);
        let told = program(&["replay"]).run().failed_with(1);
        assert!(format!("{}{}", told.stdout, told.stderr).contains("day_figures"), "{kind:?}: {told:?}");
    });
}
