//! The blocking client: what it sends is in the log when it returns.

use std::sync::Arc;
use std::time::Duration;

use crate::answer::Outcome;
use crate::backoff::Backoff;
use crate::change::Change;
use crate::deliver::{Delivered, deliver};
use crate::entry::Entry;
use crate::error::Error;
use crate::recorder::{Lost, OnLost, Recorded, Recorder};
use crate::row::Row;
use crate::transport::Transport;

/// How often something is tried before the caller is told that the server is away.
const ATTEMPTS: u32 = 4;

/// A connection to one server with the key of one source. Cheap to clone; may be used from any thread.
///
/// What it sends is in the log when it returns. A server that is away is tried again, ever more rarely, and what is
/// sent again is recorded once: its `source_ref` makes that safe.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    transport: Box<dyn Transport>,
    attempts: u32,
    on_lost: Option<OnLost>,
}

/// Settings of a [`Client`].
pub struct Builder {
    url: String,
    others: Vec<String>,
    key: String,
    timeout: Duration,
    attempts: u32,
    ca_pem: Option<Vec<u8>>,
    plain_http: bool,
    transport: Option<Box<dyn Transport>>,
    on_lost: Option<OnLost>,
}

impl Client {
    /// A client with the usual settings. The key is made by `counterfoil key issue --source NAME`.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Result<Client, Error> {
        Client::builder(url, key).build()
    }

    /// A client with settings of its own.
    pub fn builder(url: impl Into<String>, key: impl Into<String>) -> Builder {
        Builder {
            url: url.into(),
            others: Vec::new(),
            key: key.into(),
            timeout: Duration::from_secs(30),
            attempts: ATTEMPTS,
            ca_pem: None,
            plain_http: false,
            transport: None,
            on_lost: None,
        }
    }

    /// Records an entry.
    ///
    /// # Errors
    /// When it is not in the log.
    pub fn entry(&self, entry: &Entry) -> Result<Outcome, Error> {
        self.one(Row::entry(entry)?)
    }

    /// Records a change.
    ///
    /// # Errors
    /// When it is not in the log, unless it changes nothing.
    pub fn change(&self, change: &Change) -> Result<Outcome, Error> {
        self.one(Row::change(change)?)
    }

    /// Sends many rows in their order; what is refused for good is an outcome, and the others go on.
    ///
    /// # Errors
    /// When one of them could not be sent; those before it may be in the log, and all may be sent again.
    pub fn send(&self, rows: &[Row]) -> Result<Vec<Outcome>, Error> {
        let (mut outcomes, mut backoff, mut failures) = (Vec::with_capacity(rows.len()), Backoff::default(), 0);
        loop {
            let Delivered { settled, stopped } = self.deliver(&rows[outcomes.len()..]);
            if !settled.is_empty() {
                failures = 0;
                backoff.reset();
            }
            outcomes.extend(settled);
            let Some(error) = stopped else { return Ok(outcomes) };
            failures += 1;
            match &error {
                Error::Unavailable { retry_after, .. } if failures < self.shared.attempts => {
                    std::thread::sleep(backoff.next(*retry_after));
                }
                _ => return Err(error),
            }
        }
    }

    /// Sends rows in their order, once: stops at the first that can be neither recorded nor refused now. For whoever
    /// keeps rows and tries again, such as the drainer of an outbox table.
    pub fn deliver(&self, rows: &[Row]) -> Delivered {
        deliver(self.shared.transport.as_ref(), rows)
    }

    fn one(&self, row: Row) -> Result<Outcome, Error> {
        match self.send(&[row])?.pop() {
            Some(Outcome::Refused(problem)) => Err(Error::Refused(Box::new(problem))),
            Some(outcome) => Ok(outcome),
            None => Err(Error::Unexpected("no result for what was sent".into())),
        }
    }
}

impl Recorder for Client {
    fn record_entry(&self, entry: &Entry) -> Result<Recorded, Error> {
        self.entry(entry).map(Recorded::Answered)
    }

    fn record_change(&self, change: &Change) -> Result<Recorded, Error> {
        self.change(change).map(Recorded::Answered)
    }

    fn lost(&self, lost: &Lost) {
        match &self.shared.on_lost {
            Some(told) => told(lost),
            None => eprintln!("{lost}"),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("attempts", &self.shared.attempts).finish_non_exhaustive()
    }
}

impl Builder {
    /// Another instance of the same server (with the same path, if there is one), which stands by or leads in its turn. May
    /// be said several times.
    ///
    /// What answers that it stands by names the leader; it is followed there if the address was given here. The key goes to
    /// addresses that were given and to no other, whoever names it. An address that cannot be reached is passed over.
    pub fn also_at(mut self, url: impl Into<String>) -> Builder {
        self.others.push(url.into());
        self
    }

    /// How long one request may take; 30 seconds otherwise.
    pub fn timeout(self, timeout: Duration) -> Builder {
        Builder { timeout, ..self }
    }

    /// How often it is tried before the caller is told; four times otherwise, at least once.
    pub fn attempts(self, attempts: u32) -> Builder {
        Builder { attempts: attempts.max(1), ..self }
    }

    /// Trusts these authorities (PEM) instead of the public ones.
    pub fn ca_pem(self, pem: impl Into<Vec<u8>>) -> Builder {
        Builder { ca_pem: Some(pem.into()), ..self }
    }

    /// Sends the key over plain HTTP to another machine too. Without it `http://` is taken to this machine only.
    pub fn plain_http(self) -> Builder {
        Builder { plain_http: true, ..self }
    }

    /// Sends by this instead of `ureq`; address, key, time-out and authorities are its own then.
    pub fn transport(self, transport: impl Transport + 'static) -> Builder {
        Builder { transport: Some(Box::new(transport)), ..self }
    }

    /// Tells this of changes that a guard could not record when it went out of scope, instead of standard error.
    pub fn on_lost(self, told: impl Fn(&Lost) + Send + Sync + 'static) -> Builder {
        Builder { on_lost: Some(Box::new(told)), ..self }
    }

    /// The client.
    ///
    /// # Errors
    /// When the address, the key or the authorities cannot be used.
    pub fn build(self) -> Result<Client, Error> {
        let transport = match self.transport {
            Some(transport) => transport,
            None => http(&self)?,
        };
        Ok(Client { shared: Arc::new(Shared { transport, attempts: self.attempts, on_lost: self.on_lost }) })
    }
}

#[cfg(feature = "ureq")]
fn http(settings: &Builder) -> Result<Box<dyn Transport>, Error> {
    let given = std::iter::once(&settings.url).chain(&settings.others);
    let urls: Vec<&str> = given.map(|url| checked(url, settings.plain_http)).collect::<Result<_, _>>()?;
    if settings.key.is_empty() || !settings.key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::Invalid(
            "the key is empty or holds blanks; give the text that `counterfoil key issue` printed".into(),
        ));
    }
    let http = crate::transport::http::Http::new(&urls, &settings.key, settings.timeout, settings.ca_pem.as_deref())?;
    Ok(Box::new(http))
}

#[cfg(not(feature = "ureq"))]
fn http(_: &Builder) -> Result<Box<dyn Transport>, Error> {
    Err(Error::Invalid("this build has no HTTP client; give a transport, or turn on the feature `ureq`".into()))
}

/// The address without a slash at its end, if the key may travel there.
#[cfg(feature = "ureq")]
fn checked(url: &str, plain_http: bool) -> Result<&str, Error> {
    let url = url.trim_end_matches('/');
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    let here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match scheme {
        "https" if !host.is_empty() => Ok(url),
        "http" if here || (plain_http && !host.is_empty()) => Ok(url),
        "http" => Err(Error::Invalid(format!(
            "{url}: the key would travel in the clear; use https, or say plain_http() if something else protects it"
        ))),
        _ => Err(Error::Invalid(format!("`{url}` is no address of a server; write https://counterfoil.bank.example"))),
    }
}

#[cfg(all(test, feature = "ureq"))]
mod tests {
    use super::*;

    #[test]
    fn the_key_travels_in_the_clear_only_within_this_machine() {
        for good in [
            "https://a.example",
            "https://a.example:8443/b/retail/",
            "http://127.0.0.1:8080",
            "http://[::1]:80",
            "http://localhost",
        ] {
            assert!(checked(good, false).is_ok(), "{good}");
        }
        for bad in ["http://a.example", "http://127.0.0.1.example", "a.example", "ftp://a.example", "https://", ""] {
            assert!(checked(bad, false).is_err(), "{bad}");
        }
        assert!(checked("http://a.example", true).is_ok());
        let also = |url: &str| Client::builder("https://a.example", "K").also_at(url).build();
        assert!(also("https://b.example").is_ok() && also("http://b.example").is_err(), "whichever it is");
        assert!(Client::new("https://a.example", "two words").is_err());
        assert!(!format!("{:?}", Client::new("https://a.example", "SECRET").ok()).contains("SECRET"));
    }
}
