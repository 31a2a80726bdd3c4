//! Stories: behaviour through the library, the program and the browser, on both databases.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access_table;
mod api;
mod audit;
mod bank;
mod bounds;
mod browser_story;
mod config;
mod crash;
mod durability;
mod heads;
mod import;
mod intake;
mod log;
mod mail;
mod migrations;
mod pages;
mod program;
mod reading;
mod site;
mod sources;
mod support;
mod tamper;
mod tidy;
mod verifier;
mod witness;
