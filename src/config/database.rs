//! Section `database`: where the log lives, and how it is reached.

use serde::{Deserialize, Serialize};

/// Section `database`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite:FILE` or `postgres://…`.
    pub url: String,
    /// Connections for reading.
    pub readers: u32,
    /// `split`: refuse a PostgreSQL whose writer may change what was appended. `auto`: refuse that only where
    /// the database belongs to the role that cannot log in.
    pub roles: Roles,
    /// `postgres://…` of a streaming replica that pages and the API read; empty: none.
    pub read_url: String,
    /// Seconds that the replica may lag behind before reads go to the primary.
    pub read_lag_seconds: u32,
    /// Seconds that this instance leaves a free lease to others before it leads itself; 0: it leads as soon as it can.
    pub lead_after_seconds: u32,
}

/// Whether PostgreSQL's roles must be split.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Roles {
    /// As the database is.
    #[default]
    Auto,
    /// They must be.
    Split,
}

impl Default for Database {
    fn default() -> Self {
        Database {
            url: "sqlite:counterfoil.db".into(),
            readers: 4,
            roles: Roles::Auto,
            read_url: String::new(),
            read_lag_seconds: 10,
            lead_after_seconds: 0,
        }
    }
}
