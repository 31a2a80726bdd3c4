//! Counterfoil: every balance change in a trail that outsiders can verify.
//!
//! The rooms, in the order in which imports may go (only down this list):
//! see `ARCHITECTURE.md` for the map.

pub mod cli;

pub mod web;

pub mod jobs;

pub mod capture;

pub mod app;

pub mod import;

pub mod export;

pub mod audit;

pub mod intake;

pub mod reports;

pub mod privacy;

pub mod alerts;
pub mod forward;
pub mod records;
pub mod witness;

pub mod notify;

pub mod detect;
pub mod ledger;

pub mod approvals;

pub mod access;

pub mod trail;

pub mod db;

pub mod clock;
pub mod config;
pub mod ids;
pub mod money;
