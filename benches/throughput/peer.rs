//! The seed's own design beside it: one commit per record in a scripting language.

use std::process::Command;

/// Runs `seed_baseline.py`, if it is there, at 100,000 rows with WAL, FULL and its index.
pub fn measure() {
    let script = std::path::Path::new("../shared/peers/seed_baseline.py");
    if !script.exists() {
        println!("\n(the seed's baseline is not here)");
        return;
    }
    let args = ["record", "--rows", "100000", "--index", "--journal", "wal", "--sync", "full", "--n", "2000"];
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("seed.db");
    let output = Command::new("python3").arg(script).args(args).arg("--db").arg(&db).output();
    match output {
        Ok(output) if output.status.success() => {
            println!("\nseed baseline (WAL, FULL, indexed): {}", String::from_utf8_lossy(&output.stdout).trim());
        }
        Ok(output) => println!("\nseed baseline failed: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => println!("\nseed baseline could not be run: {error}"),
    }
}
