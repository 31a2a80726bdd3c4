//! The server: pages for officers, an interface for programs, both behind one guard.
//!
//! Several books stand beside each other, each under its own prefix ([`book`]).
//! A request passes [`observe`] (log and metrics), [`headers`], compression, then the [`guard`] of
//! its route, then its handler. What may be asked stands in the one table of [`routes`].
//!
//! Invariants: no route without a policy; a `GET` changes nothing but the record of who looked;
//! bodies are bounded after decompression; neither log nor metric holds a path or a query; database
//! work and hashing never run on the event loop.
//!
//! Not here: what anything means (the rooms below), when jobs run (`jobs`).

mod acts;
pub mod api;
mod assets;
mod body;
mod book;
mod docs;
mod form;
mod guard;
mod headers;
mod numbers;
mod observe;
mod ops;
pub mod pages;
mod params;
mod patience;
pub mod peer;
pub mod problem;
mod reads;
pub mod routes;
mod server;
mod witness;

pub use api::openapi_json;
pub use assets::version as asset_version;
pub use server::{Listening, ServeError, serve, serve_until};
pub use witness::serve_witness;
