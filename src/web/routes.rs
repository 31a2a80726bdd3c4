//! The one table of routes: method, path, who may, handler. What is not in it does not exist.
//!
//! The guard reads the policy of the matched entry before any handler runs; the access test walks
//! this table with every role, with nobody, and with keys of other sources.

use actix_web::Route;
use actix_web::http::Method;

use crate::access::{Permission, Scope};

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everyone, signed in or not.
    Anyone,
    /// A signed-in officer whose role has the permission.
    Officer(Permission),
    /// A sender's key with the scope.
    Key(Scope),
    /// Either of them.
    OfficerOrKey(Permission, Scope),
    /// Everyone if `anchor.public_tiles` is set, else either of them.
    AnyoneIfPublic(Permission, Scope),
}

impl Who {
    /// Whether an officer's session opens it.
    pub const fn by_session(self) -> bool {
        match self {
            Who::Anyone | Who::Key(_) => false,
            Who::Officer(_) | Who::OfficerOrKey(..) | Who::AnyoneIfPublic(..) => true,
        }
    }

    /// Whether a sender's key opens it.
    pub const fn by_key(self) -> bool {
        match self {
            Who::Anyone | Who::Officer(_) => false,
            Who::Key(_) | Who::OfficerOrKey(..) | Who::AnyoneIfPublic(..) => true,
        }
    }
}

/// One route.
pub struct Entry {
    /// `GET` or `POST`. A `GET` changes nothing.
    pub method: Method,
    /// The path with its parameters in braces, as actix matches it.
    pub path: &'static str,
    /// Who may.
    pub who: Who,
    /// The act that it is, by its stable name, when an officer's session brings it.
    pub act: Option<&'static str>,
    /// What a key reads by it, by its stable name.
    pub read: Option<&'static str>,
    /// Makes the handler's route, e.g. `|| web::get().to(show)`.
    pub handler: fn() -> Route,
}

impl Entry {
    /// A `GET`. One that keys may use does not compile: it is an [`Entry::read`].
    pub const fn get(path: &'static str, who: Who, handler: fn() -> Route) -> Entry {
        assert!(!who.by_key(), "a GET of keys is Entry::read(path, name, …): what a key reads is recorded");
        Entry { method: Method::GET, path, who, act: None, read: None, handler }
    }

    /// A `GET` that a key may use: the guard notes each, under `name`, with what its answer showed
    /// ([`super::reads`]).
    pub const fn read(path: &'static str, name: &'static str, who: Who, handler: fn() -> Route) -> Entry {
        assert!(who.by_key(), "a GET that no key may use is Entry::get(path, …)");
        Entry { method: Method::GET, path, who, act: None, read: Some(name), handler }
    }

    /// A `POST` of programs, or of whoever is not signed in. One of officers does not compile: it is
    /// an [`Entry::act`] or it only [`Entry::asks`].
    pub const fn post(path: &'static str, who: Who, handler: fn() -> Route) -> Entry {
        assert!(
            !who.by_session(),
            "a POST of officers is Entry::act(path, name, …), or Entry::asks(path, …) if it changes nothing"
        );
        Entry { method: Method::POST, path, who, act: None, read: None, handler }
    }

    /// A `POST` that an officer's session may bring and that changes something: the guard records it as
    /// attempted before the handler runs, and its outcome after. `name` is `noun.verb`.
    pub const fn act(path: &'static str, name: &'static str, who: Who, handler: fn() -> Route) -> Entry {
        Entry { method: Method::POST, path, who, act: Some(name), read: None, handler }
    }

    /// A `POST` of officers that changes nothing but the record of who asked, which its handler keeps.
    pub const fn asks(path: &'static str, who: Who, handler: fn() -> Route) -> Entry {
        Entry { method: Method::POST, path, who, act: None, read: None, handler }
    }

    /// Whether it answers programs (problem+json) rather than browsers.
    pub fn is_api(&self) -> bool {
        is_api(self.path)
    }
}

/// Whether a path is for programs: its errors are `problem+json`, and no session cookie is needed.
pub fn is_api(path: &str) -> bool {
    path.starts_with("/api/")
        || path.starts_with("/b/")
        || path.starts_with("/log/")
        || matches!(path, "/healthz" | "/readyz" | "/openapi.json")
        || path.starts_with("/assets/")
}

/// Every route: the pages', the API's, the rest.
pub static ROUTES: &[&[Entry]] = &[super::pages::ROUTES, super::api::ROUTES, super::ops::ROUTES];

/// Every route, one by one.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    ROUTES.iter().flat_map(|table| table.iter())
}
