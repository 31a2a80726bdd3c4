//! Settings: defaults, then a TOML file, then `COUNTERFOIL_<SECTION>__<KEY>` from the environment.
//!
//! The only reader of environment variables. Unknown keys are refused, so that a typing error is
//! heard. `counterfoil.example.toml` documents every key; a test keeps it equal to this file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{NaiveDate, NaiveTime, Weekday};
use chrono_tz::Tz;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

mod archive;
mod books;
mod capture;
mod check;
mod database;
mod forward;
mod privacy;
mod records;
mod retention;
mod values;

pub use archive::{Archive, ArchiveFormat};
pub use books::{BookSettings, MAIN as MAIN_BOOK};
pub use capture::{Capture, CapturedTable, EntryMapping, ROLE_MISSING};
pub use database::{Database, Roles};
pub use forward::{Forward, ForwardFormat, ForwardFrom};
pub use privacy::{PRIVATE_FIELDS, Privacy};
pub use records::{Class, Reason, RecordType, Records, UnknownTypes};
pub use retention::{Preset, Retention};
pub use values::CutOff;
use values::addresses;

/// Everything that can be set.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the log lives.
    pub database: Database,
    /// The listeners.
    pub server: Server,
    /// The bank: its name, time and calendar.
    pub bank: Bank,
    /// Outgoing mail.
    pub mail: Mail,
    /// The nightly report.
    pub report: Report,
    /// Balance continuity.
    pub continuity: ContinuitySettings,
    /// Bounds of memory and queues.
    pub limits: Limits,
    /// Keys outside the database.
    pub keys: Keys,
    /// How checkpoints leave the building.
    pub anchor: Anchor,
    /// What may be erased, and when.
    pub privacy: Privacy,
    /// Records of any type besides balances.
    pub records: Records,
    /// How long values of changes are kept.
    pub retention: Retention,
    /// Closed ranges of the log in files of their own.
    pub archive: Archive,
    /// What is known of each source beforehand.
    pub source: Vec<Source>,
    /// Other systems that get the log.
    pub forward: Vec<Forward>,
    /// Other books of this installation by name, each with the settings that differ.
    pub book: BTreeMap<String, BookSettings>,
    /// The name of this book; empty: `main`.
    #[serde(skip)]
    pub name: String,
    /// Every book of the installation by name, where there are several.
    #[serde(skip)]
    pub books: Vec<String>,
    /// Tables of the bank's own PostgreSQL whose changes are taken from there.
    pub capture: Vec<Capture>,
}

/// Section `server`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// `address:port` of the pages and the API.
    pub listen: String,
    /// `address:port` of `/metrics`; empty: none.
    pub admin_listen: String,
    /// The address that links in mail begin with; empty: `http(s)://` + `listen`.
    pub public_url: String,
    /// PEM file with the certificate chain; empty: plain HTTP.
    pub tls_cert: String,
    /// PEM file with the certificate's key.
    pub tls_key: String,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Largest request body in bytes, after decompression.
    pub body_limit: usize,
    /// Bytes of all request bodies that are held at the same time, at most; beyond it 503.
    pub bodies_limit: usize,
    /// Largest array of entries in one request.
    pub batch_limit: usize,
    /// Seconds after which a request body that has stopped arriving is given up with 408.
    pub body_seconds: u64,
    /// Worker threads; 0: one per core.
    pub workers: usize,
}

/// Section `bank`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Bank {
    /// As printed on pages, reports and mail.
    pub name: String,
    /// An IANA name, e.g. `Europe/Berlin`.
    pub time_zone: Tz,
    /// `HH:MM` local; entries at or after it belong to the next date. `24:00`: midnight.
    pub cut_off: CutOff,
    /// Days of the week on which the bank does not post, e.g. `["Sat", "Sun"]`.
    pub weekend: Vec<Weekday>,
    /// Dates on which the bank does not post.
    pub holidays: Vec<NaiveDate>,
}

/// Section `mail`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// `smtp://[user:password@]host[:port]` (STARTTLS), `smtps://…` (TLS) or `file:FOLDER`; empty: none.
    pub url: String,
    /// The sender, e.g. `Monitor <monitor@bank.example>`.
    pub from: String,
    /// Who gets alert mail.
    #[serde(deserialize_with = "addresses")]
    pub alerts_to: Vec<String>,
    /// Who gets the daily digest.
    #[serde(deserialize_with = "addresses")]
    pub reports_to: Vec<String>,
    /// PEM file with a private root certificate of the relay; empty: the public roots.
    pub ca_file: String,
    /// Seconds until an unanswering relay is given up.
    pub timeout_seconds: u64,
    /// Deliveries tried before a mail is dead.
    pub attempts: u32,
}

/// Section `report`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    /// `HH:MM` local at which the report of the date before is made.
    pub at: NaiveTime,
    /// Missed reports made up for in one turn, at most; a longer backlog goes on in the next turn.
    pub catch_up: u32,
}

/// Section `continuity`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct ContinuitySettings {
    /// Minutes a break may stay open before it raises an alert.
    pub grace_minutes: u32,
}

/// Section `limits`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Entries that may wait for the sequencer before new ones are refused with 503.
    pub queue_entries: usize,
    /// Account states kept in memory.
    pub accounts_cached: usize,
    /// Entries in one index segment.
    pub segment_entries: u64,
}

/// Section `keys`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// Folder of the keys that must not be in the database; empty: `keys` beside it.
    pub dir: String,
    /// The key that signs checkpoints, as `PRIVATE+KEY+…`; empty: a file in `dir`.
    pub log: String,
    /// The master key that opens sealed values, as `counterfoil-master-1:…`; while it is exchanged, the
    /// new one, a blank and the old one. Empty: a file in `dir`.
    pub master: String,
}

/// Section `anchor`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Anchor {
    /// File to which each signed checkpoint is appended, best on another machine's disk; empty: none.
    pub file: String,
    /// Who gets the nightly checkpoint besides `mail.reports_to`: somebody outside IT.
    #[serde(deserialize_with = "addresses")]
    pub mail_to: Vec<String>,
    /// Hours after which a log without a checkpoint brought back from outside is warned of.
    pub max_age_hours: u32,
    /// Whether `/log/tile/…` answers without a key: tiles hold hashes only.
    pub public_tiles: bool,
    /// Witnesses that are asked once a minute to sign the newest checkpoint.
    pub witness: Vec<Witness>,
}

/// One `[[anchor.witness]]`: a program on another host that signs only what extends what it saw before.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Witness {
    /// Its address, e.g. `http://witness.bank.example:8481`.
    pub url: String,
    /// Its verifier key, as it prints it when it starts.
    pub key: String,
}

/// One `[[source]]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// The source's name.
    pub name: String,
    /// What is checked: `auto` takes what the entries carry.
    pub continuity: Mode,
    /// Largest rounding that is no break: currency = amount.
    pub tolerance: BTreeMap<String, String>,
    /// Sum of roundings per account and day before they are a break; default 100 × the tolerance.
    pub tolerance_per_day: BTreeMap<String, String>,
    /// `identifier`: stored as sent. `secret`: stored as a keyed digest.
    pub session: SessionKind,
    /// Private fields of its entries that are sealed, e.g. `["reason", "counterparty_name"]`.
    pub sensitive: Vec<String>,
}

/// How an account's balances are checked.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// What the entries carry.
    #[default]
    Auto,
    /// Balances before and after every entry.
    PerEntry,
    /// Only the balance after.
    AfterOnly,
    /// Only the sender's own numbering.
    Sequenced,
    /// Only balances of a day.
    Daily,
    /// Nothing.
    None,
}

/// What a source's `session_id` is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// An identifier that gives no access.
    #[default]
    Identifier,
    /// A live token.
    Secret,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: "127.0.0.1:8480".into(),
            admin_listen: String::new(),
            public_url: String::new(),
            tls_cert: String::new(),
            tls_key: String::new(),
            trusted_proxies: Vec::new(),
            body_limit: 16 << 20,
            bodies_limit: 256 << 20,
            batch_limit: 10_000,
            body_seconds: 60,
            workers: 0,
        }
    }
}

impl Default for Bank {
    fn default() -> Self {
        Bank { name: "Example Bank".into(), time_zone: Tz::UTC, cut_off: CutOff(1440), weekend: Vec::new(), holidays: Vec::new() }
    }
}

impl Default for Mail {
    fn default() -> Self {
        Mail {
            url: String::new(),
            from: "Counterfoil <counterfoil@localhost>".into(),
            alerts_to: Vec::new(),
            reports_to: Vec::new(),
            ca_file: String::new(),
            timeout_seconds: 20,
            attempts: 10,
        }
    }
}

impl Default for Report {
    fn default() -> Self {
        Report { at: NaiveTime::from_hms_opt(0, 30, 0).unwrap_or_default(), catch_up: 31 }
    }
}

impl Default for ContinuitySettings {
    fn default() -> Self {
        ContinuitySettings { grace_minutes: 15 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits { queue_entries: 50_000, accounts_cached: 1_000_000, segment_entries: 262_144 }
    }
}

impl Default for Anchor {
    fn default() -> Self {
        Anchor { file: String::new(), mail_to: Vec::new(), max_age_hours: 48, public_tiles: false, witness: Vec::new() }
    }
}

/// What is wrong with the settings, naming the key and where it was set.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that cannot be read.
    #[error("the configuration file {0} cannot be read: {1}")]
    File(PathBuf, std::io::Error),
    /// A key that cannot be understood.
    #[error("configuration: {0}")]
    Read(Box<figment::Error>),
    /// A value that cannot work.
    #[error("configuration: {0}")]
    Refused(String),
    /// What is wrong with one book.
    #[error("configuration: [book.{0}]: {1}")]
    Book(String, Box<ConfigError>),
}

impl Config {
    /// Reads `file` (if given), then the environment; `database` on the command line wins.
    ///
    /// # Errors
    /// When something cannot be read or cannot be meant, naming the key.
    pub fn load(file: Option<&Path>, database: Option<&str>) -> Result<Config, ConfigError> {
        Config::read(&Config::layers(file)?, database)
    }

    /// Defaults, file and environment, one over the other.
    fn layers(file: Option<&Path>) -> Result<Figment, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Config::default()));
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|e| ConfigError::File(path.to_owned(), e))?;
            figment = figment.merge(Toml::string(&text));
        }
        let ours = |key: &figment::value::UncasedStr| key.as_str().contains("__");
        Ok(figment.merge(Env::prefixed("COUNTERFOIL_").filter(ours).split("__")))
    }

    fn read(layers: &Figment, database: Option<&str>) -> Result<Config, ConfigError> {
        let figment = match database {
            Some(url) => layers.clone().merge(Serialized::default("database.url", url)),
            None => layers.clone(),
        };
        let config: Config = figment.extract().map_err(|e| ConfigError::Read(Box::new(e)))?;
        config.check()?;
        Ok(config.with_books())
    }

    /// Where links begin: `server.public_url`, or the listener's own address.
    pub fn public_url(&self) -> String {
        let scheme = if self.server.tls_cert.is_empty() { "http" } else { "https" };
        match self.server.public_url.trim_end_matches('/') {
            "" => format!("{scheme}://{}", self.server.listen),
            url => url.to_owned(),
        }
    }

    /// What a browser calls the place that pages come from: scheme, host and port of [`Self::public_url`].
    pub fn origin(&self) -> String {
        let url = self.public_url();
        let host = url.find("://").map_or(0, |at| at + 3);
        let end = url[host..].find('/').map_or(url.len(), |at| host + at);
        url[..end].to_owned()
    }

    /// Whether browsers reach us over TLS, which decides on `Secure` cookies.
    pub fn is_https(&self) -> bool {
        self.public_url().starts_with("https://")
    }
}
