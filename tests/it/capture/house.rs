//! What these stories share: a bank's core, and the program beside it.

use std::time::{Duration, Instant};

use serde_json::Value;

use counterfoil::capture::{self, Added, CaptureError, Drainer, Spec};
use counterfoil::config::Capture;
use counterfoil::db::Outside;

use crate::bank::{Home, Kind};
use crate::privacy::everything;
use crate::site::Site;
use crate::support::cluster::{Database, cluster};
use crate::support::program::{Output, Program, Server};

/// A bank's database, and a log that nobody writes yet.
pub struct Core {
    pub core: Database<'static>,
    pub home: Home,
    pub dir: tempfile::TempDir,
}

impl Core {
    /// With tables made by this SQL.
    pub fn new(kind: Kind, sql: &str) -> Core {
        let core = cluster().empty_database();
        core.sql(sql).unwrap();
        let made = Core { core, home: Home::new(kind), dir: tempfile::tempdir().unwrap() };
        made.configure("");
        made
    }

    /// Writes the settings.
    pub fn configure(&self, toml: &str) {
        std::fs::write(self.dir.path().join("c.toml"), toml).unwrap();
    }

    pub fn sql(&self, sql: &str) -> String {
        self.core.sql(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The program with these arguments.
    pub fn program(&self, arguments: &[&str]) -> Program {
        Program::new(self.dir.path()).args(["--config", "c.toml", "--database", &self.home.url()]).args(arguments)
    }

    /// `capture …`
    pub fn capture(&self, arguments: &[&str]) -> Output {
        self.program(&["capture"]).args(arguments).run()
    }

    /// Adds a table under the source `core`, and puts what is printed into the settings.
    pub fn add(&self, table: &str, more: &[&str]) -> Output {
        let added = self
            .capture(&[&["add", self.core.url(), table, "--source", "core", "--drain-as", "postgres"], more].concat())
            .succeeded();
        if !added.stdout.trim().is_empty() {
            self.configure(&added.stdout);
        }
        added
    }

    /// A server, and a client with a key of the source.
    pub fn serve(&self) -> Serving {
        let key = self.program(&["key", "issue", "--source", "core"]).run().succeeded().stdout.trim().to_owned();
        Serving { server: self.program(&[]).spawn_serve(), key }
    }

    /// Waits until nothing waits any more in the queue.
    pub fn drained(&self, serving: &Serving) {
        self.until(serving, "an empty queue", || {
            (self.sql("SELECT count(*) FROM counterfoil_capture.queue") == "0").then_some(())
        });
    }

    pub fn until<T>(&self, serving: &Serving, what: &str, look: impl Fn() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "{what} did not come\n{}", serving.server.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Everything held against the log.
    pub fn verified(&self) {
        self.program(&["verify"]).run().succeeded();
    }
}

/// A running server, and a key.
pub struct Serving {
    pub server: Server,
    key: String,
}

impl Serving {
    /// What the interface answers, with each digit.
    pub fn text(&self, path: &str) -> (u16, String) {
        let answer = reqwest::blocking::Client::new().get(format!("{}{path}", self.server.url())).bearer_auth(&self.key).send();
        let answer = answer.unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    }

    /// The same read.
    pub fn get(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.text(path);
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// A record as it is.
    pub fn record(&self, kind: &str, id: &str) -> Value {
        self.get(&format!("/api/v1/records/{kind}/{id}")).1
    }

    /// Every change of a record, newest first.
    pub fn changes(&self, kind: &str, id: &str) -> Vec<Value> {
        let (status, list) = self.get(&format!("/api/v1/records/{kind}/{id}/changes"));
        assert_eq!(status, 200, "{list}");
        list["items"].as_array().unwrap().clone()
    }

    /// What `/readyz` says of captures.
    pub fn readiness(&self) -> Value {
        let checks = self.get("/readyz").1["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["name"] == "capture").unwrap_or_default()
    }
}

/// A bank's core beside a site, drained when the story says so.
pub struct Beside {
    pub core: Database<'static>,
    pub site: Site,
    pub settings: Capture,
}

impl Beside {
    /// With tables made by this SQL.
    pub fn new(site: Site, sql: &str) -> Beside {
        let core = cluster().empty_database();
        core.sql(sql).unwrap();
        let settings = Capture { name: "core".into(), url: core.url().to_owned(), ..Capture::default() };
        Beside { core, site, settings }
    }

    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        self.core.sql(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Adds a table, and puts it into the settings.
    pub fn add(&mut self, spec: Spec) -> Result<Added, CaptureError> {
        let added = capture::add(&mut Outside::connect(self.core.url(), None)?, &spec)?;
        self.settings.table.retain(|table| table.table != added.table.table);
        self.settings.table.push(added.table.clone());
        Ok(added)
    }

    /// Everything that `capture check` finds.
    pub fn check(&self) -> Vec<String> {
        let mut bank = Outside::connect(self.core.url(), None).unwrap();
        let found = capture::check(&mut bank, &self.settings, &self.site.bank.config).unwrap();
        found.into_iter().flat_map(|(_, problems)| problems).collect()
    }

    /// One turn of whoever drains, with the settings as they are.
    pub fn turn(&self) -> Result<(), CaptureError> {
        Drainer::new("main", &self.settings).turn(&self.site.app)
    }

    pub fn waiting(&self) -> String {
        self.sql("SELECT count(*) FROM counterfoil_capture.queue")
    }

    /// Everything that the log's database holds, and every file beside it.
    pub fn stored(&self) -> String {
        let mut all = everything(&mut self.site.bank.db.connect().unwrap());
        let (Home::Sqlite(dir) | Home::Postgres(_, dir)) = &self.site.bank.home;
        let mut folders = vec![dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => all.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap())),
                }
            }
        }
        all
    }
}
