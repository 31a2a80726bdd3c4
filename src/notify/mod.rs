//! Mail that is owed, and its delivery.
//!
//! A mail is a row of the outbox, written in the transaction of what it reports; a worker delivers
//! it: retried with back-off, never lost, visible when dead. Nothing personal is in any mail.

pub mod store;
