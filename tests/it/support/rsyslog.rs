//! A real rsyslogd that takes syslog over TLS and writes what it made of each message as a line of JSON.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::reaper::{self, Extent, Watch};
use super::tls::Certificates;
use super::{INSTALL, free_port};

/// Where Debian puts it; it may not be on the `PATH` of whoever is not root.
const PROGRAM: &str = "/usr/sbin/rsyslogd";
/// How long it may take to listen, and to leave.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server's settings and its files; it runs between [`Rsyslog::start`] and [`Rsyslog::stop`].
pub struct Rsyslog {
    folder: TempDir,
    certificates: Certificates,
    port: u16,
    running: Option<(Child, Watch)>,
}

impl Rsyslog {
    /// One that is not started yet.
    ///
    /// # Panics
    /// When it is not installed.
    pub fn new() -> Rsyslog {
        assert!(fs::exists(PROGRAM).unwrap_or(false), "{PROGRAM} (Debian package `rsyslog`) is missing: {INSTALL}");
        let rsyslog =
            Rsyslog { folder: TempDir::new().unwrap(), certificates: Certificates::new(), port: free_port(), running: None };
        fs::write(rsyslog.path("rsyslog.conf"), rsyslog.settings()).unwrap();
        rsyslog
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `localhost:PORT`
    pub fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The authority of its certificate.
    pub fn ca(&self) -> PathBuf {
        self.certificates.ca()
    }

    fn settings(&self) -> String {
        let parts = ["seq", "hash", "log", "checkpoint"]
            .map(|part| format!("property(outname=\"{part}\" name=\"$!rfc5424-sd!leaf@32473!{part}\" format=\"jsonf\")\n"));
        let (folder, files) = (self.folder.path().display(), &self.certificates);
        format!(
            "global(workDirectory=\"{folder}\" maxMessageSize=\"128k\" DefaultNetstreamDriver=\"ossl\"\n\
             DefaultNetstreamDriverCAFile=\"{}\" DefaultNetstreamDriverCertFile=\"{}\" DefaultNetstreamDriverKeyFile=\"{}\")\n\
             module(load=\"imtcp\" StreamDriver.Name=\"ossl\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"anon\")\n\
             module(load=\"mmpstrucdata\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{}\")\n\
             action(type=\"mmpstrucdata\")\n\
             template(name=\"record\" type=\"list\" option.jsonf=\"on\") {{\n\
             property(outname=\"facility\" name=\"syslogfacility-text\" format=\"jsonf\")\n\
             property(outname=\"severity\" name=\"syslogseverity-text\" format=\"jsonf\")\n\
             property(outname=\"program\" name=\"app-name\" format=\"jsonf\")\n\
             property(outname=\"kind\" name=\"msgid\" format=\"jsonf\")\n\
             property(outname=\"at\" name=\"timereported\" dateFormat=\"rfc3339\" format=\"jsonf\")\n\
             {}property(outname=\"message\" name=\"msg\" format=\"jsonf\") }}\n\
             action(type=\"omfile\" file=\"{folder}/records.ndjson\" template=\"record\")\n",
            files.ca().display(),
            files.certificate().display(),
            files.key().display(),
            self.port,
            parts.concat(),
        )
    }

    /// Starts it, and waits until it listens.
    ///
    /// # Panics
    /// When it does not, with what it said.
    pub fn start(&mut self) {
        let mut command = reaper::command(PROGRAM);
        command.arg("-n").arg("-f").arg(self.path("rsyslog.conf")).arg("-i").arg(self.path("pid"));
        let log = || fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        command.stdout(log()).stderr(log());
        let (mut child, watch) = reaper::launch(&mut command, Extent::Process).unwrap();
        drop(child.stdin.take());
        self.running = Some((child, watch));
        let (began, address) = (Instant::now(), SocketAddr::from(([127, 0, 0, 1], self.port)));
        while TcpStream::connect(address).is_err() {
            let said = fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(
                began.elapsed() < PATIENCE,
                "rsyslogd does not listen (Debian package `rsyslog-openssl`?): {INSTALL}\n{said}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Has it leave, and waits for that.
    ///
    /// # Panics
    /// When it stays.
    pub fn stop(&mut self) {
        let Some((mut child, watch)) = self.running.take() else { return };
        watch.signal("TERM");
        let began = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < PATIENCE, "rsyslogd stays after SIGTERM");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it has written, in its order.
    pub fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("records.ndjson")).unwrap_or_default();
        // The last line may still be on its way.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.running {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
