//! Stories: behaviour through the library, the program and the browser, on both databases.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod audit;
mod bank;
mod intake;
mod mail;
mod migrations;
mod support;
mod tidy;
