//! Who may come in: officers with roles and sessions, and the keys of senders.
//!
//! The [`Door`] is what stands at every request: it signs officers in and out, finds their
//! sessions, knows keys, and records who was refused. Users and keys are made by commands
//! ([`users`], [`keys`]); an officer on the command line proves themselves each time ([`prove`]).
//!
//! Invariants: no password, token or secret is stored, only what recognises it; the log commits to
//! each of these digests, so that one replaced in the database is seen; a refusal says the same
//! whatever its reason, and takes as long for an account that exists as for one that does not; what
//! is tried from one place makes nobody wait elsewhere ([`throttle`]); disabling a user or revoking a key acts within a second;
//! a refusal that cannot be recorded is an error (it fails closed), and a flood of them is counted,
//! not listed; what keys read is noted and written once a minute ([`reads`]).
//!
//! Not here: which route asks for which permission, cookies and headers (`web`).

mod door;
mod flood;
mod key_cache;
pub mod keys;
mod passwords;
mod proving;
pub mod reads;
mod roles;
mod scopes;
pub mod searches;
pub mod sessions;
mod sign_in;
pub mod store;
mod throttle;
pub mod users;

pub use door::{Door, Who};
pub use keys::ApiKey;
pub use proving::{Unproven, prove};
pub use roles::{Permission, Role};
pub use scopes::{Scope, Scopes};
pub use sessions::Session;
pub use sign_in::{Origin, SignIn, SignInError};
pub use users::User;

/// 32 random bytes or a digest as URL-safe text without padding.
fn base64url(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// SHA-256: for tokens and secrets of 256 random bits, which need no slow hash.
fn digest(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}
