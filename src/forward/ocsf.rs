//! Open Cybersecurity Schema Framework 1.3 (<https://schema.ocsf.io/1.3.0/>).
//!
//! What has a class of its own there gets it; everything else is a base event. What we know beyond
//! the class is under `unmapped`, the proof with it.

use serde_json::{Value, json};

use super::record::{Record, Severity};

/// The schema's version.
const VERSION: &str = "1.3.0";

/// A class with what was done: class, activity and whether it succeeded (0: not said).
struct Class {
    category: i64,
    class: i64,
    activity: i64,
    status: i64,
}

fn class_of(kind: &str) -> Class {
    let of = |category, class, activity, status| Class { category, class, activity, status };
    match kind {
        // Authentication: logon, logoff.
        "session.opened" => of(3, 3002, 1, 1),
        "session.refused" => of(3, 3002, 1, 2),
        "session.closed" => of(3, 3002, 2, 1),
        // Account change: create, disable, reset of the password.
        "user.added" => of(3, 3001, 1, 1),
        "user.disabled" => of(3, 3001, 5, 1),
        "user.reset" => of(3, 3001, 4, 1),
        // Entity management: create, update, delete.
        "key.issued" | "ruleset.defined" | "source.defined" => of(3, 3004, 1, 1),
        "log.key_rotated" => of(3, 3004, 3, 1),
        "key.revoked" => of(3, 3004, 4, 1),
        "customer.viewed" | "key.read" => of(3, 3004, 2, 1),
        // API activity: another one, refused.
        "access.denied" => of(6, 6003, 99, 2),
        // Detection finding: create, update, close.
        "alert.opened" => of(2, 2004, 1, 0),
        "alert.joined" => of(2, 2004, 2, 0),
        "alert.closed" => of(2, 2004, 3, 0),
        _ => of(0, 0, 99, 0),
    }
}

/// The record as an OCSF event.
pub(super) fn event(record: &Record) -> Value {
    let Class { category, class, activity, status } = class_of(&record.kind);
    let severity = match record.severity() {
        Severity::Informational => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
    };
    let mut event = json!({
        "category_uid": category,
        "class_uid": class,
        "activity_id": activity,
        "type_uid": class * 100 + activity,
        "severity_id": severity,
        "status_id": status,
        "time": record.recorded_at.0.div_euclid(1_000),
        "message": record.kind,
        "metadata": {
            "version": VERSION,
            "product": { "name": "Counterfoil", "vendor_name": "Counterfoil", "version": env!("CARGO_PKG_VERSION") },
            "uid": format!("{}/{}", record.log, record.seq),
            "sequence": record.seq,
            "log_name": record.log,
            "original_time": record.recorded_at.to_string(),
        },
        "unmapped": { "kind": record.kind, "body": record.body, "proof": record.proof() },
    });
    if let Some(fields) = event.as_object_mut() {
        fields.extend(of_class(record, class).into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    event
}

/// What the class demands.
fn of_class(record: &Record, class: i64) -> Vec<(&'static str, Value)> {
    let user = json!({ "uid": record.body["user"].as_i64().map_or_else(|| "unknown".to_owned(), |user| user.to_string()) });
    let actor = ("actor", json!({ "user": user }));
    match class {
        3001 | 3002 => vec![("user", user)],
        3004 => vec![("entity", json!({ "type": record.kind.split('.').next(), "uid": record.seq.to_string() })), actor],
        6003 => {
            let route = record.body["route"].as_str().unwrap_or("unknown");
            vec![("api", json!({ "operation": route })), ("src_endpoint", json!({ "name": "unknown" })), actor]
        }
        2004 => {
            let uid = record.body["reference"].as_str().map_or_else(|| record.seq.to_string(), str::to_owned);
            let title = record.body["rule"].as_str().unwrap_or("alert");
            vec![("finding_info", json!({ "uid": uid, "title": title }))]
        }
        _ => match record.body["user"].as_i64() {
            Some(_) => vec![actor],
            None => Vec::new(),
        },
    }
}
