//! A bank made by commands alone, whose archives they make and read.

use std::fs;
use std::path::PathBuf;

use crate::support::program::Program;

/// Seven hundred entries of one account, imported.
pub struct Shell {
    home: tempfile::TempDir,
    database: String,
    pub key: String,
}

impl Shell {
    pub fn imported() -> Shell {
        let home = tempfile::tempdir().unwrap();
        let database = format!("sqlite:{}", home.path().join("bank.db").display());
        let mut shell = Shell { home, database, key: String::new() };
        let rows: String = (0..700)
            .map(|i| format!("{}\n", crate::bank::entry(&format!("E{i}"), "ACC-1", "2026-03-02T10:00:00Z", i * 10, i * 10 + 10)))
            .collect();
        fs::write(shell.path("day.ndjson"), rows).unwrap();
        shell.command(&["import", "day.ndjson", "--source", "core"]).run().succeeded();
        shell.key = shell.command(&["log", "key"]).run().succeeded().stdout.trim().to_owned();
        shell
    }

    pub fn command(&self, args: &[&str]) -> Program {
        Program::new(self.home.path()).args(args).args(["--database", &self.database])
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}
