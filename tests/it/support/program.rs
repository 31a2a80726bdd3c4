//! Runs the built program, as a user would from a shell.
//!
//! ```ignore
//! let database = cluster().database();
//! let program = Program::new(folder.path()).env("COUNTERFOIL_DATABASE__URL", database.url());
//! program.clone().arg("migrate").run().succeeded();
//! let mut server = program.spawn_serve();
//! // … requests to server.url() …
//! server.kill9();
//! ```

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::free_port;
use super::reaper::{self, Extent, Watch};

const BINARY: &str = env!("CARGO_BIN_EXE_counterfoil");
/// How long a command may run when the test does not say.
const RUN_MAX: Duration = Duration::from_secs(120);
/// How long a server may take to answer; a loaded machine is slow.
const START_MAX: Duration = Duration::from_secs(60);
/// How long a server may take to leave when asked.
const STOP_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// A command line of the program, not yet run.
#[derive(Clone)]
pub struct Program {
    folder: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    input: Vec<u8>,
    limit: Duration,
}

/// How a command ended.
#[derive(Debug)]
pub struct Output {
    /// The exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it printed as errors and log.
    pub stderr: String,
}

impl Output {
    /// Passes on the output of a command that ended with 0.
    ///
    /// # Panics
    /// When it ended otherwise, with what it printed.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Passes on the output of a command that ended with this exit code.
    ///
    /// # Panics
    /// When it ended otherwise, with what it printed.
    #[track_caller]
    pub fn failed_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

impl Program {
    /// The program, to be run in this folder.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self {
            folder: folder.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            input: Vec::new(),
            limit: RUN_MAX,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    pub fn args<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let pair = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.environment.push(pair);
        self
    }

    /// What the program reads from standard input; otherwise that is empty.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// How long [`Self::run`] waits.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs to the end.
    ///
    /// # Panics
    /// When that takes longer than the limit; the program is then killed.
    #[track_caller]
    pub fn run(self) -> Output {
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Running::start(&mut command);
        let (input, limit) = (self.input, self.limit);
        let mut stdin = child.child.stdin.take().expect("stdin is piped");
        // Its own thread: the program may print before it has read everything,
        // and it may end without having read at all.
        thread::spawn(move || drop(stdin.write_all(&input)));
        let stdout = collect(child.child.stdout.take().expect("stdout is piped"));
        let stderr = collect(child.child.stderr.take().expect("stderr is piped"));
        let status = child.wait(limit);
        if status.is_none() {
            child.kill();
        }
        let (stdout, stderr) = (joined(stdout), joined(stderr));
        let Some(status) = status else {
            panic!("{command:?} was still running after {limit:?}\n{stdout}\n{stderr}");
        };
        Output { code: status.code(), stdout, stderr }
    }

    /// Starts `serve`, followed by the arguments given so far, on a free port,
    /// and waits until it answers.
    ///
    /// # Panics
    /// When it ends or does not answer in time, with its log.
    #[track_caller]
    pub fn spawn_serve(&self) -> Server {
        self.spawn_serve_at(SocketAddr::from(([127, 0, 0, 1], free_port())))
    }

    /// As [`Self::spawn_serve`], at this address: where one was that ended.
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn spawn_serve_at(&self, address: SocketAddr) -> Server {
        self.clone().env("COUNTERFOIL_SERVER__LISTEN", address.to_string()).spawn("serve", address)
    }

    /// Starts `witness`, followed by the arguments given so far, on a free port, and waits until it
    /// answers.
    ///
    /// # Panics
    /// As [`Self::spawn_serve`].
    #[track_caller]
    pub fn spawn_witness(&self) -> Server {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        self.clone().args(["--listen", &address.to_string()]).spawn("witness", address)
    }

    #[track_caller]
    fn spawn(mut self, name: &str, address: SocketAddr) -> Server {
        let log = NamedTempFile::new().unwrap_or_else(|error| panic!("no log file: {error}"));
        // Appending, so that the two streams do not overwrite each other.
        let open = || -> File {
            let opened = File::options().append(true).open(log.path());
            opened.unwrap_or_else(|error| panic!("no log file: {error}"))
        };
        self.arguments.insert(0, name.into());
        let mut command = self.command();
        command.stdout(open()).stderr(open());
        let mut process = Running::start(&mut command);
        // Nothing to read for a server.
        drop(process.child.stdin.take());
        let mut server = Server { process, address, log };
        server.wait_until_healthy();
        server
    }

    fn command(&self) -> Command {
        let mut command = reaper::command(BINARY);
        // The program reads every COUNTERFOIL_ variable as a setting, and libpq
        // every PG one: those of the test run are not meant for it.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("COUNTERFOIL_") || text.starts_with("PG") {
                command.env_remove(&name);
            }
        }
        command.args(&self.arguments).envs(self.environment.iter().map(|(name, value)| (name, value))).current_dir(&self.folder);
        command
    }
}

/// A running `counterfoil serve`. Dropping it kills it.
pub struct Server {
    process: Running,
    address: SocketAddr,
    log: NamedTempFile,
}

impl Server {
    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap_or_default()
    }

    /// Ends it as a crash would, at once.
    pub fn kill9(&mut self) {
        self.process.kill();
    }

    /// Asks it to leave (SIGTERM), waits for that and gives its exit code.
    ///
    /// # Panics
    /// When it does not leave in time.
    #[track_caller]
    pub fn terminate(&mut self) -> Option<i32> {
        self.process.watch.signal("TERM");
        match self.process.wait(STOP_MAX) {
            Some(status) => status.code(),
            None => panic!("still there {STOP_MAX:?} after SIGTERM\n{}", self.log()),
        }
    }

    #[track_caller]
    fn wait_until_healthy(&mut self) {
        let started = Instant::now();
        while !is_healthy(self.address) {
            let status = self.process.wait(POLL);
            assert!(status.is_none(), "serve ended: {status:?}\n{}", self.log());
            assert!(started.elapsed() < START_MAX, "/healthz is not 200 after {START_MAX:?}\n{}", self.log());
        }
    }
}

/// A child process that ends with this value.
struct Running {
    child: Child,
    watch: Watch,
}

impl Running {
    #[track_caller]
    fn start(command: &mut Command) -> Self {
        let (child, watch) =
            reaper::launch(command, Extent::Process).unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self { child, watch }
    }

    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(None) if started.elapsed() < limit => thread::sleep(POLL.min(limit)),
                Ok(status) => return status,
                Err(error) => panic!("cannot wait for process {}: {error}", self.child.id()),
            }
        }
    }

    fn kill(&mut self) {
        // Fails only for a process that has ended and was waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Over a bare socket: reqwest's blocking client may not be used inside a
/// runtime, and this helper should not care where it is called.
fn is_healthy(address: SocketAddr) -> bool {
    let limit = Duration::from_secs(5);
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(64).read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.split_whitespace().nth(1) == Some("200"))
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(from.read_to_end(&mut bytes));
        bytes
    })
}

fn joined(bytes: thread::JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.join().unwrap_or_default()).into_owned()
}
