//! Finds the PostgreSQL server programs of this machine and who may run them.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::INSTALL;

/// Where Debian keeps the server programs, one folder per major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// What is needed of a PostgreSQL installation, all from one folder.
const PROGRAMS: [&str; 3] = ["initdb", "postgres", "psql"];

/// Older versions have no `CREATE DATABASE … STRATEGY`.
const MAJOR_MIN: u32 = 15;

/// A folder of programs that belong together.
#[derive(Clone)]
pub struct Install {
    bin: PathBuf,
    /// The version that `initdb` and `postgres` agree on, such as `15.18`.
    pub version: String,
}

impl Install {
    /// The newest version under Debian's folder, or else the one on `PATH`.
    ///
    /// # Panics
    /// When there is none, with a message that says what was looked for.
    pub fn find() -> Self {
        let mut problems = Vec::new();
        for bin in candidates() {
            match Self::check(&bin) {
                Ok(install) => return install,
                Err(problem) => problems.push(format!("  {}: {problem}", bin.display())),
            }
        }
        if problems.is_empty() {
            problems.push(format!("  no {DEBIAN}/*/bin, and no initdb on PATH"));
        }
        panic!(
            "PostgreSQL's server programs ({}) are needed, version {MAJOR_MIN} or newer, Debian \
             package `postgresql`: {INSTALL}\n{}",
            PROGRAMS.join(", "),
            problems.join("\n")
        );
    }

    /// The path of one of the programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    fn check(bin: &Path) -> Result<Self, String> {
        for name in PROGRAMS {
            if !bin.join(name).is_file() {
                return Err(format!("{name} is missing"));
            }
        }
        let version = version_of(&bin.join("postgres"))?;
        let other = version_of(&bin.join("initdb"))?;
        if version != other {
            return Err(format!("postgres is {version}, but initdb is {other}"));
        }
        if major(&version) < MAJOR_MIN {
            return Err(format!("version {version} is too old"));
        }
        Ok(Self { bin: bin.to_owned(), version })
    }
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` gives `15.18`.
fn version_of(program: &Path) -> Result<String, String> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .map_err(|error| format!("{} does not run: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().nth(2).map(str::to_owned).ok_or_else(|| format!("{} --version says {text:?}", program.display()))
}

fn major(version: &str) -> u32 {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn candidates() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| (major(&entry.file_name().to_string_lossy()), entry.path()))
        .collect();
    versions.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    let mut found: Vec<PathBuf> = versions
        .into_iter()
        .map(|(_, path)| path.join("bin"))
        .filter(|bin| bin.join("initdb").is_file() || bin.join("postgres").is_file())
        .collect();
    let path = env::var_os("PATH").unwrap_or_default();
    // On PATH there may be links: the folder that they lead to is the one
    // where the rest of the installation is.
    found.extend(env::split_paths(&path).filter_map(|folder| {
        let real = fs::canonicalize(folder.join("initdb")).ok()?;
        real.parent().map(Path::to_owned)
    }));
    found
}

/// Whom the server runs as: nobody special, or a system user because
/// PostgreSQL refuses to run as root.
pub enum RunAs {
    /// The user who runs the tests.
    Myself,
    /// Another user, by number.
    Other {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

impl RunAs {
    /// Chooses: root gives way to `postgres`, or to `nobody`.
    ///
    /// # Panics
    /// When run by root on a machine that has neither user.
    pub fn choose() -> Self {
        let me = fs::metadata("/proc/self").map(|meta| meta.uid());
        if me.ok() != Some(0) {
            return Self::Myself;
        }
        for name in ["postgres", "nobody"] {
            if let (Some(uid), Some(gid)) = (id("-u", name), id("-g", name)) {
                return Self::Other { uid, gid };
            }
        }
        panic!(
            "PostgreSQL refuses to run as root, and there is neither a user `postgres` (made by \
             the package `postgresql`: {INSTALL}) nor a user `nobody`"
        );
    }

    /// The words to put before a command so that it runs as that user and dies
    /// with the process that starts it.
    pub fn prefix(&self) -> Vec<String> {
        let mut words = vec!["setpriv".to_owned(), "--pdeathsig=QUIT".to_owned()];
        if let Self::Other { uid, gid } = self {
            words.push(format!("--reuid={uid}"));
            words.push(format!("--regid={gid}"));
            words.push("--clear-groups".to_owned());
        }
        words
    }
}

fn id(flag: &str, user: &str) -> Option<u32> {
    let output = Command::new("id").args([flag, user]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}
