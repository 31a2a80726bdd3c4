//! A bank that answers over HTTP: the real server on a free port, in a thread of this process.

use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use counterfoil::access::{Door, Origin, Role, Scopes, keys, users};
use counterfoil::app::App;
use counterfoil::clock::Clock;
use counterfoil::config::Config;
use counterfoil::trail::store as trail;
use counterfoil::web;
use reqwest::Method;
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::Value;

use crate::bank::{Bank, Home, Kind};

pub const PASSWORD: &str = "tinder ocelot brick";

/// A bank with its server.
pub struct Site {
    pub bank: Bank,
    pub app: App,
    pub address: SocketAddr,
    pub admin: Option<SocketAddr>,
    /// A key of source `core` with every scope.
    pub key: String,
    pub http: Client,
    leave: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// An officer's way in.
#[derive(Clone)]
pub struct SignedIn {
    pub cookie: String,
    pub csrf: String,
}

impl Site {
    pub fn open(kind: Kind) -> Site {
        Site::with(kind, |_| {})
    }

    pub fn with(kind: Kind, change: impl FnOnce(&mut Config)) -> Site {
        Site::of(Bank::with(kind, |config| Site::configure(config, change)))
    }

    /// One whose clock is that of the machine.
    pub fn now(kind: Kind, change: impl FnOnce(&mut Config)) -> Site {
        let mut config = Config::default();
        Site::configure(&mut config, change);
        Site::of(Bank::at(Home::new(kind), config, Clock::system()))
    }

    fn configure(config: &mut Config, change: impl FnOnce(&mut Config)) {
        config.server.listen = "127.0.0.1:0".into();
        config.server.admin_listen = "127.0.0.1:0".into();
        config.server.workers = 2;
        change(config);
    }

    fn of(bank: Bank) -> Site {
        let app = App::new(bank.config.clone(), bank.db.clone(), bank.clock.clone(), bank.intake.clone()).unwrap();
        let (leave, left) = tokio::sync::oneshot::channel();
        let (tell, told) = sync_channel(1);
        let serving = app.clone();
        let thread = std::thread::spawn(move || {
            let leave = async move {
                let _ = left.await;
            };
            web::serve_until(serving, leave, |listening| tell.send(listening.clone()).unwrap()).unwrap();
        });
        let listening = told.recv().expect("the server listens");
        let (_, key) = keys::issue(&app.log(), &app.clock, "core", Scopes::ALL).unwrap();
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let (address, admin) = (listening.addresses[0], listening.admin.first().copied());
        Site { bank, app, address, admin, key, http, leave: Some(leave), thread: Some(thread) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request without anyone's name on it.
    pub fn plain(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    /// A request with the site's key.
    pub fn by_key(&self, method: Method, path: &str) -> RequestBuilder {
        self.plain(method, path).bearer_auth(&self.key)
    }

    pub fn get(&self, path: &str) -> Answer {
        Answer::of(self.by_key(Method::GET, path).send().unwrap())
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.by_key(Method::POST, path).json(body).send().unwrap())
    }

    pub fn issue(&self, source: &'static str, scopes: &str) -> String {
        keys::issue(&self.app.log(), &self.app.clock, source, Scopes::parse(scopes).unwrap()).unwrap().1
    }

    /// Adds a user of this role, unless there is one, and signs in.
    pub fn sign_in(&self, role: Role) -> SignedIn {
        let email = format!("{role}@bank.example");
        let _ = users::add(&self.app.log(), &self.app.clock, &email, role, PASSWORD);
        let door = Door::new(self.app.db.clone(), self.app.log(), self.app.clock.clone());
        let signed = door.sign_in(&email, PASSWORD, &Origin::default()).unwrap();
        SignedIn { cookie: format!("cf_session={}", signed.token), csrf: signed.csrf }
    }

    /// The public bodies of the events of a kind, oldest first.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let rows = self.app.db.read(|conn| trail::events_between(conn, 0, i64::MAX, 100_000)).unwrap();
        rows.iter().filter(|row| row.kind == kind).map(|row| serde_json::from_str(&row.body).unwrap()).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(self.leave.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server panicked");
        }
        self.bank.intake.stop();
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn of(response: Response) -> Answer {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().unwrap() }
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The answer is a problem with this status and code; answers it.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:#?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:#?}");
        let json = self.json();
        assert_eq!((&json["code"], &json["status"]), (&code.into(), &status.into()), "{self:#?}");
        for member in ["type", "title", "detail"] {
            assert!(json[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {self:#?}");
        }
        json
    }
}
