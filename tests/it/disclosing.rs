//! A command that shows or hands out what is stored of customers is recorded before and after, with who ran it, and
//! its files are their owner's alone.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use counterfoil::db::Db;
use counterfoil::trail::store as trail;
use serde_json::Value;

use crate::bank::{Home, Kind, entry, on_both};
use crate::support::program::{Output, Program};

struct Shell {
    home: Home,
    dir: tempfile::TempDir,
}

/// An event: kind, public body, private part.
type Told = (String, Value, Value);

impl Shell {
    fn run(&self, args: &[&str]) -> Output {
        let program = Program::new(self.dir.path()).args(args).args(["--database", &self.home.url()]);
        program.env("COUNTERFOIL_KEYS__DIR", self.home.keys()).run()
    }

    fn size(&self) -> i64 {
        Db::open(&self.home.url(), 1).unwrap().read(trail::state).unwrap().unwrap().size
    }

    fn events(&self, from: i64) -> Vec<Told> {
        let db = Db::open(&self.home.url(), 1).unwrap();
        let rows = db.read(|c| trail::events_between(c, from, i64::MAX, 100_000)).unwrap();
        let parts = db.read(|c| trail::event_parts_between(c, from, i64::MAX)).unwrap();
        let private = |seq| parts.iter().find(|p| p.seq == seq).map_or(Value::Null, |p| serde_json::from_str(&p.body).unwrap());
        rows.iter().map(|row| (row.kind.clone(), serde_json::from_str(&row.body).unwrap(), private(row.seq))).collect()
    }

    /// Runs a command; its events lie between the attempt of `act`, with who ran it, and its end.
    #[track_caller]
    fn act(&self, args: &[&str], act: &str, outcome: &str) -> Vec<Told> {
        let from = self.size();
        let told = self.run(args);
        assert_eq!(told.code == Some(0), outcome == "succeeded", "{args:?}: {told:#?}");
        let events = self.events(from);
        let at = |kind: &str| events.iter().position(|event| event.0 == kind).unwrap_or_else(|| panic!("{args:?}: {events:#?}"));
        let (begun, ended) = (at("act.attempted"), at("act.ended"));
        assert_eq!(events[begun].1["act"], act, "{args:?}");
        assert!(events[begun].2["uid"].is_u64() && events[begun].2["host"].is_string(), "{:?}", events[begun]);
        assert_eq!(events[ended].1["outcome"], outcome, "{args:?}: {events:#?}");
        assert_eq!(events.iter().filter(|event| event.0 == "act.attempted").count(), 1, "{args:?}");
        events[begun + 1..ended].to_vec()
    }
}

#[track_caller]
fn has<'a>(events: &'a [Told], kind: &str) -> &'a Told {
    events.iter().find(|event| event.0 == kind).unwrap_or_else(|| panic!("{kind}: {events:#?}"))
}

#[track_caller]
fn is_its_owner_s(path: &Path) {
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
}

#[test]
fn whoever_takes_customer_data_by_a_command_is_recorded_before_and_after() {
    on_both(|kind| {
        let shell = Shell { home: Home::new(kind), dir: tempfile::tempdir().unwrap() };
        let file = |name: &str| shell.dir.path().join(name);
        shell.run(&["key", "issue", "--source", "core"]).succeeded();
        let lines: Vec<String> =
            (0..3).map(|i| entry(&format!("N{i}"), "ACC-1", "2026-03-02T10:00:00Z", i, i + 1).to_string()).collect();
        std::fs::write(file("day.ndjson"), lines.join("\n")).unwrap();
        let import = shell.act(&["import", file("day.ndjson").to_str().unwrap(), "--source", "core"], "import.run", "succeeded");
        has(&import, "import.finished");
        shell.act(&["import", "no-such-file.csv", "--source", "core"], "import.run", "failed");

        // The report: also over a file that others could read.
        std::fs::write(file("report.html"), "old").unwrap();
        std::fs::set_permissions(file("report.html"), std::fs::Permissions::from_mode(0o644)).unwrap();
        let out = file("report.html").display().to_string();
        let html = ["report", "--date", "2026-03-02", "--format", "html", "--out", &out];
        let events = shell.act(&html, "report.read", "succeeded");
        let (_, body, private) = has(&events, "report.read");
        assert_eq!((&body["version"], &body["format"], private["uid"].is_u64()), (&0.into(), &"html".into(), true), "{kind:?}");
        is_its_owner_s(&file("report.html"));
        assert!(std::fs::read_to_string(file("report.html")).unwrap().contains("<html"));
        has(&shell.act(&["report", "--date", "2026-03-02"], "report.read", "succeeded"), "report.read");
        let size = shell.size();
        shell.run(&["report", "--date", "2026-03-02", "--no-record"]).succeeded();
        assert_eq!(shell.size(), size, "over a copy nothing is recorded");

        std::fs::write(file("entries.csv"), "old").unwrap();
        let out = file("entries.csv").display().to_string();
        has(&shell.act(&["export", "entries", "--out", &out], "export.make", "succeeded"), "export.made");
        is_its_owner_s(&file("entries.csv"));
        let out = file("log").display().to_string();
        has(&shell.act(&["log", "export", "--out", &out, "--private"], "log.export", "succeeded"), "export.made");
        is_its_owner_s(&file("log").join("checkpoint"));
        shell.act(&["log", "heads", "--date", "2026-03-02", "--account", "ACC-1"], "heads.prove", "refused");
        let out = file("archive").display().to_string();
        shell.act(&["log", "archive", "--out", &out, "--from", "0"], "archive.make", "refused");
        let out = file("copy.db").display().to_string();
        match kind {
            Kind::Sqlite => {
                has(&shell.act(&["backup", "--to", &out], "backup.make", "succeeded"), "export.made");
                is_its_owner_s(&file("copy.db"));
            }
            Kind::Postgres => drop(shell.act(&["backup", "--to", &out], "backup.make", "failed")),
        }
        shell
            .run(&["subject", "hold", "add", "--subject", "ACC-1", "--reason", "The court asks for it, letter of 2 March."])
            .succeeded();
        let events = shell.act(&["subject", "hold", "list"], "hold.list", "succeeded");
        assert_eq!(has(&events, "customer.viewed").1["holds"], 1);

        let change = ["record", "customer", "C-1", "--source", "core", "--ref", "R1", "--after", "{\"n\":1}"];
        shell.run(&change).succeeded();
        shell.run(&["record", "customer", "C-1", "--source", "core", "--ref", "R2", "--after", "{\"n\":2}"]).succeeded();
        let out = file("changes.csv").display().to_string();
        has(&shell.act(&["export", "changes", "--out", &out], "export.make", "succeeded"), "export.made");
        is_its_owner_s(&file("changes.csv"));
        let written = std::fs::read_to_string(file("changes.csv")).unwrap();
        for (row, (version, fields)) in written.lines().skip(1).zip([(1, "1,/n,,1,false"), (2, "1,/n,1,2,false")]) {
            let known = format!(",core,customer,C-1,{version},update,normal,R{version},");
            assert!(row.contains(&known) && row.ends_with(fields), "{written}");
        }
        assert_eq!(written.lines().count(), 3, "{written}");
        assert_eq!(shell.act(&["replay"], "log.replay", "succeeded"), []);
        let size = shell.size();
        shell.run(&["replay", "--no-record"]).succeeded();
        assert_eq!(shell.size(), size, "over a copy nothing is recorded");
        let back = ["restore-record", "customer", "C-1", "--source", "core", "--version", "1"];
        assert!(has(&shell.act(&back, "record.read", "succeeded"), "customer.viewed").1["record"].is_i64());
        let none = ["restore-record", "customer", "C-9", "--source", "core", "--version", "1"];
        assert_eq!(shell.act(&none, "record.read", "refused"), []);
        let seq = shell.home_entry().to_string();
        assert!(has(&shell.act(&["reverse", &seq], "entry.read", "succeeded"), "customer.viewed").1["account"].is_i64());
        shell.run(&["verify"]).succeeded();
    });
}

impl Shell {
    /// The place of the newest entry.
    fn home_entry(&self) -> i64 {
        let db = Db::open(&self.home.url(), 1).unwrap();
        db.read(|c| counterfoil::ledger::store::entries_between(c, 0, i64::MAX, 1_000)).unwrap().last().unwrap().seq
    }
}
