//! Mail: what a relay gets, and what becomes of the outbox, whatever the relay does.

mod content;
mod failures;
mod groups;
mod letters;
mod office;
mod relay;

use counterfoil::config;

use crate::support::smtp::Sink;

/// Settings of section `mail` for a sink, with its certificate authority and an impatient time-out.
fn settings(sink: &Sink) -> config::Mail {
    config::Mail {
        url: sink.url(),
        from: "Monitor <monitor@bank.example>".into(),
        ca_file: sink.ca().map(|path| path.display().to_string()).unwrap_or_default(),
        timeout_seconds: 1,
        ..config::Mail::default()
    }
}
