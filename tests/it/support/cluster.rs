//! A throwaway PostgreSQL cluster, and one database of it per test.
//!
//! The first test that asks starts a server on a free port of 127.0.0.1, with
//! its data in a new temporary folder. Everyone may connect without a password.
//! It writes as durably as in production (the product refuses to start
//! otherwise), only its caches are small.

mod install;
mod process;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use self::install::{Install, RunAs};
use super::free_port;

/// The database that [`Cluster::template`] prepares.
const TEMPLATE: &str = "prepared";
/// The role that makes databases and tampers with them; a superuser.
const ROLE: &str = "postgres";
/// The role that the product connects as, in a database whose roles are split.
const WRITER: &str = "counterfoil_writer";
/// What `deploy/postgres-setup.sql` does to a cluster, but for the database.
const ROLES: &str = "CREATE ROLE counterfoil_owner NOLOGIN; CREATE ROLE counterfoil_writer LOGIN; \
    CREATE ROLE counterfoil_reader LOGIN;";
/// How a template is copied. Measured on PostgreSQL 15 with fsync: never slower
/// than `FILE_COPY` and up to twice as fast, and without its two checkpoints,
/// which hold up the tests beside it.
const STRATEGY: &str = "WAL_LOG";
/// How long a server may take to answer; a loaded machine is slow.
const START_MAX: Duration = Duration::from_secs(90);
/// Another process may take the port between the look and the start.
const ATTEMPTS_MAX: u32 = 3;

/// The cluster of this test run, started when first asked for.
///
/// # Panics
/// When it cannot be started; the message says what is missing.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

/// A running server with its data folder. Dropping it stops the server.
pub struct Cluster {
    install: Install,
    base: PathBuf,
    port: u16,
    watchdog: Child,
    prepared: OnceLock<()>,
    databases: AtomicU32,
}

impl Cluster {
    /// Starts a cluster of its own, for a test that does to it what no other
    /// test should see. All others share [`cluster`].
    pub fn start() -> Self {
        let install = Install::find();
        let run_as = RunAs::choose();
        let mut failure = String::new();
        for _ in 0..ATTEMPTS_MAX {
            let cluster = Self::spawn(install.clone(), &run_as);
            match cluster.wait_until_ready() {
                Ok(()) => return cluster,
                Err(log) => failure = log,
            }
        }
        panic!("PostgreSQL {} did not start ({ATTEMPTS_MAX} attempts); its last words:\n{failure}", install.version);
    }

    /// Runs `prepare` once on a new database, whose copies [`Self::database`]
    /// hands out. Later calls wait for the first and do nothing.
    pub fn template(&self, prepare: impl FnOnce(&str)) {
        self.prepared.get_or_init(|| {
            // An earlier `prepare` may have panicked half way.
            self.admin(&format!("DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)"));
            self.admin(ROLES);
            self.admin(&format!("CREATE DATABASE {TEMPLATE} OWNER counterfoil_owner"));
            prepare(&self.url(ROLE, TEMPLATE));
            // A database is only copied while nobody is connected to it.
            self.admin(&format!("ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false"));
            self.admin(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{TEMPLATE}'"));
        });
    }

    /// A copy of the template for one test; its URL is that of the writer.
    ///
    /// # Panics
    /// When [`Self::template`] was not called before.
    pub fn database(&self) -> Database<'_> {
        assert!(self.prepared.get().is_some(), "call template() before database(), or ask for an empty_database()");
        self.create(&format!("TEMPLATE {TEMPLATE} OWNER counterfoil_owner"), WRITER)
    }

    /// A database with nothing in it, for tests of the migrations themselves.
    pub fn empty_database(&self) -> Database<'_> {
        self.create("TEMPLATE template0", ROLE)
    }

    /// Runs a file of SQL and of psql's own commands as a superuser.
    ///
    /// # Panics
    /// With psql's own message, when it fails.
    #[track_caller]
    pub fn run_script(&self, path: &str) {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        self.admin(&text);
    }

    /// Ends the server as a crash would, without a checkpoint, and starts it again after `pause` on the same port.
    ///
    /// # Panics
    /// With the server's log, when it does not come back.
    #[track_caller]
    pub fn restart_immediately(&self, pause: Duration) {
        let data = self.base.join("data");
        let stopped = self.pg_ctl(&["-D", data.to_str().unwrap_or_default(), "-m", "immediate", "-w", "stop"]);
        assert!(stopped, "pg_ctl stop: {}", self.log());
        thread::sleep(pause);
        self.start_server(&data, &process::server_options(&self.base, self.port));
        assert_eq!(self.wait_for("SELECT 1"), "1");
    }

    /// A streaming replica of this cluster, on a port of its own.
    ///
    /// # Panics
    /// When it cannot be made; the message says why.
    pub fn replica(&self) -> Replica<'_> {
        let (data, port) = (self.base.join("replica"), free_port());
        let mut copy = self.command("pg_basebackup");
        copy.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", ROLE, "-R", "-X", "stream", "-c", "fast", "-D"])
            .arg(&data);
        let made = copy.output().unwrap_or_else(|error| panic!("pg_basebackup: {error}"));
        assert!(made.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&made.stderr));
        self.start_server(&data, &process::server_options(&self.base, port));
        Replica { cluster: self, data, port }
    }

    fn start_server(&self, data: &Path, options: &[String]) {
        // The first server's log is its shell's.
        let log = self.base.join("log.later");
        let options = options.join(" ");
        let arguments =
            ["-D", data.to_str().unwrap_or_default(), "-l", log.to_str().unwrap_or_default(), "-o", &options, "-w", "start"];
        assert!(self.pg_ctl(&arguments), "pg_ctl start: {}", self.log());
    }

    fn pg_ctl(&self, arguments: &[&str]) -> bool {
        let mut command = self.command("pg_ctl");
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// One of PostgreSQL's programs, as whoever owns the data.
    fn command(&self, program: &str) -> Command {
        let mut words = RunAs::choose().prefix();
        words.push(self.install.program(program).display().to_string());
        let mut command = Command::new(&words[0]);
        process::clear_environment(&mut command).args(&words[1..]).current_dir(&self.base);
        command
    }

    /// pgbench on a database here, begun with these arguments.
    ///
    /// # Panics
    /// When it does not start.
    pub fn pgbench(&self, database: &str, arguments: &[&str]) -> Child {
        let mut command = self.command("pgbench");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", ROLE]).args(arguments).arg(database);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap_or_else(|error| panic!("pgbench: {error}"))
    }

    /// What a statement prints as soon as the server runs it.
    fn wait_for(&self, sql: &str) -> String {
        let began = Instant::now();
        loop {
            match self.psql("postgres", sql) {
                Ok(text) => return text,
                Err(error) if began.elapsed() > START_MAX => panic!("{sql}: {error}"),
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// A database with nothing in it that sorts and compares texts as this locale of ICU does.
    pub fn database_with_collation(&self, locale: &str) -> Database<'_> {
        self.create(&format!("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE '{locale}'"), "postgres")
    }

    /// What the server wrote to its log so far.
    pub fn log(&self) -> String {
        ["log", "log.later"].map(|name| fs::read_to_string(self.base.join(name)).unwrap_or_default()).concat()
    }

    /// The folder that holds the data, the socket and the log.
    pub fn folder(&self) -> &Path {
        &self.base
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn create(&self, how: &str, role: &str) -> Database<'_> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.admin(&format!("CREATE DATABASE {name} {how} STRATEGY {STRATEGY}"));
        Database { cluster: self, url: self.url(role, &name), name }
    }

    /// The URL of a database here, as a role.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    #[track_caller]
    fn admin(&self, sql: &str) -> String {
        self.psql("postgres", sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn spawn(install: Install, run_as: &RunAs) -> Self {
        let port = free_port();
        let (base, watchdog) = process::spawn(&install, run_as, ROLE, port);
        Self { install, base, port, watchdog, prepared: OnceLock::new(), databases: AtomicU32::new(0) }
    }

    fn wait_until_ready(&self) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            if self.base.join("ended").exists() {
                return Err(self.log());
            }
            // Through the socket in the cluster's own folder: on the port there
            // might be someone else's server.
            if self.base.join(format!(".s.PGSQL.{}", self.port)).exists() && self.psql("postgres", "SELECT 1").is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(format!("no answer in {START_MAX:?}\n{}", self.log()))
    }

    fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut command = Command::new(self.install.program("psql"));
        process::clear_environment(&mut command)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-U", ROLE, "-d", database, "-f", "-"])
            .arg("-h")
            .arg(&self.base)
            .args(["-p", &self.port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        if let Some(mut stdin) = child.stdin.take() {
            // psql that could not connect does not read; its message follows.
            drop(stdin.write_all(sql.as_bytes()));
        }
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.base.join("data");
        if self.base.join("ended").exists() && data.join("postmaster.pid").exists() {
            // Started anew: the shell that watches does not know of it.
            self.pg_ctl(&["-D", data.to_str().unwrap_or_default(), "-m", "immediate", "stop"]);
        }
        // Closing the pipe is the sign to stop.
        drop(self.watchdog.stdin.take());
        drop(self.watchdog.wait());
    }
}

/// A running replica, stopped with this value.
pub struct Replica<'a> {
    cluster: &'a Cluster,
    data: PathBuf,
    port: u16,
}

impl Replica<'_> {
    /// The URL of a database on it, as a role.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Replica<'_> {
    fn drop(&mut self) {
        self.cluster.pg_ctl(&["-D", self.data.to_str().unwrap_or_default(), "-m", "immediate", "stop"]);
    }
}

/// One test's database, dropped with this value.
pub struct Database<'a> {
    cluster: &'a Cluster,
    name: String,
    url: String,
}

impl Database<'_> {
    /// `postgres://…`, as the product's `database.url` takes it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same as another role.
    pub fn url_as(&self, role: &str) -> String {
        self.cluster.url(role, &self.name)
    }

    /// The database's name in the cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements as a superuser and gives back what they print, one row
    /// a line, columns with `|` between them.
    ///
    /// # Errors
    /// PostgreSQL's own message, when a statement fails.
    pub fn sql(&self, statements: &str) -> Result<String, String> {
        self.cluster.psql(&self.name, statements)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // No panic in a destructor: the whole cluster goes in the end anyway.
        if let Err(error) = self.cluster.psql("postgres", &sql) {
            eprintln!("{sql}: {error}");
        }
    }
}
