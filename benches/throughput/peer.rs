//! What is measured beside it, where `../shared/peers` is: the seed's own design, one commit per record
//! in a scripting language, and one PL/pgSQL function that does the seed's job in one round trip.

use std::path::Path;
use std::process::Command;

const FOLDER: &str = "../shared/peers";

/// A script of that folder; says so where it is not there.
fn script(name: &str) -> Option<String> {
    let path = format!("{FOLDER}/{name}");
    let there = Path::new(&path).exists();
    if !there {
        println!("({path} is not there: what is compared with it is left out)");
    }
    there.then_some(path)
}

fn run(command: &mut Command) -> Option<String> {
    match command.output() {
        Ok(output) if output.status.success() => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => {
            println!("({command:?} failed: {})", String::from_utf8_lossy(&output.stderr).trim());
            None
        }
        Err(error) => {
            println!("({command:?} cannot be run: {error})");
            None
        }
    }
}

/// Records a second of `seed_baseline.py` at 100,000 rows with WAL, FULL and its index.
pub fn seed() -> Option<f64> {
    let args = ["record", "--rows", "100000", "--index", "--journal", "wal", "--sync", "full", "--n", "4000"];
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("seed.db");
    let said =
        run(Command::new("python3").arg("-W").arg("ignore").arg(script("seed_baseline.py")?).args(args).arg("--db").arg(&db))?;
    let said: serde_json::Value = serde_json::from_str(said.lines().last()?).ok()?;
    said["per_s"].as_f64()
}

/// Makes the tables of `pg_audit.sql` in this database.
pub fn prepare_function(database: &str) -> Option<()> {
    let mut psql = Command::new("psql");
    run(psql
        .args(["-q", "-v", "ON_ERROR_STOP=1", "-f", &script("pg_audit.sql")?, database])
        .env("PGOPTIONS", "-c client_min_messages=warning"))
    .map(drop)
}

/// Calls a second of `pg_function.pgbench` with 16 clients, four seconds long.
pub fn function(database: &str) -> Option<f64> {
    let args = ["-n", "-M", "prepared", "-c", "16", "-j", "2", "-T", "4", "-f", &script("pg_function.pgbench")?, database];
    let said = run(Command::new("pgbench").args(args))?;
    let line = said.lines().find(|line| line.starts_with("tps"))?;
    line.split_whitespace().nth(2)?.parse().ok()
}
