//! Runs the Python examples, as a user would from a shell.

use std::path::Path;
use std::process::Command;

use super::INSTALL;

/// Debian's own, for which it packages SQLAlchemy: one that a developer installed beside it has none.
const PYTHON: &str = "/usr/bin/python3";

/// What an example prints that talks to the server at `url`.
///
/// # Panics
/// When it does not end well, with what it printed.
#[track_caller]
pub fn example(name: &str, arguments: &[&str], url: &str, key: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python");
    let mut command = Command::new(PYTHON);
    command.arg(folder.join(name)).args(arguments).env("COUNTERFOIL_URL", url).env("COUNTERFOIL_KEY", key);
    // The tree of sources stays as it is.
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "127.0.0.1");
    let output =
        command.output().unwrap_or_else(|error| panic!("{PYTHON} (Debian package `python3`) does not run ({error}): {INSTALL}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!stderr.contains("No module named 'sqlalchemy'"), "Debian package `python3-sqlalchemy` is missing: {INSTALL}");
    assert!(output.status.success(), "{name}: {}\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}
