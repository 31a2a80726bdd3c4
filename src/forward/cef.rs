//! ArcSight Common Event Format, version 0.

use super::record::{Record, Severity};

/// The record as one line.
pub(super) fn line(record: &Record) -> String {
    let severity = match record.severity() {
        Severity::Informational => 1,
        Severity::Low => 3,
        Severity::Medium => 5,
        Severity::High => 8,
    };
    let header = format!("CEF:0|Counterfoil|Counterfoil|{}|{}|", env!("CARGO_PKG_VERSION"), in_header(&record.kind));
    let user = record.body["user"].as_i64().map(|user| format!(" suid={user}")).unwrap_or_default();
    format!(
        "{header}{}|{severity}|rt={} externalId={} cs1Label=leaf cs1={} cs2Label=log cs2={} cn1Label=checkpoint cn1={}{user} msg={}",
        in_header(&record.kind),
        record.recorded_at.0.div_euclid(1_000),
        record.seq,
        hex::encode(record.leaf),
        in_extension(&record.log),
        record.checkpoint,
        in_extension(&record.body.to_string()),
    )
}

/// In the header a bar ends a field.
fn in_header(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\r', '\n'], " ")
}

/// In the extension an equals sign ends a key.
fn in_extension(text: &str) -> String {
    text.replace('\\', "\\\\").replace('=', "\\=").replace('\r', "\\r").replace('\n', "\\n")
}
