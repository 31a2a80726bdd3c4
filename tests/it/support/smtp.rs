//! An SMTP server that keeps what it is sent, or fails in the way a test asks.
//!
//! ```ignore
//! let sink = Sink::start();
//! // … the product sends to sink.url() …
//! let mails = sink.wait_for(1, Duration::from_secs(10));
//! assert_eq!(mails[0].to, ["officer@bank.example"]);
//! sink.behave(Behaviour::TempFail(451));
//! ```

mod session;

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;

use super::tls::Certificates;

/// What the server does from now on, with sessions under way too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Takes every mail.
    Accept,
    /// Closes every new connection at once, without a greeting.
    RefuseConnection,
    /// Answers every RCPT with this code.
    Reject(u16),
    /// Reads the whole mail, then answers with this code and does not keep it.
    TempFail(u16),
    /// Says nothing more when it comes to this stage, until the behaviour
    /// changes; then goes on as it would have.
    Stall(Stage),
    /// Keeps the mail, but closes the connection instead of saying so: the
    /// sender cannot know.
    DropAfterData,
    /// Closes the connection after the first line of the mail, keeps nothing.
    DropMidData,
}

/// Before which of its answers the server can stall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The greeting on connection.
    Greeting,
    /// The answer to EHLO or HELO.
    Hello,
    /// The answer to MAIL.
    Mail,
    /// The answer to RCPT.
    Recipient,
    /// The answer to DATA, before the mail.
    Data,
    /// The answer to the mail itself; it is kept only after the stall.
    AfterData,
}

/// A mail that the server took.
#[derive(Clone, Debug)]
pub struct Received {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients, in the order they were named.
    pub to: Vec<String>,
    /// The mail as sent, with dots unstuffed and lines ending in CRLF.
    pub raw: Vec<u8>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Who had signed in, when that was asked for.
    pub user: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Security {
    Plain,
    StartTls,
    Implicit,
}

/// What all sessions share.
struct Shared {
    security: Security,
    tls: Option<Arc<ServerConfig>>,
    login: Option<(String, String)>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    behaviour: Behaviour,
    received: Vec<Received>,
    connections: usize,
    open: Vec<TcpStream>,
    stopped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    fn wait_while(&self, limit: Duration, mut waiting: impl FnMut(&State) -> bool) {
        let state = self.lock();
        drop(self.changed.wait_timeout_while(state, limit, |state| waiting(state)));
    }
}

/// How a [`Sink`] is set up.
pub struct Builder {
    security: Security,
    certificates: Option<Certificates>,
    login: Option<(String, String)>,
}

impl Builder {
    /// Offers STARTTLS, and takes no mail before it.
    pub fn starttls(mut self, certificates: Certificates) -> Self {
        self.security = Security::StartTls;
        self.certificates = Some(certificates);
        self
    }

    /// Speaks TLS from the first byte (`smtps`).
    pub fn implicit_tls(mut self, certificates: Certificates) -> Self {
        self.security = Security::Implicit;
        self.certificates = Some(certificates);
        self
    }

    /// Takes no mail before AUTH PLAIN or LOGIN with these.
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.login = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Starts the server on a free port.
    pub fn start(self) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("cannot listen for SMTP: {error}"));
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            security: self.security,
            tls: self.certificates.as_ref().map(Certificates::server_config),
            login: self.login,
            state: Mutex::new(State {
                behaviour: Behaviour::Accept,
                received: Vec::new(),
                connections: 0,
                open: Vec::new(),
                stopped: false,
            }),
            changed: Condvar::new(),
        });
        let for_accept = Arc::clone(&shared);
        let accept = thread::spawn(move || accept(&listener, &for_accept));
        Sink { shared, address, certificates: self.certificates, accept: Some(accept) }
    }
}

/// A running SMTP server. Dropping it closes the port and all connections.
pub struct Sink {
    shared: Arc<Shared>,
    address: SocketAddr,
    certificates: Option<Certificates>,
    accept: Option<thread::JoinHandle<()>>,
}

impl Sink {
    /// A server without TLS or login that accepts everything.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// For a server with TLS or login.
    pub fn builder() -> Builder {
        Builder { security: Security::Plain, certificates: None, login: None }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The product's `mail.url` for this server, with the login if it has one.
    /// The host is a name when there is a certificate to check it against.
    pub fn url(&self) -> String {
        let (scheme, host) = match self.shared.security {
            Security::Plain => ("smtp", "127.0.0.1"),
            Security::StartTls => ("smtp", "localhost"),
            Security::Implicit => ("smtps", "localhost"),
        };
        let login = match &self.shared.login {
            Some((user, password)) => format!("{user}:{password}@"),
            None => String::new(),
        };
        format!("{scheme}://{login}{host}:{}", self.port())
    }

    /// The certificate (PEM) that a client has to trust, when there is TLS.
    pub fn ca(&self) -> Option<PathBuf> {
        self.certificates.as_ref().map(Certificates::ca)
    }

    /// Changes what the server does.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.update(|state| state.behaviour = behaviour);
    }

    /// What was received so far, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.shared.lock().received.clone()
    }

    /// How often a client has connected so far, whatever came of it.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// Waits until at least `count` mails are there, and gives all of them.
    ///
    /// # Panics
    /// When they do not come in time.
    #[track_caller]
    pub fn wait_for(&self, count: usize, limit: Duration) -> Vec<Received> {
        self.shared.wait_while(limit, |state| state.received.len() < count);
        let received = self.received();
        let subjects: Vec<_> = received.iter().map(|mail| mail.header("subject")).collect();
        assert!(
            received.len() >= count,
            "{} mails instead of {count} after {limit:?} ({} connections): {subjects:?}",
            received.len(),
            self.connections()
        );
        received
    }

    /// Waits until clients have connected `count` times in all.
    ///
    /// # Panics
    /// When they do not come in time.
    #[track_caller]
    pub fn wait_for_connections(&self, count: usize, limit: Duration) {
        self.shared.wait_while(limit, |state| state.connections < count);
        let seen = self.connections();
        assert!(seen >= count, "{seen} connections instead of {count} after {limit:?}");
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.update(|state| {
            state.stopped = true;
            for stream in state.open.drain(..) {
                drop(stream.shutdown(Shutdown::Both));
            }
        });
        // Wakes the thread that waits for a connection.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.accept.take() {
            drop(thread.join());
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let Ok(second) = stream.try_clone() else {
            continue;
        };
        let behaviour = shared.update(|state| {
            state.connections += 1;
            state.open.push(second);
            if state.stopped { None } else { Some(state.behaviour) }
        });
        match behaviour {
            None => return,
            Some(Behaviour::RefuseConnection) => drop(stream.shutdown(Shutdown::Both)),
            Some(_) => {
                let shared = Arc::clone(shared);
                thread::spawn(move || session::serve(stream, &shared));
            }
        }
    }
}
